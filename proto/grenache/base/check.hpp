// GRN_CHECK: an assertion that is active in every build type.
#pragma once

namespace grenache {

/// Prints `file:line: check failed: expression` on stderr and aborts.
[[noreturn]] void check_failed(char const* expression, char const* file, int line) noexcept;

}  // namespace grenache

/// Aborts when `expression` is false, in every build type. Use it for internal invariants only: no input from
/// the network may make it fail.
#define GRN_CHECK(expression) \
  (static_cast<bool>(expression) ? void(0) : ::grenache::check_failed(#expression, __FILE__, __LINE__))
