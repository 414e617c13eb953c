#include <gtest/gtest.h>

#include <grenache/rpc/announcement.hpp>

namespace grenache::rpc {
namespace {

using namespace std::chrono_literals;
using Change = GrapeWatch::Change;
using Grapes = std::set<std::size_t>;

constexpr TimePoint kStart{1h};
constexpr TimePoint kNow = TimePoint::min();  // as next_at() tells it

TEST(AnnouncementState, isDueAtOnceAndAgainWhenToldSo) {
  AnnouncementState state;
  EXPECT_EQ(state.next_at(), kNow);
  EXPECT_FALSE(state.is_confirmed());
  EXPECT_EQ(state.last_failure().code, Errc::not_ready);
  state.begin();
  state.failed(Errc::grape_unreachable, kStart + 5s);
  EXPECT_EQ(state.next_at(), kStart + 5s);
  EXPECT_EQ(state.last_failure().code, Errc::grape_unreachable);
  state.begin();
  EXPECT_TRUE(state.sent(0));
  state.confirmed(0, kStart + 2min);
  EXPECT_TRUE(state.is_confirmed());
  EXPECT_EQ(state.next_at(), kStart + 2min);
}

TEST(AnnouncementState, aGrapeHoldsItFromTheRequestOnUnlessItNeverArrived) {
  AnnouncementState state;
  EXPECT_TRUE(state.sent(0));
  state.not_delivered(0);
  EXPECT_TRUE(state.sent(1));  // no answer: it may list the service all the same
  EXPECT_TRUE(state.sent(2));
  state.confirmed(2, kStart);
  EXPECT_EQ(state.holders(), (Grapes{1, 2}));
  EXPECT_FALSE(state.sent(2));
  state.adopt({0, 2});
  EXPECT_EQ(state.holders(), (Grapes{0, 1, 2}));
}

TEST(AnnouncementState, isDueWhenTheGrapeThatConfirmedItLastIsLost) {
  AnnouncementState state;
  state.begin();
  state.confirmed(0, kStart);
  state.begin();
  state.confirmed(1, kStart);
  state.lost(0);
  EXPECT_EQ(state.next_at(), kStart);
  state.lost(1);
  EXPECT_EQ(state.next_at(), kNow);
}

TEST(AnnouncementState, isDueWhenAGrapeThatHeldItMayHaveForgotten) {
  AnnouncementState state;
  state.begin();
  state.failed(Errc::grape_unreachable, kStart);
  state.renewed(1);  // nobody has it: any grape will do
  EXPECT_EQ(state.next_at(), kNow);
  state.begin();
  state.confirmed(0, kStart);
  state.renewed(1);
  EXPECT_EQ(state.next_at(), kStart);
  state.renewed(0);
  EXPECT_EQ(state.next_at(), kNow);
}

TEST(AnnouncementState, whatHappensWhileItIsMadeCallsForAnotherOne) {
  AnnouncementState state;
  state.begin();
  state.sent(0);
  state.renewed(0);
  state.confirmed(0, kStart);
  EXPECT_EQ(state.next_at(), kNow);
}

TEST(GrapeWatch, seesThatAGrapeIsLostAndBackAgain) {
  GrapeWatch watch;
  EXPECT_EQ(watch.see({true, "a", true}), Change::none);
  EXPECT_EQ(watch.see({true, "a", true}), Change::none);
  EXPECT_EQ(watch.see({}), Change::lost);
  EXPECT_EQ(watch.see({}), Change::none);
  EXPECT_EQ(watch.see({true, "a", true}), Change::renewed);
  EXPECT_EQ(watch.see({true, "a", true}), Change::none);
}

TEST(GrapeWatch, seesARestartBetweenTwoLooks) {
  GrapeWatch watch;
  EXPECT_EQ(watch.see({true, "a", true}), Change::none);
  EXPECT_EQ(watch.see({true, "b", true}), Change::renewed);
  EXPECT_EQ(watch.see({true, "", true}), Change::none);  // does not tell
}

TEST(GrapeWatch, grapesThatTakeTurnsBehindOneAddressWereNotRestarted) {
  GrapeWatch watch;
  EXPECT_EQ(watch.see({true, "a", true}), Change::none);
  EXPECT_EQ(watch.see({true, "b", true}), Change::renewed);
  for (char const* const id : {"a", "b", "b", "a"})
    EXPECT_EQ(watch.see({true, id, true}), Change::none) << id;
  EXPECT_EQ(watch.see({true, "c", true}), Change::renewed);
}

TEST(GrapeWatch, seesARestartUnderTheSameIdByTheRun) {
  GrapeWatch watch;
  EXPECT_EQ(watch.see({true, "a", true, "1"}), Change::none);
  EXPECT_EQ(watch.see({true, "a", true, "1"}), Change::none);
  EXPECT_EQ(watch.see({true, "a", true, "2"}), Change::renewed);
  EXPECT_EQ(watch.see({true, "a", true, "2"}), Change::none);
}

TEST(GrapeWatch, comparesTheRunsOfGrapesBehindOneAddressById) {
  GrapeWatch watch;
  EXPECT_EQ(watch.see({true, "a", true, "1"}), Change::none);
  EXPECT_EQ(watch.see({true, "b", true, "2"}), Change::renewed);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(watch.see({true, "a", true, "1"}), Change::none);
    EXPECT_EQ(watch.see({true, "b", true, "2"}), Change::none);
    EXPECT_EQ(watch.see({true, "", true, "3"}), Change::none);  // whose run it is, is unknown
  }
  EXPECT_EQ(watch.see({true, "a", true, "4"}), Change::renewed);
  EXPECT_EQ(watch.see({true, "b", true, "2"}), Change::none);
  EXPECT_EQ(watch.see({true, "b", true, "5"}), Change::renewed);
}

TEST(GrapeWatch, aGrapeThatCameBackWithItsIdIsRenewedOnce) {
  GrapeWatch watch;
  EXPECT_EQ(watch.see({true, "a", true, "1"}), Change::none);
  EXPECT_EQ(watch.see({}), Change::lost);
  EXPECT_EQ(watch.see({true, "a", true, "2"}), Change::renewed);
  EXPECT_EQ(watch.see({true, "a", true, "2"}), Change::none);
}

TEST(GrapeWatch, seesThatAGrapeHasJoinedItsNetwork) {
  GrapeWatch watch;
  EXPECT_EQ(watch.see({true, "a", false}), Change::none);
  EXPECT_EQ(watch.see({true, "a", true}), Change::renewed);
  EXPECT_EQ(watch.see({true, "a", false}), Change::none);
}

TEST(GrapeWatch, aGrapeThatWasNeverThereIsNotLost) {
  GrapeWatch watch;
  EXPECT_EQ(watch.see({}), Change::none);
  EXPECT_EQ(watch.see({true, "", true}), Change::renewed);
}

}  // namespace
}  // namespace grenache::rpc
