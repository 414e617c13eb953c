#include "grape/core/lookup.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace grenache::grape {
namespace {

using dht::Contact;
using Outcome = Lookup::Outcome;

// Node n has distance n from the target 0.
Contact node(std::uint8_t n) {
  NodeId id;
  id.array()[19] = n;
  return {id, {IpAddress{10, 0, 0, n}, 6881}};
}
NodeId const kOwn = node(255).id;

TEST(Lookup, asksTheNearestFirstAndEndsWhenTheKNearestAnswered) {
  Lookup lookup{NodeId{}, kOwn, {.k = 2, .branch_max = 1}};
  for (std::uint8_t const n : std::initializer_list<std::uint8_t>{9, 5, 7}) lookup.add(node(n));
  EXPECT_EQ(lookup.next(), node(5));
  EXPECT_FALSE(lookup.next());
  lookup.answered(node(5), "t5");
  lookup.add(node(3));
  EXPECT_EQ(lookup.next(), node(3));
  lookup.answered(node(3), "t3");
  EXPECT_FALSE(lookup.next());
  EXPECT_EQ(lookup.outcome(), Outcome::completed);
  auto const targets = lookup.store_targets();
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].node, node(3));
  EXPECT_EQ(targets[0].token, "t3");
  EXPECT_EQ(targets[1].node, node(5));
}

TEST(Lookup, withoutCandidatesItStarves) {
  Lookup lookup{NodeId{}, kOwn, {}};
  lookup.add({kOwn, node(1).endpoint});
  EXPECT_FALSE(lookup.next());
  EXPECT_EQ(lookup.outcome(), Outcome::starved);
}

TEST(Lookup, aSlowNodeLetsOthersBeAskedAndDoesNotHoldUpTheEnd) {
  Lookup lookup{NodeId{}, kOwn, {.k = 2, .branch_max = 1}};
  for (std::uint8_t const n : std::initializer_list<std::uint8_t>{1, 2, 3}) lookup.add(node(n));
  EXPECT_EQ(lookup.next(), node(1));
  lookup.slow(node(1));
  EXPECT_EQ(lookup.next(), node(2));
  lookup.answered(node(2), std::nullopt);
  EXPECT_EQ(lookup.next(), node(3));
  lookup.answered(node(3), "t");
  EXPECT_FALSE(lookup.next());
  EXPECT_EQ(lookup.outcome(), Outcome::completed);
  EXPECT_EQ(lookup.store_targets().size(), 1u);  // only one sent a token
}

TEST(Lookup, whenStarvingASlowNodeIsAskedAgain) {
  Lookup lookup{NodeId{}, kOwn, {.k = 2, .try_count_max = 2}};
  lookup.add(node(1));
  EXPECT_EQ(lookup.next(), node(1));
  lookup.slow(node(1));
  EXPECT_EQ(lookup.next(), node(1));
  lookup.slow(node(1));
  EXPECT_FALSE(lookup.next());
  EXPECT_EQ(lookup.outcome(), Outcome::running);
  lookup.timed_out(node(1));  // the first of two
  EXPECT_FALSE(lookup.next());
  EXPECT_EQ(lookup.outcome(), Outcome::running);
  lookup.answered(node(1), "t");  // the second
  EXPECT_FALSE(lookup.next());
  EXPECT_EQ(lookup.outcome(), Outcome::starved);
  EXPECT_EQ(lookup.answer_count(), 1u);
  lookup.check();
}

TEST(Lookup, unreachableNodesAreForgotten) {
  Lookup lookup{NodeId{}, kOwn, {.k = 2}};
  lookup.add(node(1));
  EXPECT_EQ(lookup.next(), node(1));
  lookup.slow(node(1));
  lookup.failed(node(1));
  EXPECT_FALSE(lookup.next());
  EXPECT_EQ(lookup.outcome(), Outcome::starved);
  lookup.answered(node(1), "late");
  EXPECT_EQ(lookup.answer_count(), 0u);
}

