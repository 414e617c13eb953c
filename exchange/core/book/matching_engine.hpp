// The matching engine: the orders of a market by price, then created, then id, in integers.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "exchange/core/book/huge_pages.hpp"
#include "exchange/core/book/price_index.hpp"
#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

/// Says what becomes of a maker's order that its own taker would trade with. The mode of the taker decides.
enum class SelfMatch {
  trade,         // they trade
  skip,          // the order is passed over and stays; the taker trades with those behind it
  expire_taker,  // the taker ends there, the order stays
  expire_maker,  // the order ends, the taker trades with those behind it
  expire_both,   // both end
};

/// Ranks orders and matches takers with them.
///
/// An order has a price of any 64 bits, and a rank on its side: the best price first, then the earliest
/// `created`, then the lowest id, then the maker that the owner ranks first (MakerOrder). The rank depends on
/// nothing else, neither on the order of calls nor on handles, so engines that hold the same orders give the
/// same matches. The amount is not part of it.
///
/// Structure: orders lie in a slab and are named by 32-bit handles. Those of one price are a doubly linked
/// list in the order of their rank. The prices of a side are in a B+ tree (PriceIndex), which is searched
/// only for a price that a table of recent ones does not have. The list of a price is cut into chunks of up
/// to kChunkMax orders. All chunks except the first of each price are in one balanced tree; it is searched
/// only for an order that is not among the last kTailStepsMax of its price.
///
/// Costs, for n orders, l prices of the side, and orders of any ids, times and prices:
///  - add, move: O(log l) for the price, and at most kInsertStepsMax + 4 log2(n + 1) comparisons of orders
///  and
///    steps along a list. An order that is created after the others of its price costs one comparison, and
///    once in kChunkMax times a place in the tree of chunks.
///  - remove: O(1), and O(log l) when it was the last order of its price. reduce, order, best: O(1).
///  - match: O(orders visited): fills, expired orders, and own orders that are skipped.
///  - depth: O(levels returned).
/// Memory: 64 bytes per order, up to 150 per price and 90 per chunk. It is used again and not returned.
/// Adding to a full slab copies it, amortised O(1); reserve() avoids that.
class MatchingEngine {
 public:
  using Handle = std::uint32_t;
  using Maker = std::uint32_t;
  static constexpr Handle kNone = std::numeric_limits<Handle>::max();

  /// Orders in a chunk, at most.
  static constexpr std::uint32_t kChunkMax = 128;
  /// Orders that add() passes at the end of a list before it searches the chunks.
  static constexpr std::uint32_t kTailStepsMax = 8;
  /// For the end of the list, a walk through a chunk, its count and its division.
  static constexpr std::uint32_t kInsertStepsMax = kTailStepsMax + 3 * kChunkMax;

  /// An id as a number with the order of its text; id_key() makes it of a UUID.
  struct IdKey {
    std::uint64_t high = 0;
    std::uint64_t middle = 0;
    std::uint32_t low = 0;
    friend auto operator<=>(IdKey const&, IdKey const&) = default;
  };
  struct Order {
    Side side = Side::buy;
    std::int64_t price = 0;
    std::int64_t created = 0;
    IdKey id;
    Maker maker = 0;  // a number of the owner's
    std::int64_t amount = 0;
    std::int64_t expires = std::numeric_limits<std::int64_t>::max();
    friend bool operator==(Order const&, Order const&) = default;
  };
  /// The orders of one price, including expired ones that have not been removed.
  struct Level {
    std::int64_t price = 0;
    std::int64_t amount = 0;  // the highest int64 if the sum is greater
    std::uint32_t order_count = 0;
    Handle first = kNone;
    friend bool operator==(Level const&, Level const&) = default;
  };
  struct Taker {
    Side side = Side::buy;
    std::int64_t price = 0;  // and better ones
    std::int64_t amount = 0;
    Maker maker = 0;
    SelfMatch self_match = SelfMatch::skip;
    std::int64_t now =
        std::numeric_limits<std::int64_t>::min();  // orders that expire until then are passed over
  };
  /// An order that the taker trades with, or that ends because of its self match.
  struct Fill {
    Handle order = kNone;
    std::int64_t price = 0;
    std::int64_t amount = 0;  // 0: no trade; the order of the taker's own ends
    friend bool operator==(Fill const&, Fill const&) = default;
  };
  struct Matched {
    std::int64_t amount = 0;  // the sum of the fills
    bool is_taker_expired = false;
    friend bool operator==(Matched const&, Matched const&) = default;
  };

