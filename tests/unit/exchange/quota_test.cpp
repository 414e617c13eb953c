// Which orders stay in a book that is full, and what it costs to keep others out.
#include "exchange/core/book/quota.hpp"

#include <gtest/gtest.h>

#include "exchange/core/book.hpp"
#include "exchange/messages/order_work.hpp"
#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;

/// An order of the maker `maker` that is valid but for its signature.
OrderRecord order_of(std::uint64_t maker, std::uint64_t number, std::chrono::milliseconds age = {}) {
  static std::map<std::uint64_t, PeerId> ids;
  auto out = draft(number, Side::sell);
  auto const [id, is_new] = ids.try_emplace(maker);
  if (is_new) id->second = secret(maker).public_key();
  out.maker = id->second;
  out.created -= age;
  return out;
}
/// The same with work of exactly `bits`.
OrderRecord worked(OrderRecord order, int bits) {
  auto const challenge = work_challenge(order);
  for (order.work = 1; work_bits(challenge, order.work) != bits;) ++order.work;
  return order;
}

// H7 (a): ten keys with 1,000 orders each cost 10,000 signatures, half a second. They fill the book, and lose
// a place to everybody who has fewer than 910 orders.
TEST(QuotaTest, tenMakersDoNotKeepOthersOut) {
  Book book{Book::Options{}};
  for (std::uint64_t maker = 1; maker <= 10; ++maker) {
    for (std::uint64_t i = 0; i < 1'000; ++i) {
      ASSERT_TRUE(book.add_verified(order_of(maker, 1'000 * maker + i, 1h), kNow));
    }
  }
  EXPECT_EQ(book.size(), 10'000u);
  for (std::uint64_t maker = 11; maker <= 60; ++maker) {
    for (std::uint64_t i = 0; i < 100; ++i) {
      EXPECT_TRUE(book.add_verified(order_of(maker, 1'000 * maker + i), kNow)) << "maker " << maker;
    }
  }
  EXPECT_EQ(book.size(), 10'000u);
  EXPECT_FALSE(book.add_verified(order_of(1, 1'999'999, 1h), kNow)) << "they get no place back";
  book.check();
}

// Keys without end, each with one order, cost a signature each and keep out all who spend nothing. A bit of
// work doubles the number of keys with a bit less that an attacker needs for the place; against work of b
// bits he must spend 2^b hashes for each of the 10,000 places.
TEST(QuotaTest, workWinsAgainstKeysWithoutEnd) {
  Book book{Book::Options{.order_count_max = 200}};
  for (std::uint64_t maker = 1; maker <= 200; ++maker) {
    ASSERT_TRUE(book.add_verified(order_of(maker, maker, 1h), kNow));
  }
  EXPECT_EQ(book.add_verified(order_of(500, 500), kNow).error(), BookErrc::book_full);
  auto const honest = worked(order_of(500, 500), 8);
  EXPECT_TRUE(book.add_verified(honest, kNow));
  for (std::uint64_t maker = 201; maker <= 400; ++maker) {
    (void)book.add_verified(order_of(maker, maker, 2h), kNow);
  }
  EXPECT_TRUE(book.find(key_of(honest)));
  book.check();
}

TEST(QuotaTest, moreOrdersOfOneMakerNeedMoreWorkEach) {
  Book book{Book::Options{.order_count_max = 4, .maker_order_count_max = 4}};
  for (std::uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(book.add_verified(worked(order_of(1, i), 1), kNow));
  // The fourth of them has the weight 2 / 4, the third 2 / 3, the second 1.
  EXPECT_TRUE(book.add_verified(order_of(2, 5), kNow));
  EXPECT_TRUE(book.add_verified(order_of(3, 6), kNow));
  EXPECT_EQ(book.add_verified(order_of(2, 7), kNow).error(), BookErrc::book_full);
  EXPECT_EQ(book.find(key_of(order_of(1, 3))), nullptr);
  EXPECT_TRUE(book.find(key_of(order_of(1, 2))));
}

TEST(QuotaTest, closedOrdersDoNotKeepNewOnesOut) {
  Book book{Book::Options{.closed_count_max = 100, .maker_closed_count_max = 20}};
  for (std::uint64_t maker = 1; maker <= 10; ++maker) {
    for (std::uint64_t i = 0; i < 20; ++i) {
      auto closed = order_of(maker, 100 * maker + i, 1h);
      closed.status = OrderStatus::cancelled;
      (void)book.add_verified(closed, kNow);
    }
  }
  EXPECT_EQ(book.size(), 100u);
  EXPECT_TRUE(book.add_verified(order_of(20, 5'000), kNow));
  EXPECT_EQ(book.size(), 100u);
  book.check();
}

TEST(OrderWork, isForTheTermsAndTheMakerAlone) {
  auto const order = worked(order_of(1, 1), 10);
  EXPECT_GE(work_bits(order), 10);
  auto version = order;
  version.seq = 9;
  version.remaining = Satoshi{1};
  version.status = OrderStatus::cancelled;
  version.endpoint = "10.0.0.1:1";
  EXPECT_EQ(work_bits(version), work_bits(order));
  auto stolen = order;
  stolen.maker = secret(2).public_key();
  auto dearer = order;
  dearer.price = PriceCents{1};
  EXPECT_LT(std::min(work_bits(stolen), work_bits(dearer)), 10);
  EXPECT_EQ(work_bits(order_of(1, 1)), 0) << "without work";
}

TEST(OrderWork, paysForSevenDays) {
  auto order = order_of(1, 1);
  order.expires = order.created + kOrderLifeMax;
  order = worked(order, 10);
  auto const bits = work_bits(order);
  for (auto const& [lives, loss] : {std::pair{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}}) {
    order.expires = order.created + lives * kOrderLifeMax;
    EXPECT_EQ(work_bits(order), bits - loss) << lives << " times 7 days";
  }
}

TEST(OrderWork, isAMemberOfTheSignedRecord) {
  auto const order = signed_by(1, worked(order_of(1, 1), 6));
  auto other = order;
  other.work += 1;
  EXPECT_TRUE(verify_order(order));
  EXPECT_FALSE(verify_order(other));
}

}  // namespace
}  // namespace grenache::exchange
