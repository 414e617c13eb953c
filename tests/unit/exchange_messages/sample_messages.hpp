// Sample messages for the tests of the messages.
#pragma once

#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "exchange/messages/message.hpp"

namespace grenache::exchange::samples {

using json::Value;

inline constexpr char const* kOrderId = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed";
inline constexpr char const* kTakeId = "2b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed";

inline SecretKey key_of(std::uint64_t seed) {
  Random random{seed};
  return SecretKey::generate(random);
}

inline Value parsed(std::string_view text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? std::move(*value) : Value{};
}

// As written by the original with JSON.stringify.
inline constexpr char const* kOriginalOrder =
    R"({"type":"AddOrderMessage","exchangeId":1337,"creatorType":"client","createdAt":1700000000000,)"
    R"("id":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed","buy":"BTC","sell":"USD","amountToBuy":1})";

inline OrderRecord signed_order() {
  OrderRecord order;
  order.id = kOrderId;
  order.seq = 3;
  order.side = Side::sell;
  order.price = PriceCents{6'000'050};
  order.amount = Satoshi{kSatoshiPerBtc};
  order.remaining = Satoshi{40'000'000};
  order.created = from_unix_ms(1'700'000'000'000);
  order.expires = order.created + std::chrono::hours{1};
  order.endpoint = "127.0.0.1:1337";
  order.exchange_id = 1337;
  sign_order(order, key_of(1));
  return order;
}

/// Parses a request that must be of type `Message`, or must be refused.
template <class Message>
Result<Message> parse_as(Value const& body) {
  auto request = parse_request(body);
  if (!request) return request.error();
  auto* const message = std::get_if<Message>(&*request);
  EXPECT_NE(message, nullptr);
  return std::move(*message);
}

/// A change of a valid message that makes it invalid.
struct BadMember {
  char const* name;
  Value value;
  MessageErrc error;
};

/// Expects that `valid` is refused with each of `cases`.
inline void expect_refused(Value const& valid, std::vector<BadMember> const& cases) {
  for (auto const& [name, value, error] : cases) {
    auto body = valid;
    body.set(name, value);
    auto const request = parse_request(body);
    ASSERT_FALSE(request) << name << " = " << json::to_text(value);
    EXPECT_EQ(request.error(), error)
        << name << " = " << json::to_text(value) << ": " << request.error().message();
  }
}

}  // namespace grenache::exchange::samples
