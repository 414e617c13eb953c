// Items and unannounce, with a single node.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/grape/node_fixture.hpp"
#include <grenache/dht/item.hpp>

namespace grenache::grape {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

dht::Item version(std::int64_t seq, std::string_view value, std::string_view salt = "") {
  static auto const key = *Ed25519SecretKey::from_bytes(std::string(32, 'k'));
  return *dht::Item::sign(key, salt, seq, value);
}

dht::Put put_of(dht::Item const& item, std::string_view token) {
  dht::Put put{token, item.value(), {}, {}, {}, {}, {}};
  if (auto const& owner = item.owner()) {
    put.k = owner->key.view();
    put.sig = owner->signature.view();
    if (!owner->salt.empty()) put.salt = owner->salt;
    put.seq = owner->seq;
  }
  return put;
}

class NodeItemsTest : public NodeTest {
 protected:
  std::string get_token(NodeId const& target) {
    auto const replies = receive(at(5000), dht::encode_query("gt", id_of('A'), dht::Get{target, {}}));
    return replies.empty() ? "" : std::string{replies[0].as<dht::Reply>().token.value_or("")};
  }
  // 0, or the code of the error.
  std::int64_t put(dht::Put query, NodeId const& target) {
    std::string const token = get_token(target);
    query.token = token;
    auto const replies = receive(at(5000), dht::encode_query("pt", id_of('A'), query));
    if (replies.size() != 1) return -1;
    if (replies[0].bytes.find("1:y1:e") == std::string::npos) return 0;
    return replies[0].as<dht::ErrorReply>().code;
  }
  std::int64_t put(dht::Item const& item) { return put(put_of(item, ""), item.target()); }

  // Simulates a network of one node 'N' at port 7000 that stores nothing and accepts everything, unless
  // `reply` answers. Returns the queries to it.
  template <class Reply>
  std::vector<Sent> serve(Reply reply) {
    std::vector<Sent> asked;
    for (auto pending = queries(); !pending.empty();) {
      std::vector<Sent> next;
      for (Sent const& query : pending) {
        asked.push_back(query);
        (void)receive(query.to, reply(query));
        for (Sent const& more : queries()) next.push_back(more);
      }
      pending = next;
    }
    return asked;
  }
  static std::string take_all(Sent const& query) {
    dht::ReplyFields fields;
    fields.token = "token";
    return dht::encode_reply(query.as<dht::Query>().tid, id_of('N'), fields);
  }
};

TEST_F(NodeItemsTest, storesAndAnswersItems) {
  auto const item = version(1, "5:hello", "salt");
  EXPECT_EQ(put(item), 0);
  auto const replies = receive(at(1), dht::encode_query("aa", id_of('B'), dht::Get{item.target(), {}}));
  ASSERT_EQ(replies.size(), 1u);
  auto const reply = replies[0].as<dht::Reply>();
  EXPECT_EQ(reply.v, "5:hello");
  EXPECT_EQ(reply.k, item.owner()->key.view());
  EXPECT_EQ(reply.sig, item.owner()->signature.view());
  EXPECT_EQ(reply.seq, 1);
  EXPECT_FALSE(reply.token.value_or("").empty());
  // A querier that has the item gets only its number.
  auto const same = receive(at(1), dht::encode_query("aa", id_of('B'), dht::Get{item.target(), 1}));
  ASSERT_EQ(same.size(), 1u);
  EXPECT_FALSE(same[0].as<dht::Reply>().v);
  EXPECT_EQ(same[0].as<dht::Reply>().seq, 1);
}

TEST_F(NodeItemsTest, refusesBadPutsWithTheCodesOfBep44) {
  auto const item = version(3, "i3e");
  EXPECT_EQ(put(item), 0);
  EXPECT_EQ(put(version(2, "i2e")), 302);
  auto query = put_of(item, "");
  query.v = "i4e";
  query.seq = 4;
  EXPECT_EQ(put(query, item.target()), 206);
  auto const fifth = version(5, "i5e");
  query = put_of(fifth, "");
  query.cas = 2;
  EXPECT_EQ(put(query, item.target()), 301);
  query.cas = 3;
  EXPECT_EQ(put(query, item.target()), 0);
  std::string const big = "1001:" + std::string(1001, 'a');
  query = {};
  query.v = big;
  EXPECT_EQ(put(query, dht::item_target(big)), 205);
  query.v = "d1:b1:x1:a1:ye";
  EXPECT_EQ(put(query, dht::item_target(query.v)), 203);
  auto const ninth = version(9, "i9e");
  query = put_of(ninth, "");
  query.sig.reset();
  EXPECT_EQ(put(query, item.target()), 203);
  query = put_of(ninth, "");
  query.seq = -9;
  EXPECT_EQ(put(query, item.target()), 302);
  std::string const salt(65, 's');
  query = put_of(item, "");
  query.salt = salt;
  EXPECT_EQ(put(query, dht::item_target(item.owner()->key, salt)), 207);
  EXPECT_EQ(put(*dht::Item::immutable("1000:" + std::string(1000, 'a'))), 0);
}

TEST_F(NodeItemsTest, aTokenServesOneItemOnly) {
  auto const item = *dht::Item::immutable("i1e");
  auto const other = *dht::Item::immutable("i2e");
  std::string const token = get_token(other.target());
  auto const replies = receive(at(5000), dht::encode_query("pt", id_of('A'), put_of(item, token)));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].as<dht::ErrorReply>().text, dht::kBadPutToken);
  EXPECT_EQ(node_->stats().items_stored, 0u);
}

