// What a node has to tell, as plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "proto/base/endpoint.hpp"
#include "proto/base/ids.hpp"
#include "proto/dht/krpc.hpp"

namespace grenache::grape {

/// Names one start_lookup() or start_announce(); never used twice by a node.
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
/// Something that an operator should know.
struct Warning {
  std::string text;
};

using Event = std::variant<Ready, NodeAdded, PeerFound, AnnounceStored, LookupDone, AnnounceDone, Warning>;

}  // namespace grenache::grape
