// Address rules (BEP 32, 42, 43, 45) and the limits of the public profile.
#include "grape/core/profile.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "grape/core/address_rules.hpp"
#include "tests/unit/grape/node_fixture.hpp"

namespace grenache::grape {
namespace {

using std::chrono::seconds;

constexpr TimePoint kNow{std::chrono::hours{1}};

Endpoint v6(std::uint8_t network, std::uint8_t host, std::uint16_t port) {
  IpAddress::V6 bytes{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, network};
  bytes[15] = host;
  return {IpAddress{bytes}, port};
}
Endpoint public_at(int network, int host, std::uint16_t port = 6881) {
  return {IpAddress{80, 1, static_cast<std::uint8_t>(network), static_cast<std::uint8_t>(host)}, port};
}
IpAddress parse(std::string_view text) { return *IpAddress::parse(text); }

TEST(NodeIdByAddress, keepsTheVectorsOfBep42) {
  struct Vector {
    std::string_view address;
    std::string_view id;
  };
  for (auto const& [address, id] : {Vector{"124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"},
                                    Vector{"21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"},
                                    Vector{"65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"},
                                    Vector{"84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"},
                                    Vector{"43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"}}) {
    auto const node_id = *NodeId::from_hex(id);
    EXPECT_TRUE(id_fits(node_id, parse(address))) << address;
    auto other = node_id;
    other.array()[0] ^= 1;
    EXPECT_FALSE(id_fits(other, parse(address))) << address;
    EXPECT_TRUE(id_fits(other, parse("192.168.1.2"))) << "private addresses may have any id";
  }
}

TEST(NodeIdByAddress, madeIdsFit) {
  Random random{5};
  std::set<NodeId> ids;
  for (auto const* address : {"8.8.8.8", "255.1.2.3", "2001:db8::1", "2a00:1450:4001::5", "10.1.1.1"}) {
    for (int i = 0; i < 20; ++i) {
      NodeId const id = fitting_id(parse(address), random);
      EXPECT_TRUE(id_fits(id, parse(address))) << address;
      ids.insert(id);
    }
  }
  EXPECT_EQ(ids.size(), 100u);
}

TEST(Addresses, martiansAndNetworks) {
  for (auto const* address : {"0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
                              "ff02::1", "::ffff:8.8.8.8"}) {
    EXPECT_TRUE(is_martian(parse(address))) << address;
  }
  for (auto const* address : {"8.8.8.8", "10.0.0.1", "2001:db8::1"}) {
    EXPECT_FALSE(is_martian(parse(address))) << address;
  }
  EXPECT_EQ(network_of(parse("1.2.3.4")), network_of(parse("1.2.3.5")));
  EXPECT_NE(network_of(parse("1.2.3.4")), network_of(parse("1.2.4.4")));
  EXPECT_EQ(network_of(parse("2001:db8::1")), network_of(parse("2001:db8::ffff:2")));
  EXPECT_NE(network_of(parse("2001:db8::1")), network_of(parse("2001:db8:0:1::1")));
}

TEST(ExternalAddress, needsManyNetworksThatAgree) {
  ExternalAddress external{{}};
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(external.vote(public_at(1, i).address, parse("6.6.6.6"))) << "one network has one vote";
  }
  std::size_t votes = 1;
  std::optional<IpAddress> agreed;
  for (int i = 2; i < 40 && !agreed; ++i, ++votes) {
    agreed = external.vote(public_at(i, 1).address, parse("9.9.9.9"));
  }
  EXPECT_EQ(agreed, parse("9.9.9.9"));
  EXPECT_GE(votes, 9u);
  EXPECT_FALSE(external.vote(public_at(50, 1).address, parse("9.9.9.9"))) << "no news";
}

TEST(Profile, isNamed) {
  EXPECT_EQ(parse_profile("cluster"), Profile::cluster);
  EXPECT_EQ(parse_profile("public"), Profile::public_network);
  EXPECT_FALSE(parse_profile("private"));
}

TEST(PublicTable, hasOneNodeOfAnAddressAndOneOfANetworkInABucket) {
  Random random{1};
  NodeId own;
  RoutingTable table{own, options_of(Profile::public_network).table};
  auto const id = [&](std::uint8_t first) {
    NodeId made = NodeId::random(random);
    made.array()[0] = first;
    return made;
  };
  EXPECT_TRUE(table.answered({id(0x80), public_at(1, 1)}, kNow));
  EXPECT_FALSE(table.answered({id(0x81), public_at(1, 2)}, kNow)) << "the same /24 and bucket";
  EXPECT_FALSE(table.on_query_from({id(0x82), public_at(1, 3)}, kNow)) << "not worth a ping";
  EXPECT_TRUE(table.answered({id(0x83), public_at(2, 1)}, kNow));
  // Fills the far bucket, so that it splits.
  for (int i = 3; i < 9; ++i) EXPECT_TRUE(table.answered({id(0x90), public_at(i, 1)}, kNow));
  EXPECT_TRUE(table.answered({id(0x01), public_at(9, 1)}, kNow));
  EXPECT_TRUE(table.answered({id(0x01), public_at(1, 7)}, kNow)) << "the same /24 in another bucket";
  EXPECT_FALSE(table.answered({id(0x02), public_at(2, 1, 999)}, kNow)) << "the same address";
  table.check();
}

TEST(PublicTable, prefersIdsThatFitTheirAddress) {
  Random random{1};
  NodeId own;
  own.array()[0] = 0xff;  // no other id shares a bit with it
  RoutingTable table{own, options_of(Profile::public_network).table};
  auto const fits = [&](int network) {
    dht::Contact contact{fitting_id(public_at(network, 1).address, random), public_at(network, 1)};
    while ((contact.id.array()[0] & 0x80) != 0) {
      contact.endpoint.address =
          IpAddress{80, static_cast<std::uint8_t>(random.below(256)), static_cast<std::uint8_t>(network), 1};
      contact.id = fitting_id(contact.endpoint.address, random);
    }
    return contact;
  };
  for (int i = 0; i < 8; ++i) {
    NodeId id = NodeId::random(random);
    id.array()[0] &= 0x7f;
    ASSERT_TRUE(table.answered({id, public_at(i, 1)}, kNow));
  }
  NodeId far = NodeId::random(random);
  far.array()[0] &= 0x7f;
  EXPECT_FALSE(table.answered({far, public_at(100, 1)}, kNow)) << "full";
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(table.answered(fits(110 + i), kNow));
  EXPECT_FALSE(table.answered(fits(120), kNow)) << "all fit";
  table.check();
}

TEST(PublicLookup, asksOneNodeOfANetworkAndStoresWhereIdsFit) {
  Random random{1};
  auto options = options_of(Profile::public_network).service.search.lookup;
  options.k = 2;
  Lookup lookup{NodeId{}, NodeId::random(random), options};
  dht::Contact const misfit{NodeId::random(random), public_at(1, 1)};
  lookup.add(misfit);
  lookup.add({NodeId::random(random), public_at(1, 2)});
  std::vector<dht::Contact> good;
  for (int i = 2; i < 4; ++i) {
    good.push_back({fitting_id(public_at(i, 1).address, random), public_at(i, 1)});
    lookup.add(good.back());
  }
  std::vector<dht::Contact> asked;
  for (int i = 0; i < 3; ++i) {
    while (auto const node = lookup.next()) asked.push_back(*node);
  }
  for (dht::Contact const& node : asked) lookup.answered(node, "token");
  EXPECT_EQ(asked.size(), 3u);
  EXPECT_EQ(lookup.store_targets().size(), 2u);
  for (auto const& target : lookup.store_targets()) EXPECT_NE(target.node, misfit);
}

TEST_F(NodeTest, thePublicProfileDropsMartiansAndSlowsFloods) {
  NodeOptions const options = options_of(Profile::public_network);
  reset(options);
  std::string const ping = dht::encode_query("aa", id_of('x'), dht::Ping{});
  EXPECT_TRUE(receive({IpAddress{127, 0, 0, 1}, 1}, ping).empty());
  std::size_t answers = 0;
  for (int i = 0; i < 1000; ++i) {
    answers += receive(public_at(1, 1), ping).size();
    now_ += std::chrono::milliseconds{10};
  }
  EXPECT_GE(answers, 50u);
  EXPECT_LE(answers, 110u);
  EXPECT_EQ(receive(public_at(2, 1), ping).size(), 1u);
}

TEST_F(NodeTest, inThePublicProfileNobodyLeadsANodeToItsOwnHost) {
  reset(options_of(Profile::public_network));
  Endpoint const liar = public_at(1, 1);
  introduce(id_of('L'), liar);
  sent_.clear();
  ASSERT_TRUE(node_->start_lookup(name_of("x"), now_));
  drain();
  ASSERT_EQ(queries().size(), 1u);
  Endpoint const local{IpAddress{127, 0, 0, 1}, 6379};
  Endpoint const far = public_at(2, 1);
  std::string nodes;
  append_compact(nodes, dht::Contact{id_of('x'), local});
  append_compact(nodes, dht::Contact{id_of('y'), far});
  std::vector<Endpoint> const values{local, far};
  dht::ReplyFields fields;
  fields.nodes = nodes;
  fields.values = values;
  (void)receive(liar, dht::encode_reply(queries()[0].as<dht::Query>().tid, id_of('L'), fields));
  ASSERT_EQ(queries().size(), 1u);
  EXPECT_EQ(queries()[0].to, far);
  (void)receive(far, dht::encode_reply(queries()[0].as<dht::Query>().tid, id_of('y'), {}));
  ASSERT_EQ(events<LookupDone>().size(), 1u);
  EXPECT_EQ(events<LookupDone>()[0].peers, std::vector<Endpoint>{far});
}

TEST_F(NodeTest, whoSaysWhatItIsHearsItsAddress) {
  dht::QueryExtras extras;
  EXPECT_EQ(receive(at(9), dht::encode_query("aa", id_of('x'), dht::Ping{}, extras))[0].bytes.substr(0, 4),
            "d1:r");
  extras.version = "XX01";
  auto const replies = receive(at(9), dht::encode_query("aa", id_of('x'), dht::Ping{}, extras));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].as<dht::Reply>().ip, at(9));
}

