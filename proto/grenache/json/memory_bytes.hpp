// The memory that parsed JSON takes.
#pragma once

#include <cstddef>

#include <grenache/json/json.hpp>

namespace grenache::json {

/// Upper bound of the memory of a parsed value per byte of its text, except for its root: `1,` in an array
/// takes two bytes of text and one Value, in a vector that may be half empty.
inline constexpr std::size_t kMemoryPerTextByte = sizeof(Value);

/// Returns the heap memory of `value`: items, members and long strings, with the overhead of each allocation.
/// Linear in the number of values.
[[nodiscard]] std::size_t memory_bytes(Value const& value);

}  // namespace grenache::json
