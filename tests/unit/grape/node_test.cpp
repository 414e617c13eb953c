#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/grape/node_fixture.hpp"

namespace grenache::grape {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

TEST_F(NodeTest, survivesEveryDatagramThatKillsANodeGrape) {
  std::string const id = "2:id20:" + std::string(20, 'x');
  std::map<std::string, std::string> const killers{
      {"d1:ad" + id + "6:targeti5ee1:q9:find_node1:t2:aa1:y1:qe",
       "`find_node` missing required `a.target` field"},
      {"d1:ad" + id + "9:info_hashi5ee1:q9:get_peers1:t2:aa1:y1:qe",
       "`get_peers` missing required `a.info_hash` field"},
      {"d1:ad" + id + "6:targeti5ee1:q3:get1:t2:aa1:y1:qe", "`get` missing required `a.target` field"},
      {"d1:ad" + id + "9:info_hash1:x4:porti1e5:tokeni5ee1:q13:announce_peer1:t2:aa1:y1:qe",
       "cannot `announce_peer` with bad token"},
      {"d1:ad" + id + "5:tokeni5e1:v1:xe1:q3:put1:t2:aa1:y1:qe", "cannot `put` with bad token"},
  };
  for (auto const& [bytes, text] : killers) {
    auto const replies = receive(at(1), bytes);
    ASSERT_EQ(replies.size(), 1u) << bytes;
    auto const error = replies[0].as<dht::ErrorReply>();
    EXPECT_EQ(error.code, 203);
    EXPECT_EQ(error.text, text);
  }
  auto const before = node_->stats().dropped_total();
  EXPECT_TRUE(receive(at(1), "d1:rd2:idi5ee1:t2:aa1:y1:re").empty());
  EXPECT_TRUE(receive(at(1), "d1:y1:qe").empty());
  EXPECT_EQ(node_->stats().dropped_total(), before + 2);
  EXPECT_EQ(receive(at(1), dht::encode_query("aa", id_of('x'), dht::Ping{})).size(), 1u);
}

TEST_F(NodeTest, oneAddressCannotFillANameNorDrawALargeReply) {
  std::string const key = "rpc_test";
  std::string const token = token_for(at(5000), id_of('A'), key);
  ASSERT_FALSE(token.empty());
  for (std::uint16_t port = 1; port <= 7000; ++port) {
    ASSERT_EQ(announce(at(5000), id_of('A'), key, port, token), "ok");
  }
  EXPECT_LE(node_->stats().peers_stored, PeerStore::Options{}.peer_per_host_max);
  for (std::size_t const tid : {2u, 256u}) {
    auto const replies =
        receive(at(6000), dht::encode_query(std::string(tid, 't'), id_of('B'), dht::GetPeers{key}));
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_LE(replies[0].bytes.size(), 1400u);
    EXPECT_GE(replies[0].as<dht::Reply>().values.size(), 90u);
  }
}

TEST_F(NodeTest, repliesHoldPeersAndNodes) {
  introduce(id_of('N'), at(7000));
  ASSERT_EQ(node_->node_count(), 1u);
  ASSERT_EQ(announce(at(5000), id_of('A'), "x", 80, token_for(at(5000), id_of('A'), "x")), "ok");
  auto const replies = receive(at(6000), dht::encode_query("aa", id_of('B'), dht::GetPeers{"x"}));
  ASSERT_EQ(replies.size(), 1u);
  auto const reply = replies[0].as<dht::Reply>();
  EXPECT_EQ(reply.values, std::vector<Endpoint>{at(80)});
  ASSERT_EQ(reply.nodes.size(), 1u);
  EXPECT_EQ(reply.nodes.at(0), (dht::Contact{id_of('N'), at(7000)}));
}

TEST_F(NodeTest, unaskedRepliesAddNobody) {
  Random random{9};
  for (int i = 0; i < 500; ++i) {
    (void)receive(at(666), dht::encode_reply(random.bytes(2), NodeId::random(random), {}));
  }
  EXPECT_EQ(node_->node_count(), 0u);
  EXPECT_EQ(node_->stats().replacements, 0u);
  EXPECT_EQ(node_->stats().dropped[static_cast<std::size_t>(DropReason::unmatched_reply)], 500u);
}

TEST_F(NodeTest, whoAsksIsPingedBeforeItIsKnown) {
  (void)receive(at(7000), dht::encode_query("aa", id_of('N'), dht::Ping{}));
  EXPECT_EQ(node_->node_count(), 0u);
  auto const pings = queries();
  ASSERT_EQ(pings.size(), 1u);
  EXPECT_EQ(pings[0].to, at(7000));
  std::string const tid{pings[0].as<dht::Query>().tid};
  std::string other_tid = tid;
  other_tid[0] = static_cast<char>(other_tid[0] ^ 1);
  // Replies with a guessed id, from the wrong port or address, or of another node are dropped.
  (void)receive(at(7000), dht::encode_reply(other_tid, id_of('N'), {}));
  (void)receive(at(7001), dht::encode_reply(tid, id_of('N'), {}));
  (void)receive({IpAddress{10, 0, 0, 2}, 7000}, dht::encode_reply(tid, id_of('N'), {}));
  EXPECT_EQ(node_->node_count(), 0u);
  (void)receive(at(7000), dht::encode_reply(tid, id_of('N'), {}));
  EXPECT_EQ(node_->node_count(), 1u);
  ASSERT_EQ(events<NodeAdded>().size(), 1u);
  EXPECT_EQ(events<NodeAdded>()[0].endpoint, at(7000));
}

TEST_F(NodeTest, aReplyUnderAnotherIdAddsNobody) {
  (void)receive(at(7000), dht::encode_query("aa", id_of('N'), dht::Ping{}));
  auto const pings = queries();
  ASSERT_EQ(pings.size(), 1u);
  (void)receive(at(7000), dht::encode_reply(pings[0].as<dht::Query>().tid, id_of('M'), {}));
  EXPECT_EQ(node_->node_count(), 0u);
}

TEST_F(NodeTest, aFloodOfStrangersIsPingedWithinBounds) {
  Random random{3};
  std::size_t pings = 0;
  for (std::uint16_t i = 1; i <= 2000; ++i) {
    (void)receive(at(i), dht::encode_query("aa", NodeId::random(random), dht::Ping{}));
    pings += queries().size();
  }
  EXPECT_GT(pings, 0u);
  EXPECT_LE(pings, NodeOptions{}.verify_count_max);
}

TEST_F(NodeTest, tokensServeOnlyWhomAndWhatTheyWereMadeFor) {
  std::string const token = token_for(at(5000), id_of('A'), "x");
  std::string const refused{dht::kBadAnnounceToken};
  EXPECT_EQ(announce({IpAddress{10, 0, 0, 2}, 5000}, id_of('A'), "x", 80, token), refused);
  EXPECT_EQ(announce(at(5001), id_of('A'), "x", 80, token), refused);
  EXPECT_EQ(announce(at(5000), id_of('B'), "x", 80, token), refused);
  EXPECT_EQ(announce(at(5000), id_of('A'), "y", 80, token), refused);
  EXPECT_EQ(announce(at(5000), id_of('A'), "x", 80, ""), refused);
  EXPECT_EQ(announce(at(5000), id_of('A'), "x", 80, token), "ok");
  ASSERT_EQ(events<AnnounceStored>().size(), 1u);
  EXPECT_EQ(events<AnnounceStored>()[0].peer, at(80));
}

TEST_F(NodeTest, tokensLiveForOneToTwoPeriods) {
  std::string const token = token_for(at(5000), id_of('A'), "x");
  now_ += minutes{5};
  node_->expire(now_);
  EXPECT_EQ(announce(at(5000), id_of('A'), "x", 80, token), "ok");
  now_ += minutes{5};
  node_->expire(now_);
  EXPECT_EQ(announce(at(5000), id_of('A'), "x", 80, token), dht::kBadAnnounceToken);
}

TEST_F(NodeTest, impossibleSourcesAreDropped) {
  std::string const ping = dht::encode_query("aa", id_of('x'), dht::Ping{});
  EXPECT_TRUE(receive(at(0), ping).empty());
  EXPECT_TRUE(receive({IpAddress{224, 0, 0, 1}, 1}, ping).empty());
  EXPECT_TRUE(receive({IpAddress{255, 255, 255, 255}, 1}, ping).empty());
  EXPECT_TRUE(receive({IpAddress{}, 1}, ping).empty());
  EXPECT_EQ(node_->stats().dropped[static_cast<std::size_t>(DropReason::bad_source)], 4u);
}

TEST_F(NodeTest, aFullStoreGivesNoTokenForNewNames) {
  NodeOptions options;
  options.peers.name_count_max = 1;
  reset(options);
  std::string const early = token_for(at(5000), id_of('A'), "y");
  EXPECT_EQ(announce(at(5000), id_of('A'), "x", 80, token_for(at(5000), id_of('A'), "x")), "ok");
  EXPECT_EQ(token_for(at(5000), id_of('A'), "y"), "");
  EXPECT_NE(token_for(at(5000), id_of('A'), "x"), "");
  EXPECT_EQ(announce(at(5000), id_of('A'), "y", 80, early), "too many services are stored here");
}

TEST_F(NodeTest, ownAnnouncementsWithoutAnAddressAreShownToLoopbackOnly) {
  ASSERT_TRUE(node_->start_announce(name_of("x"), 1337, now_));
  drain();
  ASSERT_EQ(events<AnnounceDone>().size(), 1u);
  EXPECT_EQ(events<AnnounceDone>()[0].stored, 0u);
  ASSERT_TRUE(node_->start_lookup(name_of("x"), now_));
  drain();
  ASSERT_EQ(events<LookupDone>().size(), 1u);
  EXPECT_EQ(events<LookupDone>()[0].peers, (std::vector<Endpoint>{{IpAddress{127, 0, 0, 1}, 1337}}));

  std::string const query = dht::encode_query("aa", id_of('x'), dht::GetPeers{"x"});
  auto const outside = receive(at(9), query);
  ASSERT_EQ(outside.size(), 1u);
  EXPECT_FALSE(outside[0].as<dht::Reply>().has_values);
  auto const inside = receive({IpAddress{127, 0, 0, 1}, 9}, query);
  ASSERT_EQ(inside.size(), 1u);
  EXPECT_EQ(inside[0].as<dht::Reply>().values, (std::vector<Endpoint>{{IpAddress{127, 0, 0, 1}, 1337}}));
}

TEST_F(NodeTest, portZeroAnnouncesTheDhtPort) {
  ASSERT_TRUE(node_->start_announce(name_of("x"), 0, now_));
  ASSERT_TRUE(node_->start_lookup(name_of("x"), now_));
  drain();
  ASSERT_EQ(events<LookupDone>().size(), 1u);
  EXPECT_EQ(events<LookupDone>()[0].peers, (std::vector<Endpoint>{{IpAddress{127, 0, 0, 1}, 20001}}));
}

TEST_F(NodeTest, announcementsExpireUnlessRepeated) {
  ASSERT_TRUE(node_->start_announce(name_of("stale"), 1, now_));
  ASSERT_TRUE(node_->start_announce(name_of("fresh"), 1, now_));
  now_ += seconds{200};
  node_->expire(now_);
  ASSERT_TRUE(node_->start_announce(name_of("fresh"), 1, now_));
  now_ += seconds{60};
  node_->expire(now_);
  ASSERT_TRUE(node_->start_lookup(name_of("stale"), now_));
  ASSERT_TRUE(node_->start_lookup(name_of("fresh"), now_));
  drain();
  auto const done = events<LookupDone>();
  ASSERT_EQ(done.size(), 2u);
  EXPECT_TRUE(done[0].peers.empty());
  EXPECT_EQ(done[1].peers.size(), 1u);
}

TEST_F(NodeTest, lookupsOfOneNameShareTheirQueries) {
  introduce(id_of('N'), at(7000));
  sent_.clear();
  auto const first = node_->start_lookup(name_of("x"), now_);
  auto const second = node_->start_lookup(name_of("x"), now_);
  auto const third = node_->start_lookup(name_of("x"), now_);
  ASSERT_TRUE(first && second && third);
  node_->cancel(*second);
  drain();
  auto const asked = queries();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(node_->stats().lookups_running, 1u);
  dht::ReplyFields fields;
  std::vector<Endpoint> const values{at(80), at(81)};
  fields.values = values;
  (void)receive(at(7000), dht::encode_reply(asked[0].as<dht::Query>().tid, id_of('N'), fields));
  auto const done = events<LookupDone>();
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[0].id, *first);
  EXPECT_EQ(done[1].id, *third);
  auto peers = done[0].peers;
  std::ranges::sort(peers);
  EXPECT_EQ(peers, values);
  EXPECT_EQ(events<PeerFound>().size(), 2u);
  EXPECT_EQ(node_->stats().requests_waiting, 0u);
}