TEST_F(NodeTest, takesAnIdThatFitsTheAddressThatOthersSee) {
  NodeOptions options = options_of(Profile::public_network);
  reset(options);
  NodeId const before = node_->id();
  for (int i = 1; i <= 20; ++i) {
    auto const id_of_network = [](char network) {
      std::string bytes(NodeId::kSize, 'N');
      bytes.front() = static_cast<char>(network * 12);
      bytes.back() = network;
      return *NodeId::from_bytes(bytes);
    };
    NodeId const id = id_of_network(static_cast<char>(i));
    (void)receive(public_at(i, 1), dht::encode_query("in", id, dht::Ping{}));
    for (Sent const& ping : queries()) {
      dht::ReplyFields fields;
      fields.ip = Endpoint{parse("9.9.9.9"), 20001};
      NodeId const answerer = id_of_network(ping.to.address.view()[2]);
      EXPECT_TRUE(ping.as<dht::Query>().has_version);
      (void)receive(ping.to, dht::encode_reply(ping.as<dht::Query>().tid, answerer, fields));
    }
  }
  ASSERT_EQ(events<IdChanged>().size(), 1u);
  EXPECT_EQ(events<IdChanged>()[0].address, parse("9.9.9.9"));
  EXPECT_NE(node_->id(), before);
  EXPECT_TRUE(id_fits(node_->id(), parse("9.9.9.9")));
  EXPECT_GT(node_->node_count(), 0u) << "it still knows the others";
}

