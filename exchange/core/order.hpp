// What the core knows of an order beyond its record: its key, its rank in the book, and what it may trade
// with.
#pragma once

#include <chrono>
#include <compare>
#include <optional>
#include <string>

#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

/// Names one order for good. Two makers may use the same id without harm; all unsigned orders share one
/// nameless maker.
struct OrderKey {
  std::string id;
  std::optional<PeerId> maker;

  friend auto operator<=>(OrderKey const&, OrderKey const&) = default;
};
[[nodiscard]] inline OrderKey key_of(OrderRecord const& order) { return {order.id, order.maker}; }

/// Place of an order on its side of the book: the lower, the better. Price, then created, then id; the maker
/// only tells equal ones apart. Depends on nothing but the order, so all replicas rank alike.
struct OrderRank {
  std::int64_t price = 0;  // negated for buyers: the highest bid is the best
  WallTime created{};
  OrderKey key;

  friend auto operator<=>(OrderRank const&, OrderRank const&) = default;
};
[[nodiscard]] OrderRank rank_of(OrderRecord const& order);

/// True when a buyer's price reaches a seller's.
[[nodiscard]] bool prices_cross(OrderRecord const& a, OrderRecord const& b);

/// True when the two may trade with each other: opposite sides, prices that cross, both of them live, and not
/// of one maker. An unsigned order trades as in the original, as a whole or not at all, and among unsigned
/// ones nobody knows whose they are: the original's playbook matches its own two.
[[nodiscard]] bool may_trade(OrderRecord const& a, OrderRecord const& b, WallTime now);

/// What a maker asks for.
struct OrderTerms {
  Side side = Side::buy;
  PriceCents price;
  Satoshi amount;
  std::chrono::milliseconds life = std::chrono::hours{24};  // at most kOrderLifeMax
};

}  // namespace grenache::exchange
