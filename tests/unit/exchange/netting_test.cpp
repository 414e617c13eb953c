#include "exchange/core/credit/netting.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <grenache/base/random.hpp>

namespace grenache::exchange {
namespace {

using Debts = std::vector<Debt>;
__extension__ using Wide = __int128;
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

NettingPlan plan_of(Debts const& debts, NettingLimits const& limits = {}) {
  auto plan = plan_netting(debts, limits);
  EXPECT_TRUE(plan) << plan.error();
  return plan ? *std::move(plan) : NettingPlan{};
}

Debts random_debts(Random& random, std::uint32_t peers, std::size_t count,
                   std::function<std::int64_t(Random&)> const& cents) {
  Debts out;
  while (out.size() < count) {
    auto const debtor = static_cast<std::uint32_t>(random.below(peers));
    auto const creditor = static_cast<std::uint32_t>(random.below(peers));
    if (debtor != creditor) out.push_back({debtor, creditor, cents(random)});
  }
  return out;
}
std::function<std::int64_t(Random&)> up_to(std::uint64_t max) {
  return [max](Random& random) { return static_cast<std::int64_t>(1 + random.below(max)); };
}

void expect_valid(Debts const& debts, NettingPlan const& plan, NettingLimits const& limits = {}) {
  ASSERT_EQ(plan.reductions.size(), debts.size());
  std::vector<Wide> net(kNettingPeersMax);
  Wide total = 0;
  for (std::size_t i = 0; i < debts.size(); ++i) {
    ASSERT_GE(plan.reductions[i], 0);
    ASSERT_LE(plan.reductions[i], debts[i].cents);
    net[debts[i].debtor] += plan.reductions[i];
    net[debts[i].creditor] -= plan.reductions[i];
    total += plan.reductions[i];
  }
  EXPECT_TRUE(std::ranges::all_of(net, [](Wide sum) { return sum == 0; })) << "a net position changes";
  EXPECT_TRUE(total == plan.total);

  std::vector<Wide> sums(debts.size());
  EXPECT_LE(plan.cycles.size(), debts.size());
  for (auto const& cycle : plan.cycles) {
    ASSERT_GE(cycle.debts.size(), 2U);
    ASSERT_LE(cycle.debts.size(), limits.cycle_size_max);
    ASSERT_GT(cycle.cents, 0);
    std::set<std::uint32_t> debtors;
    for (std::size_t i = 0; i < cycle.debts.size(); ++i) {
      auto const& debt = debts[cycle.debts[i]];
      auto const& next = debts[cycle.debts[(i + 1) % cycle.debts.size()]];
      ASSERT_EQ(debt.creditor, next.debtor);
      ASSERT_TRUE(debtors.insert(debt.debtor).second) << "a peer is twice in a cycle";
      sums[cycle.debts[i]] += cycle.cents;
    }
  }
  for (std::size_t i = 0; i < debts.size(); ++i) EXPECT_TRUE(sums[i] == plan.reductions[i]) << "debt " << i;
  EXPECT_LE(plan.work, limits.work_max);
}

/// An arc along which what remains of the debts can be changed: less of the debt (cost -1), or more of it.
struct Change {
  std::uint32_t from;
  std::uint32_t to;
  int cost;
  std::size_t debt;
};
std::vector<Change> changes(Debts const& debts, std::vector<std::int64_t> const& reductions) {
  std::vector<Change> out;
  for (std::size_t i = 0; i < debts.size(); ++i) {
    auto const [debtor, creditor, cents] = debts[i];
    if (reductions[i] > 0) out.push_back({debtor, creditor, 1, i});
    if (reductions[i] < cents) out.push_back({creditor, debtor, -1, i});
  }
  return out;
}

/// What no plan can exceed. For any numbers p of the peers the sum of the reductions x of debts from u to v
/// is that of x * (1 + p[u] - p[v]), since net positions do not change: at most the sum of the debts times
/// max(0, 1 + p[u] - p[v]). The p with the lowest bound are distances along what `reductions` can still
/// change.
Wide upper_bound(Debts const& debts, std::vector<std::int64_t> const& reductions) {
  std::vector<std::int64_t> p(kNettingPeersMax);
  auto const all = changes(debts, reductions);
  bool has_changed = true;
  for (std::size_t round = 0; has_changed && round <= p.size(); ++round) {
    has_changed = false;
    for (auto const& each : all) {
      if (p[each.from] + each.cost >= p[each.to]) continue;
      p[each.to] = p[each.from] + each.cost;
      has_changed = true;
    }
  }
  Wide out = 0;
  for (auto const& [debtor, creditor, cents] : debts) {
    out += Wide{cents} * std::max<std::int64_t>(0, 1 + p[debtor] - p[creditor]);
  }
  return out;
}

/// The most that can be removed, by cancelling negative cycles that Bellman and Ford's algorithm finds.
std::int64_t reference(Debts const& debts, std::uint32_t peers) {
  std::vector<std::int64_t> reductions(debts.size());
  for (;;) {
    auto const all = changes(debts, reductions);
    std::vector<int> distance(peers);
    std::vector<Change const*> came_by(peers);
    std::uint32_t last = peers;
    for (std::uint32_t round = 0; round <= peers; ++round) {
      last = peers;
      for (auto const& each : all) {
        if (distance[each.from] + each.cost >= distance[each.to]) continue;
        distance[each.to] = distance[each.from] + each.cost;
        came_by[each.to] = &each;
        last = each.to;
      }
    }
    if (last == peers) return std::accumulate(reductions.begin(), reductions.end(), std::int64_t{0});
    for (std::uint32_t i = 0; i < peers; ++i) last = came_by[last]->from;  // now on the cycle
    auto amount = kMax;
    auto const around = [&](auto const& visit) {
      auto peer = last;
      do {
        visit(*came_by[peer]);
        peer = came_by[peer]->from;
      } while (peer != last);
    };
    around([&](Change const& each) {
      auto const room =
          each.cost > 0 ? reductions[each.debt] : debts[each.debt].cents - reductions[each.debt];
      amount = std::min(amount, room);
    });
    around([&](Change const& each) { reductions[each.debt] -= each.cost * amount; });
  }
}

TEST(NettingTest, aTriangleLosesItsSmallestDebt) {
  Debts const debts{{0, 1, 10}, {1, 2, 20}, {2, 0, 30}, {2, 3, 5}};
  auto const plan = plan_of(debts);
  EXPECT_EQ(plan.reductions, (std::vector<std::int64_t>{10, 10, 10, 0}));
  EXPECT_EQ(plan.total, 30);
  EXPECT_TRUE(plan.is_optimal);
  ASSERT_EQ(plan.cycles.size(), 1U);
  EXPECT_EQ(plan.cycles[0].debts, (std::vector<std::uint32_t>{0, 1, 2}));
  EXPECT_EQ(plan.cycles[0].cents, 10);
}

TEST(NettingTest, withoutCyclesNothingIsReduced) {
  for (Debts const& debts : {Debts{}, Debts{{7, 9'999, 1}}, Debts{{0, 1, 5}, {1, 2, 5}, {0, 2, 5}}}) {
    auto const plan = plan_of(debts);
    expect_valid(debts, plan);
    EXPECT_EQ(plan.total, 0);
    EXPECT_TRUE(plan.cycles.empty());
    EXPECT_TRUE(plan.is_optimal);
  }
}

TEST(NettingTest, oppositeDebtsCancelOut) {
  Debts const debts{{4, 2, 70}, {2, 4, 100}};
  auto const plan = plan_of(debts);
  expect_valid(debts, plan);
  EXPECT_EQ(plan.reductions, (std::vector<std::int64_t>{70, 70}));
}

TEST(NettingTest, parallelDebtsAreReducedTogether) {
  Debts const debts{{0, 1, 3}, {0, 1, 4}, {0, 1, 5}, {1, 2, 10}, {2, 0, 2}, {2, 0, 9}};
  auto const plan = plan_of(debts);
  expect_valid(debts, plan);
  EXPECT_EQ(plan.total, 30);
}

TEST(NettingTest, invalidDebtsAreRefused) {
  auto const error_of = [](Debts const& debts) { return plan_netting(debts).error(); };
  EXPECT_EQ(error_of({{1, 2, 5}, {3, 3, 5}}), NettingErrc::own_debt);
  EXPECT_EQ(error_of({{1, 2, 0}}), NettingErrc::bad_amount);
  EXPECT_EQ(error_of({{1, 2, -1}}), NettingErrc::bad_amount);
  EXPECT_EQ(error_of({{10'000, 2, 1}}), NettingErrc::bad_peer);
  EXPECT_EQ(error_of({{2, 0xFFFFFFFF, 1}}), NettingErrc::bad_peer);
  EXPECT_EQ(error_of({{1, 2, kMax}, {2, 1, 1}}), NettingErrc::overflow);
  EXPECT_EQ(error_of(Debts(kNettingDebtsMax + 1, Debt{1, 2, 1})), NettingErrc::too_many_debts);
  EXPECT_EQ(plan_of(Debts(kNettingDebtsMax, Debt{1, 2, 1})).total, 0);
}

TEST(NettingTest, hugeAmountsDoNotOverflow) {
  Debts const two{{0, 1, kMax / 2}, {1, 0, kMax / 2 + 1}};
  EXPECT_EQ(plan_of(two).total, kMax - 1);
  Random random{3};
  for (int i = 0; i < 100; ++i) {
    auto const debts = random_debts(random, 8, 30, up_to(kMax / 30));
    auto const plan = plan_of(debts);
    expect_valid(debts, plan);
    EXPECT_TRUE(plan.total == upper_bound(debts, plan.reductions)) << i;
  }
}

TEST(NettingTest, removesAsMuchAsTheReferenceOnSmallGraphs) {
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    Random random{seed};
    auto const peers = static_cast<std::uint32_t>(2 + random.below(11));
    auto const debts = random_debts(random, peers, random.below(5 * peers), up_to(1 + random.below(20)));
    auto const plan = plan_of(debts);
    expect_valid(debts, plan);
    ASSERT_EQ(plan.total, reference(debts, peers)) << "seed " << seed;
    ASSERT_TRUE(plan.is_optimal) << "seed " << seed;
  }
}

TEST(NettingTest, removesAsMuchAsAnyPlanOn1000Peers) {
  auto const equal = [](Random&) { return std::int64_t{1'000}; };
  auto const cents_to_a_million = [](Random& random) {
    return static_cast<std::int64_t>(std::exp(random.unit() * 18.4)) + 1;
  };
  std::uint64_t seed = 0;
  for (std::size_t const count : {3'000U, 5'000U, 20'000U}) {
    for (auto const& cents : {up_to(100'000), {equal}, {cents_to_a_million}}) {
      Random random{++seed};
      auto const debts = random_debts(random, 1'000, count, cents);
      auto const plan = plan_of(debts);
      expect_valid(debts, plan);
      EXPECT_TRUE(plan.is_optimal);
      EXPECT_GT(plan.total, 0);
      EXPECT_TRUE(plan.total == upper_bound(debts, plan.reductions)) << count << " debts, seed " << seed;
    }
  }
}

TEST(NettingTest, theBoundOfTheseTestsIsNotThatOfEveryPlan) {
  Debts const debts{{0, 1, 10}, {1, 0, 10}, {1, 2, 10}, {2, 0, 10}};
  auto const plan = plan_of(debts);
  EXPECT_EQ(plan.total, 30);  // by the longer cycle
  EXPECT_TRUE(upper_bound(debts, plan.reductions) == 30);
  EXPECT_TRUE(upper_bound(debts, {10, 10, 0, 0}) > 20);
}

TEST(NettingTest, shortCyclesRemoveMostOfIt) {
  for (std::size_t const count : {3'000U, 20'000U}) {
    Random random{count};
    auto const debts = random_debts(random, 1'000, count, up_to(100'000));
    auto const optimum = plan_of(debts).total;
    for (auto const& [size_max, percent] : {std::pair{std::size_t{32}, 96}, {16, 85}}) {
      NettingLimits const limits{.cycle_size_max = size_max};
      auto const plan = plan_of(debts, limits);
      expect_valid(debts, plan, limits);
      EXPECT_GE(plan.total * 100, optimum * percent) << count << ' ' << size_max;
      EXPECT_FALSE(plan.is_optimal);
    }
  }
}

TEST(NettingTest, noPermittedCycleIsLeft) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random{seed};
    auto debts = random_debts(random, 12, 60, up_to(20));
    NettingLimits const limits{.cycle_size_max = 3};
    auto const plan = plan_of(debts, limits);
    expect_valid(debts, plan, limits);
    std::array<std::array<bool, 12>, 12> owes{};
    for (std::size_t i = 0; i < debts.size(); ++i) {
      if (plan.reductions[i] < debts[i].cents) owes.at(debts[i].debtor).at(debts[i].creditor) = true;
    }
    for (std::size_t a = 0; a < 12; ++a) {
      for (std::size_t b = 0; b < 12; ++b) {
        EXPECT_FALSE(owes.at(a).at(b) && owes.at(b).at(a)) << "seed " << seed;
        for (std::size_t c = 0; c < 12; ++c) {
          EXPECT_FALSE(owes.at(a).at(b) && owes.at(b).at(c) && owes.at(c).at(a)) << "seed " << seed;
        }
      }
    }
  }
}

TEST(NettingTest, limitsOfZeroPlanNothing) {
  Debts const debts{{0, 1, 1}, {1, 0, 1}};
  for (NettingLimits const& limits : {NettingLimits{.work_max = 0}, NettingLimits{.cycle_size_max = 0},
                                      NettingLimits{.cycle_size_max = 1}}) {
    auto const plan = plan_of(debts, limits);
    EXPECT_EQ(plan.total, 0);
    EXPECT_TRUE(plan.cycles.empty());
    EXPECT_FALSE(plan.is_optimal);
  }
}

TEST(NettingTest, atItsWorkLimitThePlanIsValidAndSmaller) {
  Random random{5};
  auto const debts = random_debts(random, 300, 3'000, up_to(100'000));
  auto const optimum = plan_of(debts);
  bool was_smaller = false;
  for (std::uint64_t work = 1; work < optimum.work * 4; work += work / 3 + 1) {
    NettingLimits const limits{.work_max = work};
    auto const plan = plan_of(debts, limits);
    expect_valid(debts, plan, limits);
    EXPECT_LE(plan.total, optimum.total);
    was_smaller = was_smaller || (plan.total > 0 && plan.total < optimum.total);
  }
  EXPECT_TRUE(was_smaller);
}

TEST(NettingTest, theSameDebtsHaveTheSamePlan) {
  Random random{6};
  auto const debts = random_debts(random, 200, 2'000, up_to(1'000));
  auto const one = plan_of(debts);
  auto const other = plan_of(debts);
  EXPECT_EQ(one.reductions, other.reductions);
  EXPECT_TRUE(std::ranges::equal(one.cycles, other.cycles, {}, &DebtCycle::debts, &DebtCycle::debts));
  EXPECT_EQ(one.work, other.work);
}

TEST(NettingTest, longRingsKeepToTheWorkLimit) {
  Debts ring;
  for (std::uint32_t i = 0; i < 10'000; ++i) ring.push_back({i, (i + 1) % 10'000, 1 + i % 7});
  auto const plan = plan_of(ring);
  expect_valid(ring, plan);
  EXPECT_EQ(plan.total, 10'000);
  Random random{7};
  for (int i = 0; i < 3; ++i) {
    for (std::uint32_t from = 0; from < 1'000; ++from) {
      ring.push_back({from, static_cast<std::uint32_t>(from + 1 + random.below(5)), 1 + from % 9});
    }
  }
  NettingLimits const limits{.work_max = 5'000'000};
  expect_valid(ring, plan_of(ring, limits), limits);
}

}  // namespace
}  // namespace grenache::exchange
