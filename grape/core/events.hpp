// What a node has to tell, as plain values.
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

/// Names one request (start_lookup(), start_announce(), …); never used twice by a node.
enum class RequestId : std::uint64_t {};

/// Bootstrapping is over: the neighbourhood is known, or nobody answered in time, or there is no bootstrap.
/// Comes once.
struct Ready {};
/// A node is new in the routing table.
struct NodeAdded {
  Endpoint endpoint;
  NodeId id;
};
/// The network named a peer of a service that is being looked up. Comes before the LookupDone.
struct PeerFound {
  dht::ServiceKey name;
  Endpoint peer;
};
/// Somebody stored a peer with us, or refreshed one.
struct AnnounceStored {
  dht::ServiceKey name;
  Endpoint peer;
};
/// A lookup is over; `peers` are at most 100, in random order.
struct LookupDone {
  RequestId id{};
  dht::ServiceKey name;
  std::vector<Endpoint> peers;
};
/// An announcement is over: `stored` *other* nodes hold it now, beside this one.
struct AnnounceDone {
  RequestId id{};
  dht::ServiceKey name;
  std::size_t stored = 0;
};
/// A service was taken back: `removed` other nodes said so. Those that have it still forget it with its age.
struct UnannounceDone {
  RequestId id{};
  dht::ServiceKey name;
  std::size_t removed = 0;
};
/// A search for an item is over. `from` and `token` are those of the reply that held it, as Grape's users see
/// them; an item that was here already has our own id and no token.
struct GetDone {
  RequestId id{};
  NodeId target;
  std::optional<dht::Item> item;
  NodeId from;
  std::string token;
};
/// Why a put was refused (BEP 44): 301 or 302, with the words of who refused it.
struct PutRefusal {
  std::int64_t code = 0;
  std::string text;
};
/// A put is over: `stored` other nodes hold the item now. It failed when none does and there is a refusal.
struct PutDone {
  RequestId id{};
  NodeId target;
  std::size_t stored = 0;
  std::optional<PutRefusal> refusal;
};
/// The node took another id, as enough others say that its address is this one (BEP 42).
struct IdChanged {
  NodeId id;
  IpAddress address;
};
/// Something that an operator should know.
struct Warning {
  std::string text;
};

using Event = std::variant<Ready, NodeAdded, PeerFound, AnnounceStored, LookupDone, AnnounceDone,
                           UnannounceDone, GetDone, PutDone, IdChanged, Warning>;

}  // namespace grenache::grape
