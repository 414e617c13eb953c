// Orders of this peer whose price follows an index.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "exchange/core/peg.hpp"
#include "exchange/core/trade/own_orders.hpp"
#include "exchange/core/trade/reference_price.hpp"
#include "exchange/core/turn.hpp"

namespace grenache::exchange {

/// An order that is published again under a new id whenever its price changes, because all versions of an
/// order have one price.
struct PeggedOrder {
  std::string id;  // UUID; other peers do not know it
  Side side = Side::buy;
  Satoshi amount{};  // of all its orders together
  Satoshi least_take{};
  Peg peg{};
  WallTime ends = WallTime::max();
  Satoshi sold_before{};    // by orders that own_orders has forgotten
  std::string order{};      // the last one that was published; it is closed while the index has no price
  bool is_working = false;  // the next one waits for its proof of work; not durable
};

/// Publishes, replaces and closes the orders of pegged orders.
///
/// When the index has moved by the threshold, the order is closed and another one is published with what is
/// left: the amount without what all orders of the pegged order have sold, and without what takers have
/// reserved of the closed ones, who may still pay at the price that they were granted. So an amount is
/// offered once. What a taker reserved and did not pay is offered with the next order. All changes of one
/// look are one journal transaction, and looks that replace orders are at least `interval` apart. While the
/// index has no price, all its orders are closed.
///
/// An order that needs proof of work cannot be replaced at once, since its work covers its price: the old
/// order is closed first, and the new one is published when its work was found.
///
/// Other processes with the same reservation store do not know pegged orders, so they need a store of their
/// own. Promise: all orders of a pegged order together never sell more than its amount, whatever crashes
/// (CrashTest.allPromisesAreKeptWhateverFails).
class PeggedOrders {
 public:
  struct Options {
    std::int64_t threshold = 10;  // basis points of the price of the published order
    std::chrono::milliseconds interval = std::chrono::seconds{30};
    std::size_t count_max = 16;
    /// Own orders, closed ones too, that have not expired. While there are so many, a pegged order whose
    /// price has moved is closed and not replaced: others keep the oldest
    /// Book::Options::maker_closed_count_max orders of a maker, so they would refuse the new one. 16 orders
    /// that are replaced every 30 s leave 1,920 closed ones.
    std::size_t kept_count_max = 4'900;
    /// Of each published order, which is refreshed meanwhile: so long it may be seen at an old price when
    /// this process has ended, and so long others keep it when it is closed. A quarter of it is longer than
    /// the clocks of two peers differ. OwnOrders::Options::expired_kept is longer than a closed order can be
    /// reserved or held for a take.
    std::chrono::milliseconds life = std::chrono::hours{1};
    bool needs_work = false;  // the id of each order has proof of work, which the caller looks for
  };
  /// A signed order, or one that is to get its proof of work first and is then given to publish_worked().
  using Placed = std::variant<OrderRecord, OwnOrder, result::Failure>;
  struct Changes {
    std::vector<OrderRecord> versions;  // that were signed
    std::vector<OwnOrder> unworked;     // see Placed
  };

  /// The parts must outlive this object.
  PeggedOrders(Options options, OwnOrders& own, ReferencePrices const& prices)
      : options_{options}, own_{own}, prices_{prices} {}
  PeggedOrders(PeggedOrders const&) = delete;
  PeggedOrders& operator=(PeggedOrders const&) = delete;

  /// Publishes the first order. Refused while the index has no price.
  [[nodiscard]] Placed add(command::AddOrder const& wanted, Turn& turn);
  /// Publishes an order whose work was found. Refused if the index has no price any more, the price has moved
  /// by the threshold, or not all of the amount is free: then look() tries again.
  [[nodiscard]] std::variant<OrderRecord, result::Failure> publish_worked(OwnOrder order,
                                                                          Claims const& claims, Turn& turn);
  /// No work was found for an order of it: look() tries again after `interval`.
  void work_failed(std::string const& id);
  /// Ends a pegged order: closes its order and returns the closed version, if it was open. What is reserved
  /// can still be paid.
  [[nodiscard]] std::optional<OrderRecord> cancel(std::string const& id, Turn& turn);
  /// Replaces, closes and publishes orders, as the prices and the time demand. `claims` tells how much of
  /// which own orders takers have asked for or reserved, or own takes hold. Linear in the number of own
  /// orders.
  [[nodiscard]] Changes look(Claims const& claims, Turn& turn);
  /// The prices have changed: look() has something to do.
  void on_update() { next_look_ = TimePoint::min(); }
  /// Own orders forget this one.
  void forget(OwnOrder const& order, Turn& turn);
  /// When look() has something to do.
  [[nodiscard]] TimePoint next_look() const { return pegs_.empty() ? TimePoint::max() : next_look_; }

  [[nodiscard]] PeggedOrder const* find(std::string_view id) const;
  [[nodiscard]] std::map<std::string, PeggedOrder, std::less<>> const& all() const { return pegs_; }
  /// True while an order of it is open.
  [[nodiscard]] bool is_open(PeggedOrder const& peg) const;
  /// What it has not sold yet. Linear in the number of own orders.
  [[nodiscard]] Satoshi unsold(PeggedOrder const& peg) const;

  /// Reads a row of kind "peg". False if it is malformed.
  [[nodiscard]] bool restore(Row const& row);
  /// Appends the rows that restore() reads, by key.
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "peg";

 private:
  /// Of all orders of a pegged order together.
  struct Sum {
    Satoshi sold;
    Satoshi claimed;
  };
  enum class Step { none, close, replace, end };
  struct Wanted {
    Step step = Step::none;
    Satoshi free{};          // not sold and not claimed
    bool has_moved = false;  // the price of the open order is wrong
  };

  [[nodiscard]] std::map<std::string, Sum, std::less<>> sums(Claims const& claims) const;
  [[nodiscard]] bool has_too_many(WallTime now) const;
  [[nodiscard]] bool has_moved(OrderRecord const& order, PriceCents price) const;
  [[nodiscard]] Wanted wanted_of(PeggedOrder const& peg, std::optional<PriceCents> price, Sum const& sum,
                                 Claims const& claims, Now now) const;
  [[nodiscard]] std::optional<PriceCents> price_of(PeggedOrder const& peg, WallTime now) const;
  [[nodiscard]] Placed publish(PeggedOrder& peg, PriceCents price, Satoshi amount, Turn& turn);
  void add_to(Changes& out, Placed placed, Turn& turn);
  void log_pauses(Turn& turn);
  void log_fullness(bool is_full, Turn& turn);
  void plan_next_look(bool is_delayed, Now now);
  [[nodiscard]] static Row row_of(PeggedOrder const& peg);

  Options options_;
  OwnOrders& own_;
  ReferencePrices const& prices_;
  std::map<std::string, PeggedOrder, std::less<>> pegs_;
  std::set<std::string> paused_;  // indexes without a price, as reported
  bool is_full_ = false;          // there are too many own orders, as reported
  TimePoint next_change_ = TimePoint::min();
  TimePoint next_look_ = TimePoint::min();
};

}  // namespace grenache::exchange
