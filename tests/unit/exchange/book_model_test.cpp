// Compares the book with a naive model.
#include "tests/support/book_model.hpp"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "exchange/core/book.hpp"
#include "exchange/messages/order_work.hpp"
#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

constexpr std::uint64_t kMakers = 4;
constexpr std::uint64_t kIds = 12;

OrderRecord random_order(Random& random, std::vector<SecretKey> const& keys, WallTime now) {
  auto const number = random.below(kIds);
  auto const side = random.chance(1, 2) ? Side::buy : Side::sell;
  auto const sizes = std::to_array<std::int64_t>({10, 20, 30});
  if (random.chance(1, 6)) {
    // The first version of an unsigned order is kept, so derive its content only from its id.
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

TEST(BookModel, bookAndModelAgreeAfterEveryStep) {
  std::vector<SecretKey> keys;
  for (std::uint64_t i = 0; i < kMakers; ++i) keys.push_back(secret(i));
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Random random{seed};
    Book book{Book::Options{}};
    BookModel model{Book::Options{}};
    for (int step = 0; step < 120; ++step) {
      auto const order = random_order(random, keys, kNow);
      auto const expected = model.add(order, true, kNow);
      ASSERT_TRUE(expected);
      auto const added = book.add(order, kNow);
      ASSERT_TRUE(added);
      EXPECT_EQ(*added, *expected) << "seed " << seed;
      book.check();
      ASSERT_EQ(book.live(kNow), model.live(kNow)) << "seed " << seed;
      ASSERT_TRUE(model.agrees_with(book, random_order(random, keys, kNow), kNow)) << "seed " << seed;
    }
  }
}

/// Orders of a few makers, with little work: more than fit into `small()`.
std::vector<OrderRecord> many_orders(Random& random, std::vector<SecretKey> const& keys) {
  std::vector<OrderRecord> out;
  for (std::uint64_t i = 0; i < 60; ++i) {
    auto const maker = std::min(random.below(keys.size()), random.below(keys.size()));
    auto order = draft(100 * maker + random.below(20), random.chance(1, 2) ? Side::buy : Side::sell);
    order.created = kNow - std::chrono::milliseconds{order.id.back() % 4};
    order.maker = keys[maker].public_key();
    order.side = order.id.back() % 2 == 0 ? Side::buy : Side::sell;
    if (random.chance(1, 4)) {
      order.seq = 2;
      order.status = OrderStatus::cancelled;
    }
    sign_order(order, keys[maker]);
    out.push_back(order);
  }
  return out;
}
Book::Options small() {
  Book::Options out;
  out.order_count_max = 12;
  out.maker_order_count_max = 5;
  out.closed_count_max = 1'000;
  return out;
}

TEST(BookModel, bookAndModelAgreeWhenTheyAreFull) {
  std::vector<SecretKey> keys;
  for (std::uint64_t i = 0; i < 8; ++i) keys.push_back(secret(i));
  auto options = small();
  options.closed_count_max = 20;
  options.maker_closed_count_max = 7;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Random random{seed};
    Book book{options};
    BookModel model{options};
    for (auto const& order : many_orders(random, keys)) {
      auto const expected = model.add(order, true, kNow);
      auto const added = book.add(order, kNow);
      ASSERT_EQ(added.has_value(), expected.has_value()) << "seed " << seed;
      EXPECT_TRUE(added || added.error() == expected.error()) << "seed " << seed;
      book.check();
      ASSERT_EQ(book.live(kNow), model.live(kNow)) << "seed " << seed;
      ASSERT_EQ(book.size(), model.size()) << "seed " << seed;
    }
  }
}

// Two full replicas show each other what they have until nothing changes.
TEST(BookModel, fullReplicasAgreeWhateverTheOrderInWhichOrdersCame) {
  std::vector<SecretKey> keys;
  for (std::uint64_t i = 0; i < 8; ++i) keys.push_back(secret(i));
  std::size_t evicted = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Random random{seed};
    auto orders = many_orders(random, keys);
    Book one{small()};
    Book other{small()};
    for (auto const& order : orders) (void)one.add(order, kNow);
    random.shuffle(orders);
    for (auto const& order : orders) (void)other.add(order, kNow);
    evicted += one.take_evicted().size();
    for (int round = 0; round < 3; ++round) {
      one.visit({}, 1'000, [&](OrderRecord const& order) { (void)other.add(order, kNow); });
      other.visit({}, 1'000, [&](OrderRecord const& order) { (void)one.add(order, kNow); });
    }
    EXPECT_EQ(one.live(kNow), other.live(kNow)) << "seed " << seed;
    one.check(), other.check();
  }
  EXPECT_GT(evicted, 100u);
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