TEST_F(NodeTest, aDeadContactOnlyDelaysALookup) {
  introduce(id_of('N'), at(7000));
  ASSERT_TRUE(node_->start_lookup(name_of("x"), now_));
  TimePoint const begin = now_;
  while (events<LookupDone>().empty() && now_ < begin + seconds{10}) {
    now_ = std::max(now_, node_->next_deadline());
    node_->expire(now_);
    drain();
  }
  EXPECT_EQ(events<LookupDone>().size(), 1u);
  EXPECT_LE(now_ - begin, seconds{3});
}

TEST_F(NodeTest, becomesReadyOnceEvenWhenNobodyAnswers) {
  EXPECT_EQ(events<Ready>().size(), 1u);  // without bootstrap addresses
  events_.clear();
  NodeOptions options;
  options.port = 20001;
  node_ = std::make_unique<Node>(options, Random{2});
  node_->expire(now_);
  node_->bootstrap({at(1)}, now_);
  ASSERT_TRUE(node_->start_lookup(name_of("x"), now_));
  drain();
  EXPECT_TRUE(events<Ready>().empty());
  EXPECT_TRUE(events<LookupDone>().empty());  // it waits for the network
  now_ += seconds{2};
  node_->expire(now_);
  drain();
  EXPECT_EQ(events<Ready>().size(), 1u);
  EXPECT_EQ(events<Warning>().size(), 1u);
  EXPECT_EQ(events<LookupDone>().size(), 1u);
  for (int i = 0; i < 100; ++i) {
    now_ = std::max(now_, node_->next_deadline());
    node_->expire(now_);
    drain();
  }
  EXPECT_EQ(events<Ready>().size(), 1u);
}

