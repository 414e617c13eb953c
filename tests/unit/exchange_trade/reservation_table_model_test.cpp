// Random commands against a model that is as simple as can be: lists, searched from end to end.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "exchange/core/trade/reservation_table.hpp"
#include <grenache/base/random.hpp>

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using store::RefusalReason;

constexpr WallTime kWall{1'700'000'000'000ms};
constexpr std::size_t kLiveMax = 4;

class Model {
 public:
  struct Take {
    std::string order, id, taker;
    std::int64_t amount = 0, fence = 0;
    TimePoint expires;
    bool settled = false;
  };
  struct Order {
    std::int64_t amount = 0, filled = 0, reduced = 0, seq = 0, spent = 0;
    bool closed = false;
  };

  std::map<std::string, Order> orders;
  std::vector<Take> takes;
  std::int64_t fence = 0;

  Order& merge(KnownOrder const& known) {
    Order& order = orders[known.id];
    order.amount = known.amount.units();
    order.filled = std::max(order.filled, known.totals.filled.units());
    order.reduced = std::max(order.reduced, known.totals.reduced.units());
    order.seq = std::max(order.seq, known.totals.seq);
    order.closed |= known.totals.closed;
    order.filled = std::min(order.filled, order.amount);
    order.reduced = std::min(order.reduced, order.amount - order.filled);
    order.spent = std::max({order.spent, known.totals.spent.units(), order.filled + order.reduced});
    order.spent = std::min(order.spent, order.amount);
    while (free(known.id) < 0) {
      auto newest = takes.end();
      for (auto each = takes.begin(); each != takes.end(); ++each) {
        bool const counts = each->order == known.id && !each->settled;
        if (counts && (newest == takes.end() || each->fence > newest->fence)) newest = each;
      }
      takes.erase(newest);
    }
    return order;
  }
  std::int64_t free(std::string const& id) {
    Order const& order = orders[id];
    std::int64_t rest = order.amount - order.spent;
    for (auto const& take : takes)
      if (take.order == id && !take.settled) rest -= take.amount;
    return rest;
  }
  Take* find(std::string const& order, std::string const& id) {
    for (auto& take : takes)
      if (take.order == order && take.id == id) return &take;
    return nullptr;
  }
  void expire(TimePoint now) {
    std::erase_if(takes, [&](Take const& take) { return !take.settled && take.expires <= now; });
  }
  /// Nothing when the take may be granted as a new one.
  std::optional<RefusalReason> refusal(store::Reserve const& wish) {
    Order const& order = orders[wish.order.id];
    if (order.closed) return RefusalReason::closed;
    bool is_rival_live = false;
    for (auto const& rival : wish.rivals) {
      if (orders.contains(rival) && orders.at(rival).filled > 0) return RefusalReason::closed;
      for (auto const& take : takes) is_rival_live |= take.order == rival && !take.settled;
    }
    if (is_rival_live) return RefusalReason::rival_reserved;
    if (wish.wanted.units() > order.amount - order.spent) return RefusalReason::amount;
    std::size_t live = 0;
    for (auto const& take : takes) {
      if (take.order != wish.order.id || take.settled) continue;
      ++live;
      if (take.taker == wish.taker) return RefusalReason::taker_has_one;
    }
    if (live >= kLiveMax) return RefusalReason::too_many_takes;
    if (wish.wanted.units() > free(wish.order.id)) return RefusalReason::reserved;
    return std::nullopt;
  }
};

class Walk {
 public:
  explicit Walk(std::uint64_t seed) : random_{seed} { (void)execute(store::Recover{}); }

