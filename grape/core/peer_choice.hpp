// Selects among the peers that many nodes name, so that no node can crowd out the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/random.hpp>

namespace grenache::grape {

/// Interleaves peers by host: the first peer of every address (of every /64 in IPv6) comes before the second
/// of any. A caller that truncates the list then drops surplus peers of one host, never another host's only
/// peer.
void interleave_hosts(std::vector<Endpoint>& peers);

/// Collects peers round-robin by the node that named them: the first peer of every node ranks before the
/// second of any, and so on; ties are broken at random. An attacker that names thousands of peers gains no
/// more than one that names as many as fit a result.
class PeerChoice {
 public:
  /// Holds up to `count_max` peers.
  explicit PeerChoice(std::size_t count_max) : count_max_{count_max} {}

  /// Adds the `peers` that one node named, the best first, interleaved by host. Returns the new ones.
  std::vector<Endpoint> add(std::vector<Endpoint> peers);
  /// Up to `count` peers in random order.
  [[nodiscard]] std::vector<Endpoint> choose(std::size_t count, Random& random) const;

  [[nodiscard]] std::size_t size() const { return peers_.size(); }
  /// True when a collected peer has this port.
  [[nodiscard]] bool has_port(std::uint16_t port) const;
  void check() const;

 private:
  struct Peer {
    Endpoint endpoint;
    std::size_t turn = 0;  // its best rank in the list of any node
  };
  bool insert(Endpoint const& peer, std::size_t turn);

  std::size_t count_max_;
  std::vector<Peer> peers_;  // ascending by endpoint
};

}  // namespace grenache::grape