TEST_F(NodeTest, rateLimitedSourcesGetNoAnswer) {
  NodeOptions options;
  options.rate.private_per_second = 10;
  reset(options);
  std::size_t answers = 0;
  for (int i = 0; i < 100; ++i)
    answers += receive(at(1), dht::encode_query("aa", id_of('x'), dht::Ping{})).size();
  EXPECT_GE(answers, 10u);
  EXPECT_LE(answers, 40u);
  EXPECT_GT(node_->stats().dropped[static_cast<std::size_t>(DropReason::rate_limited)], 0u);
  EXPECT_EQ(receive(at(2), dht::encode_query("aa", id_of('y'), dht::Ping{})).size(), 1u);
}

TEST_F(NodeTest, aSourceThatFloodsIsNotReadAndAnAnswerFromThereStillCounts) {
  NodeOptions options;
  options.rate.private_per_second = 10;
  reset(options);
  introduce(id_of('N'), at(7000));
  auto const flood = dht::encode_reply("zz", id_of('N'), {});
  for (int i = 0; i < 100; ++i) (void)receive(at(6000), flood);
  EXPECT_GE(node_->stats().dropped[static_cast<std::size_t>(DropReason::rate_limited)], 60u);
  sent_.clear();
  ASSERT_TRUE(node_->start_lookup(name_of("x"), now_));
  drain();
  auto const asked = queries();
  ASSERT_EQ(asked.size(), 1u);
  for (int i = 0; i < 100; ++i) (void)receive(at(7000), flood);
  std::vector<Endpoint> const values{at(80)};
  dht::ReplyFields fields;
  fields.values = values;
  (void)receive(at(7000), dht::encode_reply(asked[0].as<dht::Query>().tid, id_of('N'), fields));
  ASSERT_EQ(events<LookupDone>().size(), 1u);
  EXPECT_EQ(events<LookupDone>()[0].peers, values);
}

