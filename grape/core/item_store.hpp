// Stores BEP 44 items that other nodes put here, or that our users keep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/dht/item.hpp>

namespace grenache::grape {

enum class ItemStoreErrc {
  cas_mismatch = 1,  // the stored item does not have the sequence number in `cas` (BEP 44: 301)
  sequence_too_low,  // a newer item is stored, or a different one with the same number (302)
};
[[nodiscard]] std::string_view describe(ItemStoreErrc code);
constexpr char const* category_name(ItemStoreErrc) { return "grenache.item_store"; }
inline Error make_error_code(ItemStoreErrc code) { return make_enum_error(code); }

/// Invariants, verified by check(): at most `item_count_max` items; an expired one is never returned.
///
/// When the store is full, the item that was put longest ago is evicted. A host (an IPv4 address or an IPv6
/// /64, see host_of()) that holds a quarter of the store evicts its own items, so that a flood of items from
/// one host evicts no others. Memory is bounded by item_count_max * 1.4 KB.
class ItemStore {
 public:
  struct Options {
    std::size_t item_count_max = 5000;  // Grape: dht_maxValues
    /// Grape keeps items until they are evicted; BEP 44 suggests 2 hours, with republishing every hour.
    Duration age_max = std::chrono::hours{24};
  };

  explicit ItemStore(Options options);

  /// Returns whether put() would accept an item with this target, sequence number (of a mutable one) and
  /// value. Cheaper than verifying the signature, so call it first.
  [[nodiscard]] Result<void> may_put(NodeId const& target, std::optional<std::int64_t> seq,
                                     std::string_view value, std::optional<std::int64_t> cas,
                                     TimePoint now) const;
  /// Stores an item received from `from`. Storing the same item again refreshes its expiry.
  [[nodiscard]] Result<void> put(dht::Item item, std::optional<std::int64_t> cas, IpAddress const& from,
                                 TimePoint now);
  /// Returns the item at `target`, or null. Valid until the next change of the store.
  [[nodiscard]] dht::Item const* find(NodeId const& target, TimePoint now) const;
  /// The item that was put longest ago.
  [[nodiscard]] std::optional<NodeId> oldest() const;
  /// Ignores unknown targets.
  void remove(NodeId const& target);

  void expire(TimePoint now);
  /// When expire() has work; TimePoint::max() while empty.
  [[nodiscard]] TimePoint next_deadline() const;

  [[nodiscard]] std::size_t size() const { return items_.size(); }
  void check() const;

  /// Calls `visit(item)` for each item that is not expired, in the order of their targets.
  template <class Visit>
  void for_each(TimePoint now, Visit visit) const {
    for (auto const& [target, entry] : items_) {
      if (entry.expires > now) visit(entry.item);
    }
  }

 private:
  struct Entry {
    dht::Item item;
    IpAddress host;
    TimePoint expires;
  };
  using Entries = std::map<NodeId, Entry>;
  using Order = std::set<std::pair<TimePoint, NodeId>>;  // by expiry, which is the order of the last puts
  void erase(Entries::iterator entry);
  void make_room(IpAddress const& newcomer);

  Options options_;
  Entries items_;
  Order order_;
  std::map<IpAddress, Order> by_host_;
};

}  // namespace grenache::grape

GRN_ERROR_CODE_ENUM(grenache::grape::ItemStoreErrc);
