// Who is known at which endpoint, for how long, and how many places strangers fill.
#include <gtest/gtest.h>

#include "tests/support/peers_fixture.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;

class PeersTest : public test::PeersFixture {};

TEST_F(PeersTest, aContactThatAnsweredAndFellSilentIsForgottenAloud) {
  find("127.0.0.1:2");
  pong_without_proof();
  EXPECT_EQ(peers_.met().size(), 1u);
  EXPECT_TRUE(expire_after(1min).empty());
  refuse_ping();
  EXPECT_TRUE(peers_.met().empty());
  EXPECT_EQ(expire_after(2min), std::vector<std::string>{"127.0.0.1:2"});
  EXPECT_TRUE(peers_.all().empty());
}

TEST_F(PeersTest, aContactThatMadeRoomIsForgottenAloud) {
  for (auto const* const endpoint : {"127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4", "127.0.0.1:5"}) {
    find(endpoint);
    refuse_ping();
  }
  find("127.0.0.1:6");
  EXPECT_EQ(peers_.all().size(), 4u);
  EXPECT_EQ(expire_after(0s).size(), 1u);
  EXPECT_TRUE(expire_after(0s).empty());
}

TEST_F(PeersTest, onlyTheHolderOfTheKeyIsProven) {
  auto const bob = samples::secret(2).public_key();
  find("10.0.0.2:2");
  auto const replayed = pong_of_bob(nonce_of(*ping_), "10.0.0.2:2");
  pong_without_proof();
  EXPECT_EQ(peers_.find("10.0.0.2:2")->peer, bob) << "a claim";
  EXPECT_TRUE(peers_.endpoints_of(bob).empty()) << "counts for nothing";

  expire_after(1min);
  answer_ping(replayed);
  EXPECT_FALSE(is_proven("10.0.0.2:2")) << "of an earlier ping";

  expire_after(1min);
  auto forged = pong_of_bob(nonce_of(*ping_), "10.0.0.2:2");
  forged.peer = samples::secret(3).public_key();
  answer_ping(forged);
  EXPECT_FALSE(is_proven("10.0.0.2:2")) << "of another key";

  expire_after(1min);
  prove();
  EXPECT_EQ(peers_.endpoints_of(bob), std::vector<std::string>{"10.0.0.2:2"});
  expire_after(1min);
  refuse_ping();
  EXPECT_TRUE(peers_.endpoints_of(bob).empty()) << "somebody else may listen there now";
}

TEST_F(PeersTest, whoPassesAPingOnProvesNothing) {
  find("10.9.9.9:666");
  auto const outcome = answer_ping(pong_of_bob(nonce_of(*ping_), "10.0.0.2:2"));
  EXPECT_TRUE(outcome.is_met);
  EXPECT_FALSE(is_proven("10.9.9.9:666"));
  EXPECT_EQ(outcome.named, std::vector<std::string>{"10.0.0.2:2"}) << "where Bob listens himself";
}

TEST_F(PeersTest, peersThatProvedThemselvesAreKnownAfterARestart) {
  find("10.0.0.2:2");
  prove();
  find("10.0.0.3:3");
  pong_without_proof();
  find("10.0.0.4:4", ContactSource::connect);
  pong_without_proof();
  auto const rows = rows_.read({.kind = Peers::kRowKind});
  ASSERT_EQ(rows.size(), 2u) << "those that are proven, and those that a person named";
  std::vector<Row> dumped;
  peers_.dump(dumped);
  EXPECT_EQ(dumped, rows);

  Peers later{options(), self_, heartbeats_};
  for (auto const& row : rows) EXPECT_TRUE(later.restore(row));
  EXPECT_FALSE(later.restore({Peers::kRowKind, "nowhere", R"({"endpoint":"nowhere"})"}));
  EXPECT_FALSE(later.restore({Peers::kRowKind, "h:1", R"({"endpoint":"h:2"})"}));
  auto const pings = in_turn([&](Turn& turn) { later.resume(turn); });
  ASSERT_EQ(pings.size(), 2u);
  EXPECT_EQ(later.find("10.0.0.2:2")->source, ContactSource::earlier);
}