TEST_F(NodeTest, whoIsAskedHasNoFreeFlood) {
  NodeOptions options;
  options.rate.private_per_second = 10;
  reset(options);
  introduce(id_of('N'), at(7000));
  sent_.clear();
  ASSERT_TRUE(node_->start_lookup(name_of("x"), now_));
  drain();
  ASSERT_EQ(queries().size(), 1u);
  std::string const tid{queries()[0].as<dht::Query>().tid};
  auto const limited = [&] {
    return node_->stats().dropped[static_cast<std::size_t>(DropReason::rate_limited)];
  };
  auto const before = limited();
  std::vector<std::string> const floods{
      dht::encode_reply("zz", id_of('N'), {}),         // another id
      "1:t2:" + tid,                                   // no bencode
      "d1:rle1:t2:" + tid + "1:y1:re",                 // no reply
      "d1:v9:1:t2:" + tid + "..1:t2:zz1:y1:re",        // the id is elsewhere
      dht::encode_query(tid, id_of('N'), dht::Ping{})  // a query
  };
  for (std::string const& flood : floods) {
    for (int i = 0; i < 100; ++i) (void)receive(at(7000), flood);
  }
  EXPECT_GE(limited() - before, 500u - 40u);
}

TEST_F(NodeTest, aReplyThatNobodyWaitsForIsDroppedBeforeItsBodyIsRead) {
  (void)receive(at(1), "d1:rle1:t2:aa1:y1:re");
  EXPECT_EQ(node_->stats().dropped[static_cast<std::size_t>(DropReason::unmatched_reply)], 1u);
  EXPECT_EQ(node_->stats().dropped[static_cast<std::size_t>(DropReason::malformed)], 0u);
}

