// The order book: a replica of all orders received from peers.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exchange/core/book/matching_engine.hpp"
#include "exchange/core/book/quota.hpp"
#include "exchange/core/order.hpp"
#include <grenache/base/result.hpp>

namespace grenache::exchange {

enum class BookErrc {
  bad_signature = 1,
  unsigned_refused,
  expired,
  from_the_future,
  lives_too_long,
  book_full,
  maker_full,
  busy,  // too many signatures are being verified
  too_small,
  maker_convicted,  // by an equivocation; not told by the book
};
[[nodiscard]] std::string_view describe(BookErrc code);
constexpr char const* category_name(BookErrc) { return "exchange.book"; }
inline Error make_error_code(BookErrc code) { return make_enum_error(code); }

/// The effect of Book::add().
enum class Added {
  nothing,  // this version or a newer one was known; not an error
  order,    // a new order
  version,  // a newer version of a known one
};

/// A counterpart for an order.
struct Match {
  OrderRecord order;
  Satoshi amount;  // the tradable amount, > 0
};

/// Holds the newest version of every order of all makers.
///
/// Invariants, verified by check():
///  - at most order_count_max open orders, of which at most maker_order_count_max of one maker
///    (unsigned_count_max unsigned ones); at most closed_count_max open and closed ones, of which at most
///    maker_closed_count_max of one maker, so that every open one may close;
///  - the signature of every signed order is valid;
///  - an entry is the highest version seen: a closed one before an open one, then the greater terms (side,
///    price, amount, created, least take), then the highest seq, then the higher digest. So a closed order
///    never opens again, and an honest maker, who changes no terms, is followed by seq;
///  - replicas that received the same versions in any order hold the same entries, also when they are full
///    (Quota). A closed order is its own tombstone until it expires, so that a late copy of an older version
///    is ignored; after that the copy is expired too;
///  - the open orders that are not hidden are in a MatchingEngine by price, then created, then id, then
///    maker. Matches and levels are read from it in this order.
class Book {
 public:
  struct Options {
    std::size_t order_count_max = 10'000;  // about 10 MB; all of them fit into one answer (kAnswerBytesMax)
    std::size_t maker_order_count_max = 1'000;  // so that one maker cannot fill the book
    std::size_t unsigned_count_max = 1'000;     // so that unsigned orders cannot fill it either
    /// With the closed orders, which stay until they expire; about 600 bytes each.
    std::size_t closed_count_max = 50'000;
    std::size_t maker_closed_count_max = 5'000;
    std::size_t match_count_max = 100;  // limit of matches()
    /// Orders of strangers with less work share cheap_count_max places, closed ones too; of one maker a
    /// tenth.
    int work_bits_wanted = 0;
    std::size_t cheap_count_max = 1'000;
    /// Open orders of others with a smaller amount are refused.
    Satoshi amount_min{};
    /// Accepted clock skew of makers ahead of us.
    std::chrono::milliseconds clock_skew_max = std::chrono::minutes{2};
    bool accept_unsigned = true;  // orders of the original program
  };

  explicit Book(Options options)
      : options_{options},
        open_{{options.order_count_max, options.maker_order_count_max, options.unsigned_count_max}},
        cheap_{{options.cheap_count_max, std::max<std::size_t>(options.cheap_count_max / 10, 1), 0}},
        all_{{options.closed_count_max, options.maker_closed_count_max, options.maker_closed_count_max}} {}
  Book(Book const&) = delete;
  Book& operator=(Book const&) = delete;

  /// Does all checks of add() but that of the signature, and changes nothing: tells what adding would do.
  /// Logarithmic.
  [[nodiscard]] Result<Added> check_new(OrderRecord const& order, WallTime now) const;
  /// Adds an order or a newer version, which is unsigned or whose signature the caller has verified.
  [[nodiscard]] Result<Added> add_verified(OrderRecord order, WallTime now);
  /// As add_verified(), and verifies the signature last.
  [[nodiscard]] Result<Added> add(OrderRecord order, WallTime now);

  /// Orders of this maker, which is this peer, are subject to no limit of number or amount.
  void exempt(PeerId const& maker);
  /// Adds an order of this peer, or replaces its version. It is subject to no limit and no check.
  void put_own(OrderRecord order);

  /// Removes expired orders. Logarithmic for each of them, else constant, so that orders which expire one by
  /// one cost no more than their number.
  void expire(WallTime now);

  /// The orders that had to make room since the last call.
  [[nodiscard]] std::vector<OrderKey> take_evicted() { return std::exchange(evicted_, {}); }

  /// Orders of makers for which `is_known` is true need no work.
  void set_known(std::function<bool(PeerId const&)> is_known) { is_known_ = std::move(is_known); }
  /// Orders of this maker need no work from now on: returns those that did.
  [[nodiscard]] std::vector<OrderRecord> welcome(PeerId const& maker);
  /// True for an order of a stranger with less work than is wanted.
  [[nodiscard]] bool is_cheap(OrderKey const& key) const;

  [[nodiscard]] OrderRecord const* find(OrderKey const& key) const;
  /// The order `id` of `preferred`, else of the maker with the lowest key.
  [[nodiscard]] OrderRecord const* find(std::string_view id, PeerId const& preferred) const;

