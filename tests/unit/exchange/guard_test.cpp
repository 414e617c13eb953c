// How much of a peer's time one address can use.
#include "exchange/core/network/guard.hpp"

#include <gtest/gtest.h>

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using Verdict = Guard::Verdict;

class GuardTest : public testing::Test {
 protected:
  static Guard::Options options() {
    Guard::Options out;
    out.units_per_second = 10;
    out.units_max = 100;
    out.address_count_max = 3;
    out.ban_score = 20;
    out.score_per_second = 1;
    return out;
  }
  int admitted(IpAddress const& from, int count, Guard::Units units = 1) {
    int out = 0;
    for (int i = 0; i < count; ++i) out += guard_.admit(from, units, now_) == Verdict::admitted ? 1 : 0;
    return out;
  }
  static IpAddress v6(std::uint8_t network, std::uint8_t host) {
    IpAddress::V6 bytes{0x20, 0x01};
    bytes[7] = network;
    bytes[15] = host;
    return IpAddress{bytes};
  }

  IpAddress const mallory_{66, 6, 0, 1};
  IpAddress const alice_{10, 0, 0, 1};
  TimePoint now_ = TimePoint{} + 1h;
  Guard guard_{options()};
};

TEST_F(GuardTest, anAddressUsesItsAllowanceAndNoMore) {
  EXPECT_EQ(admitted(mallory_, 200), 100);
  EXPECT_EQ(guard_.admit(mallory_, 1, now_), Verdict::too_many);
  EXPECT_EQ(admitted(alice_, 10), 10) << "others are not disturbed";
  now_ += 2s;
  EXPECT_EQ(admitted(mallory_, 200), 20);
  now_ += 1h;
  EXPECT_EQ(admitted(mallory_, 200), 100) << "what is saved is bounded";
}

TEST_F(GuardTest, costlyRequestsUseTheAllowanceSooner) {
  EXPECT_EQ(admitted(mallory_, 10, 40), 2);
  EXPECT_EQ(admitted(mallory_, 10, 20), 1);
}

TEST_F(GuardTest, anIpv6CallerIsItsNetwork) {
  EXPECT_EQ(admitted(v6(1, 1), 60), 60);
  EXPECT_EQ(admitted(v6(1, 2), 60), 40);
  EXPECT_EQ(admitted(v6(2, 1), 60), 60);
}

TEST_F(GuardTest, peersOfThisHostShareALargerAllowance) {
  EXPECT_EQ(admitted(IpAddress{127, 0, 0, 1}, 2'000), 1'000);
}

TEST_F(GuardTest, faultsBanForATime) {
  guard_.blame(mallory_, Guard::Fault::bad_signature, now_);
  EXPECT_FALSE(guard_.is_banned(mallory_, now_));
  guard_.blame(mallory_, Guard::Fault::bad_signature, now_);
  EXPECT_TRUE(guard_.is_banned(mallory_, now_));
  EXPECT_EQ(guard_.admit(mallory_, 1, now_), Verdict::banned);
  EXPECT_EQ(guard_.admit(alice_, 1, now_), Verdict::admitted);
  now_ += 10min;
  EXPECT_EQ(guard_.admit(mallory_, 1, now_), Verdict::admitted);
}

TEST_F(GuardTest, aBanClearsTheFaultsBeforeIt) {
  auto options = GuardTest::options();
  options.score_per_second = 0;
  options.ban_score = 11;  // a bad signature is 10
  Guard guard{options};
  for (int i = 0; i < 2; ++i) guard.blame(mallory_, Guard::Fault::bad_signature, now_);
  ASSERT_TRUE(guard.is_banned(mallory_, now_));
  now_ += options.ban_time;
  guard.blame(mallory_, Guard::Fault::bad_signature, now_);
  EXPECT_FALSE(guard.is_banned(mallory_, now_));
}

TEST_F(GuardTest, oldFaultsAreForgiven) {
  for (int i = 0; i < 100; ++i) {
    guard_.blame(mallory_, Guard::Fault::bad_signature, now_);
    now_ += 10s;
  }
  EXPECT_FALSE(guard_.is_banned(mallory_, now_));
}

TEST_F(GuardTest, aFullTableForgetsIdleAddressesOnly) {
  admitted(mallory_, 100);
  admitted(alice_, 1);
  guard_.blame(IpAddress{10, 0, 0, 2}, Guard::Fault::malformed, now_);
  now_ += 5s;
  admitted(IpAddress{10, 0, 0, 3}, 1);
  EXPECT_EQ(guard_.size(), 2u) << "Alice and 10.0.0.2 had nothing to remember";
  EXPECT_EQ(admitted(mallory_, 200), 50);
}

TEST_F(GuardTest, strangersWithoutAPlaceShareOneAllowance) {
  for (std::uint8_t i = 1; i <= 3; ++i) admitted(IpAddress{66, 6, 0, i}, 100);
  now_ += 1s;
  int out = 0;
  for (std::uint8_t i = 1; i <= 200; ++i) out += admitted(IpAddress{66, 7, 0, i}, 1);
  EXPECT_EQ(guard_.size(), 3u);
  EXPECT_LE(out, 100);
  for (int i = 0; i < 10; ++i) guard_.blame(IpAddress{66, 7, 0, 1}, Guard::Fault::bad_signature, now_);
  EXPECT_FALSE(guard_.is_banned(IpAddress{66, 7, 0, 2}, now_));
  now_ += 1s;
  EXPECT_EQ(guard_.admit(IpAddress{66, 7, 0, 2}, 1, now_), Verdict::admitted);
}

}  // namespace
}  // namespace grenache::exchange
