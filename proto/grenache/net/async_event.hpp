// An event that coroutines wait for, with an optional deadline.
#pragma once

#include <list>
#include <memory>

#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::net {

enum class Wake { notified, timed_out, cancelled };

/// Wakes coroutines that wait for a condition. Stateless, like a condition variable: check the condition
/// before waiting, and again after each wake.
///
///     while (!done) {
///       Wake const wake = co_await event.wait();
///       if (wake == Wake::cancelled) co_return;
///     }
///
/// Not thread-safe. The event may be destroyed before its waiters, which then wait until their deadline or
/// cancellation.
class AsyncEvent {
 public:
  explicit AsyncEvent(Executor executor);
  ~AsyncEvent();
  AsyncEvent(AsyncEvent const&) = delete;
  AsyncEvent& operator=(AsyncEvent const&) = delete;

  /// Completes at the next notification, at the deadline, or when the coroutine is cancelled.
  [[nodiscard]] Awaitable<Wake> wait(TimePoint deadline = TimePoint::max());

  void notify_all();
  /// Wakes the longest-waiting coroutine.
  void notify_one();

  [[nodiscard]] std::size_t waiter_count() const;

 private:
  struct Waiter;
  using Waiters = std::list<Waiter*>;
  static Awaitable<Wake> wait_in(Executor executor, std::shared_ptr<Waiters> waiters, TimePoint deadline);

  Executor executor_;
  std::shared_ptr<Waiters> waiters_;
};

}  // namespace grenache::net
