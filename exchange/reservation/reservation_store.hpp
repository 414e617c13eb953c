// Who may take what of an order, and until when. The interface of the maker's reservation stores.
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
  reserved = 1,   // live reservations leave too little of the order
  taker_has_one,  // this taker already reserved a part of this order under another take id
  unavailable,    // no definite answer from the store: nothing was promised, and nothing is left reserved
};
[[nodiscard]] std::string_view describe(ReservationErrc code);
constexpr char const* category_name(ReservationErrc) { return "exchange.reservation"; }
inline Error make_error_code(ReservationErrc code) { return make_enum_error(code); }

/// A taker's wish for a part of an order.
struct ReserveRequest {
  std::string order_id;            // key of the order within the maker; at most kReservationIdSizeMax bytes
  std::string take_id;             // chosen by the taker; asking again with it repeats the answer
  std::string taker;               // who takes: a peer id in hex, or what stands for one
  std::int64_t amount_sat = 0;     // wanted, > 0
  std::int64_t available_sat = 0;  // remaining of the order: live reservations together never exceed it
  std::chrono::milliseconds life{900'000};
};
inline constexpr std::size_t kReservationIdSizeMax = 128;

/// A live reservation.
struct Reservation {
  std::string take_id;
  std::int64_t amount_sat = 0;
  std::int64_t fence = 0;  // grows with every reservation of this order; stale holders have a lower one
  WallTime reserved_at;    // by the store's clock
  std::chrono::milliseconds remaining_life{};  // how long it holds from now on
  bool repeated = false;                       // it was there already: the same take id asked again
};

struct ReservationRefusal {
  ReservationErrc reason{};
  std::chrono::milliseconds
      retry_after{};  // when enough may be free again; 0 when asking again makes no sense or nobody knows
};

using ReserveOutcome = std::variant<Reservation, ReservationRefusal>;

/// Reserves parts of one maker's orders. Lives on one thread; the callbacks run on it, never inside the call
/// itself, and each exactly once, also when the store is stopped (then with `unavailable`).
class ReservationStore {
 public:
  ReservationStore() = default;
  ReservationStore(ReservationStore const&) = delete;
  ReservationStore& operator=(ReservationStore const&) = delete;
  virtual ~ReservationStore() = default;

  /// All or nothing, and atomic among all processes that share the store.
  virtual void reserve(ReserveRequest request, std::function<void(ReserveOutcome)> done) = 0;
  /// Frees a reservation, if `take_id` with `fence` still holds it. True when it did.
  virtual void release(std::string order_id, std::string take_id, std::int64_t fence,
                       std::function<void(Result<bool>)> done) = 0;
};

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::ReservationErrc);