TEST_F(PeersTest, aKeptPeerIsTriedForADayAndThenForgotten) {
  find("10.0.0.2:2");
  prove();
  std::size_t ping_count = 0;
  for (auto time = 0min; time < 24h - 1min; time += 1min) {
    EXPECT_TRUE(expire_after(1min).empty()) << time.count();
    if (!ping_) continue;
    ++ping_count;
    refuse_ping();
  }
  EXPECT_LT(ping_count, 200u) << "once in ten minutes";
  EXPECT_EQ(expire_after(20min).size(), 1u);
  EXPECT_TRUE(rows_.read({.kind = Peers::kRowKind}).empty());
}

TEST_F(PeersTest, onlyHeartbeatsThatWereAskedForAreRead) {
  find("10.0.0.2:2");
  PingPongMessage pong{{2, CreatorType::server, samples::kNow}, true, {}, "other", "Bob", {}, {}};
  pong.peer = samples::secret(2).public_key();
  for (std::uint64_t key = 2; key <= 4; ++key) {
    pong.heartbeats.push_back(sign_heartbeat(samples::secret(key), samples::kNow));
  }
  auto const outcome = answer_ping(pong);
  EXPECT_EQ(outcome.heartbeats, std::vector{pong.heartbeats.front()}) << "its own alone";
}

TEST_F(PeersTest, manyAddressesOfOneNetworkKeepNobodyOut) {
  for (int i = 1; i <= 100; ++i) {
    find("66.6.0." + std::to_string(i) + ":1");
    if (ping_) pong_without_proof();
  }
  EXPECT_EQ(peers_.all().size(), 4u);
  find("10.1.0.1:1");
  EXPECT_TRUE(peers_.find("10.1.0.1:1"));
  pong_without_proof();
  find("10.2.0.1:1");
  pong_without_proof();
  find("66.6.0.200:1");
  EXPECT_FALSE(peers_.find("66.6.0.200:1"));
  EXPECT_TRUE(peers_.find("10.1.0.1:1") && peers_.find("10.2.0.1:1"));
}

// M8: addresses of one network cost little, networks do not. To hide honest peers, an attacker needs
// addresses that answer in as many networks (IPv4: /16) as they are in.
TEST(Eclipse, aThousandAddressesOfTenNetworksHideNoneOfThirtyPeers) {
  Self const self{samples::secret(1), samples::secret(1).public_key(), "Alice", "this", "127.0.0.1:1", 1};
  Book const book{{}};
  Heartbeats heartbeats{{}, self, book};
  Peers peers{{}, self, heartbeats};
  Random random{1};
  CallTable calls;
  auto const find = [&](std::string const& endpoint) {
    Turn turn{{TimePoint{} + 1h, samples::kNow}, random, calls};
    peers.found({endpoint}, ContactSource::dht, turn);
  };
  for (int i = 0; i < 1'000; ++i) {
    find("66." + std::to_string(i % 10) + ".0." + std::to_string(i / 10) + ":1");
    if (i % 40 == 0) find("10." + std::to_string(i / 40) + ".0.1:1");
  }
  EXPECT_EQ(peers.all().size(), Peers::Options{}.contact_count_max);
  for (int i = 25; i < 30; ++i) find("10." + std::to_string(i) + ".0.1:1");
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(peers.find("10." + std::to_string(i) + ".0.1:1")) << i;
  }
}

