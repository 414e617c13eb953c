#include "grape/core/bootstrap_names.hpp"

#include <functional>

#include <gtest/gtest.h>

namespace grenache::grape {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr TimePoint kStart{std::chrono::hours{1}};
IpAddress const kFirst{10, 0, 0, 1};
IpAddress const kSecond{10, 0, 0, 2};

class BootstrapNamesTest : public testing::Test {
 protected:
  /// Returns when the name `number` is due if the network is not reached through it.
  TimePoint next_try(TimePoint now) {
    TimePoint const due = names_.next_deadline(now);
    EXPECT_FALSE(names_.next(due - milliseconds{1}, nobody_));
    EXPECT_EQ(names_.next(due, nobody_), 0u);
    return due;
  }

  std::function<bool(std::vector<Endpoint> const&)> nobody_ = [](auto const&) { return false; };
  std::function<bool(std::vector<Endpoint> const&)> anybody_ = [](auto const&) { return true; };
  Random random_{1};
  BootstrapNames names_{{}};
};

TEST_F(BootstrapNamesTest, aNameIsResolvedAtOnceAndByOneCallAtATime) {
  names_.add({"seed", 1});
  EXPECT_EQ(names_.next(kStart, nobody_), 0u);
  EXPECT_EQ(names_.name(0).host, "seed");
  EXPECT_FALSE(names_.next(kStart + minutes{5}, nobody_)) << "it is under way";
  auto const change = names_.resolved(0, {kFirst, kFirst}, kStart, random_);
  EXPECT_EQ(change.addresses, (std::vector<Endpoint>{{kFirst, 1}}));
  EXPECT_TRUE(change.former.empty());
}

TEST_F(BootstrapNamesTest, aNameThatDoesNotResolveIsTriedEverMoreSlowlyAndForEver) {
  names_.add({"seed", 1});
  TimePoint now = kStart;
  ASSERT_EQ(names_.next(now, anybody_), 0u);
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(names_.resolved(0, {}, now, random_).addresses.empty());
    TimePoint const due = next_try(now);
    EXPECT_LE(due - now, i == 0 ? seconds{2} : seconds{60});
    EXPECT_GE(due - now, i > 10 ? seconds{30} : seconds{1});
    now = due;
  }
}

TEST_F(BootstrapNamesTest, aNameIsResolvedAgainOnlyWhileItLeadsNowhere) {
  names_.add({"seed", 1});
  ASSERT_EQ(names_.next(kStart, nobody_), 0u);
  (void)names_.resolved(0, {kFirst}, kStart, random_);
  EXPECT_FALSE(names_.next(kStart + minutes{60}, anybody_));
  EXPECT_EQ(names_.next_deadline(kStart + minutes{60}), TimePoint::max()) << "no timer runs for it";
  ASSERT_EQ(names_.next(kStart + minutes{61}, nobody_), 0u);
  auto const change = names_.resolved(0, {kSecond}, kStart + minutes{61}, random_);
  EXPECT_EQ(change.addresses, (std::vector<Endpoint>{{kSecond, 1}}));
  EXPECT_EQ(change.former, (std::vector<Endpoint>{{kFirst, 1}}));
  EXPECT_LE(names_.next_deadline(kStart + minutes{61}), kStart + minutes{61} + seconds{2})
      << "a name that led in starts over";
}

TEST_F(BootstrapNamesTest, anAddressOfAnotherNameIsNotForgotten) {
  names_.add({"a", 1});
  names_.add({"b", 1});
  ASSERT_EQ(names_.next(kStart, nobody_), 0u);
  ASSERT_EQ(names_.next(kStart, nobody_), 1u);
  (void)names_.resolved(0, {kFirst}, kStart, random_);
  (void)names_.resolved(1, {kFirst}, kStart, random_);
  ASSERT_EQ(names_.next(kStart + minutes{1}, nobody_), 0u);
  EXPECT_TRUE(names_.resolved(0, {kSecond}, kStart, random_).former.empty());
}

TEST_F(BootstrapNamesTest, whatAResolverCanAddIsBounded) {
  std::vector<IpAddress> many;
  for (int i = 0; i < 256; ++i) many.emplace_back(10, 0, 1, static_cast<std::uint8_t>(i));
  for (int i = 0; i < 10; ++i) names_.add({"host" + std::to_string(i), 1});
  std::size_t resolving = 0;
  while (names_.next(kStart, nobody_)) ++resolving;
  EXPECT_EQ(resolving, BootstrapNames::Options{}.resolve_count_max);
  EXPECT_EQ(names_.resolved(0, many, kStart, random_).addresses.size(),
            BootstrapNames::Options{}.address_count_max);
  EXPECT_TRUE(names_.next(kStart, nobody_));
}

}  // namespace
}  // namespace grenache::grape
