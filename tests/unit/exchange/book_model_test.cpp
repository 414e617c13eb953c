// The book against the plainest thing that could work: a list of all versions that were ever shown.
#include <algorithm>
#include <tuple>

#include <gtest/gtest.h>

#include "exchange/core/book.hpp"
#include "tests/unit/exchange/sample.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

constexpr std::uint64_t kMakers = 4;
constexpr std::uint64_t kIds = 12;

class Model {
 public:
  void add(OrderRecord const& order, WallTime now) {
    if (order.expires > now) versions_.push_back(order);
  }

  std::vector<OrderRecord> live(WallTime now) const {
    std::vector<OrderRecord> out;
    for (auto const& order : versions_) {
      bool const is_newest = std::ranges::none_of(versions_, [&](auto const& other) {
        return key_of(other) == key_of(order) && newer(other, order);
      });
      bool const is_double =
          std::ranges::any_of(out, [&](auto const& o) { return key_of(o) == key_of(order); });
      if (is_newest && !is_double && order.is_live(now)) out.push_back(order);
    }
    std::ranges::sort(out, {}, [](auto const& order) { return key_of(order); });
    return out;
  }

  std::vector<std::string> matches(OrderRecord const& order, WallTime now) const {
    auto candidates = live(now);
    std::erase_if(candidates, [&](auto const& other) {
      if (other.side == order.side) return true;
      auto const& bid = order.side == Side::buy ? order : other;
      auto const& ask = order.side == Side::buy ? other : order;
      if (bid.price < ask.price) return true;
      if (order.maker && other.maker) return order.maker == other.maker;
      return order.remaining != other.remaining;
    });
    auto const sign = order.side == Side::buy ? 1 : -1;
    std::ranges::sort(candidates, [&](auto const& a, auto const& b) {
      return std::tuple{sign * a.price.units(), a.created, a.id, a.maker} <
             std::tuple{sign * b.price.units(), b.created, b.id, b.maker};
    });
    std::vector<std::string> out;
    for (auto const& candidate : candidates)
      out.push_back(describe(candidate, std::min(order.remaining, candidate.remaining)));
    return out;
  }

  static std::string describe(OrderRecord const& order, Satoshi amount) {
    return order.id + (order.maker ? order.maker->hex() : "") + " " + amount.to_text();
  }

 private:
  static bool newer(OrderRecord const& a, OrderRecord const& b) {
    if (a.seq != b.seq) return a.seq > b.seq;
    return a.maker && order_digest(a) > order_digest(b);
  }

  std::vector<OrderRecord> versions_;
};

OrderRecord random_order(Random& random, std::vector<SecretKey> const& keys, WallTime now) {
  auto const number = random.below(kIds);
  auto const side = random.chance(1, 2) ? Side::buy : Side::sell;
  auto const sizes = std::to_array<std::int64_t>({10, 20, 30});
  if (random.chance(1, 6)) {
    // The first version of an unsigned order counts, so that its content must hang on its id alone.
    return sized(original(100 + number, number % 2 == 0 ? Side::buy : Side::sell, 1000), sizes[number % 3]);
  }
  auto order = sized(draft(number, side), sizes[random.below(3)]);
  order.seq = static_cast<std::int64_t>(1 + random.below(5));
  order.price = PriceCents{static_cast<std::int64_t>(98 + random.below(5))};
  order.remaining = Satoshi{static_cast<std::int64_t>(1 + random.below(10))};
  if (random.chance(1, 5)) order.status = OrderStatus::cancelled;
  order.created = kNow + std::chrono::milliseconds{random.below(3)};
  order.expires = now + std::chrono::milliseconds{1 + random.below(200)};
  sign_order(order, keys[random.below(kMakers)]);
  return order;
}

void compare(Book const& book, Model const& model, OrderRecord const& order, WallTime now,
             std::uint64_t seed) {
  ASSERT_EQ(book.live(now), model.live(now)) << "seed " << seed;
  std::vector<std::string> found;
  for (auto const& match : book.matches(order, now))
    found.push_back(Model::describe(match.order, match.amount));
  auto probe = order;
  probe.status = OrderStatus::open;
  if (order.is_live(now)) {
    ASSERT_EQ(found, model.matches(probe, now)) << "seed " << seed;
  } else {
    ASSERT_TRUE(found.empty()) << "seed " << seed;
  }
}

TEST(BookModel, bookAndListAgreeAfterEveryStep) {
  std::vector<SecretKey> keys;
  for (std::uint64_t i = 0; i < kMakers; ++i) keys.push_back(secret(i));
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Random random{seed};
    // Versions that outlive a newer, expired one are the maker's own fault; here time stands still until the
    // end.
    Book book{Book::Options{}};
    Model model;
    for (int step = 0; step < 120; ++step) {
      auto const order = random_order(random, keys, kNow);
      model.add(order, kNow);
      ASSERT_TRUE(book.add(order, kNow));
      book.check();
      compare(book, model, random_order(random, keys, kNow), kNow, seed);
    }
  }
}

TEST(BookModel, replicasShownTheSameInAnyOrderAreEqual) {
  std::vector<SecretKey> keys;
  for (std::uint64_t i = 0; i < kMakers; ++i) keys.push_back(secret(i));
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Random random{seed};
    std::vector<OrderRecord> orders;
    for (int i = 0; i < 100; ++i) orders.push_back(random_order(random, keys, kNow));
    Book one{Book::Options{}};
    Book other{Book::Options{}};
    for (auto const& order : orders) ASSERT_TRUE(one.add(order, kNow));
    random.shuffle(orders);
    for (auto const& order : orders) ASSERT_TRUE(other.add(order, kNow));
    EXPECT_EQ(one.live(kNow), other.live(kNow)) << "seed " << seed;
    auto const later = kNow + std::chrono::milliseconds{100};
    one.expire(later), other.expire(later);
    EXPECT_EQ(one.live(later), other.live(later)) << "seed " << seed;
    one.check(), other.check();
    auto const probe = random_order(random, keys, later);
    EXPECT_EQ(one.matches(probe, later).size(), other.matches(probe, later).size());
  }
}

}  // namespace
}  // namespace grenache::exchange
