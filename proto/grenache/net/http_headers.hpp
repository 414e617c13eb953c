// Headers of an HTTP message, in order.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace grenache::net {

/// Names and values. A reply with a line break or NUL in one, or with a name that is none, is answered 500
/// instead.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

}  // namespace grenache::net
