// Owns spawned coroutines, so that they can be cancelled and awaited together.
#pragma once

#include <cstdint>
#include <memory>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>

#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::net {

/// The coroutines of one owner, which can cancel them all and wait until they have ended.
///
/// To stop: close their sockets or cancel(total), `co_await drained(limit)`, then cancel(terminal) for the
/// remaining ones. In a task `throw_if_cancelled` is off: a cancelled operation returns operation_aborted and
/// the task decides. `terminal` reaches every task, `total` only those that enabled it with
/// reset_cancellation_state.
///
/// Cancellation is not sticky: it affects only the operation that a task currently waits for, and operations
/// that cannot be cancelled (name resolution) ignore it. So a looping task must check stopping() after each
/// co_await.
///
/// Not thread-safe: use it on the thread that runs the executor; call cancel() only from inside a handler
/// (Boost 1.81 keeps a raw pointer to a signal that is emitted from elsewhere). The group may be destroyed
/// before its tasks.
class TaskGroup {
 public:
  explicit TaskGroup(Executor const& executor);
  ~TaskGroup();
  TaskGroup(TaskGroup const&) = delete;
  TaskGroup& operator=(TaskGroup const&) = delete;

  /// Spawns `task`. An exception that escapes it propagates out of io_context::run(), because the program
  /// depends on the task; usually that ends the process.
  void spawn(Awaitable<void> task);
  /// Spawns a task that nothing else depends on, such as one of many connections: an exception ends only this
  /// task, and is counted in failure_count().
  void spawn_isolated(Awaitable<void> task);

  /// Cancels a single task. For use by the task and objects that it owns: invalid once the task has ended.
  class Handle {
   public:
    void cancel(asio::cancellation_type type) const {
      if (signal_) signal_->emit(type);
    }

   private:
    friend class TaskGroup;
    asio::cancellation_signal* signal_ = nullptr;
  };
  /// Sets `handle`, which the task may own, before the task starts.
  void spawn_isolated(Awaitable<void> task, Handle& handle);

  /// Cancels all tasks and sets stopping() permanently.
  void cancel(asio::cancellation_type type);
  /// True after the first cancel().
  [[nodiscard]] bool stopping() const;

  /// Completes with true when no task is left, with false after `limit`.
  [[nodiscard]] Awaitable<bool> drained(Duration limit);

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::uint64_t failure_count() const;

 private:
  struct State;
  enum class OnException { leaves_run, is_counted };

  void start(Awaitable<void> task, OnException on_exception, Handle* handle = nullptr);
  static Awaitable<void> run(Awaitable<void> task);
  static Awaitable<bool> wait_drained(std::shared_ptr<State> state, Duration limit);

  std::shared_ptr<State> state_;
};

}  // namespace grenache::net