  /// True when maker `a` ranks before `b`: a strict order of the makers of the orders held. It decides
  /// between two orders with the same price, created and id, and must be the same on every replica. The
  /// numbers themselves are compared if there is none.
  using MakerOrder = std::function<bool(Maker a, Maker b)>;

  explicit MatchingEngine(MakerOrder maker_order = {})
      : maker_order_{std::move(maker_order)}, chunk_index_{ByKey{this}} {}
  MatchingEngine(MatchingEngine const&) = delete;
  MatchingEngine& operator=(MatchingEngine const&) = delete;

  /// Makes room for `order_count` orders.
  void reserve(std::size_t order_count);

  /// Adds an order that no order held equals in side, price, created, id and maker. `amount` >= 0; with 0 it
  /// has a rank and matches nothing. The handle is valid until the order is removed, then given again.
  Handle add(Order const& order);
  void remove(Handle handle);
  /// Sets the amount to `amount`, at most the present one. The rank stays.
  void reduce(Handle handle, std::int64_t amount);
  void set_expires(Handle handle, std::int64_t expires) { details_[handle].expires = expires; }
  /// Changes the price. The rank at the new price is that of `created`: an order that is created now is the
  /// last one.
  void move(Handle handle, std::int64_t price, std::int64_t created);

  [[nodiscard]] bool holds(Handle handle) const {
    return handle < nodes_.size() && nodes_[handle].level != kNone;
  }
  [[nodiscard]] Order order(Handle handle) const;
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t level_count(Side side) const { return index_of(side).size(); }

  [[nodiscard]] std::optional<Level> best(Side side) const;
  /// The first `count_max` levels, the best first.
  [[nodiscard]] std::vector<Level> depth(Side side, std::size_t count_max) const;

  /// Calls `visit(handle)` for the orders of a side in their rank until it returns false. It must not change
  /// the engine.
  template <class Visit>
  void for_each(Side side, Visit&& visit) const;

  /// Calls `visit(fill)` for the orders that the taker trades with, the best first, until the taker's amount
  /// is used up or `visit` returns false. Prices are those of the orders. Changes nothing, and neither may
  /// `visit`.
  template <class Visit>
  Matched match(Taker const& taker, Visit&& visit) const;
  /// Removes the orders that are filled or have ended, reduces the one that is filled in part. `fills` are of
  /// match(), and nothing was changed since.
  void apply(std::vector<Fill> const& fills);
  /// match() and apply(). `fills` is cleared and receives the fills; handles of filled orders in it are not
  /// valid any more.
  Matched take(Taker const& taker, std::vector<Fill>& fills);

  /// Comparisons of orders and steps along lists since the beginning; for tests of the bounds.
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  /// Aborts when an invariant is broken. Linear, for tests.
  void check() const;

 private:
  __extension__ using Sum = __int128;  // of any number of amounts

  /// The links of an order. They lie apart from the rest, so that more of them fit into the caches.
  struct Node {
    Handle previous = kNone;
    Handle next = kNone;
    std::uint32_t level = kNone;  // kNone: free, and `next` is the next free one
    std::uint32_t chunk = kNone;  // kNone: the first chunk of its level
  };
  struct Details {
    std::int64_t amount = 0;
    std::int64_t created = 0;
    std::int64_t expires = 0;
    IdKey id;
    Maker maker = 0;
  };

  struct alignas(64) PriceLevel {
    Sum amount = 0;
    std::int64_t price = 0;
    Handle head = kNone;
    Handle tail = kNone;
    std::uint32_t order_count = 0;  // 0: free
    /// Of the first chunk, which may be empty while there are others.
    std::uint32_t first_chunk_size = 0;
    Side side = Side::buy;
  };

  struct Chunk {
    Handle first = kNone;
    std::uint32_t size = 0;
  };
  /// The sort key of chunks: the level, then the first order.
  struct ChunkKey {
    std::uint32_t level = 0;
    Handle first = kNone;
    std::int64_t created = 0;  // of `first`
  };
  struct ByKey {
    using is_transparent = void;
    MatchingEngine const* engine;
    bool operator()(std::uint32_t a, std::uint32_t b) const { return is_before(key(a), key(b)); }
    bool operator()(ChunkKey const& a, std::uint32_t b) const { return is_before(a, key(b)); }
    bool operator()(std::uint32_t a, ChunkKey const& b) const { return is_before(key(a), b); }
    [[nodiscard]] ChunkKey const& key(std::uint32_t chunk) const { return engine->chunk_keys_[chunk]; }
    [[nodiscard]] bool is_before(ChunkKey const& a, ChunkKey const& b) const;
  };
  using ChunkIndex = std::set<std::uint32_t, ByKey>;

