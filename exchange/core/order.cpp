#include "exchange/core/order.hpp"

namespace grenache::exchange {

OrderRank rank_of(OrderRecord const& order) {
  auto const price = order.price.units();
  return {order.side == Side::buy ? -price : price, order.created, key_of(order)};
}

bool prices_cross(OrderRecord const& a, OrderRecord const& b) {
  return a.side == Side::buy ? a.price >= b.price : a.price <= b.price;
}

bool may_trade(OrderRecord const& a, OrderRecord const& b, WallTime now) {
  if (a.side == b.side || !prices_cross(a, b)) return false;
  if (!a.is_live(now) || !b.is_live(now)) return false;
  if (a.is_signed() && b.is_signed()) return a.maker != b.maker;
  return a.remaining == b.remaining;
}

}  // namespace grenache::exchange
