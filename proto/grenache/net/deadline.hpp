// A deadline that is moved for every request and rarely reached.
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/steady_timer.hpp>

#include <grenache/net/asio.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::net {

/// Calls `expired` once when the deadline passes. Extending is one store; the running timer re-checks when it
/// fires. `expired` is not called after the destructor.
class Deadline {
 public:
  Deadline(Executor const& executor, std::function<void()> expired)
      : state_{std::make_shared<State>(executor, std::move(expired))} {}
  ~Deadline() {
    state_->expired = nullptr;
    state_->timer.cancel();
  }
  Deadline(Deadline const&) = delete;
  Deadline& operator=(Deadline const&) = delete;

  void set(TimePoint deadline) {
    state_->deadline = deadline;
    if (deadline < state_->armed_for) arm(state_);
  }
  void clear() { state_->deadline = TimePoint::max(); }

 private:
  struct State {
    State(Executor const& executor, std::function<void()> e) : timer{executor}, expired{std::move(e)} {}
    asio::steady_timer timer;
    std::function<void()> expired;
    TimePoint deadline = TimePoint::max();
    TimePoint armed_for = TimePoint::max();  // max(): the timer is not running
  };

  static void arm(std::shared_ptr<State> const& state) {
    state->armed_for = state->deadline;
    state->timer.expires_at(to_steady(state->deadline));
    state->timer.async_wait([state](boost::system::error_code error) {
      if (error || !state->expired) return;
      state->armed_for = TimePoint::max();
      if (state->deadline == TimePoint::max()) return;
      if (steady_now() < state->deadline) return arm(state);
      state->deadline = TimePoint::max();
      auto const expired = state->expired;  // a copy, since the call may destroy this object
      expired();
    });
  }

  std::shared_ptr<State> state_;
};

}  // namespace grenache::net
