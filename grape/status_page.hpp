// Renders the status of a grape as an HTML page.
#pragma once

#include <string>
#include <string_view>

#include "grape/status.hpp"

namespace grenache::grape {

/// Returns a self-contained HTML page, without scripts or external resources. It reloads itself every few
/// seconds.
[[nodiscard]] std::string status_page(Status const& status);

/// Returns `text` with the special characters of HTML escaped; for text and quoted attributes.
[[nodiscard]] std::string escape_html(std::string_view text);

}  // namespace grenache::grape
