#include "exchange/messages/transit_message.hpp"

#include <gtest/gtest.h>

#include "tests/unit/exchange_messages/sample_messages.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

PrepareMessage signed_prepare() {
  PrepareMessage out;
  out.header = {7, CreatorType::client, from_unix_ms(1)};
  out.id = kTakeId;
  out.hash = sha256("secret");
  out.payee = key_of(3).public_key();
  out.amount = UsdCents{105};
  out.deliver = UsdCents{100};
  out.hops_left = 2;
  out.expires = from_unix_ms(1'700'000'000'000);
  out.path = {key_of(4).public_key()};
  out.is_netting = true;
  out.payer = key_of(1).public_key();
  out.signature = key_of(1).sign(prepare_digest(out, key_of(2).public_key()));
  return out;
}

TEST(TransitMessage, preparesSurviveTheRoundTrip) {
  auto const sent = signed_prepare();
  auto const read = parse_as<PrepareMessage>(parsed(json::to_text(to_json(sent))));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(prepare_digest(*read, key_of(2).public_key()), prepare_digest(sent, key_of(2).public_key()));
  EXPECT_NE(prepare_digest(*read, key_of(5).public_key()), prepare_digest(sent, key_of(2).public_key()))
      << "it is for one receiver";
  EXPECT_EQ(read->signature, sent.signature);
  EXPECT_FALSE(read->record);
}

TEST(TransitMessage, preparesWithBadMembersAreRefused) {
  json::Value::Array long_path(kTransitPathMax + 1, key_of(4).public_key().hex());
  expect_refused(to_json(signed_prepare()), {
                                                {"id", "1", MessageErrc::bad_take_id},
                                                {"hash", {}, MessageErrc::bad_payment_hash},
                                                {"payee", "02", MessageErrc::bad_key},
                                                {"payer", {}, MessageErrc::bad_key},
                                                {"amount", "0.99", MessageErrc::bad_amount},
                                                {"deliver", "0", MessageErrc::bad_amount},
                                                {"deliver", "-1", MessageErrc::bad_amount},
                                                {"hopsLeft", 33, MessageErrc::bad_range},
                                                {"hopsLeft", -1, MessageErrc::bad_range},
                                                {"path", std::move(long_path), MessageErrc::bad_range},
                                                {"path", 1, MessageErrc::bad_range},
                                                {"netting", "yes", MessageErrc::bad_range},
                                                {"expires", {}, MessageErrc::bad_time},
                                                {"signature", "00", MessageErrc::bad_signature},
                                            });
}

TEST(TransitMessage, outcomesSurviveTheRoundTrip) {
  TransitOutcome out;
  out.id = kTakeId;
  out.hops_left = 3;
  out.payer = key_of(1).public_key();
  out.receiver = key_of(2).public_key();
  for (auto const state : {TransitState::pending, TransitState::committed, TransitState::aborted}) {
    out.state = state;
    out.reason = state == TransitState::aborted ? TransitReason::no_room : TransitReason::none;
    out.secret = state == TransitState::committed ? sha256("a") : Sha256{};
    out.claimed = UsdCents{state == TransitState::committed ? 5 : 0};
    auto const read = parse_transit_outcome(parsed(json::to_text(to_json(out))));
    ASSERT_TRUE(read);
    EXPECT_EQ(outcome_digest(*read), outcome_digest(out));
  }
  auto unknown = to_json(out);
  unknown.set("reason", "mood");
  EXPECT_FALSE(parse_transit_outcome(unknown));
}

TEST(TransitMessage, eachReasonHasAWordAndAText) {
  for (int i = 1; i <= static_cast<int>(TransitReason::already_paid); ++i) {
    auto const reason = static_cast<TransitReason>(i);
    EXPECT_FALSE(to_text(reason).empty() || describe(reason).empty());
    EXPECT_EQ(parse_transit_reason(to_text(reason)), reason);
  }
}

TEST(TransitMessage, theSecretOfAnInvoiceDependsOnItsPayeeIdAndAmount) {
  auto const secret = transit_secret(kTakeId, UsdCents{5}, key_of(1));
  EXPECT_EQ(secret, transit_secret(kTakeId, UsdCents{5}, key_of(1)));
  EXPECT_NE(secret, transit_secret(kTakeId, UsdCents{6}, key_of(1)));
  EXPECT_NE(secret, transit_secret(kOrderId, UsdCents{5}, key_of(1)));
  EXPECT_NE(secret, transit_secret(kTakeId, UsdCents{5}, key_of(2)));
  TransitInvoice invoice{{}, kTakeId, UsdCents{5}, sha256(secret.view()), key_of(1).public_key(), {}};
  invoice.signature = key_of(1).sign(invoice_digest(invoice));
  auto const read = parse_transit_invoice(parsed(json::to_text(to_json(invoice))));
  ASSERT_TRUE(read);
  EXPECT_EQ(invoice_digest(*read), invoice_digest(invoice));
}

TEST(TransitMessage, debtsSurviveTheRoundTrip) {
  DebtsAnswer out;
  out.debts = {{key_of(1).public_key(), 500}, {key_of(2).public_key(), -7}};
  out.has_more = true;
  auto const read = parse_debts(parsed(json::to_text(to_json(out))));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->debts.size(), 2U);
  EXPECT_EQ(read->debts[0].cents, 500);
  EXPECT_EQ(read->debts[1].cents, -7);
  EXPECT_TRUE(read->has_more);
  out.debts.assign(kDebtsPageMax + 1, out.debts[0]);
  EXPECT_FALSE(parse_debts(to_json(out)));
}

}  // namespace
}  // namespace grenache::exchange
