// Blocking calls of the operating system that may take for ever.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <grenache/net/asio.hpp>

namespace grenache::grape {

/// Runs blocking calls (name resolution, writes to a disk), each on a thread of its own, and hands their
/// results to the thread of the executor.
///
/// Nobody joins these threads: destroying this object drops the results of the calls that still run, and
/// returns at once. So a call must own everything that it uses. The caller bounds how many run at a time.
/// One thread: run() and the destructor on the executor's thread, or while nothing runs the executor.
class DetachedCalls {
 public:
  explicit DetachedCalls(net::Executor const& executor);
  ~DetachedCalls();
  DetachedCalls(DetachedCalls const&) = delete;
  DetachedCalls& operator=(DetachedCalls const&) = delete;

  /// Starts `call()`, later `done(result of call)`. `call` must not throw; both are copied. False when the
  /// system has no thread to give; then neither is called.
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

}  // namespace grenache::grape