TEST_F(PeersTest, aKeptPeerThatAnswersIsNotReplaced) {
  // At different times, so that they are pinged one after the other.
  for (auto const* const endpoint : {"10.0.0.2:2", "10.1.0.3:3", "66.6.0.1:1"}) {
    expire_after(1s);
    find(endpoint);
    prove();
  }
  EXPECT_FALSE(is_kept("66.6.0.1:1"));
  for (auto time = 0s; time < 2h; time += 1s) {
    if (ping_ && ping_->endpoint == "10.1.0.3:3") {
      refuse_ping();
    } else if (ping_) {
      prove();
    }
    if (time < 50min) {
      EXPECT_TRUE(is_kept("10.1.0.3:3")) << "a short absence costs nothing";
    }
    expire_after(1s);
  }
  EXPECT_TRUE(is_kept("66.6.0.1:1"));
  EXPECT_TRUE(is_kept("10.0.0.2:2"));
  EXPECT_FALSE(is_kept("10.1.0.3:3"));
  EXPECT_EQ(rows_.read({.kind = Peers::kRowKind}).size(), 2u);
}

TEST_F(PeersTest, aNetworkDoesNotHaveAllRows) {
  for (auto const* const endpoint : {"66.6.0.1:1", "66.6.0.2:2", "10.0.0.3:3", "66.6.0.4:4"}) {
    expire_after(1s);
    find(endpoint);
    prove();
  }
  EXPECT_TRUE(is_kept("10.0.0.3:3"));
  EXPECT_FALSE(is_kept("66.6.0.4:4"));
  EXPECT_EQ(rows_.read({.kind = Peers::kRowKind}).size(), 2u);
}

TEST_F(PeersTest, onePeerCannotFillThePlacesOfThoseThatOthersName) {
  in_turn([&](Turn& turn) {
    peers_.found({"66.7.0.1:1", "66.7.0.1:2"}, ContactSource::peers, turn, "66.6.0.1:1");
    peers_.found({"10.2.0.1:1"}, ContactSource::peers, turn, "10.0.0.2:2");
  });
  EXPECT_TRUE(peers_.find("66.7.0.1:1"));
  EXPECT_FALSE(peers_.find("66.7.0.1:2"));
  EXPECT_TRUE(peers_.find("10.2.0.1:1"));
}

TEST_F(PeersTest, aPublicPeerDoesNotMakeUsCallHostsOfOurNetwork) {
  in_turn([&](Turn& turn) {
    peers_.found({"127.0.0.1:6379"}, ContactSource::peers, turn, "66.6.0.1:1");
    peers_.found({"10.1.0.1:1"}, ContactSource::peers, turn, "66.6.0.1:1");
    peers_.found({"66.7.0.1:1"}, ContactSource::peers, turn, "66.6.0.1:1");
    peers_.found({"10.2.0.1:1"}, ContactSource::peers, turn, "10.0.0.2:2");
  });
  EXPECT_FALSE(peers_.find("127.0.0.1:6379"));
  EXPECT_FALSE(peers_.find("10.1.0.1:1"));
  EXPECT_TRUE(peers_.find("66.7.0.1:1"));
  EXPECT_TRUE(peers_.find("10.2.0.1:1"));
}

TEST_F(PeersTest, whoCallsIsPingedOnlyAtItsOwnAddress) {
  in_turn([&](Turn& turn) {
    peers_.called_by("66.7.0.1:80", IpAddress{66, 6, 0, 1}, turn);
    peers_.called_by("victim.example:80", IpAddress{66, 6, 0, 1}, turn);
    peers_.called_by("66.6.0.1:80", IpAddress{66, 6, 0, 1}, turn);
  });
  EXPECT_EQ(peers_.all().size(), 1u);
  EXPECT_TRUE(peers_.find("66.6.0.1:80"));
}

TEST(NetworkOf, isTheSameForAddressesThatAreCheapTogether) {
  EXPECT_EQ(network_of("10.1.2.3"), network_of("10.1.200.7"));
  EXPECT_NE(network_of("10.1.2.3"), network_of("10.2.2.3"));
  EXPECT_EQ(network_of("10.1.2.3"), network_of("::ffff:10.1.9.9"));
  EXPECT_EQ(network_of("2001:db8::1"), network_of("2001:0db8:5::1"));
  EXPECT_NE(network_of("2001:db8::1"), network_of("2001:db9::1"));
  EXPECT_EQ(network_of("alice.example"), network_of("bob.example"));
}

}  // namespace
}  // namespace grenache::exchange