  void step() {
    now_ += random_.between(0s, 60s);
    model_.expire(now_);
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return reserve();
      case 4:
        return settle();
      case 5:
        return release();
      case 6:
        return update();
      default:
        if (random_.chance(1, 10)) recover();
    }
  }

 private:
  store::Answer execute(store::Command const& command) {
    auto const wall = kWall + std::chrono::floor<std::chrono::milliseconds>(now_ - TimePoint{});
    auto answer = table_.execute(command, now_, wall);
    table_.check();
    return answer;
  }
  std::string pick(std::string const& prefix, std::uint64_t count) {
    return prefix + std::to_string(random_.below(count));
  }
  KnownOrder order() {
    KnownOrder known{pick("order", 3), Satoshi{1000}, kWall + 24h * 365, {}};
    auto const& stored = model_.orders[known.id];
    if (random_.chance(1, 2)) known.totals.reduced = Satoshi{stored.reduced};
    if (random_.chance(1, 100)) known.totals.filled = Satoshi{stored.filled + 100};
    if (random_.chance(1, 100)) known.totals.spent = Satoshi{stored.spent + 50};
    if (random_.chance(1, 10)) known.totals.seq = stored.seq + 5;
    return known;
  }
  void expect(OrderTotals const& totals, Model::Order const& order) {
    EXPECT_EQ(totals.filled.units(), order.filled);
    EXPECT_EQ(totals.reduced.units(), order.reduced);
    EXPECT_EQ(totals.spent.units(), order.spent);
    EXPECT_EQ(totals.closed, order.closed);
    EXPECT_EQ(totals.seq, order.seq);
  }

  void reserve() {
    auto const amount = static_cast<std::int64_t>(1 + random_.below(400));
    auto const life = std::chrono::milliseconds{1 + random_.below(900'000)};
    store::Reserve wish{order(), pick("take", 12), pick("taker", 6), Satoshi{amount}, life};
    if (random_.chance(1, 8)) wish.rivals = {wish.order.id == "order0" ? "order1" : "order0", "unknown"};
    auto const answer = execute(wish);
    auto& stored = model_.merge(wish.order);
    auto const* granted = std::get_if<store::Granted>(&answer);
    if (auto const* known = model_.find(wish.order.id, wish.take_id)) {
      bool const repeats = !known->settled && known->taker == wish.taker;
      ASSERT_EQ(granted != nullptr, repeats);
      if (!granted) {
        EXPECT_EQ(std::get<store::Refused>(answer).reason,
                  known->settled ? RefusalReason::gone : RefusalReason::reserved);
        return;
      }
      EXPECT_TRUE(granted->repeated);
      EXPECT_EQ(granted->reservation.fence, known->fence);
      EXPECT_EQ(granted->reservation.amount.units(), known->amount);
      EXPECT_EQ(granted->reservation.life,
                std::chrono::ceil<std::chrono::milliseconds>(known->expires - now_));
      return expect(granted->totals, stored);
    }
    auto const refusal = model_.refusal(wish);
    ASSERT_EQ(granted == nullptr, refusal.has_value());
    if (refusal) {
      auto const& refused = std::get<store::Refused>(answer);
      EXPECT_EQ(refused.reason, *refusal);
      return expect(refused.totals, stored);
    }
    EXPECT_FALSE(granted->repeated);
    EXPECT_EQ(granted->reservation.fence, ++model_.fence);
    model_.takes.push_back({wish.order.id, wish.take_id, wish.taker, amount, model_.fence, now_ + life});
    expect(granted->totals, stored);
  }

  void settle() {
    store::Settle wish{order(), pick("take", 12), 0};
    auto const* before = model_.find(wish.order.id, wish.take_id);
    wish.fence = before && random_.chance(9, 10) ? before->fence : 1;
    auto const answer = execute(wish);
    auto& stored = model_.merge(wish.order);
    auto* const take = model_.find(wish.order.id, wish.take_id);
    if (!take || take->fence != wish.fence) {
      auto const& refused = std::get<store::Refused>(answer);
      EXPECT_EQ(refused.reason, RefusalReason::gone);
      return expect(refused.totals, stored);
    }
    if (!take->settled) {
      take->settled = true;
      stored.filled += take->amount;
      stored.spent += take->amount;
      ++stored.seq;
    }
    auto const& settled = std::get<store::Settled>(answer);
    EXPECT_EQ(settled.amount.units(), take->amount);
    expect(settled.totals, stored);
  }

  void release() {
    store::Release wish{pick("order", 3), pick("take", 12), 0};
    auto const* take = model_.find(wish.order_id, wish.take_id);
    bool const ends = take && !take->settled && random_.chance(1, 2);
    if (ends) wish.fence = take->fence;
    (void)execute(wish);
    if (ends) {
      std::erase_if(model_.takes,
                    [&](auto const& each) { return each.order == wish.order_id && each.id == wish.take_id; });
    }
  }

  void update() {
    store::Update const wish{order(), Satoshi{static_cast<std::int64_t>(random_.below(200))},
                             random_.chance(1, 20)};
    auto const answer = execute(wish);
    auto& stored = model_.merge(wish.order);
    std::int64_t const missing = wish.order.totals.reduced.units() + wish.reduce_by.units() - stored.reduced;
    auto const more = std::max<std::int64_t>(0, std::min(missing, model_.free(wish.order.id)));
    stored.reduced += more;
    stored.spent += more;
    stored.closed |= wish.close;
    ++stored.seq;
    expect(std::get<store::Updated>(answer).totals, stored);
  }

  /// Starts again with an empty table, from all that the model knows.
  void recover() {
    table_ = ReservationTable{{.live_takes_per_order_max = kLiveMax}};
    store::Recover all;
    all.fence = model_.fence;
    for (auto const& [id, order] : model_.orders) {
      OrderTotals const totals{Satoshi{order.filled}, Satoshi{order.reduced}, order.closed, order.seq,
                               Satoshi{order.spent}};
      all.orders.push_back({id, Satoshi{1000}, kWall + 24h * 365, totals});
    }
    std::erase_if(model_.takes, [](auto const& take) { return take.settled; });
    for (auto& take : model_.takes) {
      auto const life = std::chrono::ceil<std::chrono::milliseconds>(take.expires - now_);
      take.expires = now_ + life;
      all.takes.push_back({take.order, {take.id, take.taker, Satoshi{take.amount}, take.fence, kWall, life}});
    }
    (void)execute(all);
    ASSERT_EQ(table_.reservation_count(), model_.takes.size());
  }

  Random random_;
  ReservationTable table_{{.live_takes_per_order_max = kLiveMax}};
  Model model_;
  TimePoint now_{};
};

TEST(ReservationTableModel, answersAsTheModelDoes) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Walk walk{seed};
    for (int i = 0; i < 2'000; ++i) {
      walk.step();
      if (HasFailure()) FAIL() << "seed " << seed << ", step " << i;
    }
  }
}

}  // namespace
}  // namespace grenache::exchange
