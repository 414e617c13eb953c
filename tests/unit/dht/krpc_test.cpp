#include <string>

#include <gtest/gtest.h>

#include <grenache/base/random.hpp>
#include <grenache/dht/krpc.hpp>

namespace grenache::dht {
namespace {

std::string const kId(20, '\x07');
std::string const kIdField = "2:id20:" + kId;

std::string query(std::string_view method, std::string const& arguments) {
  return "d1:ad" + kIdField + arguments + "e1:q" + std::to_string(method.size()) + ":" + std::string{method} +
         "1:t2:aa1:y1:qe";
}

// "answer 203: text", "drop: text", or "fine".
std::string verdict(std::string const& bytes) {
  BencodeDocument document;
  auto const message = parse_message(bytes, document);
  if (!message) return "drop: " + message.error().message();
  if (auto const* refusal = std::get_if<Refusal>(&*message)) {
    return "answer " + std::to_string(static_cast<int>(refusal->code)) + ": " + std::string{refusal->text};
  }
  return "fine";
}

TEST(Krpc, datagramsThatKillANodeGrapeAreAnsweredOrDropped) {
  EXPECT_EQ(verdict(query("find_node", "6:targeti5e")),
            "answer 203: `find_node` missing required `a.target` field");
  EXPECT_EQ(verdict(query("get_peers", "9:info_hashi5e")),
            "answer 203: `get_peers` missing required `a.info_hash` field");
  EXPECT_EQ(verdict(query("get", "6:targeti5e")), "answer 203: `get` missing required `a.target` field");
  EXPECT_EQ(verdict(query("announce_peer", "9:info_hash1:x4:porti1e5:tokeni5e")),
            "answer 203: cannot `announce_peer` with bad token");
  EXPECT_EQ(verdict(query("put", "5:tokeni5e1:v1:x")), "answer 203: cannot `put` with bad token");
  EXPECT_EQ(verdict("d1:rd2:idi5ee1:t2:aa1:y1:re"), "drop: the reply has no body or no node id");
  EXPECT_EQ(verdict("d1:y1:qe"), "drop: the datagram is not a KRPC message");
}

TEST(Krpc, targetsHaveTwentyBytesAndNamesAnyLength) {
  EXPECT_EQ(verdict(query("find_node", "6:target20:" + kId)), "fine");
  EXPECT_EQ(verdict(query("find_node", "6:target19:" + kId.substr(1))),
            "answer 203: `find_node` missing required `a.target` field");
  for (std::size_t const size : {1u, 20u, 52u, 300u, 1024u}) {
    EXPECT_EQ(
        verdict(query("get_peers", "9:info_hash" + std::to_string(size) + ":" + std::string(size, 'x'))),
        "fine");
  }
  EXPECT_EQ(verdict(query("get_peers", "9:info_hash0:")),
            "answer 203: `get_peers` missing required `a.info_hash` field");
  EXPECT_EQ(verdict(query("get_peers", "9:info_hash1025:" + std::string(1025, 'x'))),
            "answer 203: `get_peers` missing required `a.info_hash` field");
}

TEST(Krpc, askersWithoutAUsableIdAreAnsweredButUnknown) {
  for (std::string const arguments : {"", "2:id5:short"}) {
    BencodeDocument document;
    std::string const bytes = "d1:ad" + arguments + "e1:q4:ping1:t2:aa1:y1:qe";
    auto const message = parse_message(bytes, document);
    ASSERT_TRUE(message);
    ASSERT_TRUE(std::holds_alternative<Query>(*message));
    EXPECT_FALSE(std::get<Query>(*message).sender);
  }
  EXPECT_EQ(verdict("d1:ad2:idi5ee1:q4:ping1:t2:aa1:y1:qe"), "answer 203: query with bad `a.id` field");
}

TEST(Krpc, announcementsNeedAPortOrAnImpliedOne) {
  auto const announce = [](std::string const& implied, std::string const& port) {
    return verdict(query("announce_peer", implied + "9:info_hash1:x" + port + "5:token2:xx"));
  };
  EXPECT_EQ(announce("", "4:porti1e"), "fine");
  EXPECT_EQ(announce("12:implied_porti0e", "4:porti65535e"), "fine");
  EXPECT_EQ(announce("12:implied_porti1e", ""), "fine");
  EXPECT_EQ(announce("12:implied_porti1e", "4:porti99999e"), "fine");
  for (std::string const port : {"", "4:porti0e", "4:porti-1e", "4:porti65536e"}) {
    EXPECT_EQ(announce("", port), "drop: the query lacks arguments") << port;
  }
  EXPECT_EQ(announce("", "4:port1:x"), "answer 203: `announce_peer` missing required `a.port` field");
  EXPECT_EQ(announce("12:implied_port1:x", "4:porti1e"),
            "answer 203: `announce_peer` with bad `a.implied_port` field");
}

TEST(Krpc, unknownMethodsPassOnlyWithAPlaceToLook) {
  EXPECT_EQ(verdict(query("wat", "")), "drop: the query lacks arguments");
  EXPECT_EQ(verdict(query("wat", "6:targeti5e")), "drop: the query lacks arguments");
  EXPECT_EQ(verdict(query("wat", "6:target20:" + kId)), "fine");
  EXPECT_EQ(verdict(query("wat", "9:info_hash3:abc")), "fine");
}

TEST(Krpc, repliesLoseOnlyTheirBadParts) {
  BencodeDocument document;
  std::string const bytes = "d1:rd" + kIdField +
                            "5:nodes3:xxx5:tokeni5e6:valuesl6:\x7f\x01\x01\x01\x05\x39"
                            "1:xi5eee1:t2:aa1:y1:re";
  auto const message = parse_message(bytes, document);
  ASSERT_TRUE(message);
  auto const& reply = std::get<Reply>(*message);
  EXPECT_TRUE(reply.nodes.empty());
  EXPECT_FALSE(reply.token);
  ASSERT_EQ(reply.values.size(), 1u);
  EXPECT_EQ(reply.values[0].to_string(), "127.1.1.1:1337");
}

TEST(Krpc, errorsNeedACodeAndAText) {
  EXPECT_EQ(verdict("d1:eli203e3:bade1:t2:aa1:y1:ee"), "fine");
  for (std::string const body : {"le", "li203ee", "l3:badi203ee", "i5e", "de"}) {
    EXPECT_EQ(verdict("d1:e" + body + "1:t2:aa1:y1:ee"), "drop: the error has no code or text") << body;
  }
}

TEST(Krpc, putsAndGetsKeepEveryField) {
  Put put;
  std::string const key(32, 'k');
  std::string const signature(64, 's');
  put.token = "tt";
  put.v = "li1e3:abce";
  put.k = key;
  put.sig = signature;
  put.salt = "salt";
  put.seq = 4;
  put.cas = 3;
  NodeId const id = *NodeId::from_bytes(kId);
  std::string const bytes = encode_query("aa", id, put);
  BencodeDocument document;
  auto const message = parse_message(bytes, document);
  ASSERT_TRUE(message);
  EXPECT_TRUE(document.is_canonical());
  auto const& query = std::get<Query>(*message);
  EXPECT_EQ(encode_query(query.tid, *query.sender, std::get<Put>(query.body)), bytes);
  EXPECT_EQ(verdict(encode_query("aa", id, Get{id, 7})), "fine");
}

TEST(Krpc, theOverheadOfAReplyIsAnUpperBound) {
  std::string const nodes(26 * 20, 'n');
  std::string const token(20, 't');
  std::vector<Endpoint> const values(100, Endpoint{IpAddress{1, 2, 3, 4}, 5});
  for (std::size_t const tid : {0u, 2u, 10u, 256u}) {
    ReplyFields fields;
    fields.nodes = nodes;
    fields.token = token;
    fields.values = values;
    auto const size = encode_reply(std::string(tid, 'x'), NodeId{}, fields).size();
    EXPECT_LE(size, reply_overhead(tid, token.size()) + nodes.size() + 8 * values.size());
  }
}

TEST(Krpc, namesBecomeTargetsByTheirFirstTwentyBytes) {
  EXPECT_EQ(target_of("ab").hex(), "6162" + std::string(36, '0'));
  EXPECT_EQ(target_of(std::string(30, 'x')).view(), std::string(20, 'x'));
}

TEST(Krpc, survivesDamage) {
  std::string const good =
      query("announce_peer", "12:implied_porti1e9:info_hash8:rpc_test4:porti1337e5:token20:" + kId);
  Random random{1};
  BencodeDocument document;
  int queries = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = good;
    for (std::uint64_t n = random.below(4) + 1; n > 0; --n) {
      bytes[static_cast<std::size_t>(random.below(bytes.size()))] = static_cast<char>(random.below(256));
    }
    auto const message = parse_message(bytes, document);
    auto const* read = message ? std::get_if<Query>(&*message) : nullptr;
    if (read == nullptr) continue;
    ++queries;
    EXPECT_LE(read->tid.size(), kTidSizeMax);
  }
  EXPECT_GT(queries, 1000);
}

}  // namespace
}  // namespace grenache::dht
