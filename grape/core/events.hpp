// The events that a node emits, as plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/dht/item.hpp>
#include <grenache/dht/krpc.hpp>

namespace grenache::grape {

/// Identifies one request (start_lookup(), start_announce(), …); a node never reuses an id.
enum class RequestId : std::uint64_t {};

/// Bootstrapping has ended: the nodes nearest to us are known, or no node answered in time, or there are no
/// bootstrap addresses. Emitted once.
struct Ready {};
/// A node was added to the routing table.
struct NodeAdded {
  Endpoint endpoint;
  NodeId id;
};
/// A running lookup found a peer of its service. Emitted before the LookupDone.
struct PeerFound {
  dht::ServiceKey name;
  Endpoint peer;
};
/// A remote node stored a peer at this node, or refreshed one.
struct AnnounceStored {
  dht::ServiceKey name;
  Endpoint peer;
};
/// A lookup has ended. `peers` holds at most 100, in random order.
struct LookupDone {
  RequestId id{};
  dht::ServiceKey name;
  std::vector<Endpoint> peers;
};
/// An announcement has ended: `stored` nodes hold it, this one not counted.
struct AnnounceDone {
  RequestId id{};
  dht::ServiceKey name;
  std::size_t stored = 0;
};
/// An unannounce has ended: `removed` other nodes confirmed it. Nodes that still hold the service drop it
/// when it expires.
struct UnannounceDone {
  RequestId id{};
  dht::ServiceKey name;
  std::size_t removed = 0;
};
/// A get has ended. `from` and `token` are those of the reply that held the item, as Grape reports them; an
/// item from our own store has our own id and no token.
struct GetDone {
  RequestId id{};
  NodeId target;
  std::optional<dht::Item> item;
  NodeId from;
  std::string token;
};
/// Why a put was refused (BEP 44): code 301 or 302, with the text of the node that refused it.
struct PutRefusal {
  std::int64_t code = 0;
  std::string text;
};
/// A put has ended: `stored` other nodes hold the item. It failed when `stored` is 0 and there is a refusal.
struct PutDone {
  RequestId id{};
  NodeId target;
  std::size_t stored = 0;
  std::optional<PutRefusal> refusal;
};
/// The node changed its id to one that fits `address`, the external address that enough other nodes reported
/// (BEP 42).
struct IdChanged {
  NodeId id;
  IpAddress address;
};
/// A condition that the operator should know about.
struct Warning {
  std::string text;
};

using Event = std::variant<Ready, NodeAdded, PeerFound, AnnounceStored, LookupDone, AnnounceDone,
                           UnannounceDone, GetDone, PutDone, IdChanged, Warning>;

}  // namespace grenache::grape
