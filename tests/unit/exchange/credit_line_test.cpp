// The rules of one credit line.
#include <limits>
#include <string>

#include "tests/support/credit_fixture.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace test;
using Kind = CreditNotice::Kind;

class CreditLineTest : public test::CreditFixture {};

// Opening

TEST_F(CreditLineTest, aPeerHasNoLineWithItself) {
  EXPECT_EQ(CreditLine::create(alice.other, alice.other).error(), CreditErrc::own_peer);
}

TEST_F(CreditLineTest, anAcceptedProposalOpensTheLineWithBothLimits) {
  open(100, 70);
  EXPECT_EQ(alice.line.view().our_limit, UsdCents{100});
  EXPECT_EQ(alice.line.view().their_limit, UsdCents{70});
  EXPECT_EQ(bob.line.view().our_limit, UsdCents{70});
  EXPECT_EQ(bob.line.view().room, UsdCents{100});
  EXPECT_TRUE(alice.was_told(Kind::opened) && bob.was_told(Kind::opened));
  EXPECT_TRUE(bob.was_told(Kind::proposal));
  EXPECT_FALSE(alice.was_told(Kind::proposal)) << "Bob's acceptance needs no answer of Alice";
  expect_equal();
  EXPECT_EQ(alice.line.propose(UsdCents{1}, UsdCents{1}, kNow).error(), CreditErrc::already_open);
}

TEST_F(CreditLineTest, aRejectedProposalLeavesNoLineAndCanBeMadeAgain) {
  exchange(bob, alice.send(alice.line.propose(UsdCents{100}, UsdCents{100}, kNow)));
  EXPECT_EQ(alice.line.propose(UsdCents{1}, UsdCents{1}, kNow).error(), CreditErrc::already_open);
  exchange(alice, bob.send(bob.line.reject()));
  EXPECT_EQ(alice.last(Kind::refused).error, CreditErrc::rejected);
  EXPECT_FALSE(alice.line.view().is_open);
  EXPECT_EQ(bob.line.reject().error(), CreditErrc::no_proposal);
  EXPECT_EQ(bob.line.accept(kNow).error(), CreditErrc::no_proposal);
  open(50, 50);
  expect_equal();
}

TEST_F(CreditLineTest, aCounterProposalIsAcceptedByTheFirstProposer) {
  exchange(bob, alice.send(alice.line.propose(UsdCents{100}, UsdCents{100}, kNow)));
  exchange(alice, bob.send(bob.line.propose(UsdCents{20}, UsdCents{30}, kNow)));
  ASSERT_TRUE(alice.line.proposal());
  EXPECT_EQ(alice.line.proposal()->limit, UsdCents{20});
  exchange(bob, alice.send(alice.line.accept(kNow)));
  EXPECT_EQ(alice.line.view().our_limit, UsdCents{30});
  EXPECT_EQ(alice.line.view().their_limit, UsdCents{20});
  EXPECT_TRUE(bob.line.view().is_open);
  expect_equal();
}

TEST_F(CreditLineTest, equalProposalsThatCrossOpenTheLine) {
  auto const from_alice = alice.send(alice.line.propose(UsdCents{10}, UsdCents{20}, kNow));
  auto const from_bob = bob.send(bob.line.propose(UsdCents{20}, UsdCents{10}, kNow));
  exchange(bob, from_alice);
  exchange(alice, from_bob);
  EXPECT_TRUE(alice.line.view().is_open && bob.line.view().is_open);
  expect_equal();
}

TEST_F(CreditLineTest, differentProposalsThatCrossEndWithTheAcceptedOne) {
  auto const from_alice = alice.send(alice.line.propose(UsdCents{10}, UsdCents{20}, kNow));
  auto const from_bob = bob.send(bob.line.propose(UsdCents{30}, UsdCents{40}, kNow));
  exchange(bob, from_alice);
  exchange(alice, from_bob);
  exchange(bob, alice.send(alice.line.accept(kNow)));
  EXPECT_TRUE(alice.line.view().is_open && bob.line.view().is_open);
  EXPECT_EQ(alice.line.view().our_limit, UsdCents{40});
  EXPECT_EQ(bob.line.view().our_limit, UsdCents{30});
  EXPECT_FALSE(bob.line.proposal());
  expect_equal();
}

