// A reservation store in memory.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "exchange/reservation/reservation_store.hpp"

namespace grenache::exchange {

/// The reservation rules, as a pure state machine: the caller passes the time.
///
/// Invariant: the live reservations of an order never exceed the `available_sat` of the newest request.
/// Memory is bounded by `reservation_count_max` entries.
class ReservationTable {
 public:
  struct Options {
    std::size_t reservation_count_max = 100'000;  // over all orders; one costs about 300 bytes
  };

  explicit ReservationTable(Options options) : options_{options} {}
  ReservationTable() : ReservationTable{Options{}} {}

  /// `wall` is recorded as the time of the reservation; expiry uses `now`.
  [[nodiscard]] ReserveOutcome reserve(ReserveRequest const& request, TimePoint now, WallTime wall);
  /// Returns true when `take_id` had a live reservation with this fence.
  bool release(std::string const& order_id, std::string const& take_id, std::int64_t fence, TimePoint now);
  /// The number of reservations, including expired ones not yet swept.
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string taker;
    std::int64_t amount_sat = 0;
    std::int64_t fence = 0;
    WallTime reserved_at;
    TimePoint expires;
  };
  using Key = std::pair<std::string, std::string>;  // order id, take id

  void drop_expired(TimePoint now);

  Options options_;
  std::map<Key, Entry> entries_;
  std::multimap<TimePoint, Key> expiries_;
  std::int64_t last_fence_ = 0;
};

/// A ReservationStore on a ReservationTable, for a maker that runs as a single process.
class EmbeddedReservations final : public ReservationStore {
 public:
  /// The store's dependencies: two clocks, and a function that runs a callback later on the store's thread.
  struct Environment {
    std::function<TimePoint()> now;
    std::function<WallTime()> wall_now;
    std::function<void(std::function<void()>)> post;
  };

  explicit EmbeddedReservations(Environment environment) : environment_{std::move(environment)} {}

  void reserve(ReserveRequest request, std::function<void(ReserveOutcome)> done) override;
  void release(std::string order_id, std::string take_id, std::int64_t fence,
               std::function<void(Result<bool>)> done) override;

 private:
  Environment environment_;
  ReservationTable table_;
};

}  // namespace grenache::exchange
