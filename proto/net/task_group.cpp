#include "proto/net/task_group.hpp"

#include <exception>
#include <list>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include "proto/net/async_event.hpp"
#include "proto/net/steady_clock.hpp"

namespace grenache::net {

struct TaskGroup::State {
  explicit State(Executor const& e) : executor{e}, emptied{e} {}

  Executor executor;
  AsyncEvent emptied;
  std::list<asio::cancellation_signal> signals;  // one for each task
  std::uint64_t failure_count = 0;
};

TaskGroup::TaskGroup(Executor const& executor) : state_{std::make_shared<State>(executor)} {}
TaskGroup::~TaskGroup() = default;

Awaitable<void> TaskGroup::run(Awaitable<void> task) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await std::move(task);
}

void TaskGroup::spawn(Awaitable<void> task) {
  auto const signal = state_->signals.emplace(state_->signals.end());
  auto ended = [state = state_, signal](std::exception_ptr const& failure) {
    state->signals.erase(signal);
    if (failure) ++state->failure_count;
    if (state->signals.empty()) state->emptied.notify_all();
  };
  asio::co_spawn(state_->executor, run(std::move(task)),
                 asio::bind_cancellation_slot(signal->slot(), std::move(ended)));
}

void TaskGroup::cancel(asio::cancellation_type type) {
  for (auto signal = state_->signals.begin(); signal != state_->signals.end();) {
    (signal++)->emit(type);
  }
}

Awaitable<bool> TaskGroup::drained(Duration limit) { return wait_drained(state_, limit); }

Awaitable<bool> TaskGroup::wait_drained(std::shared_ptr<State> state, Duration limit) {
  TimePoint const deadline = steady_now() + limit;
  while (!state->signals.empty()) {
    Wake const wake = co_await state->emptied.wait(deadline);
    if (wake != Wake::notified) break;
  }
  co_return state->signals.empty();
}

std::size_t TaskGroup::size() const { return state_->signals.size(); }
std::uint64_t TaskGroup::failure_count() const { return state_->failure_count; }

}  // namespace grenache::net
