#include "grenache/net/task_group.hpp"

#include <exception>
#include <list>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::net {

struct TaskGroup::State {
  explicit State(Executor const& e) : executor{e}, emptied{e} {}

  Executor executor;
  AsyncEvent emptied;
  std::list<asio::cancellation_signal> signals;  // one per task
  std::uint64_t failure_count = 0;
  bool stopping = false;
};

TaskGroup::TaskGroup(Executor const& executor) : state_{std::make_shared<State>(executor)} {}
TaskGroup::~TaskGroup() = default;

Awaitable<void> TaskGroup::run(Awaitable<void> task) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await std::move(task);
}

void TaskGroup::spawn(Awaitable<void> task) { start(std::move(task), OnException::leaves_run); }
void TaskGroup::spawn_isolated(Awaitable<void> task) { start(std::move(task), OnException::is_counted); }
void TaskGroup::spawn_isolated(Awaitable<void> task, Handle& handle) {
  start(std::move(task), OnException::is_counted, &handle);
}

void TaskGroup::start(Awaitable<void> task, OnException on_exception, Handle* handle) {
  auto const signal = state_->signals.emplace(state_->signals.end());
  if (handle) handle->signal_ = &*signal;
  auto ended = [state = state_, signal, on_exception](std::exception_ptr const& failure) {
    state->signals.erase(signal);
    if (state->signals.empty()) state->emptied.notify_all();
    if (!failure) return;
    ++state->failure_count;
    if (on_exception == OnException::leaves_run) std::rethrow_exception(failure);
  };
  try {
    asio::co_spawn(state_->executor, run(std::move(task)),
                   asio::bind_cancellation_slot(signal->slot(), std::move(ended)));
  } catch (...) {
    state_->signals.erase(signal);
    throw;
  }
}

void TaskGroup::cancel(asio::cancellation_type type) {
  state_->stopping = true;
  for (auto signal = state_->signals.begin(); signal != state_->signals.end();) {
    (signal++)->emit(type);
  }
}

Awaitable<bool> TaskGroup::drained(Duration limit) { return wait_drained(state_, limit); }

Awaitable<bool> TaskGroup::wait_drained(std::shared_ptr<State> state, Duration limit) {
  TimePoint const deadline = steady_deadline(limit);
  while (!state->signals.empty()) {
    Wake const wake = co_await state->emptied.wait(deadline);
    if (wake != Wake::notified) break;
  }
  co_return state->signals.empty();
}

bool TaskGroup::stopping() const { return state_->stopping; }
std::size_t TaskGroup::size() const { return state_->signals.size(); }
std::uint64_t TaskGroup::failure_count() const { return state_->failure_count; }

}  // namespace grenache::net
