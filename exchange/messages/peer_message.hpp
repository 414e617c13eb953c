// Messages about peers: who answers at an endpoint, and where others listen.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/messages/message_header.hpp"
#include <grenache/base/ids.hpp>

namespace grenache::exchange {

struct PingPongMessage {
  static constexpr std::string_view kType = "PingPongMessage";
  MessageHeader header;
  bool is_pong = false;
  std::optional<PeerId> peer;  // the sender; none: the original does not send it
  std::string instance;        // hex, random per process, so that a process recognises its own ping
  std::string name;            // at most kPeerNameSizeMax bytes
};
[[nodiscard]] json::Value to_json(PingPongMessage const& message);
[[nodiscard]] Result<PingPongMessage> parse_pong(json::Value const& body);

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