TEST_F(NodeItemsTest, theLargestItemFitsOneFrame) {
  auto const item = version(INT64_MAX, "1000:" + std::string(1000, 'a'));
  EXPECT_EQ(put(item), 0);
  for (std::uint16_t port = 7000; port < 7030; ++port) {
    introduce(NodeId::from_bytes(std::string(18, 'N') + std::to_string(port % 90 + 10)).value(), at(port));
  }
  for (std::size_t const tid : {2u, 256u}) {
    dht::Get const get{item.target(), {}};
    auto const replies = receive(at(1), dht::encode_query(std::string(tid, 't'), id_of('B'), get));
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_LE(replies[0].bytes.size(), 1400u);
    EXPECT_EQ(replies[0].as<dht::Reply>().v.has_value(), tid == 2);
    EXPECT_FALSE(replies[0].as<dht::Reply>().nodes.empty());
  }
}

TEST_F(NodeItemsTest, aLoneNodeServesItsOwnUsers) {
  auto const item = *dht::Item::immutable("11:hello world");
  ASSERT_TRUE(node_->start_put(item, now_));
  ASSERT_TRUE(node_->start_get(item.target(), "", now_));
  drain();
  ASSERT_EQ(events<PutDone>().size(), 1u);
  EXPECT_EQ(events<PutDone>()[0].target.hex(), "6d33adc2b6b2c14c3036feefb7fedbca1a880527");
  EXPECT_EQ(events<PutDone>()[0].stored, 0u);
  EXPECT_FALSE(events<PutDone>()[0].refusal);
  ASSERT_EQ(events<GetDone>().size(), 1u);
  ASSERT_TRUE(events<GetDone>()[0].item);
  EXPECT_EQ(events<GetDone>()[0].item->value(), "11:hello world");
  EXPECT_EQ(events<GetDone>()[0].from, node_->id());
  EXPECT_EQ(events<GetDone>()[0].token, "");
}

