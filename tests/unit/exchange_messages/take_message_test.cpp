#include "exchange/messages/take_message.hpp"

#include <functional>

#include <gtest/gtest.h>

#include "tests/unit/exchange_messages/sample_messages.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

TEST(TakeMessage, executesOfTheOriginalHaveNoTerms) {
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

TEST(TakeMessage, executesOfOursSurviveTheRoundTrip) {
  auto const sent = signed_execute();
  auto const read = parse_as<ExecuteOrderMessage>(parsed(json::to_text(to_json(sent))));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->take, sent.take);
  EXPECT_TRUE(verify_take(*read->take, read->order_id, key_of(1).public_key()));
}

TEST(TakeMessage, refusesExecutesWithHalfOfTheTerms) {
  expect_refused(to_json(signed_execute()), {
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
                                            });
}

TEST(TakeMessage, responseSpellsItsExpiryBothWays) {
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

TEST(TakeMessage, readsTheResponseOfTheOriginal) {
  auto const read = parse_execute_response(parsed(
      R"({"type":"ExecuteOrderResponse","exchangeId":1500,"creatorType":"server","createdAt":1,)"
      R"("orderId":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed","lightningInvoice":"lntb1u1","exiresAt":901})"));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(to_unix_ms(read->expires_at), 901);
  EXPECT_FALSE(read->amount);
  EXPECT_EQ(parse_execute_response(parsed("\"ok\"")).error(), MessageErrc::bad_answer);
  EXPECT_EQ(parse_execute_response(parsed(kOriginalOrder)).error(), MessageErrc::bad_answer);
}

PayMessage signed_pay() {
  PayMessage message{
      {7, CreatorType::client, from_unix_ms(5)}, kOrderId, kTakeId, sha256("preimage"), {}, {}};
  sign_pay(message, key_of(1).public_key(), key_of(2));
  return message;
}

TEST(TakeMessage, paymentsSurviveTheRoundTrip) {
  auto const sent = signed_pay();
  auto const read = parse_as<PayMessage>(parsed(json::to_text(to_json(sent))));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->order_id, kOrderId);
  EXPECT_EQ(read->take_id, kTakeId);
  EXPECT_EQ(read->payment_hash, sent.payment_hash);
  EXPECT_EQ(read->taker, key_of(2).public_key());
  EXPECT_TRUE(verify_pay(*read, key_of(1).public_key()));
}

TEST(TakeMessage, aPaymentIsSignedForOneInvoiceOfOneMaker) {
  EXPECT_FALSE(verify_pay(signed_pay(), key_of(3).public_key()));
  for (auto const& change : std::vector<std::function<void(PayMessage&)>>{
           [](PayMessage& m) { m.order_id.back() = 'e'; },
           [](PayMessage& m) { m.take_id.back() = 'e'; },
           [](PayMessage& m) { m.payment_hash = sha256("another"); },
           [](PayMessage& m) { m.taker = key_of(3).public_key(); },
       }) {
    auto changed = signed_pay();
    change(changed);
    EXPECT_FALSE(verify_pay(changed, key_of(1).public_key()));
  }
}

TEST(TakeMessage, digestOfAPaymentStaysTheSameOverReleases) {
  auto message = signed_pay();
  message.taker = *PeerId::from_hex("021111111111111111111111111111111111111111111111111111111111111111");
  auto const maker = *PeerId::from_hex("03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad");
  // SHA-256 of grenache/exchange/pay/1:d4:hash32:…5:maker33:…5:order36:…4:take36:…5:taker33:…e, computed with
  // Python's hashlib.
  EXPECT_EQ(pay_digest(message, maker).hex(),
            "81fd6d8bd15086a3ac5702ca0e50b084c0ceb156f5cbf0dc763cdda857189154");
}

TEST(TakeMessage, refusesMalformedPayments) {
  expect_refused(to_json(signed_pay()),
                 {
                     {"orderId", {}, MessageErrc::bad_order_id},
                     {"takeId", "1", MessageErrc::bad_take_id},
                     {"takeId", {}, MessageErrc::bad_take_id},
                     {"paymentHash", {}, MessageErrc::bad_payment_hash},
                     {"paymentHash", std::string(63, '0'), MessageErrc::bad_payment_hash},
                     {"paymentHash", std::string(64, 'g'), MessageErrc::bad_payment_hash},
                     {"taker", "003:1500", MessageErrc::bad_key},
                     {"signature", {}, MessageErrc::bad_signature},
                 });
}

TEST(TakeMessage, thePreimageSurvivesTheRoundTrip) {
  PaidMessage const sent{{7, CreatorType::server, from_unix_ms(5)}, kOrderId, kTakeId, sha256("secret")};
  auto const body = to_json(sent);
  auto const read = parse_paid(body);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->order_id, kOrderId);
  EXPECT_EQ(read->take_id, kTakeId);
  EXPECT_EQ(read->preimage, sent.preimage);

  auto changed = body;
  changed.set("preimage", "00");
  EXPECT_EQ(parse_paid(changed).error(), MessageErrc::bad_preimage);
  changed = body;
  changed.set("type", "PayMessage");
  EXPECT_EQ(parse_paid(changed).error(), MessageErrc::bad_answer);
  EXPECT_EQ(parse_request(body).error(), MessageErrc::unknown_type) << "an answer is no request";
}

}  // namespace
}  // namespace grenache::exchange
