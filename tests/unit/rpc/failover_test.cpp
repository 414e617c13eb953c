#include <gtest/gtest.h>

#include <grenache/rpc/failover.hpp>
#include <grenache/rpc/lookup_cache.hpp>

namespace grenache::rpc {
namespace {

using namespace std::chrono_literals;

TimePoint const kStart{1000h};

TEST(LookupCache, knowsWhatWasFoundUntilItIsTooOld) {
  LookupCache cache{{.entry_count_max = 10, .age_max = 10s}};
  EXPECT_EQ(cache.find("a", kStart), nullptr);
  cache.store("a", {"1.1.1.1:1"}, kStart);
  ASSERT_NE(cache.find("a", kStart + 10s), nullptr);
  EXPECT_EQ(cache.find("a", kStart + 10s)->at(0), "1.1.1.1:1");
  EXPECT_EQ(cache.find("a", kStart + 10s + 1ns), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(LookupCache, aNewResultReplacesTheOldAndItsAge) {
  LookupCache cache{{.entry_count_max = 10, .age_max = 10s}};
  cache.store("a", {"1.1.1.1:1"}, kStart);
  cache.store("a", {"2.2.2.2:2"}, kStart + 5s);
  ASSERT_NE(cache.find("a", kStart + 15s), nullptr);
  EXPECT_EQ(cache.find("a", kStart + 15s)->at(0), "2.2.2.2:2");
  EXPECT_EQ(cache.size(), 1u);
}

TEST(LookupCache, dropsTheEntryThatWasNotUsedLongest) {
  LookupCache cache{{.entry_count_max = 2, .age_max = 10s}};
  cache.store("a", {"1.1.1.1:1"}, kStart);
  cache.store("b", {"1.1.1.1:2"}, kStart);
  EXPECT_NE(cache.find("a", kStart), nullptr);
  cache.store("c", {"1.1.1.1:3"}, kStart);
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_NE(cache.find("a", kStart), nullptr);
  EXPECT_EQ(cache.find("b", kStart), nullptr);
}

TEST(LookupCache, forgetsOnRequest) {
  LookupCache cache{LookupCache::Options{}};
  cache.store("a", {"1.1.1.1:1"}, kStart);
  cache.forget("a");
  cache.forget("never known");
  EXPECT_EQ(cache.find("a", kStart), nullptr);
}

TEST(GrapeSelector, staysWithTheFirstUntilItFails) {
  GrapeSelector grapes{3, 5s};
  EXPECT_EQ(grapes.pick(kStart), 0u);
  grapes.failed(0, kStart);
  EXPECT_EQ(grapes.pick(kStart), 1u);
  grapes.failed(1, kStart + 1s);
  EXPECT_EQ(grapes.pick(kStart + 1s), 2u);
  EXPECT_EQ(grapes.pick(kStart + 5s), 0u);
}

TEST(GrapeSelector, whenAllHaveFailedAsksTheOneThatRestedLongest) {
  GrapeSelector grapes{2, 5s};
  grapes.failed(0, kStart + 1s);
  grapes.failed(1, kStart);
  EXPECT_EQ(grapes.pick(kStart + 2s), 1u);
  grapes.answered(0);
  EXPECT_EQ(grapes.pick(kStart + 2s), 0u);
}

TEST(GrapeSelector, passesOverThoseThatAreExcluded) {
  GrapeSelector grapes{3, 5s};
  grapes.failed(1, kStart);
  EXPECT_EQ(grapes.pick(kStart, {0}), 2u);
  EXPECT_EQ(grapes.pick(kStart, {0, 2}), 1u);
  EXPECT_EQ(grapes.pick(kStart, {0, 1, 2}), std::nullopt);
}

TEST(DeadList, forgetsAfterAWhileAndWhenFull) {
  DeadList dead{{.age_max = 10s, .entry_count_max = 2}};
  dead.add("a:1", kStart);
  dead.add("b:1", kStart + 1s);
  EXPECT_TRUE(dead.contains("a:1", kStart + 10s));
  EXPECT_FALSE(dead.contains("a:1", kStart + 11s));
  dead.add("c:1", kStart + 2s);
  EXPECT_EQ(dead.size(), 2u);
  EXPECT_FALSE(dead.contains("a:1", kStart + 2s));
  dead.remove("b:1");
  EXPECT_FALSE(dead.contains("b:1", kStart + 2s));
}

TEST(ChooseDestination, asksEachOnceAndTheDeadLast) {
  std::vector<std::string> const all{"a:1", "b:1", "c:1"};
  DeadList dead{DeadList::Options{}};
  dead.add("a:1", kStart);
  Random random{1};
  std::set<std::string> tried;
  std::vector<std::string> order;
  while (auto const next = choose_destination(all, tried, dead, kStart, random)) {
    order.push_back(*next);
    tried.insert(*next);
  }
  EXPECT_EQ(tried.size(), 3u);
  EXPECT_EQ(order.size(), 3u);
  EXPECT_EQ(order.back(), "a:1");
}

TEST(ChooseDestination, chancesAreEqual) {
  std::vector<std::string> const all{"a:1", "b:1", "c:1"};
  DeadList const dead{DeadList::Options{}};
  Random random{2};
  std::map<std::string, int> counts;
  for (int i = 0; i < 3000; ++i) ++counts[*choose_destination(all, {}, dead, kStart, random)];
  for (auto const& [destination, count] : counts) EXPECT_NEAR(count, 1000, 150) << destination;
  EXPECT_EQ(counts.size(), 3u);
}

TEST(ChooseDestination, theOnlyOneMayBeAskedAgain) {
  DeadList const dead{DeadList::Options{}};
  Random random{3};
  EXPECT_EQ(choose_destination({"a:1"}, {"a:1"}, dead, kStart, random), "a:1");
  EXPECT_EQ(choose_destination({}, {}, dead, kStart, random), std::nullopt);
}

}  // namespace
}  // namespace grenache::rpc
