// Room of a credit line that is held for payments which may be given later.
#include <string>

#include "tests/support/credit_fixture.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace test;
using HoldKind = CreditLine::HoldKind;
using Kind = CreditNotice::Kind;

class CreditHoldTest : public test::CreditFixture {
 protected:
  Result<void> hold(CreditPeer& peer, int n, std::int64_t cents, HoldKind kind = HoldKind::any) {
    return peer.line.hold(peer.line.side(), id(n), UsdCents{cents}, kind);
  }
  Result<void> hold_theirs(CreditPeer& peer, int n, std::int64_t cents, HoldKind kind = HoldKind::any) {
    return peer.line.hold(other_side(peer.line.side()), id(n), UsdCents{cents}, kind);
  }
};

TEST_F(CreditHoldTest, aHoldTakesRoomUntilItsPaymentUsesIt) {
  open(100, 100);
  ASSERT_TRUE(hold(alice, 1, 60));
  EXPECT_EQ(alice.line.view().room, UsdCents{40});
  EXPECT_EQ(alice.line.view().held, UsdCents{60});
  EXPECT_EQ(error_of(payment(2, 41)), CreditErrc::over_limit);
  pay(alice, payment(2, 40));
  EXPECT_EQ(alice.line.view().room, UsdCents{0});
  pay(alice, payment(1, 55));
  EXPECT_TRUE(alice.was_told(Kind::counted));
  EXPECT_EQ(alice.balance(), -95);
  EXPECT_EQ(alice.line.view().room, UsdCents{5}) << "what the payment did not use is free";
  EXPECT_EQ(alice.line.view().held, UsdCents{0});
  expect_equal();
}

TEST_F(CreditHoldTest, lessThanWasPromisedIsRefused) {
  open(100, 100);
  ASSERT_TRUE(hold_theirs(bob, 1, 60));
  pay(alice, payment(1, 1));
  EXPECT_EQ(alice.last(Kind::failed).error, CreditErrc::bad_amount);
  EXPECT_EQ(bob.line.view().held_by_them, UsdCents{60});
  pay(alice, payment(1, 60));
  EXPECT_EQ(bob.balance(), 60);
  EXPECT_EQ(bob.line.view().held_by_them, UsdCents{0});
}

TEST_F(CreditHoldTest, aReleasedHoldFreesItsRoom) {
  open(100, 100);
  ASSERT_TRUE(hold(alice, 1, 60));
  alice.line.release(alice.line.side(), id(1));
  alice.line.release(alice.line.side(), id(1));
  EXPECT_EQ(alice.line.view().room, UsdCents{100});
}

TEST_F(CreditHoldTest, onlyWhatFitsIsHeldAndEachIdOnce) {
  open(100, 100);
  pay(alice, payment(9, 10));
  EXPECT_EQ(hold(alice, 1, 91).error(), CreditErrc::over_limit);
  EXPECT_EQ(hold(alice, 1, 0).error(), CreditErrc::bad_amount);
  EXPECT_EQ(hold(alice, 9, 1).error(), CreditErrc::id_reused);
  ASSERT_TRUE(hold(alice, 1, 90));
  EXPECT_EQ(hold(alice, 1, 1).error(), CreditErrc::id_reused);
  EXPECT_EQ(hold_theirs(bob, 1, 91).error(), CreditErrc::over_limit);
  EXPECT_TRUE(hold_theirs(bob, 1, 90));
}

TEST_F(CreditHoldTest, atMost256AreHeldForEachSide) {
  open(1000, 1000);
  for (int i = 0; i < 256; ++i) ASSERT_TRUE(hold(alice, i, 1));
  EXPECT_EQ(hold(alice, 999, 1).error(), CreditErrc::too_many);
  EXPECT_TRUE(hold_theirs(alice, 999, 1));
}

TEST_F(CreditHoldTest, theOtherSideCannotUseTheRoomThatItsPaymentIsPromised) {
  open(100, 100);
  ASSERT_TRUE(hold_theirs(bob, 1, 60));
  EXPECT_EQ(bob.line.view().held_by_them, UsdCents{60});
  // Alice does not hold it, as an honest payer would.
  pay(alice, payment(2, 50));
  EXPECT_EQ(alice.last(Kind::failed).error, CreditErrc::over_limit);
  pay(alice, payment(3, 40));
  pay(alice, payment(1, 60));
  EXPECT_EQ(alice.balance(), -100);
  EXPECT_EQ(bob.line.view().held_by_them, UsdCents{0});
  expect_equal();
}

