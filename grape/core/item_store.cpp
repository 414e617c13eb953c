#include "grape/core/item_store.hpp"

#include <algorithm>

#include "grape/core/address_rules.hpp"
#include <grenache/base/check.hpp>

namespace grenache::grape {

using dht::Item;

std::string_view describe(ItemStoreErrc code) {
  // The text of Node.js' Grape.
  switch (code) {
    case ItemStoreErrc::cas_mismatch:
      return "CAS mismatch, re-read and try again";
    case ItemStoreErrc::sequence_too_low:
      return "sequence number less than current";
  }
  return "unknown item store error";
}

ItemStore::ItemStore(Options options) : options_{options} {
  options_.item_count_max = std::max<std::size_t>(options_.item_count_max, 1);
}

Item const* ItemStore::find(NodeId const& target, TimePoint now) const {
  auto const found = items_.find(target);
  return found == items_.end() || found->second.expires <= now ? nullptr : &found->second.item;
}

Result<void> ItemStore::may_put(NodeId const& target, std::optional<std::int64_t> seq, std::string_view value,
                                std::optional<std::int64_t> cas, TimePoint now) const {
  Item const* known = find(target, now);
  // One target cannot be both immutable and mutable: that would be a SHA-1 collision.
  if (known == nullptr || !seq || !known->is_mutable()) return {};
  // The same item again: a refresh, or a retry after a lost answer.
  if (*seq == known->seq() && value == known->value()) return {};
  if (cas && *cas != known->seq()) return ItemStoreErrc::cas_mismatch;
  if (*seq <= known->seq()) return ItemStoreErrc::sequence_too_low;
  return {};
}

Result<void> ItemStore::put(Item item, std::optional<std::int64_t> cas, IpAddress const& from,
                            TimePoint now) {
  auto const seq = item.is_mutable() ? std::optional{item.seq()} : std::nullopt;
  if (auto const allowed = may_put(item.target(), seq, item.value(), cas, now); !allowed) return allowed;
  NodeId const target = item.target();
  if (auto const known = items_.find(target); known != items_.end()) erase(known);
  IpAddress const host = host_of(from);
  make_room(host);
  TimePoint const expires = now + options_.age_max;
  items_.emplace(target, Entry{std::move(item), host, expires});
  order_.insert({expires, target});
  by_host_[host].insert({expires, target});
  return {};
}

void ItemStore::make_room(IpAddress const& newcomer) {
  if (items_.size() < options_.item_count_max) return;
  auto const own = by_host_.find(newcomer);
  bool const greedy = own != by_host_.end() && 4 * own->second.size() >= options_.item_count_max;
  erase(items_.find((greedy ? own->second : order_).begin()->second));
}

void ItemStore::erase(Entries::iterator entry) {
  std::pair const place{entry->second.expires, entry->first};
  order_.erase(place);
  auto const same = by_host_.find(entry->second.host);
  same->second.erase(place);
  if (same->second.empty()) by_host_.erase(same);
  items_.erase(entry);
}

std::optional<NodeId> ItemStore::oldest() const {
  return order_.empty() ? std::nullopt : std::optional{order_.begin()->second};
}

void ItemStore::remove(NodeId const& target) {
  if (auto const found = items_.find(target); found != items_.end()) erase(found);
}

void ItemStore::expire(TimePoint now) {
  while (!order_.empty() && order_.begin()->first <= now) erase(items_.find(order_.begin()->second));
}

TimePoint ItemStore::next_deadline() const {
  return order_.empty() ? TimePoint::max() : order_.begin()->first;
}

void ItemStore::check() const {
  GRN_CHECK(items_.size() <= options_.item_count_max);
  GRN_CHECK(order_.size() == items_.size());
  std::size_t count = 0;
  for (auto const& [host, places] : by_host_) count += places.size();
  GRN_CHECK(count == items_.size());
  for (auto const& [target, entry] : items_) {
    GRN_CHECK(entry.item.target() == target && order_.contains({entry.expires, target}));
  }
}

}  // namespace grenache::grape
