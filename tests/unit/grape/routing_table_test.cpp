#include "grape/core/routing_table.hpp"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "grape/core/distance.hpp"

namespace grenache::grape {
namespace {

using dht::Contact;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr TimePoint kStart{std::chrono::hours{1}};

Endpoint at(std::uint32_t n) {
  return {IpAddress{10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
                    static_cast<std::uint8_t>(n)},
          6881};
}
NodeId far_id(char c) { return *NodeId::from_bytes('\x80' + std::string(18, 'x') + c); }

RoutingTable table_of(RoutingTable::Options options = {}) { return {NodeId{}, options}; }

TEST(RoutingTable, closestAgreesWithASortedList) {
  Random random{1};
  NodeId const own = NodeId::random(random);
  RoutingTable table{own, {}};
  std::set<NodeId> in_table;
  std::vector<Contact> all;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    Contact const node{NodeId::random(random), at(i)};
    all.push_back(node);
    table.answered(node, kStart);
  }
  table.check();
  std::vector<Contact> everything;
  table.closest(own, 1'000'000, everything);
  EXPECT_EQ(everything.size(), table.size());
  EXPECT_GT(table.size(), 100u);
  for (int i = 0; i < 200; ++i) {
    NodeId const target = NodeId::random(random);
    auto expected = everything;
    std::ranges::sort(expected,
                      [&](Contact const& a, Contact const& b) { return is_closer(target, a.id, b.id); });
    expected.resize(20);
    std::vector<Contact> got;
    table.closest(target, 20, got);
    EXPECT_EQ(got, expected);
  }
}

TEST(RoutingTable, whoOnlyAsksDoesNotEnter) {
  auto table = table_of();
  Contact const node{far_id('a'), at(1)};
  EXPECT_TRUE(table.on_query_from(node, kStart));
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.replacement_count(), 1u);
  EXPECT_FALSE(table.on_query_from(node, kStart + seconds{1}));  // pinged just now
  EXPECT_TRUE(table.on_query_from(node, kStart + seconds{11}));
  EXPECT_TRUE(table.answered(node, kStart));
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.replacement_count(), 0u);
  EXPECT_FALSE(table.on_query_from(node, kStart + seconds{30}));
}

TEST(RoutingTable, neverHoldsItself) {
  auto table = table_of();
  EXPECT_FALSE(table.answered({NodeId{}, at(1)}, kStart));
  EXPECT_FALSE(table.on_query_from({NodeId{}, at(1)}, kStart));
  EXPECT_EQ(table.size() + table.replacement_count(), 0u);
}

TEST(RoutingTable, aFullFarBucketKeepsItsNodes) {
  auto table = table_of();
  for (char c = 'A'; c < 'A' + 20; ++c)
    EXPECT_TRUE(table.answered({far_id(c), at(static_cast<std::uint32_t>(c))}, kStart));
  // A near node splits the buckets, so that the far bucket cannot split any more.
  EXPECT_TRUE(table.answered({*NodeId::from_bytes('\x01' + std::string(19, 'x')), at(1)}, kStart));
  EXPECT_FALSE(table.answered({far_id('z'), at(2)}, kStart));
  EXPECT_FALSE(table.on_query_from({far_id('y'), at(3)}, kStart));
  EXPECT_EQ(table.size(), 21u);
  EXPECT_EQ(table.replacement_count(), 2u);
  // Once one of them fails there is room again.
  table.failed({far_id('A'), at('A')}, kStart);
  EXPECT_EQ(table.due(10, kStart + seconds{11}).size(), 3u);  // the failing one and both replacements
  EXPECT_TRUE(table.answered({far_id('z'), at(2)}, kStart + seconds{12}));
  EXPECT_EQ(table.size(), 21u);
  table.check();
}

TEST(RoutingTable, threeFailuresRemoveANodeAndAnAnswerForgivesThem) {
  auto table = table_of();
  Contact const node{far_id('a'), at(1)};
  table.answered(node, kStart);
  TimePoint now = kStart;
  for (int i = 0; i < 2; ++i) table.failed(node, now += seconds{5});
  EXPECT_TRUE(table.is_failing(node));
  table.answered(node, now);
  EXPECT_FALSE(table.is_failing(node));
  for (int i = 0; i < 10; ++i) table.failed(node, now);  // at the same time: counts as one
  EXPECT_EQ(table.size(), 1u);
  for (int i = 0; i < 2; ++i) table.failed(node, now += seconds{5});
  EXPECT_EQ(table.size(), 0u);
}

