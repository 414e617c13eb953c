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

/// Limits the number of orders in a book, in total and per maker. Which orders are kept does not depend on
/// the order of arrival: replicas with the same limits that have seen the same orders keep the same ones.
///
/// The orders of a maker are ranked: more proof of work first, then older, then lower id. The first
/// maker_count_max of each maker may be kept. If the book is full, the orders with the greatest weight are
/// kept. The weight is the expected number of attempts of the proof of work, 2^bits, divided by the rank. So
/// a maker with many orders loses its last ones to a maker with few: ten keys with 1,000 orders each do not
/// displace a maker that has fewer orders (QuotaTest.tenMakersDoNotKeepOthersOut). An unlimited number of
/// keys with one order each displaces the orders with less work (QuotaTest.workWinsAgainstKeysWithoutEnd).
///
/// An unsigned order displaces no other unsigned one: when their limit is reached, no further one is added.
/// In a full book they give way like the orders of a maker without proof of work.
///
/// The weight of an order decreases only when its maker adds orders, and the order that is removed is always
/// the last of its maker. Therefore the remaining orders are those that would be kept of the whole set.
/// After an order closes or expires, removed ones return from peers that still have them, at the latest from
/// their makers.
class Quota {
 public:
  struct Options {
    std::size_t count_max = 0;
    std::size_t maker_count_max = 0;
    std::size_t unsigned_count_max = 0;  // all unsigned orders together
  };
  /// The rank of an order among those of its maker. `key` must stay valid while it is in the quota.
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