TEST_F(CreditLineTest, aWithdrawnProposalLeavesNoLine) {
  auto const proposed = alice.send(alice.line.propose(UsdCents{10}, UsdCents{20}, kNow));
  EXPECT_TRUE(alice.send(alice.line.close(kNow)).empty()) << "Bob may have accepted";
  exchange(bob, proposed);
  exchange(alice, bob.send(bob.line.accept(kNow)));
  exchange(bob, alice.signed_by_us(alice.line.resend()));
  EXPECT_FALSE(alice.line.view().is_open || bob.line.view().is_open);
  EXPECT_FALSE(alice.line.proposal() || bob.line.proposal());
  expect_equal();
  open();
}

// Payments

TEST_F(CreditLineTest, aPaymentMovesTheBalanceOnBothSides) {
  open();
  pay(alice, payment(1, 30));
  EXPECT_EQ(alice.balance(), -30);
  EXPECT_EQ(bob.balance(), 30);
  EXPECT_EQ(alice.line.view().room, UsdCents{70});
  EXPECT_EQ(bob.line.view().room, UsdCents{130});
  EXPECT_EQ(alice.last(Kind::counted).entry, payment(1, 30));
  EXPECT_EQ(bob.last(Kind::received).entry, payment(1, 30));
  expect_equal();
}

TEST_F(CreditLineTest, paymentsThatCrossBothCount) {
  open();
  auto const from_alice = alice.send(alice.line.give(payment(1, 100), kNow));
  auto const from_bob = bob.send(bob.line.give(payment(1, 60), kNow));
  exchange(alice, from_bob);
  exchange(bob, from_alice);
  EXPECT_EQ(alice.balance(), -40);
  expect_equal();
}

TEST_F(CreditLineTest, badAmountsIdsAndExpiriesAreRefused) {
  open();
  EXPECT_EQ(error_of(payment(1, 0)), CreditErrc::bad_amount);
  EXPECT_EQ(error_of(payment(1, -5)), CreditErrc::bad_amount);
  EXPECT_EQ(error_of(payment(1, UsdCents::kMax + 1)), CreditErrc::bad_amount);
  EXPECT_EQ(error_of(payment(1, std::numeric_limits<std::int64_t>::max())), CreditErrc::bad_amount);
  auto nameless = payment(1, 5);
  nameless.id = "five";
  EXPECT_EQ(error_of(nameless), CreditErrc::bad_id);
  EXPECT_EQ(error_of(payment(1, 5, kNow)), CreditErrc::expired);
  EXPECT_EQ(error_of(payment(1, 5, kNow + CreditLine::kLifeMax + 1ms)), CreditErrc::bad_expiry);
}

TEST_F(CreditLineTest, sumsDoNotOverflow) {
  open(UsdCents::kMax, UsdCents::kMax);
  pay(alice, payment(1, UsdCents::kMax));
  EXPECT_EQ(error_of(payment(2, 1)), CreditErrc::over_limit);
  pay(bob, payment(1, UsdCents::kMax));
  EXPECT_EQ(error_of(payment(2, 1)), CreditErrc::bad_amount) << "more than all money was paid";
  pay(alice, settlement(3, UsdCents::kMax));
  pay(bob, settlement(3, UsdCents::kMax));
  EXPECT_EQ(alice.balance(), 0);
  expect_equal();
}

TEST_F(CreditLineTest, pendingPaymentsCountAgainstTheLimit) {
  open();
  auto const sent = alice.send(alice.line.give(payment(1, 60), kNow));
  auto const queued = alice.send(alice.line.give(payment(2, 40), kNow));
  EXPECT_TRUE(queued.empty()) << "one update at a time";
  EXPECT_EQ(error_of(payment(3, 1)), CreditErrc::over_limit);
  EXPECT_EQ(alice.line.view().pending, UsdCents{100});
  EXPECT_EQ(alice.balance(), 0);
  exchange(bob, sent);
  EXPECT_EQ(alice.balance(), -100);
  EXPECT_EQ(alice.line.view().pending, UsdCents{});
  EXPECT_EQ(error_of(payment(3, 1)), CreditErrc::over_limit);
  expect_equal();
}

