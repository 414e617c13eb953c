// The payments that one side of a credit line has made, as far as they are remembered.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "exchange/messages/credit_state.hpp"

namespace grenache::exchange {

/// Remembers counted entries, so that an id counts once. Bounded: when it is full the entry that expires
/// first is forgotten, and an entry that expires no later than a forgotten one is refused as stale. So an
/// entry never counts twice: it is remembered, or it is stale.
class CreditMemory {
 public:
  static constexpr std::size_t kSizeMax = 1024;

  /// Nothing if `entry` was not counted; else why it must not be.
  [[nodiscard]] std::optional<CreditErrc> check(CreditEntry const& entry) const {
    auto const found = entries_.find(entry.id);
    if (found != entries_.end()) {
      return found->second == entry ? CreditErrc::already_counted : CreditErrc::id_reused;
    }
    return entry.expires <= horizon_ ? std::optional{CreditErrc::stale} : std::nullopt;
  }
  /// Returns the id that is forgotten; empty: none. It may be that of `entry`.
  std::string add(CreditEntry const& entry) {
    if (!entries_.emplace(entry.id, entry).second) return {};
    by_expiry_.emplace(entry.expires, entry.id);
    if (entries_.size() <= kSizeMax) return {};
    auto [expires, id] = std::move(by_expiry_.extract(by_expiry_.begin()).value());
    horizon_ = std::max(horizon_, expires);
    entries_.erase(id);
    return std::move(id);
  }

  [[nodiscard]] std::map<std::string, CreditEntry, std::less<>> const& entries() const { return entries_; }
  /// The latest expiry of a forgotten entry.
  [[nodiscard]] WallTime horizon() const { return horizon_; }
  void set_horizon(WallTime horizon) { horizon_ = horizon; }

 private:
  std::map<std::string, CreditEntry, std::less<>> entries_;  // by id
  std::set<std::pair<WallTime, std::string>> by_expiry_;
  WallTime horizon_{};
};

}  // namespace grenache::exchange
