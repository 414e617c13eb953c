// Messages about peers: who answers at an endpoint, and where others listen.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/messages/heartbeat.hpp"
#include "exchange/messages/message_header.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/base/ids.hpp>

namespace grenache::exchange {

/// Random bytes of a ping, which its pong signs.
using PingNonce = FixedBytes<struct PingNonceTag, 16>;

/// Proves who answers a ping: only the holder of the key can sign the nonce, and the endpoint keeps another
/// peer from passing the signature on as its own.
struct PongProof {
  std::string endpoint;  // host:port where the signer says that it listens
  Signature signature;   // of the `peer` of the pong, over pong_digest()
};

struct PingPongMessage {
  static constexpr std::string_view kType = "PingPongMessage";
  MessageHeader header;
  bool is_pong = false;
  std::optional<PeerId> peer;           // the sender; none: the original does not send it
  std::string instance;                 // hex, random per process, so that a process recognises its own ping
  std::string name;                     // at most kPeerNameSizeMax bytes
  std::optional<PingNonce> nonce{};     // of a ping that asks for a proof
  std::optional<PongProof> proof{};     // of the pong to such a ping
  std::vector<PeerId> wanted{};         // of a ping: makers whose heartbeats it asks for; kHeartbeatsMax
  std::vector<Heartbeat> heartbeats{};  // of a pong: of its sender, and of what was asked for; kHeartbeatsMax
};
[[nodiscard]] json::Value to_json(PingPongMessage const& message);
[[nodiscard]] Result<PingPongMessage> parse_pong(json::Value const& body);

/// SHA-256 of "grenache/exchange/pong/1:" and the bencoded dictionary of endpoint, instance, nonce, peer
/// (nonce and peer as raw bytes). The pong has a peer and a proof.
[[nodiscard]] Sha256 pong_digest(PingPongMessage const& pong, PingNonce const& nonce);
/// Sets peer and proof; `endpoint` is where the signer listens.
void sign_pong(PingPongMessage& pong, PingNonce const& nonce, std::string endpoint, SecretKey const& key);
/// True when the peer of the pong has signed `nonce` and `endpoint`.
[[nodiscard]] bool is_proven(PingPongMessage const& pong, PingNonce const& nonce, std::string_view endpoint);

/// Tells where the sender listens, and asks for endpoints of other peers.
struct GetPeersMessage {
  static constexpr std::string_view kType = "GetPeersMessage";
  MessageHeader header;
  std::string endpoint;  // host:port of the sender, a hint; empty if it names none
};
[[nodiscard]] json::Value to_json(GetPeersMessage const& message);

/// The answer to GetPeersMessage, an array of host:port. Only the first kPeerEndpointsMax are written.
[[nodiscard]] json::Value endpoints_to_json(std::span<std::string const> endpoints);

struct EndpointList {
  std::vector<std::string> endpoints;  // host:port, each once; hints
  std::size_t dropped = 0;             // malformed, repeated, or beyond kPeerEndpointsMax
};
/// Parses the answer to GetPeersMessage. Malformed items are skipped and counted. Errors: bad_answer if it is
/// not an array.
[[nodiscard]] Result<EndpointList> parse_endpoints(json::Value const& body);

}  // namespace grenache::exchange
