#include "exchange/messages/order_message.hpp"

#include <gtest/gtest.h>

namespace grenache::exchange {
namespace {

using json::Value;

constexpr char const* kOrderId = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed";
constexpr char const* kTakeId = "2b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed";

SecretKey key_of(std::uint64_t seed) {
  Random random{seed};
  return SecretKey::generate(random);
}

Value parsed(std::string_view text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? std::move(*value) : Value{};
}

// As written by the original with JSON.stringify.
constexpr char const* kOriginalOrder =
    R"({"type":"AddOrderMessage","exchangeId":1337,"creatorType":"client","createdAt":1700000000000,)"
    R"("id":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed","buy":"BTC","sell":"USD","amountToBuy":1})";

OrderRecord signed_order() {
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

template <class Message>
Result<Message> parse_as(Value const& body) {
  auto request = parse_request(body);
  if (!request) return request.error();
  auto* const message = std::get_if<Message>(&*request);
  EXPECT_NE(message, nullptr);
  return std::move(*message);
}

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

struct BadMember {
  char const* name;
  Value value;
  MessageErrc error;
};

TEST(OrderMessage, refusesMalformedOrders) {
  std::vector<BadMember> const cases{
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
      {"expires", std::int64_t{1'700'000'000'001} + 7 * 86'400'000, MessageErrc::bad_time},
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
  };
  for (auto const& [name, value, error] : cases) {
    auto body = to_json(signed_order());
    body.set(name, value);
    auto const request = parse_request(body);
    ASSERT_FALSE(request) << name << " = " << json::to_text(value);
    EXPECT_EQ(request.error(), error)
        << name << " = " << json::to_text(value) << ": " << request.error().message();
  }
}

TEST(OrderMessage, refusesMessagesThatAreNoObjects) {
  for (auto const* const text : {"null", "1", "true", "\"ping\"", "[]"}) {
    EXPECT_EQ(parse_request(parsed(text)).error(), MessageErrc::not_an_object) << text;
  }
  EXPECT_EQ(parse_request(parsed("{}")).error(), MessageErrc::unknown_type);
}

TEST(OrderMessage, anOrderOfTheOriginalNeedsAnAmountAndATime) {
  auto body = parsed(kOriginalOrder);
  body.set("amountToBuy", 0);
  EXPECT_EQ(parse_request(body).error(), MessageErrc::bad_amount);
  body = parsed(kOriginalOrder);
  body.set("createdAt", {});
  EXPECT_EQ(parse_request(body).error(), MessageErrc::bad_time);
}

TEST(OrderMessage, readsThePingOfTheOriginalAndOurs) {
  auto const original = parse_as<PingPongMessage>(
      parsed(R"({"type":"PingPongMessage","exchangeId":1500,"creatorType":"client","createdAt":1,)"
             R"("message":"ping"})"));
  ASSERT_TRUE(original);
  EXPECT_FALSE(original->is_pong);
  EXPECT_FALSE(original->peer);

  PingPongMessage const ours{
      {1, CreatorType::server, from_unix_ms(5)}, true, key_of(1).public_key(), "ab", "Bob"};
  auto const pong = parse_pong(to_json(ours));
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->peer, key_of(1).public_key());
  EXPECT_EQ(pong->instance, "ab");
  EXPECT_EQ(pong->name, "Bob");

  auto body = to_json(ours);
  body.set("message", "pang");
  EXPECT_EQ(parse_request(body).error(), MessageErrc::bad_ping);
  body = to_json(ours);
  body.set("name", std::string(65, 'x'));
  EXPECT_EQ(parse_request(body).error(), MessageErrc::bad_ping);
}

TEST(OrderMessage, executesOfTheOriginalHaveNoTerms) {
  auto const execute = parse_as<ExecuteOrderMessage>(
      parsed(R"({"type":"ExecuteOrderMessage","exchangeId":1500,"creatorType":"client","createdAt":1,)"
             R"("orderId":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"})"));
  ASSERT_TRUE(execute);
  EXPECT_EQ(execute->order_id, kOrderId);
  EXPECT_EQ(execute->header.exchange_id, 1500);
  EXPECT_FALSE(execute->take);
}

ExecuteOrderMessage signed_execute() {
  auto const maker = key_of(1).public_key();
  TakeTerms take{kTakeId, Satoshi{5}, PriceCents{600}, {}, from_unix_ms(1'700'000'000'000), {}};
  sign_take(take, kOrderId, maker, key_of(2));
  return {{7, CreatorType::client, {}}, kOrderId, take};
}

TEST(OrderMessage, executesOfOursSurviveTheRoundTrip) {
  auto const sent = signed_execute();
  auto const read = parse_as<ExecuteOrderMessage>(parsed(json::to_text(to_json(sent))));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->take, sent.take);
  EXPECT_TRUE(verify_take(*read->take, read->order_id, key_of(1).public_key()));
}

