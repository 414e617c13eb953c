#include "exchange/core/network/maker_rates.hpp"

#include <gtest/gtest.h>

#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;

class MakerRatesTest : public testing::Test {
 protected:
  static OrderKey order(std::uint64_t number, std::uint64_t maker = 1) {
    return {uuid(number), secret(maker).public_key()};
  }
  static MakerRates::Options options() {
    MakerRates::Options out;
    out.versions_per_second = 2;
    out.versions_max = 8;
    out.maker_count_max = 3;
    out.delayed_count_max = 5;
    return out;
  }

  TimePoint now_ = TimePoint{} + 1h;
  MakerRates rates_{options()};
};

TEST_F(MakerRatesTest, aNewOrderCostsAsMuchAsFourVersions) {
  EXPECT_TRUE(rates_.admit(order(1), true, now_));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(rates_.admit(order(1), false, now_));
  EXPECT_FALSE(rates_.admit(order(1), false, now_));
  EXPECT_TRUE(rates_.admit(order(1, 2), true, now_)) << "another maker";
}

TEST_F(MakerRatesTest, manyVersionsOfADelayedOrderAreToldOnce) {
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(rates_.admit(order(1), false, now_));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(rates_.admit(order(1), false, now_));
  EXPECT_EQ(rates_.delayed_count(), 1u);
  EXPECT_TRUE(rates_.due(now_).empty());
  EXPECT_EQ(rates_.next_expiry(), now_ + 1s);
  now_ += 1s;
  EXPECT_EQ(rates_.due(now_), std::vector{order(1)});
  EXPECT_EQ(rates_.next_expiry(), TimePoint::max());
}

TEST_F(MakerRatesTest, delayedOrdersLeaveAtTheRateOfTheirMaker) {
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(rates_.admit(order(1), false, now_));
  for (std::uint64_t i = 1; i <= 20; ++i) EXPECT_FALSE(rates_.admit(order(i), false, now_));
  EXPECT_EQ(rates_.delayed_count(), 5u) << "the others are left to the comparison of books";
  std::size_t count = 0;
  for (int i = 0; i < 2; ++i) count += rates_.due(now_ += 1s).size();
  EXPECT_EQ(count, 4u);
}

TEST_F(MakerRatesTest, makersWithoutAPlaceShareOneAllowance) {
  for (std::uint64_t maker = 1; maker <= 3; ++maker) EXPECT_TRUE(rates_.admit(order(1, maker), false, now_));
  std::size_t count = 0;
  for (std::uint64_t maker = 4; maker < 40; ++maker) {
    if (rates_.admit(order(1, maker), false, now_)) ++count;
  }
  EXPECT_EQ(count, 8u);
  EXPECT_EQ(rates_.maker_count(), 3u);
  EXPECT_TRUE(rates_.admit(order(1), false, now_)) << "who has a place is not disturbed";
  now_ += 10s;
  EXPECT_TRUE(rates_.admit(order(1, 50), false, now_));
  EXPECT_EQ(rates_.maker_count(), 1u) << "the others had their whole allowance";
}

TEST_F(MakerRatesTest, makersWithoutAPlaceGetTheirDelayedOrdersToldAtTheSharedRate) {
  for (std::uint64_t maker = 1; maker <= 3; ++maker) EXPECT_TRUE(rates_.admit(order(1, maker), true, now_));
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(rates_.admit(order(1, 4), false, now_));
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_FALSE(rates_.admit(order(i, 5), false, now_));
  EXPECT_EQ(rates_.due(now_ += 1s).size(), 2u);
  EXPECT_EQ(rates_.due(now_ += 1s).size(), 1u);
}

}  // namespace
}  // namespace grenache::exchange
