// The key of an order, and which orders may trade with each other.
#pragma once

#include <chrono>
#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/core/book/matching_engine.hpp"
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

/// The id of an order, a UUID in letters of any case, as a number for MatchingEngine. Exact: ids compare as
/// their texts do, digits before capital letters before small ones.
[[nodiscard]] MatchingEngine::IdKey id_key(std::string_view uuid);

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
