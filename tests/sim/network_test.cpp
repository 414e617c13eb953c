#include <algorithm>
#include <chrono>

#include <gtest/gtest.h>

#include "tests/support/sim_network.hpp"

namespace grenache::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<Endpoint> first_node() { return {SimNetwork::endpoint_of(0)}; }

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

// `count` nodes that start one after the other, all with node 0 as their bootstrap.
void grow(SimNetwork& net, std::size_t count, Duration between) {
  net.add_node({});
  while (net.size() < count) {
    net.run_for(between);
    net.add_node(first_node());
  }
}

TEST(Network, aHundredNodesFindWhatAnyOfThemAnnounced) {
  SCOPED_TRACE("seed 2");
  SimNetwork net{2};
  grow(net, 100, milliseconds{20});
  ASSERT_TRUE(net.run_until_ready(seconds{30}));
  for (std::size_t i = 0; i < 100; i += 7) {
    std::string const name = "service " + std::to_string(i);
    EXPECT_GE(net.announce_now(i, name, 1000).value_or(0), 15u) << name;
    auto const peers = net.lookup_now(99 - i, name);
    ASSERT_TRUE(peers);
    EXPECT_EQ(*peers, (std::vector<Endpoint>{{net.endpoint_of(i).address, 1000}})) << name;
  }
  net.check();
}

}  // namespace
}  // namespace grenache::sim
