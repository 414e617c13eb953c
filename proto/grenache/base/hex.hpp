// Hexadecimal text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace grenache {

/// Encodes `bytes` in lower-case hex digits.
[[nodiscard]] std::string to_hex(std::string_view bytes);

/// Decodes hex digits of either case; nothing when the length is odd or a character is not a hex digit.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view text);

}  // namespace grenache
