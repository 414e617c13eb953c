// Runs system calls that may block without limit.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <grenache/net/asio.hpp>

namespace grenache::net {

/// Runs blocking calls (name resolution, writes to a disk), each on a new thread, and delivers their results
/// on the thread of the executor.
///
/// The threads are detached: the destructor returns at once and drops the results of calls that still run, so
/// a call must own everything that it uses. The caller bounds how many run at a time. Not thread-safe: call
/// run() and the destructor on the executor's thread, or while nothing runs the executor.
class DetachedCalls {
 public:
  explicit DetachedCalls(Executor const& executor);
  ~DetachedCalls();
  DetachedCalls(DetachedCalls const&) = delete;
  DetachedCalls& operator=(DetachedCalls const&) = delete;

  /// Runs `call()` on a new thread, then `done(result)` on the executor. `call` must not throw; both are
  /// copied. Returns false when the system cannot start a thread; then neither is called.
  template <class Call, class Done>
  [[nodiscard]] bool run(Call call, Done done) {
    return start([state = state_, call = std::move(call), done = std::move(done)]() mutable {
      auto result = call();
      post(state, [done, result = std::move(result)] { done(result); });
    });
  }

 private:
  struct State;
  static bool start(std::function<void()> thread);
  static void post(std::shared_ptr<State> const& state, std::function<void()> completion);

  std::shared_ptr<State> state_;
};

}  // namespace grenache::net
