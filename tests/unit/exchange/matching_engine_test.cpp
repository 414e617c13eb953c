// Compares the matching engine with a naive book: a sorted vector.
#include "exchange/core/book/matching_engine.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <grenache/base/random.hpp>

namespace grenache::exchange {
namespace {

using Handle = MatchingEngine::Handle;
using Order = MatchingEngine::Order;
using Level = MatchingEngine::Level;
using Taker = MatchingEngine::Taker;
using Fill = MatchingEngine::Fill;
using Matched = MatchingEngine::Matched;

/// Ranks makers by their number, the highest first, as no default does.
bool maker_order(MatchingEngine::Maker a, MatchingEngine::Maker b) { return a > b; }

class NaiveBook {
 public:
  struct Entry {
    Order order;
    Handle handle;
  };

  void add(Order const& order, Handle handle) {
    orders_.push_back({order, handle});
    std::ranges::sort(orders_, is_before);
  }
  void remove(Handle handle) {
    std::erase_if(orders_, [&](auto const& entry) { return entry.handle == handle; });
  }
  Order& at(Handle handle) { return std::ranges::find(orders_, handle, &Entry::handle)->order; }
  void move(Handle handle, std::int64_t price, std::int64_t created) {
    at(handle).price = price, at(handle).created = created;
    std::ranges::sort(orders_, is_before);
  }
  [[nodiscard]] bool has_rank_of(Order const& order) const {
    return std::ranges::any_of(orders_, [&](auto const& entry) {
      auto const rank = [](Order const& o) { return std::tuple{o.side, o.price, o.created, o.id, o.maker}; };
      return rank(entry.order) == rank(order);
    });
  }
  [[nodiscard]] std::vector<Entry> side(Side side) const {
    auto out = orders_;
    std::erase_if(out, [&](auto const& entry) { return entry.order.side != side; });
    return out;
  }
  [[nodiscard]] std::vector<Entry> const& all() const { return orders_; }

  [[nodiscard]] std::vector<Level> depth(Side wanted, std::size_t count_max) const {
    std::vector<Level> out;
    for (auto const& [order, handle] : side(wanted)) {
      if (out.empty() || out.back().price != order.price) {
        if (out.size() == count_max) break;
        out.push_back({order.price, 0, 0, handle});
      }
      out.back().amount += order.amount;
      ++out.back().order_count;
    }
    return out;
  }

  [[nodiscard]] Matched match(Taker const& taker, std::vector<Fill>& fills) const {
    Matched out;
    for (auto const& [order, handle] : side(opposite(taker.side))) {
      bool const crosses = taker.side == Side::buy ? order.price <= taker.price : order.price >= taker.price;
      if (!crosses || out.amount == taker.amount || out.is_taker_expired) break;
      if (order.expires <= taker.now || order.amount == 0) continue;
      auto amount = std::min(order.amount, taker.amount - out.amount);
      if (order.maker == taker.maker) {
        auto const mode = taker.self_match;
        if (mode == SelfMatch::skip) continue;
        out.is_taker_expired = mode == SelfMatch::expire_taker || mode == SelfMatch::expire_both;
        if (mode == SelfMatch::expire_taker) continue;
        if (mode != SelfMatch::trade) amount = 0;
      }
      out.amount += amount;
      fills.push_back({handle, order.price, amount});
    }
    return out;
  }

 private:
  static bool is_before(Entry const& a, Entry const& b) {
    auto const rank = [](Order const& order) {
      auto const price = order.side == Side::buy ? ~order.price : order.price;
      return std::tuple{order.side, price, order.created, order.id};
    };
    if (rank(a.order) != rank(b.order)) return rank(a.order) < rank(b.order);
    return maker_order(a.order.maker, b.order.maker);
  }
  std::vector<Entry> orders_;
};

constexpr std::int64_t kNow = 1'000;

class MatchingEngineTest : public testing::Test {
 protected:
  ~MatchingEngineTest() override { engine_.check(); }

