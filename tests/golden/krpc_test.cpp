// tests/golden/krpc.json was recorded from npm grenache-grape 1.0.0 on Node 20: `trace` is every datagram
// between three grapes through announce, lookup, put and get, `probes` single datagrams and the answers.
#include <fstream>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "grape/core/node.hpp"
#include <grenache/base/hex.hpp>
#include <grenache/dht/bencode_writer.hpp>
#include <grenache/dht/item.hpp>
#include <grenache/dht/krpc.hpp>
#include <grenache/json/json.hpp>

namespace grenache {
namespace {

using dht::BencodeDocument;
using grape::Node;

json::Value const& recording() {
  static json::Value const value = [] {
    std::ifstream file{GRENACHE_GOLDEN_KRPC};
    std::ostringstream text;
    text << file.rdbuf();
    auto parsed = json::parse(text.str());
    return parsed ? *parsed : json::Value{};
  }();
  return value;
}

std::string encode(dht::Query const& query) {
  return std::visit(
      [&](auto const& body) -> std::string {
        if constexpr (std::is_same_v<std::decay_t<decltype(body)>, dht::UnknownQuery>) {
          return "";
        } else {
          return dht::encode_query(query.tid, query.sender.value_or(NodeId{}), body);
        }
      },
      query.body);
}

std::string encode(dht::Reply const& reply) {
  dht::ReplyFields fields;
  fields.nodes = reply.nodes.view();
  fields.nodes6 = reply.nodes6.view();
  fields.token = reply.token.value_or("");
  fields.values = reply.values;
  fields.v = reply.v.value_or("");
  fields.k = reply.k.value_or("");
  fields.sig = reply.sig.value_or("");
  fields.seq = reply.seq;
  return dht::encode_reply(reply.tid, reply.sender, fields);
}

std::string encode(dht::ErrorReply const& error) {
  return dht::encode_error(error.tid, static_cast<dht::KrpcCode>(error.code), error.text);
}

std::string encode(dht::Refusal const&) { return ""; }

TEST(KrpcGolden, everyRecordedDatagramIsReadAndWrittenAgainAsItWas) {
  json::Value const* trace = recording().find("trace");
  ASSERT_NE(trace, nullptr);
  ASSERT_NE(trace->as_array(), nullptr);
  std::size_t datagrams = 0;
  for (json::Value const& item : *trace->as_array()) {
    std::string const* hex = item.find_string("hex");
    if (hex == nullptr) continue;
    auto const bytes = from_hex(*hex);
    ASSERT_TRUE(bytes);
    BencodeDocument document;
    auto const message = dht::parse_message(*bytes, document);
    ASSERT_TRUE(message) << message.error().message() << ": " << *hex;
    EXPECT_EQ(to_hex(std::visit([](auto const& body) { return encode(body); }, *message)), *hex);
    EXPECT_TRUE(document.is_canonical());
    ++datagrams;
  }
  EXPECT_EQ(datagrams, 55u);
}

// A node that replaces the recorded one: it has the same id and knows the same three nodes.
class Probe {
 public:
  Probe() : node_{options(), Random{1}} {
    node_.expire(now_);
    node_.bootstrap({{IpAddress{127, 0, 0, 1}, 20002}, {IpAddress{127, 0, 0, 1}, 20003}}, now_);
    answer_all();
  }

  // The items put on the recorded node before.
  void put(std::string_view text) {
    dht::BencodeWriter writer;
    writer.string(text);
    auto const item = dht::Item::immutable(writer.view());
    ASSERT_TRUE(item);
    ASSERT_TRUE(node_.start_put(*item, now_));
    answer_all();
  }

  // Returns the answers to a datagram, without pings of its sender.
  std::vector<std::string> ask(std::string const& bytes) {
    std::vector<std::string> replies;
    node_.receive({IpAddress{127, 0, 0, 1}, 20009}, bytes, now_);
    while (auto const output = node_.poll_output()) {
      auto const* datagram = std::get_if<grape::Datagram>(&*output);
      if (datagram == nullptr) continue;
      BencodeDocument document;
      auto const message = dht::parse_message(datagram->bytes, document);
      if (message && std::holds_alternative<dht::Query>(*message)) continue;
      replies.push_back(datagram->bytes);
    }
    node_.check();
    return replies;
  }

 private:
  static grape::NodeOptions options() {
    grape::NodeOptions options;
    options.id = NodeId::from_hex("33003b531a1b48a6953052d856684f6f20c1bc18");
    return options;
  }

  // The two other nodes answer every query with their ids, until there are no more.
  void answer_all() {
    for (int quiet = 0; quiet < 2;) {
      auto const output = node_.poll_output();
      if (!output) {
        ++quiet;
        continue;
      }
      auto const* datagram = std::get_if<grape::Datagram>(&*output);
      if (datagram == nullptr) continue;
      BencodeDocument document;
      auto const message = dht::parse_message(datagram->bytes, document);
      auto const* query = message ? std::get_if<dht::Query>(&*message) : nullptr;
      if (query == nullptr) continue;
      auto const id =
          NodeId::from_hex(datagram->to.port == 20002 ? "c628a694b49f950b313697ab6d277a4c2ab79722"
                                                      : "e2806152c546aee65a2242b79464c9ab41e1df2f");
      node_.receive(datagram->to, dht::encode_reply(query->tid, *id, {}), now_);
    }
  }

  TimePoint now_{std::chrono::hours{1}};
  Node node_;
};

// The part of a reply that is independent of tokens and of the choice of nodes.
std::string shape(std::string const& bytes, bool with_nodes) {
  BencodeDocument document;
  auto const message = dht::parse_message(bytes, document);
  if (!message || !std::holds_alternative<dht::Reply>(*message)) return bytes;
  auto const& reply = std::get<dht::Reply>(*message);
  std::string text = "reply " + to_hex(reply.tid) + " id " + reply.sender.hex();
  if (with_nodes && !reply.nodes.empty()) text += " nodes";
  if (reply.v) text += " v " + std::string{*reply.v};
  if (reply.token) text += " token";  // BEP 5 does not define its length: 20 bytes in Node.js, 16 in ours
  if (reply.has_values) text += " values";
  return text;
}

TEST(KrpcGolden, probesAreAnsweredAsNodeAnswersThem) {
  json::Value const* probes = recording().find("probes");
  ASSERT_NE(probes, nullptr);
  ASSERT_NE(probes->as_object(), nullptr);
  EXPECT_EQ(probes->as_object()->size(), 21u);
  Probe probe;
  probe.put("hello world");
  for (auto const& [name, item] : *probes->as_object()) {
    SCOPED_TRACE(name);
    // The recorded node returns an item without nodes.
    bool const with_nodes = name != "get";
    auto const query = from_hex(*item.find_string("query"));
    std::vector<std::string> wanted;
    for (json::Value const& reply : *item.find("replies")->as_array()) {
      wanted.push_back(shape(*from_hex(*reply.as_string()), with_nodes));
    }
    std::vector<std::string> got;
    for (std::string const& reply : probe.ask(*query)) got.push_back(shape(reply, with_nodes));
    EXPECT_EQ(got, wanted);
  }
}

}  // namespace
}  // namespace grenache
