#include "exchange/core/take.hpp"

#include <gtest/gtest.h>

#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;

class TakeTest : public testing::Test {
 protected:
  TakeTest() { EXPECT_TRUE(book_.add(order_, kNow)); }

  ExecuteOrderMessage message(Satoshi amount = Satoshi{kSatoshiPerBtc}) const {
    TakeTerms take{uuid(50), amount, order_.price, {}, kNow, {}};
    sign_take(take, order_.id, maker_.public_key(), taker_);
    return {{7, CreatorType::client, kNow}, order_.id, take};
  }
  std::variant<PendingTake, Refusal> check(ExecuteOrderMessage const& message, WallTime now = kNow) const {
    return check_take(message, book_, maker_.public_key(), options_, now);
  }
  RefusalCode code(ExecuteOrderMessage const& message, WallTime now = kNow) const {
    auto const checked = check(message, now);
    auto const* const refusal = std::get_if<Refusal>(&checked);
    return refusal ? refusal->code : RefusalCode{};
  }
  void close(OrderStatus status) {
    auto closed = order_;
    ++closed.seq;
    closed.status = status;
    EXPECT_TRUE(book_.add(signed_by(1, closed), kNow));
  }

  SecretKey maker_ = secret(1);
  SecretKey taker_ = secret(2);
  OrderRecord order_ = signed_by(1, draft(1, Side::sell));
  Book book_{Book::Options{}};
  TakeOptions options_;
};

TEST_F(TakeTest, asksTheStoreForWhatTheTakerWants) {
  auto const checked = check(message(Satoshi{40}));
  auto const* const pending = std::get_if<PendingTake>(&checked);
  ASSERT_TRUE(pending);
  EXPECT_EQ(pending->request.order_id, order_.id);
  EXPECT_EQ(pending->request.amount_sat, 40);
  EXPECT_EQ(pending->request.available_sat, kSatoshiPerBtc);
  EXPECT_EQ(pending->request.taker, taker_.public_key().hex());
  EXPECT_EQ(pending->request.life, 900s);
  EXPECT_LE(pending->request.take_id.size(), kReservationIdSizeMax);
}

TEST_F(TakeTest, takeIdsOfTwoTakersNeverMeetInTheStore) {
  auto const mine = check(message());
  taker_ = secret(3);
  auto const copied = check(message());
  EXPECT_NE(std::get<PendingTake>(mine).request.take_id, std::get<PendingTake>(copied).request.take_id);
}

TEST_F(TakeTest, theOriginalTakesTheWholeOrderUnderItsExchangeId) {
  ExecuteOrderMessage const original{{1500, CreatorType::client, kNow}, order_.id, {}};
  auto const checked = check(original);
  auto const* const pending = std::get_if<PendingTake>(&checked);
  ASSERT_TRUE(pending);
  EXPECT_EQ(pending->request.taker, "003:1500");
  EXPECT_EQ(pending->request.amount_sat, kSatoshiPerBtc);
  options_.accept_unsigned = false;
  EXPECT_EQ(code(original), RefusalCode::signature);
}

TEST_F(TakeTest, refusesOrdersThatAreNotItsOwnToExecute) {
  auto other = message();
  other.order_id = uuid(99);
  EXPECT_EQ(code(other), RefusalCode::unknown);
  ASSERT_TRUE(book_.add(signed_by(5, draft(99, Side::sell)), kNow));
  EXPECT_EQ(code(other), RefusalCode::unknown) << "somebody else's";
  other.order_id = "no uuid";
  EXPECT_EQ(code(other), RefusalCode::unknown);
}

TEST_F(TakeTest, refusesClosedOrdersWithTheReason) {
  EXPECT_EQ(code(message(), order_.expires), RefusalCode::expired);
  close(OrderStatus::filled);
  EXPECT_EQ(code(message()), RefusalCode::filled);
  ++order_.seq;
  close(OrderStatus::cancelled);
  EXPECT_EQ(code(message()), RefusalCode::unknown);
  ++order_.seq;
  close(OrderStatus::expired);
  EXPECT_EQ(code(message()), RefusalCode::expired);
}

