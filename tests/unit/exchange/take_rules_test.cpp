#include "exchange/core/trade/take_rules.hpp"

#include <functional>

#include <gtest/gtest.h>

#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;

constexpr std::uint64_t kMaker = 1;
constexpr std::uint64_t kTaker = 2;

/// A maker's order, of which 60 % remain, and a valid take of 20 % of it.
class TakeRules : public testing::Test {
 protected:
  TakeRules() {
    auto order = sized(draft(1, Side::sell), 1'000);
    order.remaining = Satoshi{600};
    order.least_take = Satoshi{100};
    own_.record = signed_by(kMaker, order);
    own_.totals = {Satoshi{400}, {}, false, 1, Satoshi{400}};
    message_.header.exchange_id = 1337;
    message_.order_id = order.id;
    message_.take = TakeTerms{uuid(9), Satoshi{200}, order.price, {}, kNow, {}};
  }

  [[nodiscard]] std::variant<store::Reserve, Refusal> check(OwnOrder const* order) {
    if (message_.take) sign_take(*message_.take, own_.record.id, self_, secret(kTaker));
    return check_take(message_, order, self_, options_, now_);
  }
  [[nodiscard]] store::Reserve granted() {
    auto const checked = check(&own_);
    auto const* const refusal = std::get_if<Refusal>(&checked);
    EXPECT_EQ(refusal, nullptr) << refusal->reason;
    return refusal ? store::Reserve{} : std::get<store::Reserve>(checked);
  }
  [[nodiscard]] static RefusalCode code_of(std::variant<store::Reserve, Refusal> const& checked) {
    auto const* const refusal = std::get_if<Refusal>(&checked);
    return refusal ? refusal->code : RefusalCode{};
  }
  [[nodiscard]] RefusalCode refused() { return code_of(check(&own_)); }
  /// The refusal of the take after a change of its terms.
  [[nodiscard]] RefusalCode refused_with(std::function<void(TakeTerms&)> const& change) {
    auto const before = message_;
    change(*message_.take);
    auto const code = refused();
    message_ = before;
    return code;
  }

  PeerId const self_ = secret(kMaker).public_key();
  TakeOptions options_;
  WallTime now_ = kNow;
  OwnOrder own_;
  ExecuteOrderMessage message_;
};

TEST_F(TakeRules, aValidTakeIsReservedWithItsTerms) {
  auto const reserve = granted();
  EXPECT_EQ(reserve.order.id, own_.record.id);
  EXPECT_EQ(reserve.order.totals, own_.totals);
  EXPECT_EQ(reserve.taker, secret(kTaker).public_key().hex());
  EXPECT_EQ(reserve.take_id, uuid(9) + "@" + reserve.taker);
  EXPECT_EQ(reserve.wanted, Satoshi{200});
  EXPECT_EQ(reserve.life, options_.life);
}

TEST_F(TakeRules, aReservationEndsWithItsOrder) {
  own_.record.expires = kNow + 1min;
  EXPECT_EQ(granted().life, 1min);
  own_.record.expires = kNow + options_.life_min;
  EXPECT_EQ(granted().life, options_.life_min);
  own_.record.expires -= 1ms;
  EXPECT_EQ(refused(), RefusalCode::expired);
}

TEST_F(TakeRules, anOrderThatIsUnknownOrClosedIsRefused) {
  EXPECT_EQ(code_of(check(nullptr)), RefusalCode::unknown);
  own_.record.status = OrderStatus::cancelled;
  EXPECT_EQ(refused(), RefusalCode::unknown);
  own_.record.status = OrderStatus::filled;
  EXPECT_EQ(refused(), RefusalCode::filled);
  own_.record.status = OrderStatus::expired;
  EXPECT_EQ(refused(), RefusalCode::expired);
}

TEST_F(TakeRules, theAmountIsPositiveAndNoMoreThanWhatRemains) {
  EXPECT_EQ(refused_with([](TakeTerms& take) { take.amount = Satoshi{0}; }), RefusalCode::amount);
  EXPECT_EQ(refused_with([](TakeTerms& take) { take.amount = Satoshi{-1}; }), RefusalCode::amount);
  EXPECT_EQ(refused_with([](TakeTerms& take) { take.amount = Satoshi{600}; }), RefusalCode{});
  EXPECT_EQ(refused_with([](TakeTerms& take) { take.amount = Satoshi{601}; }), RefusalCode::amount);
}

TEST_F(TakeRules, aTakeIsAtLeastTheLeastOneOrAllThatRemains) {
  EXPECT_EQ(refused_with([](TakeTerms& take) { take.amount = Satoshi{99}; }), RefusalCode::amount);
  EXPECT_EQ(refused_with([](TakeTerms& take) { take.amount = Satoshi{100}; }), RefusalCode{});
  own_.record.remaining = Satoshi{50};
  EXPECT_EQ(refused_with([](TakeTerms& take) { take.amount = Satoshi{49}; }), RefusalCode::amount);
  EXPECT_EQ(refused_with([](TakeTerms& take) { take.amount = Satoshi{50}; }), RefusalCode{});
}

TEST_F(TakeRules, thePriceIsThatOfTheOrder) {
  EXPECT_EQ(refused_with([](TakeTerms& take) { take.price = take.price - PriceCents{1}; }),
            RefusalCode::price);
  EXPECT_EQ(refused_with([](TakeTerms& take) { take.price = take.price + PriceCents{1}; }),
            RefusalCode::price);
}

TEST_F(TakeRules, nobodyTakesAnOwnOrder) {
  sign_take(*message_.take, own_.record.id, self_, secret(kMaker));
  EXPECT_EQ(code_of(check_take(message_, &own_, self_, options_, kNow)), RefusalCode::self_trade);
}

TEST_F(TakeRules, aRequestIsValidForFiveMinutesEitherWay) {
  for (auto const sign : {1, -1}) {
    now_ = kNow + sign * options_.request_age_max;
    EXPECT_EQ(refused(), RefusalCode{});
    now_ += sign * 1ms;
    EXPECT_EQ(refused(), RefusalCode::signature);
  }
}

TEST_F(TakeRules, theTakerMustHaveSigned) {
  sign_take(*message_.take, own_.record.id, self_, secret(kTaker));
  message_.take->amount = Satoshi{201};
  EXPECT_EQ(code_of(check_take(message_, &own_, self_, options_, kNow)), RefusalCode::signature);
  sign_take(*message_.take, uuid(2), self_, secret(kTaker));  // for another order
  EXPECT_EQ(code_of(check_take(message_, &own_, self_, options_, kNow)), RefusalCode::signature);
  sign_take(*message_.take, own_.record.id, secret(3).public_key(), secret(kTaker));  // of another maker
  EXPECT_EQ(code_of(check_take(message_, &own_, self_, options_, kNow)), RefusalCode::signature);
}

TEST_F(TakeRules, theOriginalTakesAllThatRemainsIfItMay) {
  message_.take.reset();
  auto const reserve = granted();
  EXPECT_EQ(reserve.taker, "003:1337");
  EXPECT_EQ(reserve.take_id, "@003:1337");
  EXPECT_EQ(reserve.wanted, Satoshi{600});
  options_.accept_unsigned = false;
  EXPECT_EQ(refused(), RefusalCode::signature);
  message_.take = TakeTerms{uuid(9), Satoshi{200}, own_.record.price, {}, kNow, {}};
  EXPECT_EQ(refused(), RefusalCode{}) << "signed takes are not concerned";
}

TEST_F(TakeRules, eachReasonOfTheStoreHasItsCode) {
  using enum store::RefusalReason;
  for (auto const& [reason, code] :
       std::vector<std::pair<store::RefusalReason, RefusalCode>>{{reserved, RefusalCode::reserved},
                                                                 {taker_has_one, RefusalCode::limit},
                                                                 {too_many_takes, RefusalCode::limit},
                                                                 {amount, RefusalCode::amount},
                                                                 {closed, RefusalCode::unknown},
                                                                 {gone, RefusalCode::gone},
                                                                 {unavailable, RefusalCode::unavailable}}) {
    EXPECT_EQ(refusal_of({reason, 1500ms, {}}).code, code);
  }
  auto const refusal = refusal_of({reserved, 1500ms, {}});
  EXPECT_EQ(refusal.retry_after, 1500ms);
  EXPECT_EQ(refusal.reason, "others have reserved the order, ask again in 2 s");
}

}  // namespace
}  // namespace grenache::exchange
