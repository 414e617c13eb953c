// A fixture with one node and helpers for hand-made datagrams.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "grape/core/node.hpp"
#include <grenache/dht/bencode.hpp>

namespace grenache::grape {

inline Endpoint at(std::uint16_t port) { return {IpAddress{10, 0, 0, 1}, port}; }
inline NodeId id_of(char c) { return *NodeId::from_bytes(std::string(20, c)); }
inline dht::ServiceKey name_of(std::string_view text) { return *dht::ServiceKey::from_bytes(text); }

// A message sent by the node, with the document that it points into.
struct Sent {
  Endpoint to;
  std::string bytes;
  std::shared_ptr<dht::BencodeDocument> document = std::make_shared<dht::BencodeDocument>();
  template <class Body>
  [[nodiscard]] Body as() const {
    auto const message = dht::parse_message(bytes, *document);
    EXPECT_TRUE(message && std::holds_alternative<Body>(*message)) << bytes;
    return message && std::holds_alternative<Body>(*message) ? std::get<Body>(*message) : Body{};
  }
};

class NodeTest : public testing::Test {
 protected:
  NodeTest() { reset({}); }

  void reset(NodeOptions options) {
    options.id = id_of('O');
    options.port = 20001;
    node_ = std::make_unique<Node>(options, Random{1});
    node_->expire(now_);
    node_->bootstrap({}, now_);
    drain();
  }

  void drain() {
    while (auto output = node_->poll_output()) {
      if (auto* datagram = std::get_if<Datagram>(&*output)) {
        sent_.push_back({datagram->to, std::move(datagram->bytes)});
      } else {
        events_.push_back(std::get<Event>(*output));
      }
    }
    node_->check();
  }

  // Passes a datagram of `from` to the node; returns what the node sends to `from`, except its own queries.
  std::vector<Sent> receive(Endpoint from, std::string const& bytes) {
    sent_.clear();
    node_->receive(from, bytes, now_);
    drain();
    std::vector<Sent> replies;
    for (Sent& sent : sent_) {
      dht::BencodeDocument document;
      auto const message = dht::parse_message(sent.bytes, document);
      if (message && std::holds_alternative<dht::Query>(*message)) continue;
      replies.push_back(sent);
    }
    return replies;
  }

  // The queries in the last output.
  std::vector<Sent> queries() {
    std::vector<Sent> result;
    for (Sent& sent : sent_) {
      dht::BencodeDocument document;
      auto const message = dht::parse_message(sent.bytes, document);
      if (message && std::holds_alternative<dht::Query>(*message)) result.push_back(sent);
    }
    return result;
  }

  // Adds `id` at `from` to the routing table: it sends a query, is pinged, and answers.
  void introduce(NodeId const& id, Endpoint from) {
    (void)receive(from, dht::encode_query("in", id, dht::Ping{}));
    for (Sent const& ping : queries())
      (void)receive(from, dht::encode_reply(ping.as<dht::Query>().tid, id, {}));
  }

  std::string token_for(Endpoint from, NodeId const& id, std::string_view key) {
    auto const replies = receive(from, dht::encode_query("gp", id, dht::GetPeers{key}));
    return replies.empty() ? "" : std::string{replies[0].as<dht::Reply>().token.value_or("")};
  }
  // "ok", or the text of the error.
  std::string announce(Endpoint from, NodeId const& id, std::string_view key, std::uint16_t port,
                       std::string const& token) {
    auto const replies =
        receive(from, dht::encode_query("an", id, dht::AnnouncePeer{key, port, false, token}));
    if (replies.size() != 1) return "no answer";
    if (replies[0].bytes.find("1:y1:e") == std::string::npos) return "ok";
    return std::string{replies[0].as<dht::ErrorReply>().text};
  }

  template <class E>
  std::vector<E> events() const {
    std::vector<E> result;
    for (Event const& event : events_) {
      if (auto const* wanted = std::get_if<E>(&event)) result.push_back(*wanted);
    }
    return result;
  }

  TimePoint now_{std::chrono::hours{5}};
  std::unique_ptr<Node> node_;
  std::vector<Sent> sent_;
  std::vector<Event> events_;
};

}  // namespace grenache::grape