TEST_F(TakeTest, refusesTheMakerAsTaker) {
  taker_ = maker_;
  EXPECT_EQ(code(message()), RefusalCode::self_trade);
}

TEST_F(TakeTest, refusesAmountsThatTheOrderDoesNotHave) {
  EXPECT_EQ(code(message(Satoshi{0})), RefusalCode::amount);
  EXPECT_EQ(code(message(Satoshi{kSatoshiPerBtc + 1})), RefusalCode::amount);
}

TEST_F(TakeTest, refusesAnotherPrice) {
  auto const honest = order_.price;
  order_.price = PriceCents{honest.units() - 1};
  EXPECT_EQ(code(message()), RefusalCode::price);
}

TEST_F(TakeTest, refusesWhatTheTakerDidNotSignJustNow) {
  auto forged = message();
  forged.take->amount = Satoshi{1};
  EXPECT_EQ(code(forged), RefusalCode::signature);
  EXPECT_EQ(code(message(), kNow + 6min), RefusalCode::signature) << "too old";
  EXPECT_EQ(code(message(), kNow - 6min), RefusalCode::signature) << "from the future";
  EXPECT_EQ(code(message(), kNow + 4min), RefusalCode{});
}

TEST_F(TakeTest, answersAReservationWithAnInvoiceAlwaysTheSame) {
  auto const pending = std::get<PendingTake>(check(message(Satoshi{40})));
  Reservation reservation{pending.request.take_id, 40, 5, kNow, 900s, false};
  auto const first = answer_take(pending, reservation, book_, maker_, kNow);
  auto const* const response = std::get_if<ExecuteOrderResponse>(&first.answer);
  ASSERT_TRUE(response);
  EXPECT_FALSE(first.release);
  EXPECT_EQ(response->order_id, order_.id);
  EXPECT_EQ(response->take_id, uuid(50));
  EXPECT_EQ(response->amount, Satoshi{40});
  EXPECT_EQ(response->expires_at, kNow + 900s);
  EXPECT_TRUE(check_invoice(response->lightning_invoice, maker_.public_key(), Satoshi{40}, kNow));

  reservation.repeated = true;
  reservation.remaining_life = 300s;
  auto const again = answer_take(pending, reservation, book_, maker_, kNow + 600s);
  EXPECT_EQ(std::get<ExecuteOrderResponse>(again.answer).lightning_invoice, response->lightning_invoice);
  EXPECT_EQ(std::get<ExecuteOrderResponse>(again.answer).expires_at, response->expires_at);
}

TEST_F(TakeTest, saysWhenToAskAgain) {
  auto const pending = std::get<PendingTake>(check(message()));
  auto const answer =
      answer_take(pending, ReservationRefusal{ReservationErrc::reserved, 872s}, book_, maker_, kNow);
  auto const& refusal = std::get<Refusal>(answer.answer);
  EXPECT_EQ(refusal.code, RefusalCode::reserved);
  EXPECT_EQ(refusal.retry_after, 872s);
  EXPECT_NE(refusal.reason.find("872 s"), std::string::npos) << refusal.reason;
}

TEST_F(TakeTest, namesTheOtherReasonsOfTheStore) {
  auto const pending = std::get<PendingTake>(check(message()));
  auto const code_of = [&](ReservationErrc reason) {
    auto const answer = answer_take(pending, ReservationRefusal{reason, {}}, book_, maker_, kNow);
    return std::get<Refusal>(answer.answer).code;
  };
  EXPECT_EQ(code_of(ReservationErrc::taker_has_one), RefusalCode::limit);
  EXPECT_EQ(code_of(ReservationErrc::unavailable), RefusalCode::unavailable);
}

TEST_F(TakeTest, givesBackWhatWasReservedForAnOrderThatIsGone) {
  auto const pending = std::get<PendingTake>(check(message()));
  close(OrderStatus::cancelled);
  auto const answer = answer_take(pending, Reservation{pending.request.take_id, 1, 5, kNow, 900s, false},
                                  book_, maker_, kNow);
  EXPECT_EQ(std::get<Refusal>(answer.answer).code, RefusalCode::unknown);
  ASSERT_TRUE(answer.release);
  EXPECT_EQ(answer.release->fence, 5);
}

}  // namespace
}  // namespace grenache::exchange
