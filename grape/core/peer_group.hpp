// The peers of one name, grouped by host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "grape/core/family.hpp"
#include "grape/core/scrape.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>

namespace grenache::grape {

/// One vector, so that a name with one peer, as most are, costs one allocation: IPv4 hosts come before IPv6
/// hosts, the peers of a host stand together, the one announced last (which expires last) first. Changes cost
/// O(size), sample() O(hosts) moves of two bytes and O(count_max) of everything else.
class PeerGroup {
 public:
  struct Limits {
    std::size_t per_family = 0;
    std::size_t per_host = 0;
  };

  /// Adds a peer, or extends its life and says anew whether it is a seed; at the limits another one makes
  /// room. Returns by how much the size grew.
  std::size_t announce(Endpoint const& peer, TimePoint expires, Limits const& limits, bool is_seed = false);
  bool remove(Endpoint const& peer);
  [[nodiscard]] bool has_expired(TimePoint now) const;
  /// Removes peers that have expired, and returns how many.
  std::size_t expire(TimePoint now);

  /// Appends up to `count_max` live peers of `family`: one of each host in random order, then a second of
  /// each, and so on, those of one host the one that expires last first. So no host
  /// hides another, and dead ports of a host do not hide the live one.
  void sample(Family family, std::size_t count_max, TimePoint now, Random& random,
              std::vector<Endpoint>& out) const;

  /// The live peers of `family`, each address in one of the two filters: O(size).
  [[nodiscard]] Scrape scrape(Family family, TimePoint now) const;

  [[nodiscard]] std::size_t size() const { return peers_.size(); }
  /// The host of all peers, when it is one.
  [[nodiscard]] std::optional<IpAddress> only_host() const;
  void check(Limits const& limits) const;

 private:
  struct Peer {
    Endpoint endpoint;
    BloomBits bloom;  // of the address: a scrape hashes nothing
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
  /// The host of `peer`, empty at its place when it is not there.
  [[nodiscard]] Range find(Endpoint const& peer) const;
  [[nodiscard]] std::size_t family_size(Family family) const;
  /// Where a peer belongs among those of its host.
  Peers::iterator place_in(std::size_t begin, Peers::iterator end, TimePoint expires);
  void make_room(Family family);
  void index();

  Peers peers_;
  std::vector<std::uint16_t> starts_;  // where hosts begin, the first one left out
  std::uint16_t host_count4_ = 0;      // IPv4 hosts
};

}  // namespace grenache::grape
