// A replica of all orders that peers have shown.
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

/// What an order was to the book.
enum class Added {
  nothing,  // this version or a newer one was known, which is no error
  order,    // not known before
  version,  // a newer version of a known one
};

/// An order that another one may trade with.
struct Match {
  OrderRecord order;
  Satoshi amount;  // as much of it as the other has left; more than nothing
};

/// The newest version of every order, whoever made it.
///
/// Invariants, verified by check():
///  - at most order_count_max entries, of them maker_order_count_max of one maker (unsigned_count_max of the
///    nameless one), closed ones included;
///  - every signed order was signed by its maker;
///  - an entry is the highest version seen: highest seq, of two with one seq the one with the higher digest;
///  - replicas that were shown the same versions in any order hold the same entries (as long as none is
///  full).
/// A closed order stays as its own tombstone until it expires: a late copy of an older version loses to it,
/// and afterwards is expired itself.
class Book {
 public:
  struct Options {
    std::size_t order_count_max = 10'000;  // about 10 MB; all of them fit into one answer (kAnswerBytesMax)
    std::size_t maker_order_count_max = 1'000;                           // one maker cannot fill the book
    std::size_t unsigned_count_max = 1'000;                              // nor can those who sign nothing
    std::size_t match_count_max = 100;                                   // more matches than anybody takes
    std::chrono::milliseconds clock_skew_max = std::chrono::minutes{2};  // of makers who run ahead
    bool accept_unsigned = true;                                         // orders of the original program
  };

  explicit Book(Options options) : options_{options} {}
  Book(Book const&) = delete;
  Book& operator=(Book const&) = delete;

  /// Checks the cheapest first, the signature last. Logarithmic.
  [[nodiscard]] Result<Added> add(OrderRecord order, WallTime now);

  /// Forgets what has expired. Linear, but only when there is something to forget.
  void expire(WallTime now);

  [[nodiscard]] OrderRecord const* find(OrderKey const& key) const;
  /// The order `id` of `preferred`, else of any maker, the lowest key first.
  [[nodiscard]] OrderRecord const* find(std::string_view id, PeerId const& preferred) const;

  /// What `order` may trade with, best first; it need not be in the book itself. At most match_count_max.
  [[nodiscard]] std::vector<Match> matches(OrderRecord const& order, WallTime now) const;
  /// All live orders, by key.
  [[nodiscard]] std::vector<OrderRecord> live(WallTime now) const;
  /// Live and closed ones.
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
  std::map<std::optional<PeerId>, std::size_t> counts_;  // entries of each maker
  Queue bids_;                                           // open orders only, into orders_
  Queue asks_;
  WallTime next_expiry_ = WallTime::max();  // not after the first expiry in the book
};

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::BookErrc);
