// Tests of the parts of a node: transactions, peer store, tokens, rate limit, bootstrap.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "grape/core/bootstrap.hpp"
#include "grape/core/holders.hpp"
#include "grape/core/peer_choice.hpp"
#include "grape/core/peer_store.hpp"
#include "grape/core/rate_limit.hpp"
#include "grape/core/tokens.hpp"
#include "grape/core/transactions.hpp"

namespace grenache::grape {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr TimePoint kStart{std::chrono::hours{1}};

Endpoint at(std::uint16_t port) { return {IpAddress{10, 0, 0, 1}, port}; }
Endpoint host(std::uint32_t n, std::uint16_t port) {
  return {IpAddress{11, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
                    static_cast<std::uint8_t>(n)},
          port};
}
dht::ServiceKey name(std::string_view text) { return *dht::ServiceKey::from_bytes(text); }

TEST(Transactions, closeOnIdAndWholeEndpoint) {
  Random random{1};
  Transactions transactions{{}};
  auto const tid = transactions.open({at(1), std::nullopt, Purpose::search, 7}, random, kStart);
  ASSERT_TRUE(tid);
  EXPECT_EQ(tid->size(), 2u);
  EXPECT_FALSE(transactions.close(*tid, at(2), kStart));
  EXPECT_FALSE(transactions.close(*tid + "x", at(1), kStart));
  EXPECT_FALSE(transactions.close("", at(1), kStart));
  auto const query = transactions.close(*tid, at(1), kStart);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->owner, 7u);
  EXPECT_FALSE(transactions.close(*tid, at(1), kStart));
  EXPECT_EQ(transactions.next_deadline(), TimePoint::max());
  transactions.check();
}

TEST(Transactions, timeOutSoonThenForGood) {
  Random random{1};
  Transactions transactions{{}};
  (void)transactions.open({at(1), std::nullopt, Purpose::search, 7}, random, kStart);
  EXPECT_EQ(transactions.prompt_count(), 1u);
  EXPECT_EQ(transactions.next_deadline(), kStart + milliseconds{500});
  EXPECT_FALSE(transactions.expire(kStart + milliseconds{499}));
  auto const soon = transactions.expire(kStart + milliseconds{500});
  ASSERT_TRUE(soon);
  EXPECT_FALSE(soon->is_final);
  EXPECT_EQ(transactions.prompt_count(), 0u);
  EXPECT_EQ(transactions.next_deadline(), kStart + seconds{2});
  auto const late = transactions.expire(kStart + seconds{2});
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->is_final);
  EXPECT_EQ(transactions.size(), 0u);
  transactions.check();
}

TEST(Transactions, onAFastNetworkSoonComesSooner) {
  Random random{1};
  Transactions transactions{{}};
  for (int i = 0; i < 100; ++i) {
    auto const tid = transactions.open({at(1), std::nullopt, Purpose::verify, 0}, random, kStart);
    (void)transactions.close(*tid, at(1), kStart + milliseconds{1});
  }
  (void)transactions.open({at(1), std::nullopt, Purpose::verify, 0}, random, kStart);
  EXPECT_EQ(transactions.next_deadline(), kStart + milliseconds{50});
}

TEST(Transactions, idsAreNotInOrderAndTheirNumberIsBounded) {
  Random random{1};
  Transactions transactions{{.count_max = 100}};
  std::vector<std::string> tids;
  while (auto const tid = transactions.open({at(1), std::nullopt, Purpose::verify, 0}, random, kStart)) {
    tids.push_back(*tid);
  }
  EXPECT_EQ(tids.size(), 100u);
  EXPECT_EQ((std::set<std::string>{tids.begin(), tids.end()}.size()), 100u);
  EXPECT_FALSE(std::ranges::is_sorted(tids));
  transactions.check();
}

TEST(PeerStore, refusesANewNameWhenFullButStillServesKnownOnes) {
  PeerStore store{{.name_count_max = 1}};
  ASSERT_TRUE(store.announce(name("a"), at(1), kStart));
  auto const refused = store.announce(name("b"), at(1), kStart);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), PeerStoreErrc::too_many_names);
  EXPECT_FALSE(store.has_room("b", at(2).address));
  EXPECT_TRUE(store.has_room("a", at(2).address));
  EXPECT_TRUE(store.announce(name("a"), at(2), kStart));
  store.expire(kStart + minutes{5});
  EXPECT_TRUE(store.has_room("b", at(2).address));
  EXPECT_EQ(store.peer_count(), 0u);
}

