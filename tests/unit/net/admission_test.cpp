#include <deque>

#include <gtest/gtest.h>

#include <grenache/net/admission.hpp>

namespace grenache::net {
namespace {

using Phase = Admission::Phase;

struct Connection : Admission::Entry {
  bool served = false;
  mutable int asked = 0;

 private:
  [[nodiscard]] bool is_served() const override {
    ++asked;
    return served;
  }
};

struct AdmissionTest : testing::Test {
  Admission admission{3};
  std::deque<Connection> all;

  Connection& add(Phase phase) {
    Connection& made = all.emplace_back();
    admission.add(made);
    admission.enter(made, phase);
    return made;
  }
};

TEST_F(AdmissionTest, admitsUntilTheLimitWithoutEvictingAnybody) {
  for (int i = 0; i < 3; ++i) {
    auto const decision = admission.admit();
    EXPECT_TRUE(decision.admitted);
    EXPECT_EQ(decision.evicted, nullptr);
    add(Phase::serving);
  }
  EXPECT_EQ(admission.count(), 3u);
}

TEST_F(AdmissionTest, refusesWhenAllAreServed) {
  for (int i = 0; i < 3; ++i) add(Phase::serving);
  auto const decision = admission.admit();
  EXPECT_FALSE(decision.admitted);
  EXPECT_EQ(decision.evicted, nullptr);
}

TEST_F(AdmissionTest, evictsWhoeverWaitsLongestInWhateverPhase) {
  for (Phase const first : {Phase::idle, Phase::reading, Phase::writing}) {
    Admission fresh{3};
    Connection a;
    Connection b;
    Connection c;
    for (Connection* each : {&a, &b, &c}) fresh.add(*each);
    fresh.enter(c, Phase::serving);
    fresh.enter(b, first);
    fresh.enter(a, Phase::idle);
    EXPECT_EQ(fresh.admit().evicted, &b);
    EXPECT_EQ(b.phase(), Phase::evicted);
  }
}

TEST_F(AdmissionTest, evictsClosingOnesFirst) {
  Connection& idle = add(Phase::idle);
  Connection& handshake = add(Phase::handshake);
  Connection& closing = add(Phase::closing);
  EXPECT_EQ(admission.evict(), &closing);
  EXPECT_EQ(admission.evict(), &handshake);
  EXPECT_EQ(admission.evict(), &idle);
  EXPECT_EQ(admission.evict(), nullptr);
}

TEST_F(AdmissionTest, newConnectionsDoNotPushEachOtherOutWhileOthersAreIdle) {
  Admission large{8};
  std::deque<Connection> idle(8);
  for (Connection& each : idle) {
    large.add(each);
    large.enter(each, Phase::idle);
  }
  std::deque<Connection> fresh(4);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(large.admit().evicted, &idle[i]);
    large.add(fresh[i]);
  }
  EXPECT_EQ(large.admit().evicted, &fresh[0]) << "three of eight places are more than a quarter";
  large.add(fresh[3]);
  for (std::size_t i = 1; i < 4; ++i) large.enter(fresh[i], Phase::serving);
  EXPECT_EQ(large.evict(), &idle[3]);
}

TEST_F(AdmissionTest, aHandshakeIsEvictedWhenNobodyElseWaits) {
  Admission large{8};
  std::deque<Connection> all_served(7);
  for (Connection& each : all_served) {
    large.add(each);
    large.enter(each, Phase::serving);
  }
  Connection handshake;
  large.add(handshake);
  EXPECT_EQ(large.admit().evicted, &handshake);
}

TEST_F(AdmissionTest, progressCountsAsBeginningToWaitAnew) {
  Connection& first = add(Phase::reading);
  Connection& second = add(Phase::reading);
  admission.enter(first, Phase::reading);
  EXPECT_EQ(admission.evict(), &second);
  EXPECT_EQ(admission.evict(), &first);
}

TEST_F(AdmissionTest, anEvictedConnectionMakesRoomAtOnceAndIsNotEvictedAgain) {
  Connection& first = add(Phase::idle);
  add(Phase::serving);
  add(Phase::serving);
  EXPECT_TRUE(admission.admit().admitted);
  EXPECT_EQ(admission.count(), 2u);
  admission.enter(first, Phase::idle);
  EXPECT_EQ(first.phase(), Phase::evicted);
  add(Phase::serving);
  EXPECT_FALSE(admission.admit().admitted);
  admission.remove(first);
  EXPECT_FALSE(admission.admit().admitted);
}

TEST_F(AdmissionTest, anIdleSessionWithARequestInProgressStaysAndIsAskedOnce) {
  Connection& busy = add(Phase::idle);
  Connection& quiet = add(Phase::idle);
  busy.served = true;
  EXPECT_EQ(admission.evict(), &quiet);
  EXPECT_EQ(admission.evict(), nullptr);
  EXPECT_EQ(busy.asked, 1);
  busy.served = false;
  admission.enter(busy, Phase::idle);
  EXPECT_EQ(admission.evict(), &busy);
}

TEST_F(AdmissionTest, visitsAll) {
  add(Phase::handshake);
  add(Phase::idle);
  add(Phase::serving);
  (void)admission.evict();
  std::size_t count = 0;
  admission.for_each([&](Admission::Entry const&) { ++count; });
  EXPECT_EQ(count, 3u);
}

}  // namespace
}  // namespace grenache::net
