#include "exchange/messages/peer_message.hpp"

#include <algorithm>
#include <tuple>

#include "exchange/messages/fields.hpp"
#include <grenache/base/check.hpp>
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::exchange {

using namespace fields;

namespace {

constexpr std::size_t kInstanceSizeMax = 32;
constexpr std::string_view kPongDomain = "grenache/exchange/pong/1:";

}  // namespace

Result<void> fields::read_members(Value const& body, PingPongMessage& out) {
  auto const* const message = body.find_string("message");
  if (!message || (*message != "ping" && *message != "pong")) return MessageErrc::bad_ping;
  out.is_pong = *message == "pong";
  if (!is_missing(body.find("peer"))) {
    auto const peer = parse_key(body, "peer");
    if (!peer) return peer.error();
    out.peer = *peer;
  }
  for (auto const& [name, size_max, target] : {std::tuple{"name", kPeerNameSizeMax, &out.name},
                                               std::tuple{"instance", kInstanceSizeMax, &out.instance}}) {
    if (is_missing(body.find(name))) continue;
    auto const* const text = body.find_string(name);
    if (!text || text->size() > size_max) return MessageErrc::bad_ping;
    *target = *text;
  }
  if (!is_missing(body.find("nonce"))) {
    out.nonce = find_hex<PingNonce>(body, "nonce");
    if (!out.nonce) return MessageErrc::bad_ping;
  }
  if (!is_missing(body.find("signature"))) {
    auto const* const endpoint = body.find_string("endpoint");
    if (!endpoint || !is_endpoint(*endpoint)) return MessageErrc::bad_endpoint;
    auto const signature = parse_signature(body);
    if (!signature) return signature.error();
    out.proof = PongProof{*endpoint, *signature};
  }
  if (auto const* const text = body.find_string("wanted")) out.wanted = parse_makers(*text);
  if (auto const* const items = body.find("heartbeats")) out.heartbeats = parse_heartbeats(*items);
  return {};
}

Value to_json(PingPongMessage const& message) {
  auto out = begin(PingPongMessage::kType, message.header);
  add(out, "message", message.is_pong ? "pong" : "ping");
  if (message.peer) add(out, "peer", message.peer->hex());
  if (!message.instance.empty()) add(out, "instance", message.instance);
  if (!message.name.empty()) add(out, "name", message.name);
  if (message.nonce) add(out, "nonce", message.nonce->hex());
  if (message.proof) {
    add(out, "endpoint", message.proof->endpoint);
    add(out, "signature", message.proof->signature.hex());
  }
  if (!message.wanted.empty()) add(out, "wanted", makers_to_text(message.wanted));
  if (!message.heartbeats.empty()) add(out, "heartbeats", heartbeats_to_json(message.heartbeats));
  return out;
}

Sha256 pong_digest(PingPongMessage const& pong, PingNonce const& nonce) {
  GRN_CHECK(pong.peer && pong.proof);
  dht::BencodeWriter out{std::string{kPongDomain}};
  out.begin_dict();
  out.string("endpoint", pong.proof->endpoint);
  out.string("instance", pong.instance);
  out.string("nonce", nonce.view());
  out.string("peer", pong.peer->view());
  out.end();
  return sha256(out.view());
}

void sign_pong(PingPongMessage& pong, PingNonce const& nonce, std::string endpoint, SecretKey const& key) {
  pong.peer = key.public_key();
  pong.proof = PongProof{std::move(endpoint), {}};
  pong.proof->signature = key.sign(pong_digest(pong, nonce));
}

bool is_proven(PingPongMessage const& pong, PingNonce const& nonce, std::string_view endpoint) {
  return pong.peer && pong.proof && pong.proof->endpoint == endpoint &&
         verify(*pong.peer, pong_digest(pong, nonce), pong.proof->signature);
}

Result<PingPongMessage> parse_pong(Value const& body) {
  auto out = parse_answer<PingPongMessage>(body);
  if (out && !out->is_pong) return MessageErrc::bad_answer;
  return out;
}

Result<void> fields::read_members(Value const& body, GetPeersMessage& out) {
  if (is_missing(body.find("endpoint"))) return {};
  auto const* const endpoint = body.find_string("endpoint");
  if (!endpoint || !is_endpoint(*endpoint)) return MessageErrc::bad_endpoint;
  out.endpoint = *endpoint;
  return {};
}

Value to_json(GetPeersMessage const& message) {
  auto out = begin(GetPeersMessage::kType, message.header);
  if (!message.endpoint.empty()) add(out, "endpoint", message.endpoint);
  return out;
}

Value endpoints_to_json(std::span<std::string const> endpoints) {
  auto const first = endpoints.first(std::min(endpoints.size(), kPeerEndpointsMax));
  return Value::Array(first.begin(), first.end());
}

Result<EndpointList> parse_endpoints(Value const& body) {
  auto const* const items = body.as_array();
  if (!items) return make_error_code(MessageErrc::bad_answer);
  EndpointList out;
  for (auto const& item : *items) {
    auto const* const text = item.as_string();
    bool const fits = text && out.endpoints.size() < kPeerEndpointsMax && is_endpoint(*text);
    if (fits && std::ranges::find(out.endpoints, *text) == out.endpoints.end()) {
      out.endpoints.push_back(*text);
    } else {
      ++out.dropped;
    }
  }
  return out;
}

}  // namespace grenache::exchange
