// How often the changes of one maker are told to other peers.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "exchange/core/order.hpp"
#include <grenache/base/time.hpp>

namespace grenache::exchange {

/// An allowance for each maker: a new order costs order_cost, another version 1. What exceeds it is told
/// later, and then in its newest version, so whoever signs versions of his orders without end makes each
/// peer of the network send no more than versions_per_second ids of them, and the last version is told when
/// he stops. The others find newer versions when they compare books, as always.
///
/// A maker who publishes 1,000 orders at once, or changes 20 a second, is not delayed; nor are the calls of a
/// maker to the peers that it knows, which do not pass here.
///
/// State is kept only for makers that have not their whole allowance; at maker_count_max, all further ones
/// share one. What exceeds delayed_count_max is left to the comparison of books.
class MakerRates {
 public:
  struct Options {
    double versions_per_second = 20;
    double versions_max = 4'000;  // what an idle maker has saved
    double order_cost = 4;
    std::size_t maker_count_max = 2'000;    // about 150 bytes each
    std::size_t delayed_count_max = 4'096;  // orders of all makers; about 120 bytes each
  };

  explicit MakerRates(Options options) : options_{options} {}
  MakerRates(MakerRates const&) = delete;
  MakerRates& operator=(MakerRates const&) = delete;

  /// A signed order is new, or has a new version. True if others may be told of it now; else due() returns it
  /// later, once, however many versions it has by then.
  [[nodiscard]] bool admit(OrderKey const& order, bool is_new, TimePoint now);
  /// The delayed orders that may be told now. Linear in the makers that have some.
  [[nodiscard]] std::vector<OrderKey> due(TimePoint now);
  [[nodiscard]] TimePoint next_expiry() const { return next_due_; }

  [[nodiscard]] std::size_t delayed_count() const { return delayed_count_; }
  [[nodiscard]] std::size_t maker_count() const { return makers_.size(); }

 private:
  struct Maker {
    double allowance = 0;
    TimePoint updated{};
    std::set<OrderKey> delayed{};
  };
  Maker& find(PeerId const& maker, TimePoint now);
  void update(Maker& maker, TimePoint now) const;
  void forget_idle(TimePoint now);
  void release(Maker& maker, std::vector<OrderKey>& out);

  Options options_;
  std::map<PeerId, Maker> makers_;
  Maker others_{};  // all that have no place
  std::size_t delayed_count_ = 0;
  TimePoint next_due_ = TimePoint::max();
  TimePoint next_forgetting_{};
};

}  // namespace grenache::exchange
