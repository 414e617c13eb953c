// The order book: a replica of all orders received from peers.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "exchange/core/order.hpp"
#include <grenache/base/result.hpp>

namespace grenache::exchange {

enum class BookErrc {
  bad_signature = 1,
  unsigned_refused,
  expired,
  from_the_future,
  book_full,
  maker_full,
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
///  - at most order_count_max entries, of which at most maker_order_count_max of one maker
///    (unsigned_count_max unsigned ones), including closed orders;
///  - the signature of every signed order is valid;
///  - an entry is the highest version seen: the highest seq, then the higher digest;
///  - replicas that received the same versions in any order hold the same entries, unless one was full. A
///    closed order is its own tombstone until it expires, so that a late copy of an older version is ignored;
///    after that the copy is expired too.
class Book {
 public:
  struct Options {
    std::size_t order_count_max = 10'000;  // about 10 MB; all of them fit into one answer (kAnswerBytesMax)
    std::size_t maker_order_count_max = 1'000;  // so that one maker cannot fill the book
    std::size_t unsigned_count_max = 1'000;     // so that unsigned orders cannot fill it either
    std::size_t match_count_max = 100;          // limit of matches()
    /// Accepted clock skew of makers ahead of us.
    std::chrono::milliseconds clock_skew_max = std::chrono::minutes{2};
    bool accept_unsigned = true;  // orders of the original program
  };

  explicit Book(Options options) : options_{options} {}
  Book(Book const&) = delete;
  Book& operator=(Book const&) = delete;

  /// Adds an order or a newer version. Does cheap checks first and verifies the signature last. Logarithmic.
  [[nodiscard]] Result<Added> add(OrderRecord order, WallTime now);

  /// Removes expired orders. Linear if there are any, else constant.
  void expire(WallTime now);

  [[nodiscard]] OrderRecord const* find(OrderKey const& key) const;
  /// The order `id` of `preferred`, else of the maker with the lowest key.
  [[nodiscard]] OrderRecord const* find(std::string_view id, PeerId const& preferred) const;

  /// The counterparts of `order`, best first, at most match_count_max. `order` need not be in the book.
  [[nodiscard]] std::vector<Match> matches(OrderRecord const& order, WallTime now) const;
  /// All live orders, by key.
  [[nodiscard]] std::vector<OrderRecord> live(WallTime now) const;
  /// The number of live and closed orders.
  [[nodiscard]] std::size_t size() const { return orders_.size(); }

  /// Aborts when an invariant is broken.
  void check() const;

 private:
  using Queue = std::map<OrderRank, OrderRecord const*>;

  Result<void> check_room(OrderRecord const& order) const;
  Queue& side(Side side) { return side == Side::buy ? bids_ : asks_; }
  Queue const& side(Side side) const { return side == Side::buy ? bids_ : asks_; }

  Options options_;
  std::map<OrderKey, OrderRecord> orders_;
  std::map<std::optional<PeerId>, std::size_t> counts_;  // entries per maker
  Queue bids_;                                           // open orders; pointers into orders_
  Queue asks_;
  WallTime next_expiry_ = WallTime::max();  // no order expires before this
};

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::BookErrc);