  /// The counterparts of `order`, best first, at most match_count_max. `order` need not be in the book.
  [[nodiscard]] std::vector<Match> matches(OrderRecord const& order, WallTime now) const;
  /// The signed ones of them with a tradable amount of at least `least`, at most `count_max`.
  [[nodiscard]] std::vector<Match> signed_matches(OrderRecord const& order, Satoshi least,
                                                  std::size_t count_max, WallTime now) const;
  /// The best of the first `count_max` signed counterparts of `order` for which `condition` holds; null if
  /// there is none.
  [[nodiscard]] OrderRecord const* first_match(OrderRecord const& order, std::size_t count_max,
                                               std::function<bool(OrderRecord const&)> const& condition,
                                               WallTime now) const;
  /// All live orders that are not hidden, by key.
  [[nodiscard]] std::vector<OrderRecord> live(WallTime now) const;
  /// The same without copies.
  void for_each_live(WallTime now, std::function<void(OrderRecord const&)> const& body) const;
  /// Calls `body` for at most `count_max` orders by key, from `first` on. Returns the key of the next one;
  /// nothing if there is none.
  std::optional<OrderKey> visit(OrderKey const& first, std::size_t count_max,
                                std::function<void(OrderRecord const&)> const& body) const;
  /// Increases with every change.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  /// At most `count_max` orders whose id begins with `prefix`, by key.
  [[nodiscard]] std::vector<OrderRecord const*> with_prefix(std::string_view prefix,
                                                            std::size_t count_max) const;

  /// The live orders of one price.
  struct Level {
    PriceCents price;
    Satoshi amount;  // the highest int64 if the sum is greater
    std::size_t order_count = 0;
  };
  /// The first `count_max` levels of a side, the best first. Linear in them; in their orders from
  /// next_expiry() until expire() is called.
  [[nodiscard]] std::vector<Level> levels(Side side, std::size_t count_max, WallTime now) const;
  /// Hides the orders of a maker, present ones and later ones, or shows them again: those that are hidden
  /// are not listed, matched and counted in levels. Linear in them.
  void hide(PeerId const& maker, bool is_hidden);
  [[nodiscard]] bool is_hidden(OrderRecord const& order) const;
  /// The number of open orders, hidden ones included; those that ended are open until expire() is called.
  [[nodiscard]] std::size_t open_count() const { return open_.size(); }
  /// The number of open orders that are hidden.
  [[nodiscard]] std::size_t hidden_count() const { return open_.size() - engine_.size(); }
  /// The number of hidden orders that may_trade() with `order`. Linear in the hidden ones.
  [[nodiscard]] std::size_t hidden_match_count(OrderRecord const& order, WallTime now) const;
  [[nodiscard]] bool has_open_orders_of(PeerId const& maker) const { return open_.count_of(maker) > 0; }
  /// Removes all orders of a maker and returns their keys.
  std::vector<OrderKey> remove_of(PeerId const& maker);
  /// The number of live and closed orders.
  [[nodiscard]] std::size_t size() const { return orders_.size(); }
  /// When expire() has something to do; WallTime::max() if never.
  [[nodiscard]] WallTime next_expiry() const {
    return expiries_.empty() ? WallTime::max() : expiries_.begin()->first;
  }

  /// Aborts when an invariant is broken.
  void check() const;

 private:
  struct Entry {
    OrderRecord order;
    MatchingEngine::Handle handle = MatchingEngine::kNone;  // of an open order
    std::multimap<WallTime, OrderKey const*>::iterator expiry;
    Work work{};
    bool is_cheap = false;
  };

  Result<void> check_room(OrderRecord const& order) const;
  MatchingEngine::Maker number_of(std::optional<PeerId> const& maker);
  void count(OrderKey const& key, Entry const& entry);
  void uncount(OrderKey const& key, Entry const& entry);
  [[nodiscard]] bool is_cheap(OrderRecord const& order, int bits) const;
  void evict(std::optional<PeerId> const& added);
  Added store(OrderRecord order);
  void remove(std::map<OrderKey, Entry>::iterator entry);
  void rank(Entry& entry);
  void unrank(Entry& entry);
  bool rerank(Entry& entry, OrderRecord const& version);
  OrderRecord const& at(MatchingEngine::Handle handle) const { return *by_handle_[handle]; }

  Options options_;
  std::map<OrderKey, Entry> orders_;
  Quota open_;  // open orders
  Quota cheap_;
  Quota all_;  // open and closed ones
  std::function<bool(PeerId const&)> is_known_ = [](PeerId const&) { return false; };
  std::vector<OrderKey> evicted_;
  std::set<PeerId> hidden_;
  std::map<std::optional<PeerId>, MatchingEngine::Maker> numbers_;  // of makers in all_, in makers_
  std::uint64_t version_ = 0;
  std::multimap<WallTime, OrderKey const*> expiries_;  // of all orders; keys of orders_

  std::vector<std::optional<PeerId> const*> makers_;  // keys of numbers_
  std::vector<MatchingEngine::Maker> free_makers_;
  MatchingEngine engine_{[this](auto a, auto b) { return *makers_[a] < *makers_[b]; }};  // open orders
  std::vector<OrderRecord const*> by_handle_;
};

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::BookErrc);
