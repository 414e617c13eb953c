#include "grenache/net/async_event.hpp"

#include <boost/asio/steady_timer.hpp>

#include <grenache/net/steady_clock.hpp>

namespace grenache::net {

struct AsyncEvent::Waiter {
  Waiter(Executor const& executor, std::shared_ptr<Waiters> list)
      : timer{executor}, waiters{std::move(list)} {
    place = waiters->insert(waiters->end(), this);
  }
  ~Waiter() {
    if (!notified) waiters->erase(place);
  }
  Waiter(Waiter const&) = delete;
  Waiter& operator=(Waiter const&) = delete;

  asio::steady_timer timer;
  std::shared_ptr<Waiters> waiters;
  Waiters::iterator place;
  bool notified = false;
};

AsyncEvent::AsyncEvent(Executor executor)
    : executor_{std::move(executor)}, waiters_{std::make_shared<Waiters>()} {}

AsyncEvent::~AsyncEvent() = default;

Awaitable<Wake> AsyncEvent::wait(TimePoint deadline) { return wait_in(executor_, waiters_, deadline); }

Awaitable<Wake> AsyncEvent::wait_in(Executor executor, std::shared_ptr<Waiters> waiters, TimePoint deadline) {
  Waiter waiter{executor, std::move(waiters)};
  waiter.timer.expires_at(to_steady(deadline));
  auto const [error] = co_await waiter.timer.async_wait(kTuple);
  if (waiter.notified) co_return Wake::notified;
  co_return error ? Wake::cancelled : Wake::timed_out;
}

void AsyncEvent::notify_all() {
  while (!waiters_->empty()) notify_one();
}

void AsyncEvent::notify_one() {
  if (waiters_->empty()) return;
  Waiter* const waiter = waiters_->front();
  waiters_->pop_front();
  waiter->notified = true;
  waiter->timer.cancel();
}

std::size_t AsyncEvent::waiter_count() const { return waiters_->size(); }

}  // namespace grenache::net