TEST_F(NodeItemsTest, getsOfOneItemShareTheirQueriesAndTakeTheNewest) {
  introduce(id_of('N'), at(7000));
  introduce(id_of('M'), at(7001));
  auto const item = version(7, "i7e");
  auto const old = version(6, "i6e");
  sent_.clear();
  ASSERT_TRUE(node_->start_get(item.target(), "", now_));
  ASSERT_TRUE(node_->start_get(item.target(), "", now_));
  drain();
  auto const asked = serve([&](Sent const& query) {
    dht::Item const& held = query.to == at(7000) ? item : old;
    dht::ReplyFields fields;
    fields.token = "token";
    fields.v = held.value();
    fields.k = held.owner()->key.view();
    fields.sig = held.owner()->signature.view();
    fields.seq = held.seq();
    return dht::encode_reply(query.as<dht::Query>().tid, id_of(query.to == at(7000) ? 'N' : 'M'), fields);
  });
  EXPECT_EQ(asked.size(), 2u);
  ASSERT_EQ(events<GetDone>().size(), 2u);
  EXPECT_EQ(events<GetDone>()[1].item->seq(), 7);
  EXPECT_EQ(events<GetDone>()[1].from, id_of('N'));
  EXPECT_EQ(events<GetDone>()[1].token, "token");
}

TEST_F(NodeItemsTest, forgedItemsAreNotBelieved) {
  introduce(id_of('N'), at(7000));
  auto const item = version(7, "i7e");
  sent_.clear();
  ASSERT_TRUE(node_->start_get(item.target(), "", now_));
  ASSERT_TRUE(node_->start_get(dht::item_target("i1e"), "", now_));
  drain();
  (void)serve([&](Sent const& query) {
    dht::ReplyFields fields;
    fields.v = "i666e";
    if (query.bytes.find(std::string{item.target().view()}) != std::string::npos) {
      fields.k = item.owner()->key.view();
      fields.sig = item.owner()->signature.view();
      fields.seq = 7;
    }
    return dht::encode_reply(query.as<dht::Query>().tid, id_of('N'), fields);
  });
  ASSERT_EQ(events<GetDone>().size(), 2u);
  EXPECT_FALSE(events<GetDone>()[0].item);
  EXPECT_FALSE(events<GetDone>()[1].item);
}

TEST_F(NodeItemsTest, ownItemsArePublishedAgainEveryHour) {
  introduce(id_of('N'), at(7000));
  auto const item = *dht::Item::immutable("i1e");
  sent_.clear();
  ASSERT_TRUE(node_->start_put(item, now_));
  drain();
  (void)serve(take_all);
  ASSERT_EQ(events<PutDone>().size(), 1u);
  EXPECT_EQ(events<PutDone>()[0].stored, 1u);
  std::size_t puts = 0;
  for (TimePoint const end = now_ + hours{4}; now_ < end;) {
    sent_.clear();
    now_ = std::max(now_, node_->next_deadline());
    node_->expire(now_);
    drain();
    for (Sent const& query : serve(take_all)) {
      if (query.bytes.find("3:put") != std::string::npos) ++puts;
    }
  }
  EXPECT_GE(puts, 4u);
  EXPECT_LE(puts, 6u);
  EXPECT_EQ(events<PutDone>().size(), 1u) << "nobody asked for the others";
}

TEST_F(NodeItemsTest, aPutThatAllRefuseSaysWhyAndIsNotRepeated) {
  introduce(id_of('N'), at(7000));
  sent_.clear();
  ASSERT_TRUE(node_->start_put(version(1, "i1e"), now_));
  drain();
  (void)serve([](Sent const& query) {
    auto const tid = query.as<dht::Query>().tid;
    if (query.bytes.find("3:put") == std::string::npos) return take_all(query);
    return dht::encode_error(tid, dht::KrpcCode::sequence_too_low, "sequence number less than current");
  });
  ASSERT_EQ(events<PutDone>().size(), 1u);
  EXPECT_EQ(events<PutDone>()[0].stored, 0u);
  ASSERT_TRUE(events<PutDone>()[0].refusal);
  EXPECT_EQ(events<PutDone>()[0].refusal->code, 302);
  EXPECT_EQ(node_->stats().own_items, 0u);
  // A conflict with a stored item is refused without queries.
  EXPECT_EQ(put(version(5, "i5e")), 0);
  ASSERT_TRUE(node_->start_put(version(4, "i4e"), now_));
  ASSERT_TRUE(node_->start_put(version(6, "i6e"), now_, {.cas = 4}));
  drain();
  ASSERT_EQ(events<PutDone>().size(), 3u);
  EXPECT_EQ(events<PutDone>()[1].refusal->code, 302);
  EXPECT_EQ(events<PutDone>()[2].refusal->code, 301);
}

