// The headers of an HTTP message, in order.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace grenache::net {

/// Names and values. They must not contain line breaks or NUL, and names no spaces or colons: a request with
/// an invalid header fails with HttpClientErrc::invalid_request, and a reply with one is replaced by status
/// 500.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

}  // namespace grenache::net
