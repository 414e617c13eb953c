// The key of an order, its rank in the book, and which orders may trade with each other.
#pragma once

#include <chrono>
#include <compare>
#include <optional>
#include <string>

#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

/// Identifies an order permanently. Ids are scoped by maker; all unsigned orders share one maker without a
/// name.
struct OrderKey {
  std::string id;
  std::optional<PeerId> maker;

  friend auto operator<=>(OrderKey const&, OrderKey const&) = default;
};
[[nodiscard]] inline OrderKey key_of(OrderRecord const& order) { return {order.id, order.maker}; }

/// Rank of an order on its side of the book, the best first: by price, then created, then id; the maker only
/// breaks ties. It depends only on the order, so all replicas rank alike.
struct OrderRank {
  std::int64_t price = 0;  // negated for buyers: the highest bid is the best
  WallTime created{};
  OrderKey key;

  friend auto operator<=>(OrderRank const&, OrderRank const&) = default;
};
[[nodiscard]] OrderRank rank_of(OrderRecord const& order);

/// True when a buyer's price reaches a seller's.
[[nodiscard]] bool prices_cross(OrderRecord const& a, OrderRecord const& b);

/// True when two orders may trade: opposite sides, crossing prices, both live, different makers. As in the
/// original, an unsigned order trades as a whole or not at all, and two unsigned orders may be of one maker:
/// the original's playbook matches its own two.
[[nodiscard]] bool may_trade(OrderRecord const& a, OrderRecord const& b, WallTime now);

/// The terms of a new order.
struct OrderTerms {
  Side side = Side::buy;
  PriceCents price;
  Satoshi amount;
  std::chrono::milliseconds life = std::chrono::hours{24};  // at most kOrderLifeMax
};

}  // namespace grenache::exchange