TEST(Lookup, aLiarCannotLeadItOnForEver) {
  Lookup lookup{NodeId{}, kOwn, {.k = 3, .query_count_max = 50}};
  Random random{1};
  lookup.add(node(200));
  std::size_t asked = 0;
  while (auto const to = lookup.next()) {
    ++asked;
    lookup.answered(*to, "t");
    for (std::uint8_t i = 0; i < 20; ++i) {
      NodeId id = NodeId::random(random);
      for (std::size_t byte = 0; byte < asked / 3; ++byte) id.array()[byte] = 0;  // nearer each time
      lookup.add({id, {IpAddress{10, 1, static_cast<std::uint8_t>(asked), i}, 1}});
    }
    lookup.check();
  }
  EXPECT_LE(asked, 50u);
  EXPECT_NE(lookup.outcome(), Outcome::running);
}

TEST(Lookup, aLiarIsNotBelievedForLong) {
  Lookup lookup{NodeId{}, kOwn, {}};
  dht::Contact const liar = node(200);
  dht::Contact const honest = node(201);
  lookup.add(liar);
  lookup.add(honest);
  std::vector<dht::Contact> asked;
  while (auto const to = lookup.next()) asked.push_back(*to);
  ASSERT_EQ(asked.size(), 2u);
  lookup.answered(liar, "t");
  for (std::uint8_t n = 1; n < 21; ++n) lookup.add(node(n), &liar);
  lookup.answered(honest, "t");
  for (std::uint8_t n = 100; n < 110; ++n) lookup.add(node(n), &honest);
  int lies = 0;
  while (auto const to = lookup.next()) {
    bool const real = to->id >= node(100).id;
    if (real) {
      lookup.answered(*to, "t");
    } else {
      ++lies;
      lookup.failed(*to);
    }
    lookup.check();
  }
  EXPECT_EQ(lies, 4);
  EXPECT_EQ(lookup.store_targets().size(), 12u);
}

TEST(Lookup, nodesThatAnsweredAreNotPushedOutByThoseThatAreOnlyNamed) {
  Lookup::Options options;
  options.candidate_count_max = 50;
  options.k = 5;
  Lookup lookup{NodeId{}, kOwn, options};
  for (std::uint8_t n = 250; n < 255; ++n) lookup.add(node(n));
  std::vector<dht::Contact> asked;
  while (auto const to = lookup.next()) asked.push_back(*to);
  for (dht::Contact const& to : asked) lookup.answered(to, "t");
  for (std::uint8_t n = 1; n < 200; ++n) lookup.add(node(n));
  while (auto const to = lookup.next()) lookup.failed(*to);
  EXPECT_EQ(lookup.store_targets().size(), 5u);
  lookup.check();
}

TEST(Lookup, oneEndpointIsAskedUnderTwoIdsAtMost) {
  Lookup lookup{NodeId{}, kOwn, {}};
  for (std::uint8_t n = 1; n < 100; ++n) lookup.add({node(n).id, node(1).endpoint});
  int asked = 0;
  while (lookup.next()) ++asked;
  EXPECT_EQ(asked, 2);
  lookup.failed({node(1).id, node(1).endpoint});
  lookup.add({node(150).id, node(1).endpoint});
  EXPECT_EQ(lookup.next(), (dht::Contact{node(150).id, node(1).endpoint})) << "one of them was false";
}

TEST(Lookup, aFalseIdFarAwayKeepsNobodyOut) {
  for (bool const one_per_network : {false, true}) {
    Lookup lookup{NodeId{}, kOwn, {.k = 1, .one_per_network = one_per_network}};
    lookup.add(node(9));
    for (std::uint8_t n = 100; n < 110; ++n) lookup.add({node(n).id, node(1).endpoint});
    lookup.add(node(1));
    EXPECT_EQ(lookup.next(), node(1));
    lookup.answered(node(1), "t");
    EXPECT_FALSE(lookup.next());
    EXPECT_EQ(lookup.outcome(), Outcome::completed);
    lookup.check();
  }
}

TEST(Lookup, ofANetworkTheNearestIsAskedAndThenNoOther) {
  Lookup lookup{NodeId{}, kOwn, {.one_per_network = true}};
  auto const there = [](std::uint8_t n) { return dht::Contact{node(n).id, {IpAddress{80, 1, 1, n}, 6881}}; };
  lookup.add(there(50));
  lookup.add(there(20));
  lookup.add(there(30));
  EXPECT_EQ(lookup.next(), there(20));
  lookup.add(there(10));
  EXPECT_FALSE(lookup.next());
  lookup.failed(there(20));
  lookup.add(there(30));
  EXPECT_EQ(lookup.next(), there(30));
}

}  // namespace
}  // namespace grenache::grape