TEST_F(CreditLineTest, anIdCountsOnce) {
  open();
  auto const sent = alice.send(alice.line.give(payment(1, 10), kNow));
  EXPECT_EQ(error_of(payment(1, 10)), CreditErrc::already_pending);
  EXPECT_EQ(error_of(payment(1, 11)), CreditErrc::id_reused);
  exchange(bob, sent);
  EXPECT_EQ(error_of(payment(1, 10)), CreditErrc::already_counted);
  EXPECT_EQ(error_of(payment(1, 10, kNow + 2min)), CreditErrc::id_reused);
  EXPECT_EQ(error_of(settlement(1, 10)), CreditErrc::id_reused);
  pay(bob, payment(1, 10));  // the ids of the two sides are different ones
  EXPECT_EQ(alice.balance(), 0);
}

TEST_F(CreditLineTest, whatIsForgottenIsStale) {
  open(UsdCents::kMax, UsdCents::kMax);
  for (int i = 0; i <= static_cast<int>(CreditMemory::kSizeMax); ++i) {
    pay(alice, payment(i, 1, kNow + 1min + std::chrono::milliseconds{i}));
  }
  EXPECT_EQ(error_of(payment(0, 1)), CreditErrc::stale);
  EXPECT_EQ(error_of(payment(1, 1, kNow + 1min + 1ms)), CreditErrc::already_counted);
  EXPECT_EQ(error_of(payment(0, 1), kNow + 2min), CreditErrc::expired);
}

TEST_F(CreditLineTest, pendingPaymentsAreBounded) {
  open(UsdCents::kMax, UsdCents::kMax);
  auto const sent = alice.send(alice.line.give(payment(0, 1), kNow));
  for (int i = 1; i < static_cast<int>(CreditLine::kPendingMax); ++i) {
    ASSERT_TRUE(alice.line.give(payment(i, 1, kNow + 1min + std::chrono::milliseconds{i}), kNow));
  }
  EXPECT_EQ(error_of(payment(5000, 1)), CreditErrc::too_many);
  exchange(bob, sent);
  EXPECT_EQ(bob.balance(), static_cast<std::int64_t>(CreditLine::kPendingMax));
  expect_equal();
}

TEST_F(CreditLineTest, nothingIsPaidWithoutALine) {
  EXPECT_EQ(error_of(payment(1, 1)), CreditErrc::not_open);
  EXPECT_EQ(alice.line.raise(UsdCents{1}, kNow).error(), CreditErrc::not_open);
  EXPECT_EQ(alice.line.close(kNow).error(), CreditErrc::not_open);
}

// Messages that are lost, repeated and late

TEST_F(CreditLineTest, aRepeatedUpdateCountsOnceAndGetsTheSameAnswer) {
  open();
  auto const sent = alice.send(alice.line.give(payment(1, 10), kNow));
  auto const first = bob.receive(sent[0]);
  auto const second = bob.receive(sent[0]);
  ASSERT_EQ(first.size(), 1U);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(to_json(first[0]), to_json(second[0]));
  EXPECT_EQ(bob.balance(), 10);
  exchange(alice, first);
  exchange(alice, second);
  EXPECT_EQ(alice.balance(), -10);
  exchange(bob, sent);  // much later
  expect_equal();
}

TEST_F(CreditLineTest, roomThatAnAnswerGaveIsUsedBeforeTheAnswerArrives) {
  open();
  pay(alice, payment(1, 100));
  auto const from_bob = bob.send(bob.line.give(payment(1, 100), kNow));
  auto const lost = alice.receive(from_bob[0]);
  exchange(bob, alice.send(alice.line.give(payment(2, 100), kNow)));
  EXPECT_EQ(bob.balance(), 100);
  exchange(bob, lost);
  EXPECT_EQ(bob.balance(), 100);
  EXPECT_FALSE(alice.was_told(Kind::failed));
  expect_equal();
}

