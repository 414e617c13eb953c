// The rules of a reservation store, as a state machine in memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "exchange/core/trade/reservation.hpp"

namespace grenache::exchange {

/// Executes the commands of a reservation store (see store::Command). The caller passes the time, on both
/// time lines: `now` decides what has expired, `wall` is recorded as the time of a reservation.
///
/// A command costs O(log n) in the number of orders and reservations, plus O(m) in the live reservations of
/// its order; Recover costs that for each order and take.
class ReservationTable {
 public:
  /// Bounds of memory: about 500 bytes each.
  struct Options {
    std::size_t live_takes_per_order_max = 64;
    std::size_t settled_takes_per_order_max = 10'000;
    std::size_t reservation_count_max = 100'000;  // live ones, of all orders
    std::size_t order_count_max = 100'000;
  };

  explicit ReservationTable(Options options) : options_{options} {}
  ReservationTable() : ReservationTable{Options{}} {}

  [[nodiscard]] store::Answer execute(store::Command const& command, TimePoint now, WallTime wall);

  /// Live reservations, including expired ones of which the next command has to notice that they have.
  [[nodiscard]] std::size_t reservation_count() const { return expiries_.size(); }
  [[nodiscard]] std::size_t order_count() const { return orders_.size(); }

  /// Aborts when an invariant is broken: for every order filled + reduced <= spent and spent + live <=
  /// amount, and the indexes name exactly the entries. Linear in the table; for tests.
  void check() const;

 private:
  struct Live {
    std::string taker;
    Satoshi amount;
    std::int64_t fence = 0;
    WallTime reserved_at{};
    TimePoint expires;
  };
  struct SettledTake {
    Satoshi amount;
    std::int64_t fence = 0;
  };
  struct Order {
    Satoshi amount;
    OrderTotals totals;
    Satoshi live_sum;
    TimePoint forget_at;
    std::map<std::string, Live> live;                      // by take id
    std::unordered_map<std::string, SettledTake> settled;  // by take id

    [[nodiscard]] Satoshi left() const { return amount - totals.spent; }
    [[nodiscard]] Satoshi free() const { return left() - live_sum; }
  };
  using OrderEntry = std::pair<std::string const, Order>;
  using LiveTakes = std::map<std::string, Live>;

  store::Answer run(store::Reserve const& command, TimePoint now, WallTime wall);
  store::Answer run(store::Settle const& command, TimePoint now, WallTime wall);
  store::Answer run(store::Release const& command, TimePoint now, WallTime wall);
  store::Answer run(store::Update const& command, TimePoint now, WallTime wall);
  store::Answer run(store::Recover const& command, TimePoint now, WallTime wall);

  /// Finds or adds an order and merges what the sender knows; nullptr when there is no room.
  OrderEntry* merge(KnownOrder const& known, TimePoint now, WallTime wall);
  /// The refusal of a take that would be a new reservation; nothing if it may be granted.
  [[nodiscard]] std::optional<store::Refused> check_new(Order const& order, store::Reserve const& command,
                                                        TimePoint now) const;
  /// The refusal of a take because of another order of the group.
  [[nodiscard]] std::optional<store::Refused> check_rivals(Order const& order, store::Reserve const& command,
                                                           TimePoint now) const;
  void restore(store::Recover::Take const& take, TimePoint now);
  void add(OrderEntry& order, std::string const& take_id, Live live);
  void remove(OrderEntry& order, LiveTakes::iterator take);
  void drop_expired(TimePoint now);

  Options options_;
  std::unordered_map<std::string, Order> orders_;
  std::set<std::tuple<TimePoint, std::string, std::string>> expiries_;  // order id, take id
  std::set<std::pair<TimePoint, std::string>> forgettings_;             // order id
  std::int64_t last_fence_ = 0;
  bool recovered_ = false;
};

}  // namespace grenache::exchange
