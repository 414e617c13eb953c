// Owner of coroutines: nothing runs that nobody waits for.
#pragma once

#include <cstdint>
#include <memory>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>

#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::net {

/// The coroutines of one server or runner, so that it can end them all and wait until they have ended.
///
/// To stop: close what they read from or cancel(total), `co_await drained(limit)`, and for those still there
/// cancel(terminal). In a task `throw_if_cancelled` is off: a cancelled operation comes back as
/// operation_aborted and the task decides. `terminal` reaches every task, `total` those that asked for it
/// with reset_cancellation_state.
///
/// Cancellation is not sticky: it reaches the operation a task is waiting for at that moment, and operations
/// that cannot be cancelled (name resolution) ignore it. So a task that loops must end when stopping() is
/// true, after each co_await.
///
/// One thread: every call is made on the thread that runs the executor, cancel() from inside of it (Boost
/// 1.81 keeps a raw pointer to a signal that is emitted from elsewhere). The group may go before its tasks.
class TaskGroup {
 public:
  explicit TaskGroup(Executor const& executor);
  ~TaskGroup();
  TaskGroup(TaskGroup const&) = delete;
  TaskGroup& operator=(TaskGroup const&) = delete;

  /// Starts `task` soon. An exception that leaves it leaves io_context::run() too: whatever the task was
  /// there for would be missing from now on, so its owner has to know, and as a rule the process ends.
  void spawn(Awaitable<void> task);
  /// The same for a task that nothing else depends on, such as one of many connections: an exception that
  /// leaves it ends the task alone, and is counted in failure_count().
  void spawn_isolated(Awaitable<void> task);

  /// Cancels one task alone. For the task itself and for what it owns: not valid once the task has ended.
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

  /// Reaches all tasks; sets stopping() for good.
  void cancel(asio::cancellation_type type);
  /// True from the first cancel() on.
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
