// Headers of an HTTP message, in order.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace grenache::net {

/// Names and values. None may contain a line break or NUL, and names neither spaces nor colons: a request
/// with such a header fails with HttpClientErrc::invalid_request, and instead of such a reply 500 is sent.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

}  // namespace grenache::net
