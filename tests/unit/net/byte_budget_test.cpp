#include <optional>

#include <gtest/gtest.h>

#include <grenache/net/byte_budget.hpp>

namespace grenache::net {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

struct ByteBudgetTest : testing::Test {
  int room = 0;
  ByteBudget budget{10 * kMiB, [this] { ++room; }};
};

TEST_F(ByteBudgetTest, everybodyMayGrowWhileThereIsRoom) {
  ByteBudget::Share a{budget};
  ByteBudget::Share b{budget};
  a.set(4 * kMiB);
  b.set(5 * kMiB);
  EXPECT_TRUE(a.may_grow());
  EXPECT_TRUE(b.may_grow());
  a.set(0);
  EXPECT_EQ(budget.used(), 5 * kMiB);
  EXPECT_EQ(room, 0);
}

TEST_F(ByteBudgetTest, overTheBudgetOneGoesOnAndTheOthersWaitUntilItHasEnded) {
  std::optional<ByteBudget::Share> a{budget};
  ByteBudget::Share b{budget};
  a->set(6 * kMiB);
  b.set(6 * kMiB);
  EXPECT_TRUE(a->may_grow());
  EXPECT_FALSE(b.may_grow());
  a->set(20 * kMiB);
  EXPECT_TRUE(a->may_grow());
  EXPECT_FALSE(b.may_grow());
  EXPECT_EQ(room, 0);
  a.reset();
  EXPECT_EQ(room, 1);
  EXPECT_TRUE(b.may_grow());
  EXPECT_EQ(budget.used(), 6 * kMiB);
}

TEST_F(ByteBudgetTest, whoeverIsAskedNextGoesOnWhenTheFavouredOneHasEndedThoughTheBudgetIsStillFull) {
  std::optional<ByteBudget::Share> a{budget};
  ByteBudget::Share b{budget};
  ByteBudget::Share c{budget};
  a->set(1 * kMiB);
  b.set(6 * kMiB);
  c.set(6 * kMiB);
  EXPECT_TRUE(a->may_grow());
  EXPECT_FALSE(b.may_grow());
  a.reset();
  EXPECT_EQ(room, 1);
  EXPECT_TRUE(c.may_grow());
  EXPECT_FALSE(b.may_grow());
}

TEST_F(ByteBudgetTest, oneThatHeldNothingYetLetsTheNextGoOnWhenItHasEnded) {
  ByteBudget::Share full{budget};
  full.set(10 * kMiB);
  ByteBudget::Share a{budget};
  EXPECT_TRUE(a.may_grow());
  EXPECT_FALSE(full.may_grow());
  a.set(0);
  EXPECT_EQ(room, 1);
  EXPECT_TRUE(full.may_grow());
}

TEST_F(ByteBudgetTest, smallOnesAreFree) {
  ByteBudget::Share a{budget};
  a.set(ByteBudget::kFreeBytes);
  EXPECT_EQ(budget.used(), 0u);
  a.set(ByteBudget::kFreeBytes + 1);
  EXPECT_EQ(budget.used(), ByteBudget::kFreeBytes + 1);
}

}  // namespace
}  // namespace grenache::net
