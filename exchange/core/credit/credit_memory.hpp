// The payments that one side of a credit line has made, as far as they are remembered.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "exchange/messages/credit_state.hpp"

namespace grenache::exchange {

/// Remembers counted entries, so that an id counts once. Bounded: when it is full the entry that expires
/// first is forgotten, and an entry that expires no later than a forgotten one is refused as stale. So an
/// entry never counts twice: it is remembered, or it is stale.
class CreditMemory {
 public:
  static constexpr std::size_t kSizeMax = 256;

  /// Nothing if `entry` was not counted; else why it must not be.
  [[nodiscard]] std::optional<CreditErrc> check(CreditEntry const& entry) const {
    auto const found = std::ranges::find(entries_, entry.id, &CreditEntry::id);
    if (found != entries_.end()) return *found == entry ? CreditErrc::already_counted : CreditErrc::id_reused;
    return entry.expires <= horizon_ ? std::optional{CreditErrc::stale} : std::nullopt;
  }
  void add(CreditEntry const& entry) {
    auto const at = std::ranges::upper_bound(entries_, entry.expires, {}, &CreditEntry::expires);
    entries_.insert(at, entry);
    if (entries_.size() <= kSizeMax) return;
    horizon_ = std::max(horizon_, entries_.front().expires);
    entries_.erase(entries_.begin());
  }

  [[nodiscard]] std::vector<CreditEntry> const& entries() const { return entries_; }
  /// The latest expiry of a forgotten entry.
  [[nodiscard]] WallTime horizon() const { return horizon_; }
  void restore(std::vector<CreditEntry> entries, WallTime horizon) {
    entries_ = std::move(entries);
    horizon_ = horizon;
  }
  /// True if the entries are ordered, bounded, and have different ids.
  [[nodiscard]] bool is_valid() const {
    if (entries_.size() > kSizeMax || !std::ranges::is_sorted(entries_, {}, &CreditEntry::expires))
      return false;
    std::vector<std::string_view> ids(entries_.size());
    std::ranges::transform(entries_, ids.begin(), &CreditEntry::id);
    std::ranges::sort(ids);
    return std::ranges::adjacent_find(ids) == ids.end();
  }
  friend bool operator==(CreditMemory const&, CreditMemory const&) = default;

 private:
  std::vector<CreditEntry> entries_;  // by expiry
  WallTime horizon_{};
};

}  // namespace grenache::exchange
