// One search in the DHT: its subject, its lookups and its results so far.
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

/// The subject of a search.
struct Subject {
  enum class Kind : std::uint8_t {
    nodes,  // nodes near `target`
    peers,  // peers of the service `key`
    item,   // the item at `target`; `key` is the salt of a mutable one
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

/// Runs one Lookup in each address family that the node speaks, and merges their results.
class Search {
 public:
  /// Peers taken from one reply: as many as a result has.
  static constexpr std::size_t kPeersTaken = 100;

  struct Options {
    Lookup::Options lookup;
    /// Peers collected for a name, before choosing: a hostile reply holds thousands.
    std::size_t peer_gather_max = 2000;
    /// Ignore nodes and peers at addresses outside the public internet: an attacker could name them to make
    /// us, or our users, send to services of this host or its network.
    bool drop_martians = false;
  };

  /// `own` are our ids; `families` are the address families to search.
  Search(Subject subject, Options const& options, PerFamily<NodeId> const& own,
         PerFamily<bool> const& families);

  [[nodiscard]] Subject const& subject() const { return subject_; }
  /// Adds a candidate. Ignored if its family is not searched or its address is martian and dropped.
  void add(dht::Contact const& node, dht::Contact const* from = nullptr);
  /// Returns the node to query now; nothing when enough queries are in flight or no candidate is left. It
  /// also updates is_over().
  [[nodiscard]] std::optional<dht::Contact> next();
  [[nodiscard]] bool is_over() const;

  void answered(dht::Contact const& node, std::optional<std::string_view> token);
  void slow(dht::Contact const& node);
  void timed_out(dht::Contact const& node);
  void failed(dht::Contact const& node);

  /// Adds peers from a reply, at most kPeersTaken of them, and returns the new ones.
  std::vector<Endpoint> add_peers(std::vector<Endpoint> peers, Random& random);
  /// Adds the item of a reply if it is the one searched for and newer than the one found so far. Verifies its
  /// signature.
  void add_item(dht::Reply const& reply);

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
