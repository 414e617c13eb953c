#include "exchange/messages/order_record.hpp"

#include <functional>
#include <set>

#include <gtest/gtest.h>

namespace grenache::exchange {
namespace {

SecretKey key_of(std::uint64_t seed) {
  Random random{seed};
  return SecretKey::generate(random);
}

OrderRecord sample() {
  OrderRecord order;
  order.id = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed";
  order.seq = 1;
  order.side = Side::sell;
  order.price = PriceCents{6'000'000};
  order.amount = order.remaining = Satoshi{kSatoshiPerBtc};
  order.created = from_unix_ms(1'700'000'000'000);
  order.expires = order.created + std::chrono::hours{1};
  order.endpoint = "127.0.0.1:1337";
  order.exchange_id = 1337;
  return order;
}

TEST(Uuid, isOfVersionFourAndNeverTheSame) {
  Random random{1};
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    auto const id = make_uuid(random);
    EXPECT_TRUE(is_uuid(id)) << id;
    EXPECT_EQ(id[14], '4') << id;
    EXPECT_NE(std::string_view{"89ab"}.find(id[19]), std::string_view::npos) << id;
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(Uuid, hasOneShapeOnly) {
  EXPECT_TRUE(is_uuid("1B9D6BCD-bbfd-4b2d-9b5d-ab8dfbbd4bed"));
  for (auto const* const text :
       {"", "1b9d6bcdbbfd4b2d9b5dab8dfbbd4bed", "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4be",
        "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bedd", "1b9d6bcd_bbfd-4b2d-9b5d-ab8dfbbd4bed",
        "gb9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}) {
    EXPECT_FALSE(is_uuid(text)) << text;
  }
}

TEST(OrderRecord, isVerifiedByItsMakersKeyOnly) {
  auto order = sample();
  EXPECT_FALSE(verify_order(order)) << "unsigned";
  sign_order(order, key_of(1));
  EXPECT_EQ(order.maker, key_of(1).public_key());
  EXPECT_TRUE(verify_order(order));
  order.maker = key_of(2).public_key();
  EXPECT_FALSE(verify_order(order));
}

TEST(OrderRecord, noSignedMemberCanBeChanged) {
  auto signed_order = sample();
  sign_order(signed_order, key_of(1));
  std::vector<std::function<void(OrderRecord&)>> const changes{
      [](OrderRecord& o) { o.id.back() = 'e'; },
      [](OrderRecord& o) { ++o.seq; },
      [](OrderRecord& o) { o.side = Side::buy; },
      [](OrderRecord& o) { o.price = PriceCents{1}; },
      [](OrderRecord& o) { o.amount = Satoshi{2 * kSatoshiPerBtc}; },
      [](OrderRecord& o) { o.remaining = Satoshi{1}; },
      [](OrderRecord& o) { o.least_take = Satoshi{1}; },
      [](OrderRecord& o) { o.status = OrderStatus::cancelled; },
      [](OrderRecord& o) { o.created += std::chrono::milliseconds{1}; },
      [](OrderRecord& o) { o.expires += std::chrono::milliseconds{1}; },
      [](OrderRecord& o) { o.endpoint = "127.0.0.1:1338"; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto changed = signed_order;
    changes[i](changed);
    EXPECT_FALSE(verify_order(changed)) << "change " << i;
  }
}

TEST(OrderRecord, digestStaysTheSameOverReleases) {
  auto order = sample();
  order.maker = PeerId::from_hex("03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad");
  // SHA-256 of grenache/exchange/order/1:d6:amounti100000000e7:createdi1700000000000e8:endpoint14:…e,
  // computed with Python's hashlib.
  EXPECT_EQ(order_digest(order).hex(), "af1ba60c1e3fd0b791c8a63b009a0f9866f4bd3212a0113c198edb3b91922c17");
}

TEST(OrderRecord, digestCoversTheLeastTakeBetweenMakerAndPrice) {
  auto order = sample();
  order.maker = PeerId::from_hex("03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad");
  order.least_take = Satoshi{10'000};
  // As above, with 7:minimumi10000e before 5:price.
  EXPECT_EQ(order_digest(order).hex(), "95ccc58224fdc36e6c486be8798e0e99fc403c0aaeb6365997a6f88685cf4f91");
}

TEST(Take, isSignedForOneOrderOfOneMaker) {
  auto const maker = key_of(1).public_key();
  auto const order_id = sample().id;
  TakeTerms take{"2b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", Satoshi{5}, PriceCents{6}, {}, from_unix_ms(7), {}};
  sign_take(take, order_id, maker, key_of(2));
  EXPECT_EQ(take.taker, key_of(2).public_key());
  EXPECT_TRUE(verify_take(take, order_id, maker));
  EXPECT_FALSE(verify_take(take, order_id, key_of(3).public_key()));
  EXPECT_FALSE(verify_take(take, "3b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", maker));
  for (auto const& change : std::vector<std::function<void(TakeTerms&)>>{
           [](TakeTerms& t) { t.take_id.back() = 'e'; },
           [](TakeTerms& t) { t.amount = Satoshi{6}; },
           [](TakeTerms& t) { t.price = PriceCents{5}; },
           [](TakeTerms& t) { t.taker = key_of(3).public_key(); },
           [](TakeTerms& t) { t.created += std::chrono::milliseconds{1}; },
       }) {
    auto changed = take;
    change(changed);
    EXPECT_FALSE(verify_take(changed, order_id, maker));
  }
}

}  // namespace
}  // namespace grenache::exchange
