// Rethrows the exception of a coroutine that nothing waits for.
#pragma once

#include <exception>

namespace grenache::net {

/// Completion token of co_spawn for a coroutine that nothing waits for: its exception leaves
/// io_context::run(). asio::detached would swallow it.
struct Rethrow {
  void operator()(std::exception_ptr const& thrown) const {
    if (thrown) std::rethrow_exception(thrown);
  }
};
inline constexpr Rethrow kRethrow;

}  // namespace grenache::net
