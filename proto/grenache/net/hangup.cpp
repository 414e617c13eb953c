#include "grenache/net/hangup.hpp"

#include <csignal>

namespace grenache::net {

void survive_hangup() {
  auto const former = std::signal(SIGHUP, [](int) {});
  if (former != SIG_DFL) std::signal(SIGHUP, former);
}

}  // namespace grenache::net
