// GRN_CHECK: invariants that hold in every build.
#pragma once

namespace grenache {

/// Prints `file:line: check failed: expression` on stderr and aborts.
[[noreturn]] void check_failed(char const* expression, char const* file, int line) noexcept;

}  // namespace grenache

/// Aborts when `expression` is false, in every build type. For broken invariants only: nothing that arrives
/// from a network may reach a false one.
#define GRN_CHECK(expression) \
  (static_cast<bool>(expression) ? void(0) : ::grenache::check_failed(#expression, __FILE__, __LINE__))
