// Which orders stay in a book that is full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "exchange/core/order.hpp"
#include "exchange/messages/order_work.hpp"

namespace grenache::exchange {

/// Bounds the orders of a book, in all and of each maker, so that those which stay do not depend on the order
/// in which they came: replicas with the same bounds that have seen the same orders keep the same ones.
///
/// The orders of a maker stand in a row: more proof of work first, then the older, then the lower id. Of each
/// row at most maker_count_max stay. In all those count_max stay that have the greatest weight: the attempts
/// that the proof of work costs, 2^bits, divided by the place in the row. So a maker with many orders loses
/// its last ones to one with few. Ten keys with 1,000 orders each keep nobody out who has fewer orders
/// (QuotaTest.tenMakersDoNotKeepOthersOut). Keys without end, with an order each, push out the orders that
/// have less work than theirs (QuotaTest.workWinsAgainstKeysWithoutEnd).
///
/// Unsigned orders stay as long as they are there: a full row of them takes no new one, whatever time it
/// names.
///
/// The weight of an order at its place only falls when others of its maker come, and what falls out is the
/// end of a row, so the rest is what the whole set of orders would have left. When orders close or expire,
/// those that had fallen out come back from peers that still have them, at the latest from their makers.
class Quota {
 public:
  struct Options {
    std::size_t count_max = 0;
    std::size_t maker_count_max = 0;
    std::size_t unsigned_count_max = 0;  // of all unsigned orders, which are a row too
  };
  /// An order in the row of its maker. `key` must stay valid while it is in the quota.
  struct Place {
    Work work;
    WallTime created{};
    OrderKey const* key = nullptr;

    friend bool operator<(Place const& a, Place const& b) {
      return std::tie(b.work.bits, a.created, a.key->id) < std::tie(a.work.bits, b.created, b.key->id);
    }
  };
  enum class Verdict { fits, maker_full, full };

  explicit Quota(Options options) : options_{options} {}
  Quota(Quota const&) = delete;
  Quota& operator=(Quota const&) = delete;

  /// Whether an order would stay. Logarithmic.
  [[nodiscard]] Verdict judge(Place const& place) const;
  /// Then the caller removes what excess() returns.
  void add(Place const& place);
  void remove(Place const& place);
  /// An order that must go; null if there is room for all. After each add().
  [[nodiscard]] OrderKey const* excess(std::optional<PeerId> const& added) const;
  /// The orders of this maker are counted and never go.
  void exempt(PeerId const& maker);
  [[nodiscard]] bool is_exempt(std::optional<PeerId> const& maker) const;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t count_of(std::optional<PeerId> const& maker) const;
  [[nodiscard]] std::set<Place> const* row_of(std::optional<PeerId> const& maker) const;
  /// Aborts when an invariant is broken. Linear.
  void check() const;

 private:
  // The end of a row. The lowest has the least weight. Of equal ones the rest of the work decides: an order
  // that says it is older would push out others at no cost.
  struct End {
    Place last;
    std::size_t count = 0;
    bool operator<(End const& other) const;
  };
  [[nodiscard]] std::size_t maker_max(std::optional<PeerId> const& maker) const;

  Options options_;
  std::map<std::optional<PeerId>, std::set<Place>> rows_;
  std::set<End> ends_;  // of all rows but those of exempt makers
  std::set<PeerId> exempt_;
  std::size_t size_ = 0;
};

}  // namespace grenache::exchange