TEST_F(CreditHoldTest, aHoldOfNettingOnlyMakesADebtSmaller) {
  open(100, 100);
  EXPECT_EQ(hold(alice, 1, 1, HoldKind::less).error(), CreditErrc::over_limit);
  pay(bob, payment(1, 30));
  ASSERT_TRUE(hold(alice, 2, 20, HoldKind::less));
  EXPECT_EQ(hold(alice, 3, 11, HoldKind::less).error(), CreditErrc::over_limit);
  EXPECT_TRUE(hold(alice, 3, 10, HoldKind::less));
  EXPECT_TRUE(hold_theirs(bob, 2, 20, HoldKind::less));
  EXPECT_EQ(hold_theirs(bob, 3, 11, HoldKind::less).error(), CreditErrc::over_limit);
}

TEST_F(CreditHoldTest, limitsAreNotLoweredBelowWhatIsHeld) {
  open(100, 100);
  ASSERT_TRUE(hold(alice, 1, 60));
  // Bob does not know of it yet, and Alice refuses.
  exchange(alice, bob.send(bob.line.lower(UsdCents{59}, kNow)));
  EXPECT_EQ(bob.last(Kind::refused).error, CreditErrc::below_debt);
  ASSERT_TRUE(hold_theirs(bob, 1, 60));
  EXPECT_EQ(bob.line.lower(UsdCents{59}, kNow).error(), CreditErrc::below_debt);
  exchange(alice, bob.send(bob.line.lower(UsdCents{60}, kNow)));
  EXPECT_EQ(alice.line.view().their_limit, UsdCents{60});
  pay(alice, payment(1, 60));
  expect_equal();
}

TEST_F(CreditHoldTest, aLineOnWhichSomethingIsHeldIsNotClosed) {
  open(100, 100);
  ASSERT_TRUE(hold(alice, 1, 60));
  EXPECT_EQ(alice.line.close(kNow).error(), CreditErrc::pending);
  exchange(alice, bob.send(bob.line.close(kNow)));
  EXPECT_EQ(bob.last(Kind::refused).error, CreditErrc::pending);
  alice.line.release(alice.line.side(), id(1));
  ASSERT_TRUE(hold_theirs(bob, 1, 60));
  EXPECT_EQ(bob.line.close(kNow).error(), CreditErrc::pending);
  exchange(bob, alice.send(alice.line.close(kNow)));
  EXPECT_EQ(alice.last(Kind::refused).error, CreditErrc::pending);
  bob.line.release(other_side(bob.line.side()), id(1));
  exchange(bob, alice.send(alice.line.close(kNow)));
  EXPECT_FALSE(alice.line.view().is_open || bob.line.view().is_open);
}

TEST_F(CreditHoldTest, aPaymentThatFailsIsHeldAgain) {
  open(100, 100);
  ASSERT_TRUE(hold(alice, 1, 60));
  auto const sent = alice.send(alice.line.give(payment(1, 60), kNow));
  exchange(bob, sent, kNow + 2min);
  EXPECT_EQ(alice.last(Kind::failed).error, CreditErrc::expired);
  EXPECT_EQ(alice.line.view().held, UsdCents{60});
  EXPECT_EQ(error_of(payment(2, 41)), CreditErrc::over_limit);
  pay(alice, payment(1, 60, kNow + 1h));
  EXPECT_EQ(alice.balance(), -60);
}

TEST_F(CreditHoldTest, aHoldIsSetAgainAfterARestart) {
  open(100, 100);
  ASSERT_TRUE(hold(alice, 1, 60));
  ASSERT_TRUE(hold(alice, 2, 30));
  (void)alice.send(alice.line.give(payment(1, 50), kNow));
  alice.restore(alice.line.rows());
  alice.line.set_hold(alice.line.side(), id(1), UsdCents{60});
  alice.line.set_hold(alice.line.side(), id(2), UsdCents{30});
  EXPECT_EQ(alice.line.view().held, UsdCents{30}) << "a payment that is pending counts itself";
  EXPECT_EQ(alice.line.view().room, UsdCents{20});
}

}  // namespace
}  // namespace grenache::exchange