TEST_F(NodeTest, startsWithAnIdThatFitsItsAddress) {
  NodeOptions options;
  options.own_address = parse("9.9.9.9");
  EXPECT_TRUE(id_fits(Node(options, Random{1}).id(), parse("9.9.9.9")));
  options.id = id_of('x');
  EXPECT_EQ(Node(options, Random{1}).id(), id_of('x'));
}

TEST_F(NodeTest, aReadOnlyNodeAnswersNothingAndSaysSo) {
  NodeOptions options;
  options.read_only = true;
  reset(options);
  EXPECT_TRUE(receive(at(9), dht::encode_query("aa", id_of('x'), dht::Ping{})).empty());
  EXPECT_TRUE(receive(at(9), dht::encode_query("aa", id_of('x'), dht::GetPeers{"x"})).empty());
  sent_.clear();
  node_->bootstrap({at(7000)}, now_);
  drain();
  ASSERT_EQ(queries().size(), 1u);
  EXPECT_TRUE(queries()[0].as<dht::Query>().read_only);
}

TEST_F(NodeTest, readOnlyNodesAreAnsweredButNotPinged) {
  dht::QueryExtras extras;
  extras.read_only = true;
  EXPECT_EQ(receive(at(9), dht::encode_query("aa", id_of('x'), dht::Ping{}, extras)).size(), 1u);
  EXPECT_TRUE(queries().empty());
  EXPECT_EQ(node_->stats().replacements, 0u);
}

TEST_F(NodeTest, aNodeWithTwoAddressesCountsOnce) {
  introduce(id_of('N'), at(7000));
  introduce(id_of('N'), {IpAddress{10, 0, 0, 2}, 7000});
  EXPECT_EQ(node_->node_count(), 1u);
  auto const replies = receive(at(9), dht::encode_query("aa", id_of('x'), dht::FindNode{id_of('N')}));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].as<dht::Reply>().nodes.at(0), (dht::Contact{id_of('N'), at(7000)}));
}

