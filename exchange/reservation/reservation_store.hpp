// The interface of reservation stores, which reserve parts of a maker's orders for takers.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>

namespace grenache::exchange {

enum class ReservationErrc {
  reserved = 1,   // live reservations leave less than the requested amount
  taker_has_one,  // the taker has a reservation of this order under another take id
  unavailable,    // no definite answer from the store; the reservation is undone
};
[[nodiscard]] std::string_view describe(ReservationErrc code);
constexpr char const* category_name(ReservationErrc) { return "exchange.reservation"; }
inline Error make_error_code(ReservationErrc code) { return make_enum_error(code); }

/// A request to reserve a part of an order.
struct ReserveRequest {
  std::string order_id;         // unique for the maker; at most kReservationIdSizeMax bytes
  std::string take_id;          // chosen by the taker; a request with the same id gets the same reservation
  std::string taker;            // the taker's peer id in hex, or its substitute (see taker_of())
  std::int64_t amount_sat = 0;  // > 0
  /// Remaining amount of the order; the sum of live reservations never exceeds it.
  std::int64_t available_sat = 0;
  std::chrono::milliseconds life{900'000};
};
inline constexpr std::size_t kReservationIdSizeMax = 128;

/// A live reservation.
struct Reservation {
  std::string take_id;
  std::int64_t amount_sat = 0;
  /// Increases with every reservation of this order, so stale holders have a lower one.
  std::int64_t fence = 0;
  WallTime reserved_at;                        // by the store's clock
  std::chrono::milliseconds remaining_life{};  // time until expiry
  bool repeated = false;                       // the reservation existed already, under the same take id
};

struct ReservationRefusal {
  ReservationErrc reason{};
  /// When enough may be free again; 0 if retrying is useless or the time is unknown.
  std::chrono::milliseconds retry_after{};
};

using ReserveOutcome = std::variant<Reservation, ReservationRefusal>;

/// Reserves parts of one maker's orders. Not thread-safe. Each callback runs exactly once on the same thread,
/// never inside the call, and with `unavailable` when the store is stopped.
class ReservationStore {
 public:
  ReservationStore() = default;
  ReservationStore(ReservationStore const&) = delete;
  ReservationStore& operator=(ReservationStore const&) = delete;
  virtual ~ReservationStore() = default;

  /// Reserves the whole amount or nothing, atomically among all processes that share the store.
  virtual void reserve(ReserveRequest request, std::function<void(ReserveOutcome)> done) = 0;
  /// Releases the reservation of `take_id` if its fence is still `fence`. True when it did.
  virtual void release(std::string order_id, std::string take_id, std::int64_t fence,
                       std::function<void(Result<bool>)> done) = 0;
};

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::ReservationErrc);
