// Peers that announced themselves under the name of a service (BEP 5 announce_peer).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grape/core/family.hpp"
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

/// Invariants, verified by check():
///  - at most `name_count_max` names, none empty of peers;
///  - under each at most `peer_count_max` peers, no more than `peer_per_address_max` of one address;
///  - an expired peer is never returned, and gone after the next sweep.
/// Memory is bounded by name_count_max * peer_count_max entries of about 40 bytes, whatever comes in.
class PeerStore {
 public:
  struct Options {
    std::size_t name_count_max = 5000;       // Grape: dht_maxTables
    std::size_t peer_count_max = 500;        // as libtorrent; replies and lookups give at most 100
    std::size_t peer_per_address_max = 128;  // one host may run many workers, but not crowd out the others
    /// Grape's own 120 s lets live services vanish: Link re-announces every 60 to 180 s. This outlives the
    /// longest gap and a slow lookup.
    Duration age_max = std::chrono::seconds{240};
  };

  /// Limits on peers are at least 1.
  explicit PeerStore(Options options);

  /// Adds or refreshes a peer. A known name always takes one, its oldest peer (of the same address, if that
  /// has too many) makes room; a new name is refused when the store is full, as eviction would let a flood of
  /// fresh names push out live services.
  [[nodiscard]] Result<void> announce(dht::ServiceKey const& name, Endpoint const& peer, TimePoint now);
  /// Forgets a peer; false when it was not there.
  bool remove(std::string_view name, Endpoint const& peer);
  /// Whether announce() would take a peer under `name`.
  [[nodiscard]] bool has_room(std::string_view name) const;

  /// Up to `count_max` live peers of `name`, of one family if it is given: all of them, or a random choice in
  /// which hosts take turns, so that one with many peers hides nobody else's.
  [[nodiscard]] std::vector<Endpoint> sample(std::string_view name, std::size_t count_max, TimePoint now,
                                             Random& random,
                                             std::optional<Family> family = std::nullopt) const;

  /// Removes what is older than age_max, looking at everything once in a while only.
  void expire(TimePoint now);
  /// When expire() has work; TimePoint::max() while empty.
  [[nodiscard]] TimePoint next_deadline() const { return peers_.empty() ? TimePoint::max() : sweep_at_; }

  [[nodiscard]] std::size_t name_count() const { return peers_.size(); }
  /// Peers of all names, expired ones that were not swept yet included.
  [[nodiscard]] std::size_t peer_count() const { return peer_count_; }
  void check() const;

 private:
  struct Peer {
    Endpoint endpoint;
    TimePoint expires;
  };
  using Peers = std::vector<Peer>;
  void make_room(Peers& peers, IpAddress const& newcomer);

  Options options_;
  std::map<std::string, Peers, std::less<>> peers_;
  std::size_t peer_count_ = 0;
  TimePoint sweep_at_ = TimePoint::max();
};

}  // namespace grenache::grape

GRN_ERROR_CODE_ENUM(grenache::grape::PeerStoreErrc);
