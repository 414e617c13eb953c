// A reservation store in memory.
#pragma once

#include <functional>
#include <utility>

#include "exchange/core/trade/reservation_table.hpp"
#include "exchange/reservation/reservation_store.hpp"

namespace grenache::exchange {

/// A ReservationStore on a ReservationTable, for a maker that runs as a single process. It begins empty: the
/// process sends Recover with what its journal has.
class EmbeddedReservations final : public ReservationStore {
 public:
  /// The store's dependencies: two clocks, and a function that runs a callback later on the store's thread.
  struct Environment {
    std::function<TimePoint()> now;
    std::function<WallTime()> wall_now;
    std::function<void(std::function<void()>)> post;
  };

  explicit EmbeddedReservations(Environment environment) : environment_{std::move(environment)} {}

  void execute(store::Command command, Done done) override;

 private:
  Environment environment_;
  ReservationTable table_;
};

}  // namespace grenache::exchange
