// Sample orders, keys and times for tests and fuzz targets of the exchange.
#pragma once

#include <string>

#include "exchange/core/order.hpp"
#include "exchange/messages/order_work.hpp"

namespace grenache::exchange::samples {

inline constexpr WallTime kNow = from_unix_ms(1'700'000'000'000);

inline SecretKey secret(std::uint64_t seed) {
  Random random{seed};
  return SecretKey::generate(random);
}

/// Returns a UUID: 00000000-0000-4000-8000-000000000007 for 7.
inline std::string uuid(std::uint64_t number) {
  auto digits = std::to_string(number);
  digits.insert(0, 12 - digits.size(), '0');
  return "00000000-0000-4000-8000-" + digits;
}

/// An order of 1 BTC at 60000 USD, not yet signed.
inline OrderRecord draft(std::uint64_t number, Side side) {
  OrderRecord order;
  order.id = uuid(number);
  order.seq = 1;
  order.side = side;
  order.price = PriceCents{6'000'000};
  order.amount = order.remaining = Satoshi{kSatoshiPerBtc};
  order.created = kNow;
  order.expires = kNow + std::chrono::hours{1};
  order.endpoint = "127.0.0.1:1337";
  order.exchange_id = 1337;
  return order;
}

inline OrderRecord signed_by(std::uint64_t maker, OrderRecord order) {
  sign_order(order, secret(maker));
  return order;
}

/// The order of `maker`, not yet signed, with the first id from `number` thousand on that has work of exactly
/// `bits`.
inline OrderRecord worked(PeerId const& maker, OrderRecord order, std::uint64_t number, int bits) {
  order.maker = maker;
  auto const challenge = work_challenge(order);
  auto next = 1'000 * number;
  do order.id = uuid(next++);
  while (work_bits(work_hash(challenge, order.id)) != bits);
  return order;
}
/// An order whose id has no work, not even by luck.
inline OrderRecord without_work(std::uint64_t maker, OrderRecord order, std::uint64_t number) {
  return signed_by(maker, worked(secret(maker).public_key(), std::move(order), number, 0));
}

inline OrderRecord priced(OrderRecord order, std::int64_t cents) {
  order.price = PriceCents{cents};
  return order;
}

inline OrderRecord sized(OrderRecord order, std::int64_t satoshi) {
  order.amount = order.remaining = Satoshi{satoshi};
  return order;
}

/// `order` as the original program can express it: unsigned, at its fixed price and lifetime.
inline OrderRecord as_original(OrderRecord order) {
  order.seq = 0;
  order.price = kOriginalPrice;
  order.amount = order.remaining;
  order.status = OrderStatus::open;
  order.expires = order.created + kOriginalOrderLife;
  order.endpoint.clear();
  return order;
}
/// An order of the original program.
inline OrderRecord original(std::uint64_t number, Side side, std::int64_t exchange_id) {
  auto order = as_original(draft(number, side));
  order.exchange_id = exchange_id;
  return order;
}

}  // namespace grenache::exchange::samples
