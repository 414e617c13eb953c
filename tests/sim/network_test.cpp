
#include <chrono>
#include <ostream>
#include <variant>

#include <gtest/gtest.h>

#include "tests/sim/scenarios.hpp"
#include "tests/support/sim_network.hpp"

namespace grenache::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Network, twoNodesFindEachOtherWhoeverStartsFirst) {
  for (int const first : {0, 1}) {
    SCOPED_TRACE("seed 1, first " + std::to_string(first));
    SimNetwork net{1};
    auto const a = SimNetwork::endpoint_of(0);
    auto const b = SimNetwork::endpoint_of(1);
    net.add_node_at(first == 0 ? a : b, {first == 0 ? b : a});
    net.run_for(milliseconds{700});
    net.add_node_at(first == 0 ? b : a, {first == 0 ? a : b});
    EXPECT_TRUE(net.run_until([&] { return net.node(0).node_count() == 1 && net.node(1).node_count() == 1; },
                              seconds{1}));
    EXPECT_EQ(net.announce_now(0, "rpc_test", 1337), 1u);
    auto const peers = net.lookup_now(1, "rpc_test");
    ASSERT_TRUE(peers);
    EXPECT_EQ(*peers,
              (std::vector<Endpoint>{{net.endpoint_of(static_cast<std::size_t>(first)).address, 1337}}));
    net.check();
  }
}

TEST(Network, aLoneNodeServesItsOwnUsers) {
  SimNetwork net{1};
  net.add_node({});
  EXPECT_TRUE(net.node(0).is_ready());
  EXPECT_EQ(net.announce_now(0, "rpc_test", 1337), 0u);
  EXPECT_EQ(net.lookup_now(0, "rpc_test"), (std::vector<Endpoint>{{net.endpoint_of(0).address, 1337}}));
}

TEST(Network, forgedRepliesChangeNothing) {
  SCOPED_TRACE("seed 3");
  SimNetwork net{3};
  for (int i = 0; i < 20; ++i)
    net.add_node(i == 0 ? std::vector<Endpoint>{} : std::vector{net.endpoint_of(0)});
  ASSERT_TRUE(net.run_until_ready(seconds{10}));
  ASSERT_GT(net.announce_now(3, "rpc_test", 1337).value_or(0), 0u);
  // Every query of node 5 is answered at once from the next port, with a nonexistent peer.
  std::size_t forged = 0;
  net.on_datagram([&](Endpoint const& from, Endpoint const& to, std::string_view bytes) {
    dht::BencodeDocument document;
    auto const message = dht::parse_message(bytes, document);
    auto const* query = message ? std::get_if<dht::Query>(&*message) : nullptr;
    if (query == nullptr || from != net.endpoint_of(5)) return;
    Endpoint liar = to;
    ++liar.port;
    std::vector<Endpoint> const values{{IpAddress{6, 6, 6, 6}, 666}};
    dht::ReplyFields fields;
    fields.values = values;
    ++forged;
    net.inject(liar, from, dht::encode_reply(query->tid, NodeId{}, fields));
  });
  EXPECT_EQ(net.lookup_now(5, "rpc_test"), (std::vector<Endpoint>{{net.endpoint_of(3).address, 1337}}));
  EXPECT_GT(forged, 0u);
  net.check();
}

TEST(Network, aNetworkThatFallsSilentComesBack) {
  SCOPED_TRACE("seed 4");
  SimNetwork net{4};
  for (int i = 0; i < 20; ++i)
    net.add_node(i == 0 ? std::vector<Endpoint>{} : std::vector{net.endpoint_of(0)});
  ASSERT_TRUE(net.run_until_ready(seconds{10}));
  net.set_faults({.loss_percent = 100});
  for (std::size_t i = 0; i < 20; ++i) {
    net.announce(i, "noise", 1, [](std::size_t) {});  // makes them notice the lost nodes
  }
  net.run_for(std::chrono::minutes{20});
  EXPECT_EQ(net.node(7).node_count(), 0u);
  net.set_faults({});
  net.run_for(std::chrono::minutes{1});
  ASSERT_GT(net.announce_now(3, "rpc_test", 1337).value_or(0), 0u);
  EXPECT_EQ(net.lookup_now(7, "rpc_test"), (std::vector<Endpoint>{{net.endpoint_of(3).address, 1337}}));
  net.check();
}

