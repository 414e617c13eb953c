#include "grape/core/item_store.hpp"

#include <gtest/gtest.h>

#include "grape/core/keeper.hpp"

namespace grenache::grape {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr TimePoint kNow{hours{1}};
IpAddress const kHost{10, 0, 0, 1};
IpAddress const kOther{10, 0, 0, 2};

dht::Item number(int value) { return *dht::Item::immutable("i" + std::to_string(value) + "e"); }
dht::Item version(std::int64_t seq, std::string_view value) {
  static auto const key = *Ed25519SecretKey::from_bytes(std::string(32, 'k'));
  return *dht::Item::sign(key, "", seq, value);
}

TEST(ItemStore, keepsTheNewestOfAMutableItem) {
  ItemStore store{{}};
  ASSERT_TRUE(store.put(version(3, "i3e"), std::nullopt, kHost, kNow));
  EXPECT_EQ(store.put(version(2, "i2e"), std::nullopt, kHost, kNow).error(), ItemStoreErrc::sequence_too_low);
  EXPECT_EQ(store.put(version(3, "i9e"), std::nullopt, kHost, kNow).error(), ItemStoreErrc::sequence_too_low);
  EXPECT_TRUE(store.put(version(3, "i3e"), std::nullopt, kHost, kNow));
  EXPECT_EQ(store.put(version(4, "i4e"), 2, kHost, kNow).error(), ItemStoreErrc::cas_mismatch);
  ASSERT_TRUE(store.put(version(4, "i4e"), 3, kHost, kNow));
  EXPECT_TRUE(store.put(version(4, "i4e"), 3, kHost, kNow)) << "a second try of the same";
  EXPECT_EQ(store.size(), 1u);
  EXPECT_EQ(store.find(version(0, "i0e").target(), kNow)->value(), "i4e");
  store.check();
}

TEST(ItemStore, forgetsItemsThatNobodyPutsAgain) {
  ItemStore store{{.age_max = hours{2}}};
  ASSERT_TRUE(store.put(number(1), std::nullopt, kHost, kNow));
  ASSERT_TRUE(store.put(number(2), std::nullopt, kHost, kNow));
  ASSERT_TRUE(store.put(number(1), std::nullopt, kHost, kNow + hours{1}));
  EXPECT_EQ(store.next_deadline(), kNow + hours{2});
  EXPECT_EQ(store.find(number(2).target(), kNow + hours{2}), nullptr);
  store.expire(kNow + hours{2});
  EXPECT_EQ(store.size(), 1u);
  EXPECT_NE(store.find(number(1).target(), kNow + hours{2}), nullptr);
  store.check();
}

TEST(ItemStore, whenFullTheOldestMakesRoomAndAFloodEatsItself) {
  ItemStore store{{.item_count_max = 100}};
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(store.put(number(i), std::nullopt, kHost, kNow + seconds{i}));
  }
  for (int i = 1000; i < 2000; ++i) {
    ASSERT_TRUE(store.put(number(i), std::nullopt, kOther, kNow + seconds{i}));
  }
  EXPECT_EQ(store.size(), 100u);
  for (int i = 0; i < 10; ++i) EXPECT_NE(store.find(number(i).target(), kNow + seconds{2000}), nullptr) << i;
  EXPECT_EQ(store.oldest(), number(0).target());
  ASSERT_TRUE(store.put(number(5000), std::nullopt, {}, kNow + seconds{3000}));
  EXPECT_EQ(store.find(number(0).target(), kNow + seconds{3000}), nullptr);
  store.check();
}

TEST(ItemStore, anIpv6NetworkIsOneHost) {
  ItemStore store{{.item_count_max = 100}};
  IpAddress::V6 bytes{0x20, 0x01};
  ASSERT_TRUE(store.put(number(0), std::nullopt, {10, 0, 0, 1}, kNow));
  for (int i = 1; i <= 1000; ++i) {
    bytes[14] = static_cast<std::uint8_t>(i >> 8);
    bytes[15] = static_cast<std::uint8_t>(i);
    ASSERT_TRUE(store.put(number(i), std::nullopt, IpAddress{bytes}, kNow + seconds{i}));
  }
  EXPECT_NE(store.find(number(0).target(), kNow + seconds{1000}), nullptr);
  store.check();
}

Keeper::Service service(std::string_view name) { return {*dht::ServiceKey::from_bytes(name), 80, false}; }

