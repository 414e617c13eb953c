// Owner of coroutines: nothing runs that nobody waits for.
#pragma once

#include <cstdint>
#include <memory>

#include <boost/asio/cancellation_type.hpp>

#include "proto/base/time.hpp"
#include "proto/net/asio.hpp"

namespace grenache::net {

/// The coroutines of one server or runner, so that it can end them all and wait until they have ended.
///
/// To stop: close what they read from or cancel(total), `co_await drained(limit)`, and for those still there
/// cancel(terminal). In a task `throw_if_cancelled` is off: a cancelled operation comes back as
/// operation_aborted and the task decides. `terminal` reaches every task, `total` those that asked for it
/// with reset_cancellation_state.
///
/// One thread: every call is made on the thread that runs the executor, cancel() from inside of it (Boost
/// 1.81 keeps a raw pointer to a signal that is emitted from elsewhere). The group may go before its tasks.
class TaskGroup {
 public:
  explicit TaskGroup(Executor const& executor);
  ~TaskGroup();
  TaskGroup(TaskGroup const&) = delete;
  TaskGroup& operator=(TaskGroup const&) = delete;

  /// Starts `task` soon. A task that ends with an exception is counted in failure_count(), and the exception
  /// goes no further.
  void spawn(Awaitable<void> task);

  void cancel(asio::cancellation_type type);

  /// Completes with true when no task is left, with false after `limit`.
  [[nodiscard]] Awaitable<bool> drained(Duration limit);

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::uint64_t failure_count() const;

 private:
  struct State;
  static Awaitable<void> run(Awaitable<void> task);
  static Awaitable<bool> wait_drained(std::shared_ptr<State> state, Duration limit);

  std::shared_ptr<State> state_;
};

}  // namespace grenache::net
