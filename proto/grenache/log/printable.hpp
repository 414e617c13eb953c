// Received text, made safe to show to people.
#pragma once

#include <string>
#include <string_view>

namespace grenache {

/// Returns `text` with `?` in place of every character that can control a terminal, or that changes what the
/// text around it looks like: C0 and C1 controls, DEL, line separators, bidirectional marks and invisible
/// characters. Each byte that is not part of a valid UTF-8 character becomes U+FFFD.
[[nodiscard]] std::string printable(std::string_view text);

/// Returns `text` with the same characters, except the C0 controls, as escapes of JSON strings (\u009b). For
/// text whose C0 controls are escaped already or meant as they are.
[[nodiscard]] std::string escape_invisible(std::string_view text);

}  // namespace grenache
