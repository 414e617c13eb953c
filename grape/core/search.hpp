// What is being looked for in the network, and what was found so far.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "grape/core/family.hpp"
#include "grape/core/lookup.hpp"
#include "grape/core/peer_choice.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/dht/item.hpp>
#include <grenache/dht/krpc.hpp>

namespace grenache::grape {

/// What a search is for.
struct Subject {
  enum class Kind : std::uint8_t {
    nodes,  // near `target`
    peers,  // of the service `key`
    item,   // at `target`; a mutable one has the salt `key`
  };
  Kind kind = Kind::nodes;
  NodeId target;
  std::string key;
  friend auto operator<=>(Subject const&, Subject const&) = default;

  [[nodiscard]] static Subject nodes(NodeId const& target) { return {Kind::nodes, target, {}}; }
  [[nodiscard]] static Subject peers(dht::ServiceKey const& name) {
    return {Kind::peers, dht::target_of(name.bytes()), name.bytes()};
  }
  [[nodiscard]] static Subject item(NodeId const& target, std::string_view salt) {
    return {Kind::item, target, std::string{salt}};
  }
};

/// A Lookup in each address family that the node speaks, and the union of what they bring.
class Search {
 public:
  /// Peers of one reply that count: as many as a result has.
  static constexpr std::size_t kPeersTaken = 100;

  struct Options {
    Lookup::Options lookup;
    std::size_t peer_gather_max = 2000;  // of a name, before choosing: a hostile reply holds thousands
    /// Believes in no nodes and peers at addresses that are not of the public internet: who names them would
    /// have us, or our users, send to services of this very host.
    bool drop_martians = false;
  };

  /// `own` are our ids; `families` says where to search.
  Search(Subject subject, Options const& options, PerFamily<NodeId> const& own,
         PerFamily<bool> const& families);

  [[nodiscard]] Subject const& subject() const { return subject_; }
  /// Hears of a node; ignored in a family that is not searched, and at an address that cannot be.
  void add(dht::Contact const& node, dht::Contact const* from = nullptr);
  /// The node to ask now; nothing when enough are waiting or none is worth it. Call it to notice the end.
  [[nodiscard]] std::optional<dht::Contact> next();
  [[nodiscard]] bool is_over() const;

  void answered(dht::Contact const& node, std::optional<std::string_view> token);
  void slow(dht::Contact const& node);
  void timed_out(dht::Contact const& node);
  void failed(dht::Contact const& node);

  /// Takes peers out of a reply, at most kPeersTaken of them, and returns those that are new.
  std::vector<Endpoint> take_peers(std::vector<Endpoint> peers, Random& random);
  /// Takes an item out of a reply, if it is the one that is sought and newer than what was found so far.
  /// Verifies its signature.
  void take_item(dht::Reply const& reply);

  [[nodiscard]] PeerChoice const& peers() const { return peers_; }
  struct Found {
    dht::Item item;
    NodeId from;
    std::string token;
  };
  [[nodiscard]] std::optional<Found> const& found() const { return found_; }
  /// The nodes to store at: the k nearest of each family that gave a token.
  [[nodiscard]] std::vector<Lookup::Target> store_targets() const;
  [[nodiscard]] std::size_t query_count() const;
  [[nodiscard]] std::uint32_t hops() const;
  void check() const;

 private:
  [[nodiscard]] bool is_usable(Endpoint const& endpoint) const;

  Subject subject_;
  bool drop_martians_;
  PerFamily<std::optional<Lookup>> lookups_;
  PeerChoice peers_;
  std::optional<Found> found_;
};

}  // namespace grenache::grape
