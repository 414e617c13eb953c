#include "grenache/net/termination_signals.hpp"

#include <csignal>
#include <utility>

#include <boost/asio/signal_set.hpp>

#include <grenache/net/async_event.hpp>

namespace grenache::net {

/// Shared with a queued handler, which may run after the object was destroyed.
struct TerminationSignals::State {
  explicit State(Executor const& executor) : set{executor, SIGINT, SIGTERM}, arrived{executor} {}

  asio::signal_set set;
  AsyncEvent arrived;
  unsigned count = 0;
  bool ended = false;
  std::function<void()> callback;
};

TerminationSignals::TerminationSignals(Executor const& executor) : state_{std::make_shared<State>(executor)} {
  wait(state_);
}

TerminationSignals::~TerminationSignals() {
  state_->ended = true;
  state_->set.clear();
  state_->set.cancel();
}

unsigned TerminationSignals::count() const { return state_->count; }

Awaitable<void> TerminationSignals::received(unsigned count) { return received(state_, count); }

void TerminationSignals::on_signal(std::function<void()> callback) { state_->callback = std::move(callback); }

void TerminationSignals::wait(std::shared_ptr<State> const& state) {
  state->set.async_wait([state](boost::system::error_code error, int) {
    if (error || state->ended) return;
    wait(state);
    ++state->count;
    state->arrived.notify_all();
    if (auto const callback = state->callback) callback();
  });
}

Awaitable<void> TerminationSignals::received(std::shared_ptr<State> state, unsigned count) {
  while (state->count < count) {
    Wake const wake = co_await state->arrived.wait();
    if (wake == Wake::cancelled) co_return;
  }
}

}  // namespace grenache::net
