#include "exchange/reservation/reservation_store.hpp"

namespace grenache::exchange {

std::string_view describe(ReservationErrc code) {
  switch (code) {
    case ReservationErrc::reserved:
      return "the order is reserved by another taker";
    case ReservationErrc::taker_has_one:
      return "this taker has already reserved a part of the order";
    case ReservationErrc::unavailable:
      return "the reservation store gave no definite answer";
  }
  return "unknown reservation error";
}

}  // namespace grenache::exchange
