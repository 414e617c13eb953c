// Converts values between JSON and bencoding, as the Node.js module `bencode` does.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <grenache/json/json.hpp>

namespace grenache::json {

/// Returns the canonical bencoding of `value`. Strings and keys are encoded as UTF-8, booleans as 0 and 1;
/// null in arrays and objects is omitted. Returns nothing for values without a bencoding: null itself, and
/// numbers that are not 64-bit integers (Node.js truncates those).
[[nodiscard]] std::optional<std::string> to_bencode(Value const& value);

/// Returns the JSON of a bencoded value. Invalid UTF-8 becomes U+FFFD, as in JavaScript; then to_bencode() of
/// the result is a different value. Returns nothing for bytes that are not bencoding, or nested deeper than
/// the limit of a datagram.
[[nodiscard]] std::optional<Value> from_bencode(std::string_view bencoded);

/// Returns `bytes` with each byte that is not part of a valid UTF-8 character replaced by U+FFFD.
[[nodiscard]] std::string to_utf8(std::string_view bytes);

}  // namespace grenache::json
