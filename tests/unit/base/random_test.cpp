#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <grenache/base/random.hpp>

namespace grenache {
namespace {

TEST(Random, repeatsItselfFromOneSeedOnly) {
  Random a{7};
  Random b{7};
  Random c{8};
  auto const bytes = a.bytes(1000);
  EXPECT_EQ(bytes, b.bytes(1000));
  EXPECT_NE(bytes, c.bytes(1000));
}

TEST(Random, isTheChaCha20KeyStream) {
  // RFC 8439, A.1, test vector 1: key, nonce and counter 0.
  EXPECT_EQ(static_cast<unsigned char>(Random{0}.bytes(1)[0]), 0x76);
}

TEST(Random, systemSeedsDiffer) {
  EXPECT_NE(Random::from_system().bytes(32), Random::from_system().bytes(32));
}

TEST(Random, belowStaysBelowAndReachesEverything) {
  Random random{1};
  std::array<int, 6> seen{};
  for (int i = 0; i < 6000; ++i) ++seen.at(random.below(6));
  for (int const count : seen) EXPECT_GT(count, 800);
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, unitStaysInRange) {
  Random random{2};
  for (int i = 0; i < 1000; ++i) {
    double const value = random.unit();
    EXPECT_GE(value, 0.0);
    EXPECT_LT(value, 1.0);
  }
}

TEST(Random, shuffleKeepsTheItems) {
  Random random{3};
  std::vector<int> items{1, 2, 3, 4, 5, 6, 7, 8};
  auto shuffled = items;
  random.shuffle(shuffled);
  EXPECT_NE(shuffled, items);
  std::ranges::sort(shuffled);
  EXPECT_EQ(shuffled, items);
}

TEST(Random, betweenReachesBothEndsAndNothingBeyond) {
  Random random{3};
  std::set<Duration> seen;
  for (int i = 0; i < 200; ++i) seen.insert(random.between(Duration{-2}, Duration{2}));
  EXPECT_EQ(seen, (std::set<Duration>{Duration{-2}, Duration{-1}, Duration{0}, Duration{1}, Duration{2}}));
}

TEST(Random, aForkRepeatsAndGoesItsOwnWay) {
  Random a{4};
  Random b{4};
  Random forked = a.fork();
  EXPECT_EQ(forked.bytes(32), b.fork().bytes(32));
  EXPECT_NE(forked.bytes(32), a.bytes(32));
}

}  // namespace
}  // namespace grenache
