// The orders of this peer: publishes, reduces, closes, refreshes and fills them.
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

#include "exchange/core/self.hpp"
#include "exchange/core/turn.hpp"

namespace grenache::exchange {

/// Amounts by the id of an own order.
using Claims = std::map<std::string, Satoshi, std::less<>>;

/// An order of this peer.
struct OwnOrder {
  OrderRecord record;  // the newest version that was signed
  TimeInForce time_in_force = TimeInForce::good_till_cancelled;
  bool post_only = false;                 // it does not take
  std::chrono::milliseconds life{};       // of a refreshed version
  OrderTotals totals;                     // as the store knows them
  WallTime refresh_at = WallTime::max();  // GTC orders
  /// One-cancels-other: only one order of a group is sold, and the first part of it that is sold closes the
  /// others. Empty: none. Other peers do not know it.
  std::string group;
  std::string peg;  // the id of the PeggedOrder that published it; empty: none

  [[nodiscard]] KnownOrder known() const;
  /// True if the signed version does not say what the totals say.
  [[nodiscard]] bool is_outdated() const;
};

/// Why an order cannot have these terms; nothing if it can.
[[nodiscard]] std::optional<result::Failure> check_terms(command::AddOrder const& wanted);

/// The only writer of the `seq` of own orders. What is filled and withdrawn is decided by the reservation
/// store, also among several processes with one identity; this part signs what the store decided, and keeps
/// the result in a row of kind "order".
///
/// Promises: a version that left this process is durable, so no `seq` is signed with two contents after a
/// restart (TradeTest.aRestartedMakerSignsNoSeqTwice); a closed order stays closed
/// (TradeTest.aClosedOrderNeverOpensAgain).
class OwnOrders {
 public:
  struct Options {
    std::size_t order_count_max = 1'000;  // open ones; other peers accept no more of one maker
    std::size_t group_size_max = 16;      // orders of a group, with closed ones that are still kept
    std::chrono::milliseconds default_life = std::chrono::hours{24};
    int refresh_at_nth_part = 4;  // a GTC order is refreshed when only this part of its life is left
    std::chrono::milliseconds refresh_retry = std::chrono::seconds{10};  // the store did not answer
    /// How long an expired order is kept, so that what was promised before can still be settled: longer than
    /// Purchases::Options::hold_life, since the group of an order that takes must not forget it.
    std::chrono::milliseconds expired_kept = std::chrono::hours{2};
  };

  /// `self` must outlive this object.
  OwnOrders(Options options, Self const& self) : options_{options}, self_{self} {}
  OwnOrders(OwnOrders const&) = delete;
  OwnOrders& operator=(OwnOrders const&) = delete;

  /// Signs a new order. The caller has checked the terms of time and of the book.
  [[nodiscard]] std::variant<OrderRecord, result::Failure> add(command::AddOrder const& wanted, Turn& turn);
  /// The two steps of it, between which the order may get its proof of work. `peg` is the id of the
  /// PeggedOrder that publishes it.
  [[nodiscard]] std::variant<OwnOrder, result::Failure> prepare(command::AddOrder const& wanted, Turn& turn,
                                                                std::string peg = {}) const;
  [[nodiscard]] std::variant<OrderRecord, result::Failure> publish(OwnOrder order, Turn& turn);
  /// Closes an order at once and returns the closed version, if it was open. The store is told with the next
  /// command; what it grants before is the caller's matter.
  [[nodiscard]] std::optional<OrderRecord> close(std::string_view order_id, Turn& turn);
  /// The ids of the other orders of its group.
  [[nodiscard]] std::vector<std::string> rivals_of(OwnOrder const& order) const;
  /// Once a part of an order was sold: closes the other open orders of its group, and returns the closed
  /// versions.
  [[nodiscard]] std::vector<OrderRecord> close_rivals(std::string_view order_id, Turn& turn);
  /// Asks the store to withdraw a part of an order, or to close it. `on_stored` ends the command.
  [[nodiscard]] std::optional<result::Failure> update(CommandId command, std::string const& order_id,
                                                      Satoshi reduce_by, bool close, Turn& turn);
  struct Ended {
    CommandId command = 0;  // 0: there is nothing to answer
    std::string order_id;
    std::optional<OrderRecord> changed;  // the new version
    std::optional<result::Failure> failure;
  };
  /// The answer to a command of this part.
  [[nodiscard]] Ended on_stored(std::uint64_t key, store::Answer const& answer, Turn& turn);

  /// Takes over what the store has told of an order. If it is new and no other process shares the store, the
  /// next version is signed and returned; else the store is asked for a seq first, since another process may
  /// have been given the one in `totals`.
  [[nodiscard]] std::optional<OrderRecord> apply(std::string const& order_id, OrderTotals const& totals,
                                                 bool is_store_shared, Turn& turn);
  /// Asks the store for the next seq of live orders whose version is outdated, or names another endpoint than
  /// ours. After a restart, and after the endpoint has changed.
  void renew(Turn& turn);
  /// Handles a version of an order of ours that came from others. A newer one was signed by another process
  /// of this identity, or by this one before its journal was lost, and is followed. If less of it is left
  /// than it says, the next version says so and is returned. An unknown order belongs to another process if
  /// the store is shared; else nobody executes it any more, so it is closed: the closed version is returned.
  [[nodiscard]] std::optional<OrderRecord> observe(OrderRecord const& record, bool is_store_shared,
                                                   Turn& turn);
  /// Asks the store for the next seq of GTC orders that are to be refreshed, and removes orders that expired
  /// long ago; returns those.
  [[nodiscard]] std::vector<OwnOrder> expire(Turn& turn);
  /// When expire() has something to do. Linear in the number of orders.
  [[nodiscard]] WallTime next_expiry() const;

  /// The order, open or closed, until Options::expired_kept after its end.
  [[nodiscard]] OwnOrder const* find(std::string_view order_id) const;
  [[nodiscard]] std::map<std::string, OwnOrder, std::less<>> const& all() const { return orders_; }
  [[nodiscard]] std::vector<KnownOrder> known() const;

  /// Reads a row of kind "order". False if it is malformed.
  [[nodiscard]] bool restore(Row const& row);
  /// Appends the rows that restore() reads, by key.
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "order";

 private:
  struct Pending {
    CommandId command = 0;  // 0: asks only for a seq
    std::string order_id;
    Satoshi reduce_by{};
    bool extends = false;  // the new version expires later
  };

  void ask_store(Pending pending, OwnOrder const& order, bool close, Turn& turn);
  /// Signs what `totals` says as the next version.
  OrderRecord const& sign(OwnOrder& order, Turn& turn) const;
  [[nodiscard]] static Row row_of(OwnOrder const& order);
  [[nodiscard]] std::size_t open_count(WallTime now) const;
  void plan_refresh(OwnOrder& order) const;
  OwnOrder& store(OwnOrder order);
  /// Why there is no room for another order, which is in this group unless the name is empty.
  [[nodiscard]] std::optional<result::Failure> check_room(std::string const& group, WallTime now) const;
  [[nodiscard]] std::optional<result::Failure> check_group(std::string const& group) const;

  Options options_;
  Self const& self_;
  std::map<std::string, OwnOrder, std::less<>> orders_;
  std::map<std::string, std::set<std::string>, std::less<>> groups_;  // ids of orders, by group
  std::map<std::uint64_t, Pending> pending_;
  std::uint64_t last_key_ = 0;
};

}  // namespace grenache::exchange
