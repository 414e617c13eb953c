// The status of a grape for people.
#pragma once

#include <string>
#include <string_view>

#include "grape/status.hpp"

namespace grenache::grape {

/// One HTML page, complete in itself: no script, no image, nothing to fetch. It loads itself again every few
/// seconds.
[[nodiscard]] std::string status_page(Status const& status);

/// `text` with the characters that mean something in HTML written as entities; for text and quoted
/// attributes.
[[nodiscard]] std::string escape_html(std::string_view text);

}  // namespace grenache::grape