  Handle add(Order const& order) {
    auto const handle = engine_.add(order);
    naive_.add(order, handle);
    return handle;
  }
  std::vector<Handle> ranked(Side side) const {
    std::vector<Handle> out;
    engine_.for_each(side, [&](Handle handle) {
      out.push_back(handle);
      return true;
    });
    return out;
  }
  void expect_equal() const {
    for (auto const side : {Side::buy, Side::sell}) {
      std::vector<Handle> expected;
      for (auto const& [order, handle] : naive_.side(side)) {
        expected.push_back(handle);
        ASSERT_EQ(engine_.order(handle), order);
      }
      ASSERT_EQ(ranked(side), expected);
      for (auto const count : {0u, 1u, 3u, 1'000u}) {
        ASSERT_EQ(engine_.depth(side, count), naive_.depth(side, count));
      }
      auto const best = naive_.depth(side, 1);
      ASSERT_EQ(engine_.best(side), best.empty() ? std::nullopt : std::optional{best.front()});
    }
    ASSERT_EQ(engine_.size(), naive_.all().size());
  }
  /// The fills of a taker with the engine, after the naive book was asked too.
  std::vector<Fill> match(Taker const& taker) {
    std::vector<Fill> expected;
    auto const result = naive_.match(taker, expected);
    std::vector<Fill> fills;
    EXPECT_EQ(engine_.match(taker,
                            [&](Fill const& fill) {
                              fills.push_back(fill);
                              return true;
                            }),
              result);
    EXPECT_EQ(fills, expected);
    return fills;
  }
  std::vector<Fill> take(Taker const& taker) {
    auto const expected = match(taker);
    std::vector<Fill> fills;
    (void)engine_.take(taker, fills);
    EXPECT_EQ(fills, expected);
    for (auto const& fill : fills) {
      auto& order = naive_.at(fill.order);
      order.amount -= fill.amount;
      if (fill.amount == 0 || order.amount == 0) naive_.remove(fill.order);
    }
    return fills;
  }
  static Order sell(std::int64_t price, std::int64_t created, std::uint64_t id, std::int64_t amount = 10) {
    return {.side = Side::sell, .price = price, .created = created, .id = {0, id, 0}, .amount = amount};
  }
  /// The greatest number of steps of an insert among n orders.
  static std::uint64_t bound(std::size_t order_count) {
    return MatchingEngine::kInsertStepsMax + 4 * static_cast<std::uint64_t>(std::bit_width(order_count + 1));
  }

  MatchingEngine engine_{maker_order};
  NaiveBook naive_;
};

// Model

struct Mix {
  std::uint64_t prices;
  std::uint64_t times;
  std::uint64_t ids;
  std::size_t size;
};

class MatchingEngineModel : public MatchingEngineTest {
 protected:
  void run(Mix mix, std::uint64_t seed, int steps) {
    mix_ = mix;
    random_ = Random{seed};
    for (int step = 0; step < steps; ++step) {
      one_operation();
      engine_.check();
      if (step % 8 == 0) expect_equal();
      if (HasFatalFailure() || HasNonfatalFailure()) {
        ADD_FAILURE() << "seed " << seed << ", step " << step;
        return;
      }
    }
  }

 private:
  std::int64_t number_below(std::uint64_t bound) { return static_cast<std::int64_t>(random_.below(bound)); }
  Order random_order() {
    Order order;
    order.side = random_.chance(1, 2) ? Side::buy : Side::sell;
    order.price = number_below(mix_.prices);
    order.created = number_below(mix_.times);
    order.id = {random_.below(2), random_.below(mix_.ids), static_cast<std::uint32_t>(random_.below(2))};
    order.maker = static_cast<MatchingEngine::Maker>(random_.below(3));
    order.amount = number_below(20);
    order.expires = kNow + number_below(4) - 1;
    return order;
  }
  Handle any() { return naive_.all()[random_.below(naive_.all().size())].handle; }

