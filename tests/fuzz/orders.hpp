// Orders and keys of the fuzz targets of the exchange.
#pragma once

#include <array>
#include <string>

#include "tests/fuzz/input.hpp"
#include "tests/support/sample_orders.hpp"

namespace grenache::exchange::fuzzing {

/// The secret keys of three peers.
inline SecretKey const& key_of_peer(std::size_t index) {
  static std::array<SecretKey, 3> const keys{*SecretKey::from_bytes(std::string(31, '\0') + '\x01'),
                                             *SecretKey::from_bytes(std::string(31, '\0') + '\x02'),
                                             *SecretKey::from_bytes(std::string(31, '\0') + '\x03')};
  return keys.at(index);
}
inline constexpr std::size_t kPeerCount = 3;

/// An unsigned order with few different ids, prices, sizes and times, so that orders interact.
inline OrderRecord draft(fuzz::Input& input, WallTime now) {
  auto order = samples::draft(input.below(8), Side::buy);
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
  return order;
}

}  // namespace grenache::exchange::fuzzing