TEST(OrderMessage, refusesExecutesWithHalfOfTheTerms) {
  std::vector<BadMember> const cases{
      {"takeId", {}, MessageErrc::bad_take_id},
      {"takeId", "1", MessageErrc::bad_take_id},
      {"amount", {}, MessageErrc::bad_amount},
      {"amount", "0.000000001", MessageErrc::bad_amount},
      {"price", {}, MessageErrc::bad_price},
      {"taker", {}, MessageErrc::bad_key},
      {"taker", "003:1500", MessageErrc::bad_key},
      {"signature", {}, MessageErrc::bad_signature},
      {"createdAt", {}, MessageErrc::bad_time},
      {"orderId", {}, MessageErrc::bad_order_id},
      {"orderId", 1, MessageErrc::bad_order_id},
      {"orderId", std::string(129, 'x'), MessageErrc::bad_order_id},
  };
  for (auto const& [name, value, error] : cases) {
    auto body = to_json(signed_execute());
    body.set(name, value);
    auto const request = parse_request(body);
    ASSERT_FALSE(request) << name;
    EXPECT_EQ(request.error(), error) << name << ": " << request.error().message();
  }
}

TEST(OrderMessage, matchesOfAnIdThatIsNoUuidMayBeAskedFor) {
  auto const message =
      parse_as<GetOrderMatchesMessage>(parsed(R"({"type":"GetOrderMatchesMessage","orderId":""})"));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->order_id, "");
}

TEST(OrderMessage, responseSpellsItsExpiryBothWays) {
  ExecuteOrderResponse const response{{7, CreatorType::server, from_unix_ms(1)},
                                      kOrderId,
                                      "lnbcrt1",
                                      from_unix_ms(900'000),
                                      kTakeId,
                                      Satoshi{kSatoshiPerBtc}};
  auto const body = to_json(response);
  EXPECT_EQ(body.find_int("exiresAt"), 900'000);
  EXPECT_EQ(body.find_int("expiresAt"), 900'000);
  auto const read = parse_execute_response(body);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->expires_at, response.expires_at);
  EXPECT_EQ(read->take_id, kTakeId);
  EXPECT_EQ(read->amount, response.amount);
}

TEST(OrderMessage, readsTheResponseOfTheOriginal) {
  auto const read = parse_execute_response(parsed(
      R"({"type":"ExecuteOrderResponse","exchangeId":1500,"creatorType":"server","createdAt":1,)"
      R"("orderId":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed","lightningInvoice":"lntb1u1","exiresAt":901})"));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(to_unix_ms(read->expires_at), 901);
  EXPECT_FALSE(read->amount);
  EXPECT_EQ(parse_execute_response(parsed("\"ok\"")).error(), MessageErrc::bad_answer);
  EXPECT_EQ(parse_execute_response(parsed(kOriginalOrder)).error(), MessageErrc::bad_answer);
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

TEST(Payload, isReadAsTextAndAsObject) {
  auto const text = read_payload(Value{kOriginalOrder});
  ASSERT_TRUE(text);
  EXPECT_EQ(text->form, PayloadForm::text);
  auto const object = read_payload(parsed(kOriginalOrder));
  ASSERT_TRUE(object);
  EXPECT_EQ(object->form, PayloadForm::object);
  EXPECT_EQ(text->body, object->body);
  EXPECT_EQ(read_payload(Value{"no json"}).error(), MessageErrc::not_json);
  EXPECT_EQ(read_payload(Value{std::string(1000, '[')}).error(), MessageErrc::not_json);
}

TEST(Payload, isAnsweredInTheFormAsked) {
  EXPECT_EQ(json::to_text(write_payload("ok", PayloadForm::text)), R"("\"ok\"")");
  EXPECT_EQ(json::to_text(write_payload("ok", PayloadForm::object)), R"("ok")");
}

TEST(Refusal, travelsAsErrorText) {
  for (int code = 1; code <= static_cast<int>(RefusalCode::unavailable); ++code) {
    Refusal const refusal{static_cast<RefusalCode>(code), "because", std::chrono::milliseconds{872'000}};
    auto const text = to_error_text(refusal);
    EXPECT_EQ(parse_refusal(text), refusal) << text;
  }
  EXPECT_EQ(to_error_text({RefusalCode::self_trade, "it is yours", {}}),
            R"({"type":"ErrorMessage","code":"self-trade","reason":"it is yours","retryAfterMs":0})");
}

TEST(Refusal, otherErrorsAreNone) {
  for (auto const* const text : {"", "ERR_TIMEOUT", "{}", "[]", R"({"type":"ErrorMessage"})", "1"}) {
    EXPECT_FALSE(parse_refusal(text)) << text;
  }
  auto const newer = parse_refusal(R"({"type":"ErrorMessage","code":"moon","retryAfterMs":-5})");
  ASSERT_TRUE(newer);
  EXPECT_EQ(newer->code, RefusalCode::invalid);
  EXPECT_EQ(newer->retry_after.count(), 0);
}

}  // namespace
}  // namespace grenache::exchange
