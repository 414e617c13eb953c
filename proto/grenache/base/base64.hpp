// Base64 text (RFC 4648, section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace grenache {

/// Encodes `bytes`, with padding.
[[nodiscard]] std::string to_base64(std::string_view bytes);

/// Decodes what to_base64() returns; nothing for any other text: a length that is no multiple of 4, another
/// character, padding elsewhere than at the end, or bits behind the last byte that are not 0.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace grenache
