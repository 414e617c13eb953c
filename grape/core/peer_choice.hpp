// Of the peers that many nodes name, the ones to believe in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/random.hpp>

namespace grenache::grape {

/// Reorders peers so that hosts take turns: the first peer of every address (of every /64 in IPv6) comes
/// before the second of any. Whoever cuts the list then cuts the crowd of one host, and never another's only
/// peer.
void let_hosts_take_turns(std::vector<Endpoint>& peers);

/// Collects peers so that no node can push out those that others name: each node in turn has a say. The first
/// peer of every node comes before the second of any, and so on; among equals chance decides. A liar who
/// names thousands gains no more than one who names as many as fit a result.
class PeerChoice {
 public:
  /// Keeps up to `count_max` peers.
  explicit PeerChoice(std::size_t count_max) : count_max_{count_max} {}

  /// One node names `peers`, the best first; of them hosts take turns. Returns those that are new.
  std::vector<Endpoint> add(std::vector<Endpoint> peers);
  /// Up to `count` peers in random order.
  [[nodiscard]] std::vector<Endpoint> choose(std::size_t count, Random& random) const;

  [[nodiscard]] std::size_t size() const { return peers_.size(); }
  /// True when a peer with this port is among them.
  [[nodiscard]] bool has_port(std::uint16_t port) const;
  void check() const;

 private:
  struct Peer {
    Endpoint endpoint;
    std::size_t turn = 0;  // the first in which somebody named it
  };
  bool insert(Endpoint const& peer, std::size_t turn);

  std::size_t count_max_;
  std::vector<Peer> peers_;  // ascending by endpoint
};

}  // namespace grenache::grape