TEST_F(CreditLineTest, paymentsExpireAlsoAfterTheClockWasSetBack) {
  open();
  (void)alice.send(alice.line.give(payment(1, 10, kNow + 1h), kNow));  // in flight
  (void)alice.send(alice.line.give(payment(2, 10, kNow + 1min), kNow));
  (void)alice.send(alice.line.expire(kNow + 2h));
  EXPECT_EQ(alice.last(Kind::failed).entry.id, id(2));
  EXPECT_TRUE(alice.was_told(Kind::overdue));
  (void)alice.send(alice.line.give(payment(3, 10, kNow + 1min), kNow));  // the clock was ahead
  EXPECT_EQ(alice.line.next_expiry(), kNow + 1min);
  (void)alice.send(alice.line.expire(kNow + 1min));
  EXPECT_EQ(alice.last(Kind::failed).entry.id, id(3));
  EXPECT_EQ(alice.line.next_expiry(), WallTime::max());
}

TEST_F(CreditLineTest, aReconnectionCompletesWhatWasSigned) {
  open();
  auto const sent = alice.send(alice.line.give(payment(1, 10), kNow));
  auto const lost = bob.receive(sent[0]);
  auto const row = alice.line.rows();
  alice.restore(row);
  exchange(alice, bob.signed_by_us(bob.line.connect()));
  EXPECT_EQ(alice.balance(), -10);
  EXPECT_TRUE(alice.was_told(Kind::counted));
  expect_equal();
}

TEST_F(CreditLineTest, aPeerThatLostItsDataTakesOverWhatBothHaveSigned) {
  open();
  auto const old = alice.line.rows();
  pay(alice, payment(1, 10));
  pay(bob, payment(2, 3));
  alice.restore(old);
  // Without a reconnection: Bob shows what both have signed, and the payment follows it.
  pay(alice, payment(4, 5));
  EXPECT_EQ(alice.balance(), -12);
  expect_equal();
  // The same payment once more is not counted twice.
  pay(alice, payment(1, 10));
  EXPECT_EQ(alice.balance(), -12);
  expect_equal();
}

TEST_F(CreditLineTest, aPeerIsShownWhatItLostWhenAnUpdateFollowsIt) {
  open();
  auto const old = bob.line.rows();
  pay(alice, payment(1, 10));
  bob.restore(old);
  pay(alice, payment(2, 20));
  EXPECT_EQ(bob.balance(), 10) << "taken over; the new payment waits until it is sent again";
  exchange(bob, alice.signed_by_us(alice.line.resend()));
  EXPECT_EQ(bob.balance(), 30);
  expect_equal();
}

// Limits

TEST_F(CreditLineTest, aRaiseIsSignedByBothAndGivesRoom) {
  open();
  auto const raised = alice.send(alice.line.raise(UsdCents{150}, kNow));
  EXPECT_EQ(bob.line.view().room, UsdCents{100});
  EXPECT_EQ(alice.line.view().our_limit, UsdCents{100}) << "not yet signed by Bob";
  exchange(bob, raised);
  EXPECT_EQ(alice.line.view().our_limit, UsdCents{150});
  pay(bob, payment(1, 150));
  EXPECT_TRUE(bob.was_told(Kind::limits) && alice.was_told(Kind::limits));
  EXPECT_EQ(alice.line.raise(UsdCents{150}, kNow).error(), CreditErrc::bad_limit);
  EXPECT_EQ(alice.line.lower(UsdCents{150}, kNow).error(), CreditErrc::bad_limit);
  EXPECT_EQ(alice.line.lower(UsdCents{-1}, kNow).error(), CreditErrc::bad_limit);
  EXPECT_EQ(alice.line.raise(UsdCents{UsdCents::kMax + 1}, kNow).error(), CreditErrc::bad_limit);
}

TEST_F(CreditLineTest, aLimitIsNeverLoweredBelowTheDebt) {
  open();
  pay(bob, payment(1, 40));
  EXPECT_EQ(alice.line.lower(UsdCents{39}, kNow).error(), CreditErrc::below_debt);
  exchange(bob, alice.send(alice.line.lower(UsdCents{40}, kNow)));
  EXPECT_EQ(bob.line.view().room, UsdCents{});
  EXPECT_EQ(alice.balance(), 40) << "lowering changes no balance";
  expect_equal();
}

