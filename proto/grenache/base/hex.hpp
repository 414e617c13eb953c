// Hexadecimal text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace grenache {

/// Lower-case hex digits of `bytes`, two each.
[[nodiscard]] std::string to_hex(std::string_view bytes);

/// The bytes that `text` spells in either case; nothing when its length is odd or a character is no hex
/// digit.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view text);

}  // namespace grenache
