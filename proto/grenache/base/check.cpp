#include "grenache/base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace grenache {

void check_failed(char const* expression, char const* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expression);
  std::abort();
}

}  // namespace grenache