TEST_F(NodeTest, answersFewQueriesOfAPublicAddressUnlessItsNodeIsKnown) {
  Endpoint const stranger{IpAddress{93, 184, 216, 34}, 7000};
  auto const answers = [&] {
    std::size_t count = 0;
    for (int i = 0; i < 1000; ++i) {
      count += receive(stranger, dht::encode_query("aa", id_of('N'), dht::FindNode{id_of('x')})).size();
    }
    return count;
  };
  sent_.clear();
  std::size_t const few = answers();
  EXPECT_GT(few, 0u);
  EXPECT_LE(few, 200u);
  now_ += seconds{30};
  node_->expire(now_);
  introduce(id_of('N'), stranger);
  EXPECT_EQ(node_->node_count(), 1u);
  EXPECT_EQ(answers(), 1000u);
}

TEST_F(NodeTest, samplesItsNames) {
  for (int i = 0; i < 50; ++i) {
    std::string const key = "a name of 20 bytes" + std::to_string(i + 10);
    ASSERT_EQ(announce(at(5000), id_of('A'), key, 80, token_for(at(5000), id_of('A'), key)), "ok");
  }
  ASSERT_EQ(announce(at(5000), id_of('A'), "short", 80, token_for(at(5000), id_of('A'), "short")), "ok");
  std::string const ask =
      "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa6:target20:bbbbbbbbbbbbbbbbbbbbe1:q17:sample_infohashes1:t2:aa1:y1:qe";
  auto const replies = receive(at(1), ask);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_NE(replies[0].bytes.find("8:intervali600e"), std::string::npos) << replies[0].bytes;
  EXPECT_NE(replies[0].bytes.find("3:numi51e"), std::string::npos);
  EXPECT_NE(replies[0].bytes.find("7:samples400:a name of 20 bytes"), std::string::npos);
  EXPECT_LE(replies[0].bytes.size(), 1400u);
  now_ += seconds{60};
  auto const again = receive(at(1), ask);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_NE(again[0].bytes.find("8:intervali540e"), std::string::npos);
  auto const samples = [](Sent const& reply) {
    return reply.bytes.substr(reply.bytes.find("7:samples"), 400);
  };
  EXPECT_EQ(samples(again[0]), samples(replies[0])) << "as long as it said";
}

