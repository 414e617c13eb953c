// A deadline that is moved for every request and seldom reached.
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/steady_timer.hpp>

#include <grenache/net/asio.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::net {

/// Calls `expired` once when the deadline passes. Moving it later costs a store: the timer runs on and looks
/// again when it fires. Nothing is called after this object has gone.
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
    TimePoint armed_for = TimePoint::max();  // max(): the timer does not run
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
      auto const expired = state->expired;  // it may destroy this deadline, and with it the function
      expired();
    });
  }

  std::shared_ptr<State> state_;
};

}  // namespace grenache::net
