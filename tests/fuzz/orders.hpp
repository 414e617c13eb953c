// Orders, keys and times that the fuzz targets of the exchange share.
#pragma once

#include <array>
#include <string>

#include "exchange/messages/order_record.hpp"
#include "tests/fuzz/input.hpp"

namespace grenache::exchange::fuzzing {

inline constexpr WallTime kStart = from_unix_ms(1'700'000'000'000);

/// The secret keys of three peers.
inline SecretKey const& key_of_peer(std::size_t index) {
  static std::array<SecretKey, 3> const keys{*SecretKey::from_bytes(std::string(31, '\0') + '\x01'),
                                             *SecretKey::from_bytes(std::string(31, '\0') + '\x02'),
                                             *SecretKey::from_bytes(std::string(31, '\0') + '\x03')};
  return keys.at(index);
}
inline constexpr std::size_t kPeerCount = 3;

/// An order, not signed, from so few ids, prices, sizes and times that orders meet each other.
inline OrderRecord draft(fuzz::Input& input, WallTime now) {
  OrderRecord order;
  order.id = "00000000-0000-4000-8000-00000000000" + std::to_string(input.below(8));
  order.seq = static_cast<std::int64_t>(1 + input.below(4));
  auto const choice = input.byte();
  order.side = (choice & 1) != 0 ? Side::buy : Side::sell;
  order.price = PriceCents{100 + choice / 2 % 4};
  order.amount = Satoshi{4};
  order.remaining = Satoshi{1 + choice / 8 % 4};
  constexpr std::array kStatuses{OrderStatus::open, OrderStatus::open, OrderStatus::cancelled,
                                 OrderStatus::filled};
  order.status = kStatuses.at(choice / 32 % 4);
  order.created = now - std::chrono::minutes{1} + std::chrono::minutes{input.below(8)};
  order.expires = now + std::chrono::minutes{input.below(32)};
  if (order.expires <= order.created) order.expires = order.created + std::chrono::milliseconds{1};
  order.endpoint = "127.0.0.1:1337";
  order.exchange_id = 1337;
  return order;
}

/// What the original program can say of `order`.
inline OrderRecord as_original(OrderRecord order) {
  order.seq = 0;
  order.price = kOriginalPrice;
  order.amount = order.remaining;
  order.status = OrderStatus::open;
  order.expires = order.created + kOriginalOrderLife;
  order.endpoint.clear();
  return order;
}

}  // namespace grenache::exchange::fuzzing