  void one_operation() {
    auto const steps = engine_.steps();
    auto const size = naive_.all().size();
    auto const order = random_order();
    auto const kind = random_.below(20);
    if (size == 0 || (kind < 8 && size < mix_.size)) {
      if (naive_.has_rank_of(order)) return;
      add(order);
    } else if (kind < 11) {
      auto const handle = any();
      engine_.remove(handle);
      naive_.remove(handle);
      EXPECT_FALSE(engine_.holds(handle));
    } else if (kind < 13) {
      auto const handle = any();
      auto& known = naive_.at(handle);
      known.amount = number_below(static_cast<std::uint64_t>(known.amount) + 1);
      known.expires = order.expires;
      engine_.reduce(handle, known.amount);
      engine_.set_expires(handle, known.expires);
    } else if (kind < 18) {
      auto const handle = any();
      auto moved = naive_.at(handle);
      moved.price = order.price, moved.created = order.created;
      if (naive_.has_rank_of(moved)) return;
      engine_.move(handle, moved.price, moved.created);
      naive_.move(handle, moved.price, moved.created);
    } else {
      Taker const taker{.side = order.side,
                        .price = order.price,
                        .amount = number_below(60),
                        .maker = order.maker,
                        .self_match = static_cast<SelfMatch>(random_.below(5)),
                        .now = kNow};
      kind == 18 ? match(taker) : take(taker);
      return;
    }
    EXPECT_LE(engine_.steps() - steps, bound(size));
  }

