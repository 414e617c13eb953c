// Headers of an HTTP message, in order.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace grenache::net {

/// Names and values. Must be valid header text: nothing checks them again when they are sent.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

}  // namespace grenache::net
