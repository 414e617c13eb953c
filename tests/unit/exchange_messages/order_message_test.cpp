#include "exchange/messages/order_message.hpp"

#include <gtest/gtest.h>

#include "tests/unit/exchange_messages/sample_messages.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

TEST(OrderMessage, readsAnOrderOfTheOriginal) {
  auto const message = parse_as<AddOrderMessage>(parsed(kOriginalOrder));
  ASSERT_TRUE(message) << message.error().message();
  auto const& order = message->order;
  EXPECT_FALSE(order.is_signed());
  EXPECT_EQ(order.id, kOrderId);
  EXPECT_EQ(order.side, Side::buy);
  EXPECT_EQ(order.price, PriceCents{100}) << "1 BTC is 1 USD";
  EXPECT_EQ(order.amount, Satoshi{kSatoshiPerBtc});
  EXPECT_EQ(order.remaining, order.amount);
  EXPECT_EQ(order.exchange_id, 1337);
  EXPECT_EQ(to_unix_ms(order.created), 1'700'000'000'000);
  EXPECT_EQ(message->header.creator, CreatorType::client);
}

TEST(OrderMessage, refusesAPriceWithoutASignature) {
  auto body = parsed(kOriginalOrder);
  body.set("price", "60000");
  auto const message = parse_request(body);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error(), MessageErrc::unsigned_price);
  EXPECT_EQ(message.error().message(), "an order without a signature cannot name a price");
}

TEST(OrderMessage, givesAnOrderOfTheOriginalBackAsItWas) {
  auto const message = parse_as<AddOrderMessage>(parsed(kOriginalOrder));
  ASSERT_TRUE(message);
  EXPECT_EQ(json::to_text(to_json(message->order)), kOriginalOrder);
}

TEST(OrderMessage, amountToBuyOfASaleIsTheBitcoinAmountToo) {
  auto body = parsed(kOriginalOrder);
  body.set("buy", "USD");
  body.set("sell", "BTC");
  body.set("amountToBuy", Value::number("0.1"));
  auto const message = parse_as<AddOrderMessage>(body);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->order.side, Side::sell);
  EXPECT_EQ(message->order.amount, Satoshi{10'000'000});

  auto const ours = to_json(signed_order());
  EXPECT_EQ(*ours.find_string("buy"), "USD");
  EXPECT_EQ(*ours.find("amountToBuy")->number_text(), "0.4") << "what remains";
}

TEST(OrderMessage, signedOrdersSurviveTheRoundTrip) {
  auto const order = signed_order();
  auto const message = parse_as<AddOrderMessage>(parsed(json::to_text(to_json(order))));
  ASSERT_TRUE(message) << message.error().message();
  EXPECT_EQ(message->order, order);
  EXPECT_TRUE(verify_order(message->order));
}

TEST(OrderMessage, theLeastTakeIsWrittenOnlyIfThereIsOne) {
  EXPECT_FALSE(to_json(signed_order()).find("minimum"));
  auto order = signed_order();
  order.least_take = Satoshi{10'000};
  sign_order(order, key_of(1));
  auto const body = to_json(order);
  EXPECT_EQ(*body.find_string("minimum"), "0.0001");
  auto const message = parse_as<AddOrderMessage>(body);
  ASSERT_TRUE(message) << message.error().message();
  EXPECT_EQ(message->order, order);
  EXPECT_TRUE(verify_order(message->order));
}

TEST(OrderMessage, aRefreshedOrderMayBeOlderThanTheLifeOfAnOrder) {
  auto order = signed_order();
  order.expires = order.created + 3 * kOrderLifeMax;
  sign_order(order, key_of(1));
  auto const message = parse_as<AddOrderMessage>(to_json(order));
  ASSERT_TRUE(message) << message.error().message();
  EXPECT_EQ(message->order, order);
}

TEST(OrderMessage, ignoresMembersThatItDoesNotKnow) {
  auto body = to_json(signed_order());
  body.set("colour", "red");
  body.set("extra", Value::array({1, 2}));
  EXPECT_TRUE(parse_as<AddOrderMessage>(body));
}

TEST(OrderMessage, exchangeIdOfASignedOrderIsTheSignedPort) {
  auto body = to_json(signed_order());
  body.set("exchangeId", 666);
  auto const message = parse_as<AddOrderMessage>(body);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->order.exchange_id, 1337);
}

