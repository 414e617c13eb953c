// Takes orders of others that cross own ones, without a person.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "exchange/core/book.hpp"
#include "exchange/core/trade/own_orders.hpp"
#include "exchange/core/trade/purchases.hpp"
#include "exchange/core/turn.hpp"

namespace grenache::exchange {

/// Of two orders that cross, the later one takes, by created, then id; so each of two peers knows which of
/// them takes, also when both orders were placed at the same moment. If the later one is smaller than the
/// least take of the other, the earlier one takes. A post-only order does not take. The best order is taken
/// first, and one at a time for each own order, whose amount is held in the reservation store meanwhile: what
/// others have reserved of it is not taken, and what it takes nobody else is sold.
///
/// An order whose maker refuses is left out for a time that doubles with each failure, and all orders of a
/// maker that does not answer or does not confirm a payment; the rest of the own order is traded meanwhile.
/// The state is in memory alone: after a restart Purchases continues what was being taken, and the same pair
/// is not taken twice.
///
/// Promises: two orders that cross make one trade
/// (CrossingTest.ordersPlacedAtTheSameMomentMakeOneTrade); an order trades no more than its amount, whoever
/// takes it meanwhile (CrossingTest.anOrderThatIsTakenWhileItTakesTradesItsAmountOnce).
class Crossing {
 public:
  struct Options {
    bool is_enabled = false;
    std::size_t take_count_max = 64;                   // at a time
    std::size_t match_count_max = 1'000;               // orders that are considered for one own order
    std::size_t look_count_max = 32;                   // own orders that are looked at in one turn
    Duration look_interval = std::chrono::seconds{5};  // at all own orders, since reservations end
    Duration retry_min = std::chrono::seconds{5};
    Duration retry_max = std::chrono::minutes{5};
    /// Orders that are left out, and makers; as long as there are so many, no new one is tried.
    std::size_t failure_count_max = 1'000;
    std::chrono::milliseconds patience = std::chrono::minutes{1};
  };

  /// The parts must outlive this object.
  Crossing(Options options, Book const& book, OwnOrders const& own, Purchases const& purchases)
      : options_{options}, book_{book}, own_{own}, purchases_{purchases} {}
  Crossing(Crossing const&) = delete;
  Crossing& operator=(Crossing const&) = delete;

  /// An order of the book is new or has changed: notes the own orders that it concerns.
  void on_changed(OrderRecord const& order, PeerId const& self, WallTime now);
  /// Orders that were hidden are shown: notes all own orders.
  void look_at_all();
  /// Notes the own order of a take that has ended.
  void on_report(Purchases::Report const& report, Turn& turn);
  /// The next take of an own order that was noted; nothing when all were looked at, or `look_count` of this
  /// turn is at its limit. `reserved` tells how much of an own order others have reserved.
  template <class Reserved>
  [[nodiscard]] std::optional<Purchases::Leg> next_take(Reserved const& reserved, std::size_t& look_count,
                                                        Turn& turn) {
    while (may_look() && look_count < options_.look_count_max) {
      ++look_count;
      auto const id = std::move(noted_.extract(noted_.begin()).value());
      auto const* const own = own_.find(id);
      if (!own || !own->record.is_live(turn.now.wall)) continue;
      auto const free = own->record.remaining - reserved(id) - purchases_.held(id);
      if (auto leg = take_for(*own, free, turn)) return leg;
    }
    return std::nullopt;
  }
  /// Notes all own orders now and then.
  void expire(Turn& turn);
  [[nodiscard]] TimePoint next_expiry() const;

 private:
  struct Take {
    std::string own_order;
    OrderKey order;  // signed
  };
  struct Failure {
    TimePoint until{};
    Duration delay{};
  };
  using FailureKey = std::pair<std::string, OrderKey>;  // own order, order

  [[nodiscard]] bool may_look() const { return !noted_.empty() && takes_.size() < options_.take_count_max; }
  [[nodiscard]] std::optional<Purchases::Leg> take_for(OwnOrder const& own, Satoshi free, Turn& turn);
  [[nodiscard]] bool is_left_out(FailureKey const& key, TimePoint now) const;
  template <class Key>
  void add_failure(std::map<Key, Failure>& failures, Key const& key, Turn const& turn) const;

  Options options_;
  Book const& book_;
  OwnOrders const& own_;
  Purchases const& purchases_;
  std::set<std::string> noted_;  // own orders to look at
  std::map<std::uint64_t, Take> takes_;
  std::set<std::string> taking_;  // own orders of takes_
  std::map<FailureKey, Failure> failures_;
  std::map<PeerId, Failure> silent_makers_;
  TimePoint next_look_{};
  std::uint64_t last_leg_ = 0;
};

}  // namespace grenache::exchange