TEST_F(NodeItemsTest, theNumberOfOwnItemsIsBounded) {
  NodeOptions options;
  options.own_item_count_max = 5;
  reset(options);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(node_->start_put(*dht::Item::immutable("i" + std::to_string(i) + "e"), now_));
    now_ += seconds{1};
    drain();
  }
  EXPECT_EQ(node_->stats().own_items, 5u);
}

TEST_F(NodeItemsTest, aServiceIsTakenBackByItsOwnerOnly) {
  std::string const token = token_for(at(5000), id_of('A'), "x");
  ASSERT_EQ(announce(at(5000), id_of('A'), "x", 80, token), "ok");
  auto const take_back = [&](Endpoint from, std::string_view with) {
    auto const replies =
        receive(from, dht::encode_query("un", id_of('A'), dht::UnannouncePeer{"x", 80, false, with}));
    return replies.size() == 1 && replies[0].bytes.find("1:y1:r") != std::string::npos;
  };
  EXPECT_FALSE(take_back(at(5000), "wrong"));
  EXPECT_FALSE(take_back(at(5001), token));
  Endpoint const other{IpAddress{10, 0, 0, 2}, 5000};
  EXPECT_TRUE(take_back(other, token_for(other, id_of('A'), "x")));
  EXPECT_EQ(node_->stats().peers_stored, 1u) << "another host takes back its own peer only";
  EXPECT_TRUE(take_back(at(5000), token));
  EXPECT_EQ(node_->stats().peers_stored, 0u);
  EXPECT_TRUE(take_back(at(5000), token)) << "a second try is no failure";
}

TEST_F(NodeItemsTest, takingBackAsksTheNetworkAndForgetsHere) {
  introduce(id_of('N'), at(7000));
  ASSERT_TRUE(node_->start_announce(name_of("x"), 80, now_, true));
  drain();
  (void)serve(take_all);
  EXPECT_EQ(node_->stats().services_kept, 1u);
  sent_.clear();
  ASSERT_TRUE(node_->start_unannounce(name_of("x"), 80, now_));
  EXPECT_EQ(node_->stats().services_kept, 0u);
  EXPECT_EQ(node_->stats().peers_stored, 0u);
  drain();
  auto const asked = serve([](Sent const& query) {
    dht::ReplyFields fields;
    fields.token = query.bytes.find("9:get_peers") != std::string::npos ? "token" : "";
    return dht::encode_reply(query.as<dht::Query>().tid, id_of('N'), fields);
  });
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_NE(asked[1].bytes.find("unannounce_peer"), std::string::npos);
  ASSERT_EQ(events<UnannounceDone>().size(), 1u);
  EXPECT_EQ(events<UnannounceDone>()[0].removed, 1u);
}

TEST_F(NodeItemsTest, keptServicesAreAnnouncedUntilTheirOwnerFallsSilent) {
  introduce(id_of('N'), at(7000));
  sent_.clear();
  ASSERT_TRUE(node_->start_announce(name_of("x"), 80, now_, true));
  drain();
  (void)serve(take_all);
  std::size_t announces = 0;
  std::size_t taken_back = 0;
  for (TimePoint const end = now_ + minutes{10}; now_ < end;) {
    sent_.clear();
    now_ = std::max(now_, node_->next_deadline());
    node_->expire(now_);
    drain();
    for (Sent const& query : serve(take_all)) {
      if (query.bytes.find("13:announce_peer") != std::string::npos) ++announces;
      if (query.bytes.find("15:unannounce_peer") != std::string::npos) ++taken_back;
    }
  }
  EXPECT_GE(announces, 3u);
  EXPECT_LE(announces, 4u);
  EXPECT_EQ(taken_back, 1u);
  EXPECT_EQ(events<AnnounceDone>().size(), 1u);
  EXPECT_EQ(events<UnannounceDone>().size(), 0u);
}

}  // namespace
}  // namespace grenache::grape