TEST(OrderMessage, refusesMalformedOrders) {
  expect_refused(to_json(signed_order()),
                 {
                     {"id", "one", MessageErrc::bad_order_id},
                     {"id", 1, MessageErrc::bad_order_id},
                     {"id", {}, MessageErrc::bad_order_id},
                     {"buy", "EUR", MessageErrc::bad_sides},
                     {"buy", "BTC", MessageErrc::bad_sides},
                     {"sell", true, MessageErrc::bad_sides},
                     {"amountToBuy", "much", MessageErrc::bad_amount},
                     {"amountToBuy", Value::number("0.123456789"), MessageErrc::bad_amount},
                     {"amountToBuy", -1, MessageErrc::bad_amount},
                     {"amountToBuy", Value::number("0.5"), MessageErrc::bad_amount},
                     {"remaining", "2", MessageErrc::bad_amount},
                     {"amount", "0", MessageErrc::bad_amount},
                     {"amount", {}, MessageErrc::bad_amount},
                     {"minimum", "0", MessageErrc::bad_amount},
                     {"minimum", "1.00000001", MessageErrc::bad_amount},
                     {"minimum", "some", MessageErrc::bad_amount},
                     {"price", "0", MessageErrc::bad_price},
                     {"price", "1.005", MessageErrc::bad_price},
                     {"price", Value::array(), MessageErrc::bad_price},
                     {"status", "open", MessageErrc::bad_status},
                     {"seq", 0, MessageErrc::bad_seq},
                     {"seq", "1", MessageErrc::bad_seq},
                     {"seq", Value::number("1.5"), MessageErrc::bad_seq},
                     {"created", -1, MessageErrc::bad_time},
                     {"created", Value::number("1e300"), MessageErrc::bad_time},
                     {"expires", std::int64_t{1'700'000'000'000}, MessageErrc::bad_time},
                     {"expires", std::int64_t{1'699'999'999'999}, MessageErrc::bad_time},
                     {"expires", Value::number("1e300"), MessageErrc::bad_time},
                     {"maker", "03", MessageErrc::bad_key},
                     {"maker", 3, MessageErrc::bad_key},
                     {"endpoint", "localhost", MessageErrc::bad_endpoint},
                     {"endpoint", "h:0", MessageErrc::bad_endpoint},
                     {"endpoint", std::string(300, 'h') + ":1", MessageErrc::bad_endpoint},
                     {"signature", "00", MessageErrc::bad_signature},
                     {"signature", {}, MessageErrc::bad_signature},
                     {"exchangeId", "1337", MessageErrc::bad_header},
                     {"exchangeId", Value::number("1.5"), MessageErrc::bad_header},
                     {"creatorType", "boss", MessageErrc::bad_header},
                     {"creatorType", 1, MessageErrc::bad_header},
                     {"createdAt", "now", MessageErrc::bad_header},
                     {"type", "SubOrderMessage", MessageErrc::unknown_type},
                     {"type", 5, MessageErrc::unknown_type},
                 });
}

TEST(OrderMessage, anOrderOfTheOriginalNeedsAnAmountAndATime) {
  auto body = parsed(kOriginalOrder);
  body.set("amountToBuy", 0);
  EXPECT_EQ(parse_request(body).error(), MessageErrc::bad_amount);
  body = parsed(kOriginalOrder);
  body.set("createdAt", {});
  EXPECT_EQ(parse_request(body).error(), MessageErrc::bad_time);
}

TEST(OrderMessage, matchesOfAnIdThatIsNoUuidMayBeAskedFor) {
  auto const message =
      parse_as<GetOrderMatchesMessage>(parsed(R"({"type":"GetOrderMatchesMessage","orderId":""})"));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->order_id, "");
}

TEST(OrderMessage, oneBadOrderOfAListHidesNoOther) {
  auto const list = parse_orders(Value::array({parsed(kOriginalOrder), parsed("{}"), 7,
                                               to_json(signed_order()), to_json(signed_order())}),
                                 2);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->orders.size(), 2u);
  EXPECT_EQ(list->orders[1], signed_order());
  EXPECT_EQ(list->dropped, 3u);
  EXPECT_EQ(parse_orders(parsed("{}"), 2).error(), MessageErrc::bad_answer);
}

}  // namespace
}  // namespace grenache::exchange