  Mix mix_{};
  Random random_{1};
};

TEST_F(MatchingEngineModel, agreesWithANaiveBookOfFewPricesAndManyTies) { run({3, 4, 20, 400}, 1, 3'000); }
TEST_F(MatchingEngineModel, agreesWithANaiveBookOfManyPrices) { run({300, 50, 1'000, 300}, 2, 3'000); }
TEST_F(MatchingEngineModel, agreesWithANaiveBookOfOnePriceAndAnyTimes) {
  run({1, 1'000'000, 1'000'000, 1'200}, 3, 4'000);
}

// Rank

TEST_F(MatchingEngineTest, ranksByPriceThenCreatedThenIdThenTheMakerOfItsOwner) {
  auto const by_maker = [](MatchingEngine::Maker maker) {
    auto order = sell(5, 7, 3);
    order.maker = maker;
    return order;
  };
  auto const a = add(sell(6, 1, 1));
  auto const b = add(by_maker(1));
  auto const c = add(by_maker(2));
  auto const d = add(sell(5, 7, 2));
  auto const e = add(sell(5, 6, 9));
  auto const f = add(sell(4, 9, 9));
  EXPECT_EQ(ranked(Side::sell), (std::vector{f, e, d, c, b, a}));
  expect_equal();
}

TEST_F(MatchingEngineTest, idsDifferInEachOfTheirWords) {
  auto const with_id = [](MatchingEngine::IdKey id) {
    auto order = sell(5, 7, 0);
    order.id = id;
    return order;
  };
  auto const a = add(with_id({1, 0, 0}));
  auto const b = add(with_id({0, 1, 0}));
  auto const c = add(with_id({0, 0, 1}));
  auto const d = add(with_id({0, 0, 0}));
  EXPECT_EQ(ranked(Side::sell), (std::vector{d, c, b, a}));
}

TEST_F(MatchingEngineTest, theOrderOfCallsDoesNotMatter) {
  Random random{5};
  std::vector<Order> orders;
  for (std::uint64_t i = 0; i < 500; ++i) orders.push_back(sell(1, static_cast<std::int64_t>(i % 5), i));
  for (auto const& order : orders) add(order);
  MatchingEngine other{maker_order};
  random.shuffle(orders);
  for (auto const& order : orders) other.add(order);
  other.check();
  std::vector<Order> expected;
  std::vector<Order> found;
  engine_.for_each(Side::sell,
                   [&](Handle handle) { return expected.push_back(engine_.order(handle)), true; });
  other.for_each(Side::sell, [&](Handle handle) { return found.push_back(other.order(handle)), true; });
  EXPECT_EQ(found, expected);
}

TEST_F(MatchingEngineTest, aReducedOrderKeepsItsRankAndAMovedOneHasThatOfItsNewTime) {
  auto const a = add(sell(5, 1, 1));
  auto const b = add(sell(5, 2, 2));
  auto const c = add(sell(5, 3, 3));
  engine_.reduce(a, 1);
  EXPECT_EQ(ranked(Side::sell), (std::vector{a, b, c}));
  engine_.move(a, 5, 4);
  EXPECT_EQ(ranked(Side::sell), (std::vector{b, c, a}));
  engine_.move(c, 5, 0);
  EXPECT_EQ(ranked(Side::sell), (std::vector{c, b, a}));
  engine_.move(b, 4, 9);
  EXPECT_EQ(ranked(Side::sell), (std::vector{b, c, a}));
}

TEST_F(MatchingEngineTest, pricesAreAnyOf64Bits) {
  using Limits = std::numeric_limits<std::int64_t>;
  for (auto const side : {Side::buy, Side::sell}) {
    std::vector<Handle> added;
    for (auto const price : {Limits::min(), std::int64_t{0}, Limits::max()}) {
      auto order = sell(price, 1, 1);
      order.side = side;
      added.push_back(add(order));
    }
    if (side == Side::buy) std::ranges::reverse(added);
    EXPECT_EQ(ranked(side), added);
  }
  EXPECT_EQ(match({.side = Side::buy, .price = Limits::max(), .amount = 100, .maker = 1}).size(), 3u);
  EXPECT_EQ(match({.side = Side::sell, .price = Limits::max(), .amount = 100, .maker = 1}).size(), 1u);
}

TEST_F(MatchingEngineTest, sumsOfAmountsDoNotOverflow) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  auto const a = engine_.add(sell(5, 1, 1, kMax));
  auto const b = engine_.add(sell(5, 2, 2, kMax));
  EXPECT_EQ(engine_.best(Side::sell)->amount, kMax);
  engine_.reduce(a, 7);
  engine_.reduce(b, 8);
  EXPECT_EQ(engine_.best(Side::sell)->amount, 15);
  engine_.check();
}

// Bounds

class MatchingEngineBounds : public MatchingEngineTest {
 protected:
  static constexpr std::uint64_t kCount = 50'000;
  static constexpr std::int64_t kMiddle = 1'000'000;

  std::uint64_t steps_of_add(Order const& order) {
    auto const steps = engine_.steps();
    engine_.add(order);
    return engine_.steps() - steps;
  }
};

TEST_F(MatchingEngineBounds, oldOrdersAmongManyOfOnePriceCostABoundedNumberOfSteps) {
  std::uint64_t highest = 0;
  Random random{7};
  for (std::uint64_t i = 0; i < kCount; ++i) {
    auto const created = static_cast<std::int64_t>(random.below(kMiddle));
    highest = std::max(highest, steps_of_add(sell(1, created, i)));
  }
  EXPECT_LE(highest, bound(kCount));
  engine_.check();
}

TEST_F(MatchingEngineBounds, eachOrderOlderThanAllOthersCostsABoundedNumberOfSteps) {
  std::uint64_t highest = 0;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    highest = std::max(highest, steps_of_add(sell(1, kMiddle - static_cast<std::int64_t>(i), i)));
  }
  EXPECT_LE(highest, bound(kCount));
}

TEST_F(MatchingEngineBounds, manyOrdersOfOneTimeWhoseIdsFallCostABoundedNumberOfSteps) {
  std::uint64_t highest = 0;
  for (std::uint64_t i = 0; i < kCount; ++i)
    highest = std::max(highest, steps_of_add(sell(1, 1, kCount - i)));
  EXPECT_LE(highest, bound(kCount));
}

TEST_F(MatchingEngineBounds, ordersAtOnePlaceAgainAndAgainCostABoundedNumberOfSteps) {
  for (std::uint64_t i = 0; i < kCount; ++i) engine_.add(sell(1, 2 * static_cast<std::int64_t>(i), i));
  std::uint64_t highest = 0;
  std::vector<Handle> added;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    auto const steps = engine_.steps();
    added.push_back(engine_.add(sell(1, kCount + 1, i)));
    highest = std::max(highest, engine_.steps() - steps);
    if (i % 3 != 0) continue;
    engine_.remove(added.back());
    added.pop_back();
  }
  EXPECT_LE(highest, bound(2 * kCount));
  engine_.check();
  for (auto const handle : added) engine_.remove(handle);
  engine_.check();
}

TEST_F(MatchingEngineBounds, anOrderAfterAllOthersCostsOneStepMostTimes) {
  for (std::uint64_t i = 0; i < kCount; ++i) engine_.add(sell(1, static_cast<std::int64_t>(i), i));
  EXPECT_LE(engine_.steps(), 2 * kCount);
}

// Self matches: the taker's own order stands between two of others.

class SelfMatchTest : public MatchingEngineTest {
 protected:
  static constexpr MatchingEngine::Maker kSelf = 4;

  std::vector<Fill> take_as(SelfMatch mode) {
    first_ = add(sell(5, 1, 1));
    auto order = sell(5, 2, 2);
    order.maker = kSelf;
    own_ = add(order);
    last_ = add(sell(6, 3, 3));
    auto fills =
        take({.side = Side::buy, .price = 6, .amount = 25, .maker = kSelf, .self_match = mode, .now = kNow});
    expect_equal();
    return fills;
  }
  Handle first_ = 0;
  Handle own_ = 0;
  Handle last_ = 0;
};

TEST_F(SelfMatchTest, inModeTradeTheyTrade) {
  auto const fills = take_as(SelfMatch::trade);
  EXPECT_EQ(fills, (std::vector<Fill>{{first_, 5, 10}, {own_, 5, 10}, {last_, 6, 5}}));
}
TEST_F(SelfMatchTest, inModeSkipTheOwnOrderStaysAndTheNextOneTrades) {
  auto const fills = take_as(SelfMatch::skip);
  EXPECT_EQ(fills, (std::vector<Fill>{{first_, 5, 10}, {last_, 6, 10}}));
  EXPECT_EQ(ranked(Side::sell), std::vector{own_});
}
TEST_F(SelfMatchTest, inModeExpireTakerTheTakerEndsBeforeItsOwnOrder) {
  auto const fills = take_as(SelfMatch::expire_taker);
  EXPECT_EQ(fills, (std::vector<Fill>{{first_, 5, 10}}));
  EXPECT_EQ(ranked(Side::sell), (std::vector{own_, last_}));
}
TEST_F(SelfMatchTest, inModeExpireMakerTheOwnOrderEndsAndTheNextOneTrades) {
  auto const fills = take_as(SelfMatch::expire_maker);
  EXPECT_EQ(fills, (std::vector<Fill>{{first_, 5, 10}, {own_, 5, 0}, {last_, 6, 10}}));
  EXPECT_TRUE(ranked(Side::sell).empty());
}
TEST_F(SelfMatchTest, inModeExpireBothTheOwnOrderEndsAndTheTakerToo) {
  auto const fills = take_as(SelfMatch::expire_both);
  EXPECT_EQ(fills, (std::vector<Fill>{{first_, 5, 10}, {own_, 5, 0}}));
  EXPECT_EQ(ranked(Side::sell), std::vector{last_});
}

// Matching

TEST_F(MatchingEngineTest, expiredOrdersMatchNoMore) {
  auto order = sell(5, 1, 1);
  order.expires = kNow;
  add(order);
  order.id = {0, 2, 0}, order.expires = kNow + 1;
  auto const live = add(order);
  auto const fills = match({.side = Side::buy, .price = 5, .amount = 100, .maker = 1, .now = kNow});
  EXPECT_EQ(fills, (std::vector<Fill>{{live, 5, 10}}));
}

TEST_F(MatchingEngineTest, aMatchEndsWhenTheVisitorHasEnoughAndChangesNothing) {
  for (std::uint64_t i = 0; i < 10; ++i) add(sell(5, 1, i));
  int count = 0;
  auto const result = engine_.match({.side = Side::buy, .price = 5, .amount = 100, .maker = 1},
                                    [&](Fill const&) { return ++count < 3; });
  EXPECT_EQ(result.amount, 30);
  expect_equal();
}

TEST_F(MatchingEngineTest, aFilledOrderGoesAndOneFilledInPartKeepsItsRank) {
  auto const a = add(sell(5, 1, 1));
  auto const b = add(sell(5, 2, 2));
  auto const c = add(sell(5, 3, 3));
  take({.side = Side::buy, .price = 5, .amount = 15, .maker = 1});
  EXPECT_FALSE(engine_.holds(a));
  EXPECT_EQ(ranked(Side::sell), (std::vector{b, c}));
  EXPECT_EQ(engine_.order(b).amount, 5);
  expect_equal();
}

}  // namespace
}  // namespace grenache::exchange