class DualNodeTest : public NodeTest {
 protected:
  DualNodeTest() {
    NodeOptions options;
    options.ipv6 = true;
    options.rate.public_per_second = 0;
    reset(options);
  }
};

TEST_F(DualNodeTest, keepsTwoTablesAndAnswersFromTheOneThatIsWanted) {
  introduce(id_of('N'), at(7000));
  introduce(id_of('M'), v6(1, 1, 7000));
  EXPECT_EQ(node_->node_count(), 2u);
  auto const find = [&](Endpoint from, std::optional<dht::Want> want) {
    dht::QueryExtras extras;
    extras.want = want;
    auto const replies =
        receive(from, dht::encode_query("aa", id_of('x'), dht::FindNode{id_of('x')}, extras));
    EXPECT_EQ(replies.size(), 1u);
    auto const reply = replies.at(0).as<dht::Reply>();
    return std::pair{reply.nodes.size(), reply.nodes6.size()};
  };
  EXPECT_EQ(find(at(9), {}), std::pair(std::size_t{1}, std::size_t{0}));
  EXPECT_EQ(find(v6(2, 2, 9), {}), std::pair(std::size_t{0}, std::size_t{1}));
  EXPECT_EQ(find(at(9), dht::Want{true, true}), std::pair(std::size_t{1}, std::size_t{1}));
  EXPECT_EQ(find(v6(2, 2, 9), dht::Want{true, false}), std::pair(std::size_t{1}, std::size_t{0}));
}

TEST_F(DualNodeTest, showsPeersOfTheAskersFamily) {
  ASSERT_EQ(announce(at(5000), id_of('A'), "x", 80, token_for(at(5000), id_of('A'), "x")), "ok");
  ASSERT_EQ(announce(v6(1, 1, 5000), id_of('B'), "x", 81, token_for(v6(1, 1, 5000), id_of('B'), "x")), "ok");
  auto const ask = [&](Endpoint from) {
    auto const replies = receive(from, dht::encode_query("aa", id_of('x'), dht::GetPeers{"x"}));
    return replies.at(0).as<dht::Reply>().values;
  };
  EXPECT_EQ(ask(at(9)), std::vector<Endpoint>{at(80)});
  EXPECT_EQ(ask(v6(2, 2, 9)), std::vector<Endpoint>{v6(1, 1, 81)});
  std::string const token = token_for(v6(1, 1, 5000), id_of('B'), "x");
  for (std::uint16_t port = 1; port < 500; ++port) {
    ASSERT_EQ(announce(v6(1, 1, 5000), id_of('B'), "x", port, token), "ok");
  }
  auto const replies =
      receive(v6(2, 2, 9), dht::encode_query(std::string(256, 't'), id_of('x'), dht::GetPeers{"x"}));
  EXPECT_LE(replies.at(0).bytes.size(), 1400u);
}

TEST_F(DualNodeTest, searchesBothNetworksAndUnitesWhatTheySay) {
  introduce(id_of('N'), at(7000));
  introduce(id_of('M'), v6(1, 1, 7000));
  sent_.clear();
  ASSERT_TRUE(node_->start_announce(name_of("x"), 80, now_));
  ASSERT_TRUE(node_->start_lookup(name_of("x"), now_));
  drain();
  auto const asked = queries();
  ASSERT_EQ(asked.size(), 2u);
  std::size_t announces = 0;
  for (Sent const& query : asked) {
    bool const six = query.to.address.is_v6();
    EXPECT_TRUE(query.as<dht::Query>().want && query.as<dht::Query>().want->n6);
    dht::ReplyFields fields;
    fields.token = "token";
    std::vector<Endpoint> const values{six ? v6(9, 9, 90) : at(90)};
    fields.values = values;
    (void)receive(query.to, dht::encode_reply(query.as<dht::Query>().tid, id_of(six ? 'M' : 'N'), fields));
    announces += queries().size();
  }
  EXPECT_EQ(announces, 2u);
  ASSERT_EQ(events<LookupDone>().size(), 1u);
  auto const peers = events<LookupDone>()[0].peers;
  EXPECT_NE(std::ranges::find(peers, v6(9, 9, 90)), peers.end());
  EXPECT_NE(std::ranges::find(peers, at(90)), peers.end());
}

TEST_F(NodeTest, aNodeOfOneFamilyHearsNoOther) {
  EXPECT_TRUE(receive(v6(1, 1, 9), dht::encode_query("aa", id_of('x'), dht::Ping{})).empty());
  EXPECT_EQ(node_->stats().dropped[static_cast<std::size_t>(DropReason::bad_source)], 1u);
}

}  // namespace
}  // namespace grenache::grape