// Creates a node without a fixed id that joins through at(1); returns its query to at(1).
class TwinTest : public NodeTest {
 protected:
  TwinTest() {
    NodeOptions options;
    options.port = 20001;
    node_ = std::make_unique<Node>(options, Random{2});
    node_->expire(now_);
    node_->bootstrap({at(1)}, now_);
    id_ = node_->id();
    sent_.clear();
    events_.clear();
    drain();
  }
  std::string answer_with(NodeId const& id, Sent const& query, std::string_view nodes = {}) {
    dht::ReplyFields fields;
    fields.nodes = nodes;
    return dht::encode_reply(query.as<dht::Query>().tid, id, fields);
  }
  NodeId id_;
};

TEST_F(TwinTest, aNodeThatMeetsItsOwnIdWhereItJoinsTakesANewOne) {
  auto const asked = queries();
  ASSERT_EQ(asked.size(), 1u);
  (void)receive(at(1), answer_with(id_, asked[0]));
  EXPECT_NE(node_->id(), id_);
  ASSERT_EQ(events<Warning>().size(), 1u);
  EXPECT_NE(events<Warning>()[0].text.find("another node has our id"), std::string::npos);
  // The other node is treated like any node now.
  auto const again = queries();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].as<dht::Query>().sender, node_->id());
  (void)receive(at(1), answer_with(id_, again[0]));
  EXPECT_EQ(node_->node_count(), 1u);
}

TEST_F(TwinTest, aNodeThatABootstrapNodeNamesUnderOurIdIsAsked) {
  auto const asked = queries();
  ASSERT_EQ(asked.size(), 1u);
  std::string nodes;
  dht::append_compact(nodes, {id_, at(9)});
  (void)receive(at(1), answer_with(id_of('B'), asked[0], nodes));
  auto const next = queries();
  auto const twin = std::ranges::find(next, at(9), &Sent::to);
  ASSERT_NE(twin, next.end());
  EXPECT_EQ(node_->id(), id_) << "a name is no proof";
  (void)receive(at(9), answer_with(id_, *twin));
  EXPECT_NE(node_->id(), id_);
  EXPECT_EQ(node_->node_count(), 1u) << "what was known stays known";
}

TEST_F(TwinTest, whoWasAskedOnlyAsAPossibleTwinNamesNoFurtherOnes) {
  auto const asked = queries();
  ASSERT_EQ(asked.size(), 1u);
  std::string nodes;
  dht::append_compact(nodes, {id_, at(9)});
  (void)receive(at(1), answer_with(id_of('B'), asked[0], nodes));
  auto next = queries();
  auto const possible = std::ranges::find(next, at(9), &Sent::to);
  ASSERT_NE(possible, next.end());
  nodes.clear();
  dht::append_compact(nodes, {id_, at(10)});
  (void)receive(at(9), answer_with(id_of('L'), *possible, nodes));
  next = queries();
  EXPECT_EQ(std::ranges::find(next, at(10), &Sent::to), next.end());
}

TEST_F(TwinTest, aTwinIsAnsweredSoThatItHears) {
  auto const replies = receive(at(9), dht::encode_query("aa", id_, dht::FindNode{id_}));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].as<dht::Reply>().sender, id_);
  EXPECT_EQ(node_->id(), id_);
}

TEST_F(TwinTest, ourOwnQueryThatComesBackIsNoTwin) {
  auto const asked = queries();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_TRUE(receive(at(1), asked[0].bytes).empty());
  EXPECT_EQ(node_->stats().dropped[static_cast<std::size_t>(DropReason::own_id)], 1u);
  EXPECT_EQ(node_->id(), id_);
}

TEST_F(TwinTest, aLiarInALookupTakesNobodysId) {
  introduce(id_of('N'), at(7000));
  ASSERT_EQ(node_->node_count(), 1u);
  sent_.clear();
  ASSERT_TRUE(node_->start_lookup(name_of("x"), now_));
  drain();
  for (Sent const& query : queries()) {
    if (query.to == at(7000)) (void)receive(at(7000), answer_with(id_, query));
  }
  EXPECT_EQ(node_->id(), id_);
  EXPECT_EQ(node_->node_count(), 0u) << "and leaves the table";
}

}  // namespace
}  // namespace grenache::grape
