// The interface of reservation stores, which reserve parts of a maker's orders for takers.
#pragma once

#include <functional>

#include "exchange/core/trade/reservation.hpp"

namespace grenache::exchange {

/// Executes commands for one maker, in the order of the calls. Not thread-safe.
class ReservationStore {
 public:
  using Done = std::function<void(store::Answer)>;

  ReservationStore() = default;
  ReservationStore(ReservationStore const&) = delete;
  ReservationStore& operator=(ReservationStore const&) = delete;
  virtual ~ReservationStore() = default;

  /// `done` runs exactly once, on the thread of the store and never inside this call; with `unavailable` when
  /// the store was stopped or has no definite answer.
  virtual void execute(store::Command command, Done done) = 0;
};

}  // namespace grenache::exchange
