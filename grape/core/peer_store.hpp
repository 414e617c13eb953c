// Stores the peers that announced themselves under a service name (BEP 5 announce_peer).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "grape/core/family.hpp"
#include "grape/core/peer_group.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/dht/krpc.hpp>

namespace grenache::grape {

enum class PeerStoreErrc { too_many_names = 1 };
[[nodiscard]] std::string_view describe(PeerStoreErrc code);
constexpr char const* category_name(PeerStoreErrc) { return "grenache.peer_store"; }
inline Error make_error_code(PeerStoreErrc code) { return make_enum_error(code); }

/// A host is an IPv4 address or an IPv6 /64, see host_of().
///
/// Invariants, verified by check():
///  - at most `name_count_max` names, each with at least one peer;
///  - under each at most `peer_count_max` peers of each address family, of which at most `peer_per_host_max`
///    of one host;
///  - an expired peer is never returned, and gone after the next sweep.
/// Memory is bounded by 2 * name_count_max * peer_count_max entries of 32 bytes, whatever comes in.
///
/// While the table of names is full, a new name is refused, because eviction would let a flood of fresh names
/// evict live services. One exception: a host that brought more than a quarter of all names loses the one
/// announced longest ago to a host that brought less, and a name that others share only when it has no other.
/// A name counts for the host that announced it first, for as long as that host is among its peers: an honest
/// service keeps its place when a greedy host announces itself beside it, and hosts that announce each name
/// together gain nothing.
class PeerStore {
 public:
  struct Options {
    std::size_t name_count_max = 5000;  // Grape: dht_maxTables
    std::size_t peer_count_max = 500;   // as libtorrent; replies and lookups give at most 100
    /// Enough for many workers on a host, without crowding out other hosts.
    std::size_t peer_per_host_max = 128;
    /// Longer than Grape's 120 s, with which live services disappear: Link re-announces every 60 to 180 s.
    /// This covers the longest gap and a slow lookup.
    Duration age_max = std::chrono::seconds{240};
  };

  /// Raises limits on peers to at least 1.
  explicit PeerStore(Options options);
  PeerStore(PeerStore const&) = delete;
  PeerStore& operator=(PeerStore const&) = delete;

  /// Adds or refreshes a peer, for age_max or until `expires`. Always succeeds for a known name: at the
  /// limits it evicts the oldest peer of the same host if that host has too many, else the oldest peer of the
  /// host that has most.
  [[nodiscard]] Result<void> announce(dht::ServiceKey const& name, Endpoint const& peer, TimePoint now,
                                      std::optional<TimePoint> expires = std::nullopt, bool is_seed = false);
  /// Removes a peer; false when it was not stored.
  bool remove(std::string_view name, Endpoint const& peer);
  /// Returns whether announce() would accept a peer at `from` under `name`.
  [[nodiscard]] bool has_room(std::string_view name, IpAddress const& from) const;

  /// Returns up to `count_max` live peers of `name`, of one family if given; see PeerGroup::sample().
  [[nodiscard]] std::vector<Endpoint> sample(std::string_view name, std::size_t count_max, TimePoint now,
                                             Random& random,
                                             std::optional<Family> family = std::nullopt) const;
  /// Returns the filters of the live peers of `family` (BEP 33); nothing when the name is unknown.
  [[nodiscard]] std::optional<Scrape> scrape(std::string_view name, Family family, TimePoint now) const;
  /// Returns up to `count_max` names of 20 bytes, in order from a random position.
  [[nodiscard]] std::vector<std::string_view> sample_names(std::size_t count_max, Random& random) const;

  /// Removes expired peers. Sweeps the whole store, but only when next_deadline() has passed.
  void expire(TimePoint now);
  /// When expire() has work; TimePoint::max() while empty.
  [[nodiscard]] TimePoint next_deadline() const { return names_.empty() ? TimePoint::max() : sweep_at_; }

  [[nodiscard]] std::size_t name_count() const { return names_.size(); }
  /// Peers of all names, including expired ones not yet swept.
  [[nodiscard]] std::size_t peer_count() const { return peer_count_; }
  /// Linear in the size of the store; for tests.
  void check() const;

 private:
  /// Linked into the list of the host that it counts for.
  struct Name : boost::intrusive::list_base_hook<> {
    PeerGroup peers;
    IpAddress host;
    std::string const* text = nullptr;  // its key in names_
  };
  using Names = std::map<std::string, Name, std::less<>>;
  /// The names that count for a host; those announced longest ago first.
  struct HostNames {
    using List = boost::intrusive::list<Name>;
    List own;     // the host alone has peers there
    List shared;  // others too
    [[nodiscard]] std::size_t size() const { return own.size() + shared.size(); }
    [[nodiscard]] Name& oldest() { return own.empty() ? shared.front() : own.front(); }
    [[nodiscard]] List& list_of(Name const& name) { return name.peers.has_one_host() ? own : shared; }
  };

  [[nodiscard]] std::size_t host_name_max() const {
    return std::max<std::size_t>(options_.name_count_max / 4, 1);
  }
  /// The host with the most names among those above host_name_max(); nothing when there is none.
  [[nodiscard]] std::optional<IpAddress> greediest() const;
  [[nodiscard]] bool may_add_name(IpAddress const& from) const;
  void enlist(Name& name);
  void delist(Name& name);
  void erase(Names::iterator name);

  Options options_;
  Names names_;
  std::map<IpAddress, HostNames> hosts_;
  std::vector<IpAddress> greedy_;  // hosts with more than host_name_max() names; at most three
  std::size_t peer_count_ = 0;
  TimePoint sweep_at_ = TimePoint::max();
};

}  // namespace grenache::grape

GRN_ERROR_CODE_ENUM(grenache::grape::PeerStoreErrc);
