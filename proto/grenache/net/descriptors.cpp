#include "grenache/net/descriptors.hpp"

#include <algorithm>
#include <limits>

#include <sys/resource.h>

namespace grenache::net {

namespace {

constexpr rlim_t kWanted = 8192;

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, kWanted));
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t connection_count_allowed() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::numeric_limits<std::size_t>::max();
  }
  return connection_count_allowed(limit.rlim_cur);
}

std::size_t connection_count_allowed(std::size_t descriptor_count_max) {
  std::size_t const reserved = std::clamp<std::size_t>(descriptor_count_max / 4, 16, 128);
  return descriptor_count_max > reserved ? descriptor_count_max - reserved : 1;
}

}  // namespace grenache::net
