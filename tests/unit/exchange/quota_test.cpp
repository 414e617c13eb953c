// Which orders stay in a book that is full, and what it costs to keep others out.
#include "exchange/core/book/quota.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "exchange/core/book.hpp"
#include "exchange/messages/order_work.hpp"
#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;

/// An order of the maker `maker` that is valid but for its signature.
OrderRecord order_of(std::uint64_t maker, std::uint64_t number, int bits = 0,
                     std::chrono::milliseconds age = {}) {
  static std::map<std::uint64_t, PeerId> ids;
  auto out = draft(number, Side::sell);
  auto const [id, is_new] = ids.try_emplace(maker);
  if (is_new) id->second = secret(maker).public_key();
  out.created -= age;
  return worked(id->second, out, number, bits);
}

// H7 (a): ten keys with 1,000 orders each cost 10,000 signatures, half a second. They fill the book, and lose
// a place to everybody who has fewer than 910 orders.
TEST(QuotaTest, tenMakersDoNotKeepOthersOut) {
  Book book{Book::Options{}};
  for (std::uint64_t maker = 1; maker <= 10; ++maker) {
    for (std::uint64_t i = 0; i < 1'000; ++i) {
      ASSERT_TRUE(book.add_verified(order_of(maker, 1'000 * maker + i, 0, 1h), kNow));
    }
  }
  EXPECT_EQ(book.size(), 10'000u);
  for (std::uint64_t maker = 11; maker <= 60; ++maker) {
    for (std::uint64_t i = 0; i < 100; ++i) {
      EXPECT_TRUE(book.add_verified(order_of(maker, 1'000 * maker + i), kNow)) << "maker " << maker;
    }
  }
  EXPECT_EQ(book.size(), 10'000u);
  EXPECT_FALSE(book.add_verified(order_of(1, 1'999'999, 0, 1h), kNow)) << "they get no place back";
  book.check();
}

// Keys without end, each with one order, cost a signature each and push out what has less work. A bit of work
// doubles the number of keys with a bit less that an attacker needs for the place; against work of b bits he
// must spend 2^b hashes for each of the 10,000 places.
TEST(QuotaTest, workWinsAgainstKeysWithoutEnd) {
  Book book{Book::Options{.order_count_max = 200}};
  for (std::uint64_t maker = 1; maker <= 200; ++maker) {
    ASSERT_TRUE(book.add_verified(order_of(maker, maker), kNow));
  }
  auto const honest = order_of(500, 500, 8);
  EXPECT_TRUE(book.add_verified(honest, kNow));
  for (std::uint64_t maker = 201; maker <= 400; ++maker) {
    (void)book.add_verified(order_of(maker, maker), kNow);
  }
  EXPECT_TRUE(book.find(key_of(honest)));
  book.check();
}

TEST(QuotaTest, ordersThatSayThatTheyAreOldPushOutNoMoreThanOthers) {
  Book book{Book::Options{.order_count_max = 200}};
  std::vector<OrderRecord> honest;
  for (std::uint64_t maker = 1; maker <= 100; ++maker) honest.push_back(order_of(maker, maker));
  for (auto const& order : honest) ASSERT_TRUE(book.add_verified(order, kNow));
  for (std::uint64_t maker = 201; maker <= 400; ++maker) {
    (void)book.add_verified(order_of(maker, maker, 0, 20h), kNow);
  }
  auto const left = std::ranges::count_if(
      honest, [&](OrderRecord const& order) { return book.find(key_of(order)) != nullptr; });
  EXPECT_GT(left, 45) << "two thirds of all orders stay";
  EXPECT_LT(left, 90);
}

TEST(QuotaTest, moreOrdersOfOneMakerNeedMoreWorkEach) {
  Book book{Book::Options{.order_count_max = 4, .maker_order_count_max = 4}};
  std::vector<OrderRecord> orders;
  for (std::uint64_t i = 1; i <= 4; ++i) orders.push_back(order_of(1, i, 1));
  for (auto const& order : orders) ASSERT_TRUE(book.add_verified(order, kNow));
  // The fourth of them has the weight 2 / 4, the third 2 / 3, the second 1.
  EXPECT_TRUE(book.add_verified(order_of(2, 5), kNow));
  EXPECT_TRUE(book.add_verified(order_of(3, 6), kNow));
  EXPECT_EQ(book.add_verified(order_of(2, 7), kNow).error(), BookErrc::book_full);
  EXPECT_EQ(book.find(key_of(orders[2])), nullptr);
  EXPECT_TRUE(book.find(key_of(orders[1])));
}

TEST(QuotaTest, anUnsignedOrderPushesOutNoOther) {
  Book book{Book::Options{.unsigned_count_max = 2}};
  for (std::uint64_t i = 1; i <= 2; ++i) {
    ASSERT_TRUE(book.add_verified(original(i, Side::buy, 1), kNow));
  }
  auto older = original(3, Side::buy, 1);
  older.created -= 20h;
  older.expires = older.created + kOriginalOrderLife;
  EXPECT_EQ(book.add_verified(older, kNow).error(), BookErrc::maker_full);
  EXPECT_EQ(book.size(), 2u);
}

TEST(QuotaTest, ownOrdersOfAnotherProcessAreSubjectToNoLimit) {
  Book book{Book::Options{.order_count_max = 1, .amount_min = Satoshi{1'000'000'000}}};
  book.exempt(secret(1).public_key());
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_TRUE(book.add_verified(order_of(1, i), kNow));
  EXPECT_EQ(book.add_verified(order_of(2, 4), kNow).error(), BookErrc::too_small);
}

TEST(QuotaTest, closedOrdersDoNotKeepNewOnesOut) {
  Book book{Book::Options{.closed_count_max = 100, .maker_closed_count_max = 20}};
  for (std::uint64_t maker = 1; maker <= 10; ++maker) {
    for (std::uint64_t i = 0; i < 20; ++i) {
      auto closed = order_of(maker, 100 * maker + i, 0, 1h);
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
  auto const order = order_of(1, 1, 10);
  EXPECT_EQ(work_of(order).bits, 10);
  auto version = order;
  version.seq = 9;
  version.remaining = Satoshi{1};
  version.status = OrderStatus::cancelled;
  version.endpoint = "10.0.0.1:1";
  EXPECT_EQ(work_of(version).bits, 10);
  auto stolen = order;
  stolen.maker = secret(2).public_key();
  auto dearer = order;
  dearer.price = PriceCents{1};
  auto renamed = order;
  renamed.id = uuid(1);
  for (auto const& other : {stolen, dearer, renamed}) EXPECT_LT(work_of(other).bits, 10);
  EXPECT_EQ(work_of(original(1, Side::buy, 1)).bits, 0);
}

TEST(OrderWork, paysForSevenDays) {
  auto order = order_of(1, 1, 10);
  for (auto const& [lives, loss] : {std::pair{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}}) {
    order.expires = order.created + lives * kOrderLifeMax;
    EXPECT_EQ(work_of(order).bits, 10 - loss) << lives << " times 7 days";
  }
}

TEST(OrderWork, isFoundInTheIdsThatBeginAlike) {
  auto const order = order_of(1, 1);
  auto const challenge = work_challenge(order);
  auto const found = find_work(challenge, order.id, 8, 1, 100'000);
  ASSERT_TRUE(found);
  EXPECT_TRUE(is_uuid(*found));
  EXPECT_EQ(found->substr(0, 24), order.id.substr(0, 24));
  EXPECT_GE(work_bits(work_hash(challenge, *found)), 8);
  EXPECT_FALSE(find_work(challenge, order.id, kWorkBitsMax, 1, 10));
  EXPECT_FALSE(find_work(challenge, order.id, 0, kWorkMax + 1, 10)) << "there are no more";
}

}  // namespace
}  // namespace grenache::exchange
