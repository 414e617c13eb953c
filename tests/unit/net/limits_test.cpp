#include <gtest/gtest.h>

#include <grenache/net/descriptors.hpp>
#include <grenache/net/minimum_rate.hpp>

namespace grenache::net {
namespace {

using namespace std::chrono_literals;

TEST(MinimumRate, aTransferHasItsGraceAndTheTimeOfWhatHasMoved) {
  MinimumRate const rate{30s, 16 * 1024};
  TimePoint const begun{1000s};
  EXPECT_EQ(rate.deadline(begun, 0), begun + 30s);
  EXPECT_EQ(rate.deadline(begun, 16 * 1024), begun + 31s);
  EXPECT_EQ(rate.deadline(begun, 8 * 1024), begun + 30s + 500ms);
  EXPECT_EQ(rate.deadline(begun, 8 * 1024 * 1024), begun + 30s + 512s);
}

TEST(MinimumRate, doesNotOverflow) {
  MinimumRate const rate{30s, 1};
  EXPECT_EQ(rate.deadline(TimePoint{0s}, 1'000'000'000), TimePoint{30s} + 1'000'000'000s);
}

TEST(Descriptors, someStayForOtherThingsThanConnections) {
  EXPECT_EQ(connection_count_allowed(64), 48u);
  EXPECT_EQ(connection_count_allowed(256), 192u);
  EXPECT_EQ(connection_count_allowed(1024), 896u);
  EXPECT_EQ(connection_count_allowed(8192), 8064u);
  EXPECT_EQ(connection_count_allowed(10), 1u);
}

TEST(Descriptors, theLimitIsRaisedOnlyUpwards) {
  std::size_t const before = connection_count_allowed();
  raise_descriptor_limit();
  EXPECT_GE(connection_count_allowed(), before);
}

}  // namespace
}  // namespace grenache::net