  static std::size_t number(Side side) { return side == Side::buy ? 0 : 1; }
  PriceIndex& index_of(Side side) { return sides_[number(side)]; }
  PriceIndex const& index_of(Side side) const { return sides_[number(side)]; }
  /// Ascending from the best price.
  static std::int64_t key_of(Side side, std::int64_t price) { return side == Side::buy ? ~price : price; }
  static bool is_beyond(Taker const& taker, std::int64_t price) {
    return taker.side == Side::buy ? price > taker.price : price < taker.price;
  }

  bool is_before(Handle a, Handle b) const;
  bool is_tie_before(Details const& a, Details const& b) const;
  std::uint32_t level_of(Side side, std::int64_t price);
  std::uint32_t& recent_level(std::int64_t price);
  void fetch(Handle handle, std::int64_t price);
  void link(Handle handle, Side side, std::int64_t price);
  void unlink(Handle handle);
  void append(Handle handle, PriceLevel& level);
  void insert_before_tail(Handle handle, PriceLevel& level);
  void insert_after(Handle previous, Handle handle, PriceLevel& level);
  [[nodiscard]] Handle search_chunks(Handle handle, PriceLevel const& level) const;
  void divide(std::uint32_t chunk, PriceLevel& level);
  void leave_chunk(Handle handle, PriceLevel& level);
  std::uint32_t add_chunk(std::uint32_t previous, Handle first, std::uint32_t size);
  std::uint32_t new_level(Side side, std::int64_t price);
  void check_level(std::uint32_t index, Side side) const;
  [[nodiscard]] Level describe(PriceLevel const& level) const;

  MakerOrder maker_order_;
  std::vector<Node, HugePages<Node>> nodes_;
  std::vector<Details, HugePages<Details>> details_;
  Handle free_orders_ = kNone;
  std::size_t size_ = 0;
  std::vector<PriceLevel, HugePages<PriceLevel>> levels_;
  std::vector<std::uint32_t> free_levels_;
  /// By the hash of a price, the level of this hash that was used last; it may be free by now. At least twice
  /// as large as levels_.
  std::vector<std::uint32_t, HugePages<std::uint32_t>> recent_levels_ =
      std::vector<std::uint32_t, HugePages<std::uint32_t>>(1024, kNone);
  std::uint32_t recent_shift_ = 64 - 10;  // its size is 2^10
  std::vector<Chunk> chunks_;
  std::vector<ChunkKey> chunk_keys_;
  std::vector<ChunkIndex::iterator> chunk_entries_;  // in chunk_index_
  std::vector<std::uint32_t> free_chunks_;
  ChunkIndex chunk_index_;
  std::array<PriceIndex, 2> sides_;  // from the key of a price to its level
  mutable std::uint64_t steps_ = 0;
};

template <class Visit>
void MatchingEngine::for_each(Side side, Visit&& visit) const {
  auto const& index = index_of(side);
  for (auto at = index.begin(); index.is_entry(at); at = index.next(at)) {
    for (auto handle = levels_[index.value(at)].head; handle != kNone; handle = nodes_[handle].next) {
      if (!visit(handle)) return;
    }
  }
}

template <class Visit>
MatchingEngine::Matched MatchingEngine::match(Taker const& taker, Visit&& visit) const {
  Matched out;
  auto const& index = index_of(opposite(taker.side));
  for (auto at = index.begin(); index.is_entry(at); at = index.next(at)) {
    auto const& level = levels_[index.value(at)];
    if (is_beyond(taker, level.price)) break;
    for (auto handle = level.head; handle != kNone; handle = nodes_[handle].next) {
      if (out.amount >= taker.amount) return out;
      auto const& order = details_[handle];
      if (order.expires <= taker.now || order.amount <= 0) continue;
      if (order.maker == taker.maker && taker.self_match != SelfMatch::trade) {
        if (taker.self_match == SelfMatch::skip) continue;
        out.is_taker_expired = taker.self_match != SelfMatch::expire_maker;
        bool const is_maker_expired = taker.self_match != SelfMatch::expire_taker;
        if (is_maker_expired && !visit(Fill{handle, level.price, 0})) return out;
        if (out.is_taker_expired) return out;
        continue;
      }
      auto const left = taker.amount - out.amount;
      auto const amount = order.amount < left ? order.amount : left;
      out.amount += amount;
      if (!visit(Fill{handle, level.price, amount})) return out;
    }
  }
  return out;
}

}  // namespace grenache::exchange