TEST(Keeper, announcesUntilTheOwnerFallsSilentAndThenTakesBack) {
  Keeper keeper{{}};
  Random random{1};
  ASSERT_TRUE(keeper.keep(service("x"), kNow, random));
  std::size_t announced = 0;
  TimePoint taken_back = TimePoint::max();
  for (TimePoint now = kNow; now < kNow + hours{1}; now += seconds{1}) {
    while (auto const duty = keeper.next(now, random)) {
      if (std::holds_alternative<Keeper::Announce>(*duty)) ++announced;
      if (std::holds_alternative<Keeper::Unannounce>(*duty)) taken_back = now;
    }
    keeper.check();
  }
  EXPECT_EQ(taken_back, kNow + seconds{240});
  EXPECT_GE(announced, 3u);
  EXPECT_LE(announced, 4u);
  EXPECT_EQ(keeper.service_count(), 0u);
}

TEST(Keeper, announcesASecondTimeSoonAndThenInItsPeriod) {
  Keeper keeper{{.announce_every = minutes{15}, .announce_again = minutes{1}, .owner_patience = minutes{45}}};
  Random random{1};
  ASSERT_TRUE(keeper.keep(service("x"), kNow, random));
  TimePoint const second = keeper.next_deadline();
  EXPECT_GE(second, kNow + seconds{45});
  EXPECT_LE(second, kNow + seconds{60});
  ASSERT_TRUE(keeper.keep(service("x"), kNow + seconds{5}, random));  // a retry of its owner
  EXPECT_EQ(keeper.next_deadline(), second);
  ASSERT_TRUE(keeper.next(second, random));
  EXPECT_GE(keeper.next_deadline(), second + minutes{11});
  EXPECT_LE(keeper.next_deadline(), second + minutes{15});
  ASSERT_TRUE(keeper.keep(service("x"), second, random));  // its owner again
  EXPECT_GE(keeper.next_deadline(), second + minutes{11});
}

TEST(Keeper, aRestoredServiceIsAnnouncedSoonAfterItsOwnerCameBack) {
  Keeper keeper{{.announce_every = minutes{15}, .announce_again = minutes{1}, .owner_patience = minutes{45}}};
  Random random{1};
  keeper.restore(service("x"), kNow + hours{1}, kNow, random);
  ASSERT_TRUE(keeper.keep(service("x"), kNow, random));
  EXPECT_GE(keeper.next_deadline(), kNow + seconds{45});
  EXPECT_LE(keeper.next_deadline(), kNow + seconds{60});
}

TEST(Keeper, aShortPeriodHoldsForTheSecondTimeToo) {
  Keeper keeper{{.announce_every = seconds{2}, .announce_again = minutes{1}}};
  Random random{1};
  ASSERT_TRUE(keeper.keep(service("x"), kNow, random));
  EXPECT_LE(keeper.next_deadline(), kNow + seconds{2});
}

TEST(Keeper, keepsABoundedNumberAndWhatIsReleasedIsForgotten) {
  Keeper keeper{{.service_count_max = 2}};
  Random random{1};
  EXPECT_TRUE(keeper.keep(service("x"), kNow, random));
  EXPECT_TRUE(keeper.keep(service("y"), kNow, random));
  EXPECT_FALSE(keeper.keep(service("z"), kNow, random));
  EXPECT_TRUE(keeper.keep(service("x"), kNow, random));
  keeper.release(service("x"));
  keeper.release(service("y"));
  EXPECT_FALSE(keeper.next(kNow + hours{1}, random));
  EXPECT_EQ(keeper.next_deadline(), TimePoint::max());
}

TEST(Keeper, whatIsRestoredDoesNotComeAtOnce) {
  Keeper keeper{{}};
  Random random{1};
  for (int i = 0; i < 1000; ++i) {
    keeper.restore(service("service " + std::to_string(i)), kNow + hours{1}, kNow, random);
  }
  std::size_t due = 0;
  while (keeper.next(kNow + seconds{8}, random)) ++due;
  EXPECT_GE(due, 50u);
  EXPECT_LE(due, 150u);
}

TEST(Keeper, aRestoredServiceLivesAsLongAsItWouldHave) {
  Keeper keeper{{}};
  Random random{1};
  keeper.restore(service("soon"), kNow + seconds{5}, kNow, random);
  keeper.restore(service("over"), kNow - seconds{1}, kNow, random);
  keeper.restore(service("far"), kNow + hours{9}, kNow, random);
  std::map<std::string, TimePoint> taken_back;
  for (TimePoint now = kNow; now < kNow + hours{1}; now += seconds{1}) {
    while (auto const duty = keeper.next(now, random)) {
      if (auto const* back = std::get_if<Keeper::Unannounce>(&*duty))
        taken_back[back->service.name.bytes()] = now;
    }
  }
  EXPECT_EQ(taken_back["over"], kNow);
  EXPECT_EQ(taken_back["soon"], kNow + seconds{5});
  EXPECT_EQ(taken_back["far"], kNow + seconds{240}) << "no longer than a service that was announced now";
}

}  // namespace
}  // namespace grenache::grape
