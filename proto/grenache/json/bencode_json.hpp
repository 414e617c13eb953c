// Values between JSON and bencoding, as Node's `bencode` maps them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <grenache/json/json.hpp>

namespace grenache::json {

/// The canonical bencoding of `value`. Strings and keys go as UTF-8, booleans as 0 and 1; null inside arrays
/// and objects is left out. Nothing for what has no bencoding: null itself, and numbers that are no integers
/// of 64 bits (Node cuts those).
[[nodiscard]] std::optional<std::string> to_bencode(Value const& value);

/// The JSON of a bencoded value. Bytes that are no UTF-8 become U+FFFD, as in JavaScript; then to_bencode()
/// of the result is another value. Nothing for bytes that are not bencoding, or nested deeper than a datagram
/// may.
[[nodiscard]] std::optional<Value> from_bencode(std::string_view bencoded);

/// `bytes` with each byte that belongs to no UTF-8 character replaced by U+FFFD.
[[nodiscard]] std::string to_utf8(std::string_view bytes);

}  // namespace grenache::json
