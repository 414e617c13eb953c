#include "exchange/core/trade/reservation.hpp"

#include <algorithm>

namespace grenache::exchange {

void OrderTotals::merge(OrderTotals const& other) {
  filled = std::max(filled, other.filled);
  reduced = std::max(reduced, other.reduced);
  closed = closed || other.closed;
  seq = std::max(seq, other.seq);
  spent = std::max(spent, other.spent);
}

void OrderTotals::fit(Satoshi amount) {
  filled = std::clamp(filled, Satoshi{0}, amount);
  reduced = std::clamp(reduced, Satoshi{0}, amount - filled);
  spent = std::clamp(spent, filled + reduced, amount);
}

namespace store {

std::string_view describe(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::unavailable:
      return "the reservation store gave no definite answer";
    case RefusalReason::reserved:
      return "other takers have reserved what is left of the order";
    case RefusalReason::rival_reserved:
      return "another order of its group is reserved";
    case RefusalReason::taker_has_one:
      return "this taker has already reserved a part of the order";
    case RefusalReason::too_many_takes:
      return "the order has too many takes";
    case RefusalReason::amount:
      return "less than this is left of the order";
    case RefusalReason::closed:
      return "the order was closed";
    case RefusalReason::gone:
      return "the reservation has ended";
  }
  return "unknown reason";
}

}  // namespace store

}  // namespace grenache::exchange