TEST(PeerStore, theOldestPeerOfACrowdedAddressMakesRoom) {
  Random random{1};
  PeerStore store{{.peer_per_host_max = 2}};
  ASSERT_TRUE(store.announce(name("a"), host(1, 9), kStart));
  for (std::uint16_t port = 1; port <= 3; ++port) {
    ASSERT_TRUE(store.announce(name("a"), at(port), kStart + seconds{port}));
  }
  auto peers = store.sample("a", 100, kStart + seconds{4}, random);
  std::ranges::sort(peers);
  EXPECT_EQ(peers, (std::vector<Endpoint>{at(2), at(3), host(1, 9)}));
  store.check();
}

TEST(PeerStore, theOldestPeerOfAFullNameMakesRoom) {
  Random random{1};
  PeerStore store{{.peer_count_max = 10}};
  for (std::uint32_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(store.announce(name("a"), host(i, 1), kStart + seconds{i}));
  }
  auto const peers = store.sample("a", 100, kStart + seconds{50}, random);
  EXPECT_EQ(peers.size(), 10u);
  EXPECT_TRUE(std::ranges::all_of(peers, [](Endpoint const& peer) { return peer >= host(40, 1); }));
  store.check();
}

TEST(PeerStore, samplesAreRandomAndEveryPeerGetsItsTurn) {
  Random random{1};
  PeerStore store{{}};
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_TRUE(store.announce(name("a"), host(i, 1), kStart));
  std::set<Endpoint> seen;
  for (int i = 0; i < 100; ++i) {
    auto const peers = store.sample("a", 10, kStart, random);
    EXPECT_EQ((std::set<Endpoint>{peers.begin(), peers.end()}.size()), 10u);
    seen.insert(peers.begin(), peers.end());
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST(PeerStore, aHostWithManyPeersHidesNoOther) {
  Random random{1};
  PeerStore store{{}};
  for (std::uint16_t port = 1; port <= 128; ++port) {
    ASSERT_TRUE(store.announce(name("a"), host(1, port), kStart));
  }
  ASSERT_TRUE(store.announce(name("a"), host(2, 1), kStart));
  for (int i = 0; i < 100; ++i) {
    auto const peers = store.sample("a", 100, kStart, random);
    EXPECT_EQ(peers.size(), 100u);
    EXPECT_NE(std::ranges::find(peers, host(2, 1)), peers.end());
  }
}

TEST(PeerStore, theNewestPeersOfAHostComeFirst) {
  Random random{1};
  PeerStore store{{}};
  for (std::uint16_t port = 1; port <= 301; ++port) {
    ASSERT_TRUE(store.announce(name("a"), host(1, port), kStart + milliseconds{port}));
  }
  TimePoint const now = kStart + seconds{1};
  EXPECT_EQ(store.sample("a", 1, now, random), std::vector{host(1, 301)});
  ASSERT_TRUE(store.announce(name("a"), host(1, 250), now));
  EXPECT_EQ(store.sample("a", 2, now, random), (std::vector{host(1, 250), host(1, 301)}));
  store.check();
}

TEST(PeerStore, hostsTakeTurns) {
  Random random{1};
  PeerStore store{{}};
  for (std::uint32_t n = 1; n <= 3; ++n) {
    for (std::uint16_t port = 1; port <= n; ++port) {
      ASSERT_TRUE(store.announce(name("a"), host(n, port), kStart + seconds{port}));
    }
  }
  auto const hosts_of = [&](std::size_t count) {
    std::vector<std::uint32_t> hosts;
    for (Endpoint const& peer : store.sample("a", count, kStart + seconds{9}, random)) {
      hosts.push_back(static_cast<std::uint8_t>(peer.address.view()[3]));
    }
    return hosts;
  };
  auto const all = hosts_of(9);
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ((std::set<std::uint32_t>{all.begin(), all.begin() + 3}.size()), 3u);
  EXPECT_EQ((std::set<std::uint32_t>{all.begin() + 3, all.begin() + 5}), (std::set<std::uint32_t>{2, 3}));
  EXPECT_EQ(all[5], 3u);
}

Endpoint host6(std::uint16_t network, std::uint8_t n, std::uint16_t port = 1) {
  IpAddress::V6 bytes{0x20, 0x01};
  bytes[6] = static_cast<std::uint8_t>(network >> 8);
  bytes[7] = static_cast<std::uint8_t>(network);
  bytes[15] = n;
  return {IpAddress{bytes}, port};
}

TEST(PeerStore, anIpv6NetworkIsOneHost) {
  Random random{1};
  PeerStore store{{.peer_count_max = 8, .peer_per_host_max = 4}};
  ASSERT_TRUE(store.announce(name("a"), host6(2, 1), kStart));
  for (std::uint8_t n = 1; n <= 100; ++n) ASSERT_TRUE(store.announce(name("a"), host6(1, n), kStart));
  EXPECT_EQ(store.peer_count(), 5u);
  auto const peers = store.sample("a", 2, kStart, random);
  EXPECT_NE(std::ranges::find(peers, host6(2, 1)), peers.end());
  store.check();
}

TEST(PeerStore, noFamilyPushesTheOtherOut) {
  Random random{1};
  PeerStore store{{.peer_count_max = 10}};
  ASSERT_TRUE(store.announce(name("a"), at(1), kStart));
  for (std::uint16_t n = 1; n <= 100; ++n) ASSERT_TRUE(store.announce(name("a"), host6(n, 1), kStart));
  EXPECT_EQ(store.sample("a", 100, kStart, random, Family::v4), std::vector{at(1)});
  EXPECT_EQ(store.sample("a", 100, kStart, random, Family::v6).size(), 10u);
  auto const both = store.sample("a", 5, kStart, random);
  EXPECT_EQ(both.size(), 5u);
  EXPECT_NE(std::ranges::find(both, at(1)), both.end());
  store.check();
}

TEST(PeerStore, theHostWithMostPeersMakesRoom) {
  Random random{1};
  PeerStore store{{.peer_count_max = 10, .peer_per_host_max = 9}};
  ASSERT_TRUE(store.announce(name("a"), host(1, 1), kStart));
  for (std::uint16_t port = 1; port <= 9; ++port) {
    ASSERT_TRUE(store.announce(name("a"), host(2, port), kStart + seconds{port}));
  }
  ASSERT_TRUE(store.announce(name("a"), host(3, 1), kStart + seconds{10}));
  auto const peers = store.sample("a", 100, kStart + seconds{10}, random);
  EXPECT_EQ(peers.size(), 10u);
  EXPECT_NE(std::ranges::find(peers, host(1, 1)), peers.end()) << "older, but alone";
  EXPECT_EQ(std::ranges::find(peers, host(2, 1)), peers.end());
}

TEST(PeerStore, oneHostCannotKeepTheTableOfNamesFull) {
  Random random{1};
  PeerStore store{{.name_count_max = 100}};
  ASSERT_TRUE(store.announce(name("live"), host(2, 1), kStart));
  std::size_t taken = 0;
  for (int i = 0; i < 1000; ++i)
    taken += store.announce(name("flood " + std::to_string(i)), host(1, 1), kStart).has_value();
  EXPECT_EQ(taken, 99u) << "as long as nobody else wants the room";
  EXPECT_FALSE(store.has_room("new", host(1, 2).address));
  EXPECT_TRUE(store.has_room("new", host(3, 1).address));
  for (int i = 0; i < 1000; ++i) {
    (void)store.announce(name("other " + std::to_string(i)), host(3, 1), kStart);
    (void)store.announce(name("third " + std::to_string(i)), host(4, 1), kStart);
  }
  store.check();
  EXPECT_EQ(store.sample("live", 9, kStart, random).size(), 1u) << "a flood pushes out no live service";
  EXPECT_EQ(store.sample("other 0", 9, kStart, random).size(), 1u);
  EXPECT_EQ(store.sample("flood 0", 9, kStart, random).size(), 0u) << "the oldest one goes";
  std::size_t left = 0;
  for (int i = 0; i < 99; ++i) left += store.sample("flood " + std::to_string(i), 9, kStart, random).size();
  EXPECT_LE(left, 50u);
  EXPECT_GE(left, 25u) << "a quarter is left to everybody";
}

TEST(PeerStore, hostsThatAnnounceEachNameTogetherCannotKeepTheTableFull) {
  PeerStore store{{.name_count_max = 100}};
  for (int i = 0; i < 100; ++i) {
    auto const text = name("flood " + std::to_string(i));
    auto const first = static_cast<std::uint8_t>(1 + i % 2);
    auto const second = static_cast<std::uint8_t>(2 - i % 2);
    ASSERT_TRUE(store.announce(text, host(first, 1), kStart));
    ASSERT_TRUE(store.announce(text, host(second, 1), kStart));
  }
  std::size_t taken = 0;
  for (int i = 0; i < 100; ++i) {
    taken += store.announce(name("live " + std::to_string(i)), host(3, 1), kStart).has_value();
  }
  EXPECT_GE(taken, 25u);
  store.check();
}

TEST(PeerStore, aNameCountsForAnotherHostOnceItsOwnHasGone) {
  PeerStore store{{.name_count_max = 4}};
  for (char const* const text : {"a", "b", "c", "d"})
    ASSERT_TRUE(store.announce(name(text), host(1, 1), kStart));
  for (char const* const text : {"a", "b", "c"}) {
    ASSERT_TRUE(store.announce(name(text), host(2, 1), kStart));
    ASSERT_TRUE(store.remove(text, host(1, 1)));
    store.check();
  }
  EXPECT_TRUE(store.has_room("new", host(1, 1).address)) << "of which one is left";
  EXPECT_FALSE(store.has_room("new", host(2, 1).address));
}

TEST(PeerStore, aGreedyHostLosesANameThatOthersShareLast) {
  Random random{1};
  PeerStore store{{.name_count_max = 8}};
  ASSERT_TRUE(store.announce(name("shared"), host(1, 1), kStart));
  ASSERT_TRUE(store.announce(name("shared"), host(2, 1), kStart));
  for (int i = 0; i < 7; ++i)
    ASSERT_TRUE(store.announce(name("flood " + std::to_string(i)), host(1, 1), kStart));
  for (int i = 0; i < 9; ++i) (void)store.announce(name("new " + std::to_string(i)), host(3, 1), kStart);
  EXPECT_EQ(store.sample("shared", 9, kStart, random).size(), 2u);
  ASSERT_TRUE(store.remove("shared", host(2, 1)));
  store.expire(kStart + minutes{5});
  EXPECT_EQ(store.name_count(), 0u);
  store.check();
}

TEST(PeerStore, expiredPeersAreNotGivenOutEvenBeforeTheSweep) {
  Random random{1};
  PeerStore store{{.age_max = seconds{10}}};
  ASSERT_TRUE(store.announce(name("a"), at(1), kStart));
  EXPECT_EQ(store.sample("a", 10, kStart + milliseconds{9999}, random).size(), 1u);
  EXPECT_TRUE(store.sample("a", 10, kStart + seconds{10}, random).empty());
}

TEST(Tokens, surviveOneRotationAndNotALongSleep) {
  Random random{1};
  Tokens tokens{{}, random};
  tokens.expire(kStart, random);
  auto const token = tokens.make(at(1), std::nullopt, "x");
  EXPECT_TRUE(tokens.verify(token.view(), at(1), std::nullopt, "x"));
  tokens.expire(kStart + minutes{6}, random);
  EXPECT_TRUE(tokens.verify(token.view(), at(1), std::nullopt, "x"));
  auto const next = tokens.make(at(1), std::nullopt, "x");
  EXPECT_NE(next, token);
  tokens.expire(kStart + minutes{60}, random);
  EXPECT_FALSE(tokens.verify(next.view(), at(1), std::nullopt, "x"));
}

TEST(RateLimit, aFloodSpoilsNobodyElsesAllowance) {
  Random random{1};
  RateLimit limit{{.public_per_second = 10}, random};
  int allowed = 0;
  // All ports of a public address share one allowance.
  for (int i = 0; i < 10000; ++i) allowed += limit.allow(host(1, static_cast<std::uint16_t>(i + 1)), kStart);
  EXPECT_LE(allowed, 40);
  int others = 0;
  for (std::uint32_t n = 2; n < 1002; ++n) others += limit.allow(host(n, 1), kStart);
  EXPECT_EQ(others, 1000);
  EXPECT_TRUE(limit.allow(host(1, 1), kStart + seconds{1}));
}

TEST(RateLimit, aVerifiedNodeHasAnAllowanceBesideThatOfItsAddress) {
  Random random{1};
  RateLimit limit{{}, random};
  int strangers = 0;
  for (int i = 0; i < 1000; ++i) strangers += limit.allow(host(1, 1), kStart);
  EXPECT_GE(strangers, 100);
  EXPECT_LE(strangers, 200) << "an address that may be forged";
  int verified = 0;
  for (int i = 0; i < 10000; ++i) verified += limit.allow_verified(host(1, 1), kStart);
  EXPECT_GE(verified, 500);
  EXPECT_LE(verified, 1000);
}

TEST(RateLimit, nodesThatShareAPrivateHostHaveAllowancesOfTheirOwn) {
  Random random{1};
  RateLimit limit{{.private_per_second = 10}, random};
  for (int i = 0; i < 1000; ++i) (void)limit.allow(at(1), kStart);
  EXPECT_FALSE(limit.allow(at(1), kStart));
  EXPECT_TRUE(limit.allow(at(2), kStart));
}

TEST(RateLimit, zeroMeansNone) {
  Random random{1};
  RateLimit limit{{.private_per_second = 0}, random};
  for (int i = 0; i < 100000; ++i) ASSERT_TRUE(limit.allow(at(1), kStart));
}

TEST(Bootstrap, triesFastThenSlowlyAndNeverGivesUp) {
  Random random{1};
  Bootstrap bootstrap{{}};
  bootstrap.add({at(1)}, kStart);
  TimePoint now = kStart;
  std::vector<TimePoint> tries;
  while (tries.size() < 30) {
    now = std::max(now, bootstrap.next_deadline());
    ASSERT_EQ(bootstrap.next(now), at(1));
    EXPECT_FALSE(bootstrap.next(now));  // it waits for the answer
    tries.push_back(now);
    now += milliseconds{500};
    bootstrap.failed(at(1), now, random);
  }
  for (std::size_t i = 1; i < tries.size(); ++i) EXPECT_LE(tries[i] - tries[i - 1], milliseconds{30500});
  EXPECT_LE(tries[3] - tries[0], seconds{3});
  EXPECT_GE(tries[29] - tries[28], seconds{15});
}

TEST(PeerChoice, aLiarPushesNobodyOut) {
  Random random{1};
  PeerChoice choice{200};
  std::vector<Endpoint> lies;
  for (std::uint16_t port = 1000; port < 2000; ++port) lies.push_back(at(port));
  EXPECT_EQ(choice.add(lies).size(), 200u);
  EXPECT_EQ(choice.add({at(1), at(2), at(3)}), (std::vector<Endpoint>{at(1), at(2), at(3)}));
  EXPECT_EQ(choice.add({at(3), at(4)}), std::vector<Endpoint>{at(4)});
  EXPECT_EQ(choice.size(), 200u);
  choice.check();
  auto const chosen = choice.choose(10, random);
  EXPECT_EQ(chosen.size(), 10u);
  for (std::uint16_t port = 1; port <= 4; ++port) {
    EXPECT_EQ(std::ranges::count(chosen, at(port)), 1) << port;
  }
}

TEST(FormerNodes, theLastOnesAreKept) {
  FormerNodes former{3};
  auto const node = [](int n) { return dht::Contact{NodeId{}, at(static_cast<std::uint16_t>(n))}; };
  for (int n = 1; n <= 5; ++n) former.add(node(n));
  former.add(node(4));
  EXPECT_EQ(former.all(), (std::deque<dht::Contact>{node(3), node(5), node(4)}));
  former.remove(at(5));
  EXPECT_EQ(former.all(), (std::deque<dht::Contact>{node(3), node(4)}));
}

TEST(Bootstrap, anAnswerIsNewsOnceUntilItFailsAgain) {
  Random random{1};
  Bootstrap bootstrap{{}};
  bootstrap.add({at(1)}, kStart);
  EXPECT_FALSE(bootstrap.answered(at(2), kStart, random));
  (void)bootstrap.next(kStart);
  EXPECT_TRUE(bootstrap.answered(at(1), kStart, random));
  EXPECT_GE(bootstrap.next_deadline(), kStart + minutes{3});
  EXPECT_LE(bootstrap.next_deadline(), kStart + minutes{5});
  EXPECT_FALSE(bootstrap.answered(at(1), kStart, random));
  (void)bootstrap.next(kStart + minutes{5});
  bootstrap.failed(at(1), kStart + minutes{5}, random);
  EXPECT_TRUE(bootstrap.answered(at(1), kStart + minutes{6}, random));
}

TEST(Holders, remembersTheLatestWithinItsBounds) {
  Holders holders{{.service_count_max = 2, .holder_count_max = 3}};
  auto const target = [](std::uint8_t n, std::string token) {
    NodeId id;
    id.array()[0] = n;
    return Lookup::Target{{id, {IpAddress{10, 0, 0, n}, 1}}, std::move(token)};
  };
  holders.add({"x", 1}, {target(1, "old"), target(2, "t"), target(3, "t")});
  holders.add({"x", 1}, {target(1, "new"), target(4, "t")});
  holders.add({"x", 2}, {target(1, "t")});
  holders.check();
  auto const held = holders.take({"x", 1});
  ASSERT_EQ(held.size(), 3u);
  EXPECT_EQ(held[0].node, target(3, "").node);
  EXPECT_EQ(held[1].token, "new");
  EXPECT_TRUE(holders.take({"x", 1}).empty());
  holders.add({"y", 1}, {target(1, "t")});
  holders.add({"z", 1}, {target(1, "t")});
  EXPECT_EQ(holders.size(), 2u);
  EXPECT_TRUE(holders.take({"x", 2}).empty()) << "announced longest ago";
  holders.check();
}

}  // namespace
}  // namespace grenache::grape