TEST(RoutingTable, aKnownIdCannotBeHijackedWhileItIsWell) {
  auto table = table_of();
  Contact const node{far_id('a'), at(1)};
  Contact const thief{far_id('a'), at(2)};
  table.answered(node, kStart);
  EXPECT_FALSE(table.on_query_from(thief, kStart));
  EXPECT_FALSE(table.answered(thief, kStart));
  std::vector<Contact> nodes;
  table.closest(node.id, 1, nodes);
  EXPECT_EQ(nodes, std::vector<Contact>{node});
  table.failed(node, kStart);
  EXPECT_TRUE(table.answered(thief, kStart + seconds{1}));
  nodes.clear();
  table.closest(node.id, 1, nodes);
  EXPECT_EQ(nodes, std::vector<Contact>{thief});
}

TEST(RoutingTable, anEndpointIsOneNode) {
  auto table = table_of();
  table.answered({far_id('a'), at(1)}, kStart);
  EXPECT_TRUE(table.answered({far_id('b'), at(1)}, kStart));
  EXPECT_EQ(table.size(), 1u);
  table.check();
}

TEST(RoutingTable, silentNodesAreDueAfterTheLiveness) {
  auto table = table_of();
  Contact const node{far_id('a'), at(1)};
  table.answered(node, kStart);
  EXPECT_TRUE(table.due(10, kStart + minutes{4}).empty());
  EXPECT_TRUE(table.is_fresh(at(1), kStart + minutes{4}));
  EXPECT_EQ(table.due(10, kStart + minutes{5}), std::vector<Contact>{node});
  EXPECT_TRUE(table.due(10, kStart + minutes{5}).empty());
  EXPECT_FALSE(table.is_fresh(at(1), kStart + minutes{6}));
}

TEST(RoutingTable, sparseBucketsAreRefreshedSoonFullOnesLate) {
  Random random{1};
  auto table = table_of();
  for (char c = 'A'; c < 'A' + 20; ++c)
    table.answered({far_id(c), at(static_cast<std::uint32_t>(c))}, kStart);
  table.answered({*NodeId::from_bytes('\x01' + std::string(19, 'x')), at(1)}, kStart);
  TimePoint now = kStart + seconds{6};
  std::size_t rounds = 0;
  for (; auto const target = table.stale_bucket(now, random); ++rounds) {
    EXPECT_GE(common_prefix_bits(NodeId{}, *target), 1u) << "the far bucket is full and was fresh";
    table.touch(*target, now);
    ASSERT_LT(rounds, 20u);
  }
  EXPECT_GE(rounds, 1u);
  now = kStart + minutes{16};
  EXPECT_EQ(common_prefix_bits(NodeId{}, *table.stale_bucket(now, random)), 0u);
}

TEST(RoutingTable, staysWithinItsBoundsWhateverComes) {
  Random random{7};
  NodeId const own = NodeId::random(random);
  RoutingTable table{own, {.bucket_size = 4, .replacement_count_max = 3}};
  TimePoint now = kStart;
  for (int i = 0; i < 20000; ++i) {
    now += std::chrono::milliseconds{random.below(2000)};
    // Ids share up to 24 bits with ours, as an attacker would choose them; endpoints and ids repeat.
    NodeId id = own;
    std::size_t const bit = static_cast<std::size_t>(random.below(24));
    id.array()[bit / 8] = static_cast<std::uint8_t>(id.array()[bit / 8] ^ 0x80u >> bit % 8);
    id.array()[19] = static_cast<std::uint8_t>(random.below(16));
    Contact const node{id, at(static_cast<std::uint32_t>(random.below(300)))};
    switch (random.below(5)) {
      case 0:
        (void)table.on_query_from(node, now);
        break;
      case 1:
        table.failed(node, now);
        break;
      case 2:
        table.evict(node);
        break;
      case 3:
        (void)table.due(5, now);
        break;
      default:
        table.answered(node, now);
    }
    if (i % 50 == 0) table.check();
  }
  EXPECT_GT(table.size(), 0u);
}

}  // namespace
}  // namespace grenache::grape
