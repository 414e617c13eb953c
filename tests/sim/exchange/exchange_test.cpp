// EXCHANGE_SEEDS=n runs that many seeds; tests/exchange_sim runs one.
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/sim/exchange/exchange_world.hpp"

namespace grenache::exchange::test {
namespace {

constexpr std::uint64_t kSeedCount = 1'000;  // about 60 s
constexpr std::uint64_t kParts = 8;

std::uint64_t seed_count() {
  char const* const text = std::getenv("EXCHANGE_SEEDS");
  return text ? std::strtoull(text, nullptr, 10) : kSeedCount;
}

/// A part of the seeds, so that tests run side by side.
class ExchangeSimTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ExchangeSimTest, peersAgreeAndKeepTheirPromisesWhateverFails) {
  std::size_t trade_count = 0;
  std::size_t pair_count = 0;
  std::size_t hostile_count = 0;
  std::uint64_t world_count = 0;
  for (auto seed = GetParam() + 1; seed <= seed_count(); seed += kParts) {
    auto const report = run_world({seed});
    ++world_count;
    trade_count += report.trade_count;
    pair_count += report.pair_trades ? 1u : 0u;
    hostile_count += report.hostile_count;
    if (report.problems.empty()) continue;
    FAIL() << "seed " << seed << "\n" << describe_failure({seed});
  }
  // The worlds are not empty.
  EXPECT_GE(trade_count, world_count);
  EXPECT_GE(pair_count, world_count / 4);
  EXPECT_GE(hostile_count, world_count);
  RecordProperty("trades", std::to_string(trade_count));
  RecordProperty("pairs", std::to_string(pair_count));
}

INSTANTIATE_TEST_SUITE_P(Seeds, ExchangeSimTest, testing::Range<std::uint64_t>(0, kParts));

TEST(ExchangeSim, fiftyPeersAgree) {
  WorldOptions const options{.seed = 1, .peer_count = 50};
  auto const report = run_world(options);
  EXPECT_TRUE(report.problems.empty()) << describe_failure(options);
  EXPECT_GE(report.peer_count, 50u);
}

TEST(ExchangeSim, equalSeedsGiveEqualHistoriesAndOthersDoNot) {
  for (std::uint64_t seed = 1; seed < 10; ++seed) {
    auto const digest = run_world({seed}).digest;
    EXPECT_EQ(run_world({.seed = seed, .with_events = true}).digest, digest) << "seed " << seed;
    EXPECT_NE(run_world({seed + 1}).digest, digest);
  }
}

}  // namespace
}  // namespace grenache::exchange::test
