// The time limit of test waits.
#pragma once

#include <chrono>
#include <cstdlib>

namespace grenache::test {

/// Limit for one condition: ends a hanging test, and is far longer than any wait on a slow machine. Do not
/// assert on it. Set by GRENACHE_TEST_LIMIT_S in the environment.
inline std::chrono::seconds limit() {
  char const* const text = std::getenv("GRENACHE_TEST_LIMIT_S");
  return std::chrono::seconds{text == nullptr ? 120 : std::atoi(text)};
}

}  // namespace grenache::test