TEST_F(CreditLineTest, aLoweringThatCrossesAPaymentGivesWay) {
  open();
  auto const lowered = alice.send(alice.line.lower(UsdCents{10}, kNow));
  auto const paid = bob.send(bob.line.give(payment(1, 50), kNow));
  exchange(bob, lowered);
  EXPECT_EQ(alice.last(Kind::refused).error, CreditErrc::below_debt);
  exchange(alice, paid);
  EXPECT_EQ(alice.balance(), 50);
  EXPECT_EQ(alice.line.view().our_limit, UsdCents{100});
  expect_equal();
}

TEST_F(CreditLineTest, theOtherSideIsAskedForAHigherLimit) {
  open();
  exchange(bob, alice.send(alice.line.ask(UsdCents{500}, kNow)));
  EXPECT_TRUE(bob.was_told(Kind::limits));
  EXPECT_EQ(bob.line.record(alice.line.side()).record.wish, UsdCents{500});
  EXPECT_EQ(bob.line.view().our_limit, UsdCents{100});
}

// Settling, freezing, closing

TEST_F(CreditLineTest, aSettlementReducesTheDebtOnce) {
  open();
  pay(alice, payment(1, 80));
  pay(bob, settlement(7, 50));
  EXPECT_EQ(alice.balance(), -30);
  EXPECT_EQ(bob.line.give(settlement(7, 50), kNow).error(), CreditErrc::already_counted);
  EXPECT_EQ(bob.line.give(settlement(7, 51), kNow).error(), CreditErrc::id_reused);
  EXPECT_EQ(bob.line.record(bob.line.side()).record.settled, UsdCents{50});
  expect_equal();
}

TEST_F(CreditLineTest, aFrozenLineCarriesNoPayments) {
  open();
  auto const from_bob = bob.send(bob.line.give(payment(1, 10), kNow));
  auto const frozen = alice.send(alice.line.freeze(true, kNow));
  EXPECT_EQ(error_of(payment(2, 1)), CreditErrc::frozen);
  exchange(alice, from_bob);
  EXPECT_EQ(bob.last(Kind::failed).error, CreditErrc::frozen);
  exchange(bob, frozen);
  EXPECT_TRUE(bob.was_told(Kind::frozen));
  EXPECT_EQ(bob.line.give(payment(3, 1), kNow).error(), CreditErrc::frozen);
  EXPECT_EQ(bob.line.view().room, UsdCents{});
  exchange(bob, alice.send(alice.line.freeze(false, kNow)));
  pay(bob, payment(3, 1));
  EXPECT_EQ(alice.balance(), 1);
  expect_equal();
}

TEST_F(CreditLineTest, aLineIsClosedOnlyAtZeroAndCanBeOpenedAgain) {
  open();
  pay(alice, payment(1, 10));
  EXPECT_EQ(alice.line.close(kNow).error(), CreditErrc::not_zero);
  auto const sent = bob.send(bob.line.give(payment(2, 10), kNow));
  EXPECT_EQ(bob.line.close(kNow).error(), CreditErrc::pending);
  exchange(alice, sent);
  exchange(bob, alice.send(alice.line.close(kNow)));
  EXPECT_TRUE(alice.was_told(Kind::closed) && bob.was_told(Kind::closed));
  EXPECT_EQ(error_of(payment(3, 1)), CreditErrc::not_open);
  expect_equal();
  open(7, 8);
  EXPECT_EQ(error_of(payment(1, 10)), CreditErrc::already_counted) << "an id counts once, closed or not";
  pay(alice, payment(4, 8));
  expect_equal();
}

TEST_F(CreditLineTest, aClosingThatCrossesAPaymentGivesWay) {
  open();
  auto const closed = alice.send(alice.line.close(kNow));
  auto const paid = bob.send(bob.line.give(payment(1, 10), kNow));
  exchange(bob, closed);
  EXPECT_EQ(alice.last(Kind::refused).error, CreditErrc::pending);
  exchange(alice, paid);
  EXPECT_EQ(alice.balance(), 10);
  EXPECT_TRUE(alice.line.view().is_open);
  expect_equal();
}

}  // namespace
}  // namespace grenache::exchange
