// Holds the peers of one name, grouped by host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "grape/core/address_rules.hpp"
#include "grape/core/family.hpp"
#include "grape/core/scrape.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>

namespace grenache::grape {

/// Uses one vector, so that a name with one peer (the usual case) costs one allocation. It is ordered: IPv4
/// hosts before IPv6 hosts, the peers of a host together, the one announced last (which expires last) first.
/// Changes are O(size); sample() moves O(hosts) two-byte indexes and does O(count_max) other work.
class PeerGroup {
 public:
  struct Limits {
    std::size_t per_family = 0;
    std::size_t per_host = 0;
  };

  /// Adds a peer, or extends its lifetime and updates whether it is a seed; at the limits it evicts another
  /// one. Returns by how much the size grew.
  std::size_t announce(Endpoint const& peer, TimePoint expires, Limits const& limits, bool is_seed = false);
  bool remove(Endpoint const& peer);
  [[nodiscard]] bool has_expired(TimePoint now) const;
  /// Removes expired peers and returns their number.
  std::size_t expire(TimePoint now);

  /// Appends up to `count_max` live peers of `family`: one per host in random order, then a second per host,
  /// and so on; within a host, the peer that expires last comes first. So no host hides another, and dead
  /// ports of a host do not hide its live one.
  void sample(Family family, std::size_t count_max, TimePoint now, Random& random,
              std::vector<Endpoint>& out) const;

  /// Adds the address of every live peer of `family` to one of the two filters. O(size).
  [[nodiscard]] Scrape scrape(Family family, TimePoint now) const;

  [[nodiscard]] std::size_t size() const { return peers_.size(); }
  /// `host` as host_of() gives it.
  [[nodiscard]] bool has_host(IpAddress const& host) const;
  [[nodiscard]] bool has_one_host() const { return host_count() == 1; }
  /// The host of some peer; the group must not be empty.
  [[nodiscard]] IpAddress any_host() const { return host_of(peers_.front().endpoint.address); }
  void check(Limits const& limits) const;

 private:
  struct Peer {
    Endpoint endpoint;
    BloomBits bloom;  // of the address, so that a scrape does not hash
    TimePoint expires;
  };
  using Peers = std::vector<Peer>;
  /// A host: a range of peers_.
  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  [[nodiscard]] std::size_t host_count() const { return peers_.empty() ? 0 : starts_.size() + 1; }
  [[nodiscard]] Range host(std::size_t index) const;
  /// The range of the host of `peer`; if the host has no peers, the empty range where it belongs.
  [[nodiscard]] Range find(Endpoint const& peer) const;
  [[nodiscard]] std::size_t family_size(Family family) const;
  /// The position of a peer with this expiry within its host.
  Peers::iterator place_in(std::size_t begin, Peers::iterator end, TimePoint expires);
  void make_room(Family family);
  void index();

  Peers peers_;
  std::vector<std::uint16_t> starts_;  // start index of every host but the first
  std::uint16_t host_count4_ = 0;      // IPv4 hosts
};

}  // namespace grenache::grape
