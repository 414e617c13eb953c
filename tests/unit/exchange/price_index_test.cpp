#include "exchange/core/book/price_index.hpp"

#include <array>
#include <limits>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include <grenache/base/random.hpp>

namespace grenache::exchange {
namespace {

/// A PriceIndex beside a std::map.
class PriceIndexTest : public testing::Test {
 protected:
  ~PriceIndexTest() override { check(); }

  void insert(std::int64_t key) {
    auto const value = ++last_value_;
    bool const is_new = model_.emplace(key, value).second;
    auto const at = index_.lower_bound(key);
    ASSERT_EQ(index_.is_at(at, key), !is_new);
    if (is_new) index_.insert(at, key, value);
  }
  void erase(std::int64_t key) {
    auto const at = index_.lower_bound(key);
    ASSERT_EQ(index_.is_at(at, key), model_.erase(key) == 1);
    if (index_.size() != model_.size()) index_.erase(at);
  }
  /// All entries in order, and the search of each key and of those beside it.
  void check() const {
    index_.check();
    ASSERT_EQ(index_.size(), model_.size());
    auto at = index_.begin();
    for (auto const& [key, value] : model_) {
      ASSERT_TRUE(index_.is_entry(at));
      ASSERT_EQ(index_.key(at), key);
      ASSERT_EQ(index_.value(at), value);
      ASSERT_TRUE(index_.is_at(index_.lower_bound(key), key));
      at = index_.next(at);
    }
    ASSERT_FALSE(index_.is_entry(at));
  }

  PriceIndex index_;
  std::map<std::int64_t, std::uint32_t> model_;
  std::uint32_t last_value_ = 0;
};

TEST_F(PriceIndexTest, agreesWithAMapWhileItGrowsAndShrinks) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    Random random{seed};
    auto const range = std::to_array<std::uint64_t>({40, 700, 5'000, 100'000})[seed - 1];
    for (int phase = 0; phase < 6; ++phase) {
      bool const grows = phase % 2 == 0;
      for (int step = 0; step < 4'000; ++step) {
        auto const key = static_cast<std::int64_t>(random.below(range)) - 100;
        if (random.chance(grows ? 3 : 1, 4)) {
          insert(key);
        } else if (auto const next = model_.lower_bound(key); next != model_.end()) {
          erase(next->first);
        }
        if (step % 200 == 0) check();
      }
    }
    while (!model_.empty()) erase(model_.begin()->first);
    check();
  }
}

TEST_F(PriceIndexTest, holdsAllPricesOf64Bits) {
  using Limits = std::numeric_limits<std::int64_t>;
  for (auto const key :
       {Limits::max(), Limits::min(), std::int64_t{0}, Limits::max() - 1, Limits::min() + 1}) {
    insert(key);
  }
  for (std::int64_t i = 0; i < 100; ++i) insert(Limits::max() - 3 * i), insert(Limits::min() + 3 * i);
  check();
  EXPECT_TRUE(index_.is_at(index_.lower_bound(Limits::max()), Limits::max()));
  erase(Limits::max());
  EXPECT_FALSE(index_.is_entry(index_.lower_bound(Limits::max())));
  while (!model_.empty()) erase(model_.rbegin()->first);
}

TEST_F(PriceIndexTest, isNoHigherThanItsSizeAllowsHoweverItWasThinned) {
  for (std::int64_t key = 0; key < 20'000; ++key) insert(key);
  check();
  EXPECT_LE(index_.height(), 4u);
  for (std::int64_t key = 0; key < 20'000; ++key) {
    if (key % 100 != 0) erase(key);
  }
  check();
  EXPECT_LE(index_.height(), 2u);  // 200 keys: at most 25 leaves
  // Fill and thin one place again and again.
  for (std::int64_t round = 0; round < 200; ++round) {
    for (std::int64_t key = 1; key < 40; ++key) insert(1'000 * 1'000 - 50 * round + key);
    for (std::int64_t key = 2; key < 40; ++key) erase(1'000 * 1'000 - 50 * round + key);
  }
  check();
  EXPECT_LE(index_.height(), 2u);
}

}  // namespace
}  // namespace grenache::exchange
