// How long a test waits before it gives up.
#pragma once

#include <chrono>
#include <cstdlib>

namespace grenache::test {

/// For one condition: ends a test that hangs, and is far beyond any wait of a slow machine. Not to be
/// asserted on. GRENACHE_TEST_LIMIT_S in the environment changes it.
inline std::chrono::seconds limit() {
  char const* const text = std::getenv("GRENACHE_TEST_LIMIT_S");
  return std::chrono::seconds{text == nullptr ? 120 : std::atoi(text)};
}

}  // namespace grenache::test