struct Fixed {
  std::string_view scenario;
  std::uint64_t seed;
  std::size_t nodes;
};
void PrintTo(Fixed const& fixed, std::ostream* out) {
  *out << fixed.scenario << " seed " << fixed.seed << " nodes " << fixed.nodes;
}

class Scenarios : public testing::TestWithParam<Fixed> {};

TEST_P(Scenarios, keepThePromises) {
  auto const& [name, seed, nodes] = GetParam();
  Scenario const* scenario = find_scenario(name);
  ASSERT_NE(scenario, nullptr);
  Report const report = scenario->run(seed, nodes);
  std::string failures;
  for (std::string const& failure : report.failures) failures += failure + '\n';
  EXPECT_TRUE(report.failures.empty()) << failures << replay_line(name, seed, nodes);
  EXPECT_GT(report.delivered, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    FixedSeeds, Scenarios,
    testing::Values(Fixed{"everywhere", 1, 700}, Fixed{"everywhere", 2, 50}, Fixed{"everywhere", 3, 200},
                    Fixed{"partition", 1, 100}, Fixed{"partition", 2, 10}, Fixed{"restart_all", 1, 200},
                    Fixed{"restart_all", 2, 5}, Fixed{"churn", 1, 200}, Fixed{"unannounce", 1, 100},
                    Fixed{"restart_storm", 1, 200}, Fixed{"hostile", 1, 200}, Fixed{"hostile", 2, 100},
                    Fixed{"clock_jumps", 1, 50}, Fixed{"items", 1, 60}, Fixed{"growth", 1, 3000},
                    Fixed{"ipv6", 1, 100}, Fixed{"ipv6", 2, 20}, Fixed{"sybil", 1, 200},
                    Fixed{"sybil", 2, 200}, Fixed{"alone", 1, 40}, Fixed{"alone", 2, 3}, Fixed{"pair", 1, 2},
                    Fixed{"pair", 2, 2}, Fixed{"pair", 3, 2}, Fixed{"pair", 4, 2}));

// One run has too few lookups to verify a success rate of 99.9 %, so this scenario is judged over many runs.
// The limit is far below 15, one in a thousand. Over the seeds 1 to 400 with 200 nodes and 1 to 200 with 100
// there were 19 misses in 958,793 lookups, never two in a run, so misses are treated as Poisson: for the
// 15,330 lookups here 0.30 are expected, 0.47 at the upper end of the 95 % interval. If a change only draws
// other random numbers, more than 6 occur with a probability of 4e-8, or 7e-7 at that upper end. Without the
// early second announcement of Keeper there were 58 in 100,000, often several in a run.
TEST(PublicProfile, lookupsFindLiveServices) {
  constexpr std::uint64_t kSeeds = 16;
  constexpr std::size_t kNodes = 100;
  constexpr std::size_t kMissesMax = 6;
  Scenario const* scenario = find_scenario("public_profile");
  ASSERT_NE(scenario, nullptr);
  std::size_t lookups = 0;
  std::size_t misses = 0;
  std::string missed;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Report const report = scenario->run(seed, kNodes);
    auto const replay = replay_line(scenario->name, seed, kNodes);
    for (std::string const& failure : report.failures) ADD_FAILURE() << failure << '\n' << replay;
    lookups += report.lookups;
    misses += report.misses;
    if (report.misses > 0) missed += std::to_string(report.misses) + " misses, " + replay + '\n';
  }
  EXPECT_GT(lookups, 15'000u);
  EXPECT_LE(misses, kMissesMax) << missed;
}

TEST(Replay, equalSeedsGiveEqualHistoriesAndOthersDoNot) {
  Scenario const* scenario = find_scenario("everywhere");
  ASSERT_NE(scenario, nullptr);
  auto const digest = scenario->run(5, 60).digest;
  EXPECT_EQ(scenario->run(5, 60).digest, digest);
  EXPECT_NE(scenario->run(6, 60).digest, digest);
}

}  // namespace
}  // namespace grenache::sim
