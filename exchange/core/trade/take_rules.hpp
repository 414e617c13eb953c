// The rules for takes, at the maker: which requests may be reserved, and what a refusal says.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <variant>

#include "exchange/core/trade/own_orders.hpp"
#include "exchange/core/trade/reservation.hpp"
#include "exchange/messages/message.hpp"

namespace grenache::exchange {

struct TakeOptions {
  /// How long a signed request is valid. Shorter than kReservationLife, so that a replayed request gets the
  /// same answer while the reservation lives, and is refused afterwards.
  std::chrono::milliseconds request_age_max = std::chrono::minutes{5};
  bool accept_unsigned = true;  // takes of the original program, for whole orders
  std::chrono::milliseconds life = kReservationLife;
  /// An order that ends sooner is not reserved any more: its invoice must not outlive it.
  std::chrono::milliseconds life_min = std::chrono::seconds{1};
};

/// Identifies the taker: its key in hex, or "003:" and the exchangeId of a peer of the original, which has no
/// key.
[[nodiscard]] std::string taker_of(ExecuteOrderMessage const& message);

/// The take id in the reservation store: the taker's id with the taker appended, so that a peer cannot get
/// another taker's answer by guessing or copying its id.
[[nodiscard]] std::string store_take_id(std::string_view take_id, std::string_view taker);

/// Checks whether `order`, which is null if it is unknown, may be reserved for the taker. Verifies the
/// signature last.
[[nodiscard]] std::variant<store::Reserve, Refusal> check_take(ExecuteOrderMessage const& message,
                                                               OwnOrder const* order, PeerId const& self,
                                                               TakeOptions const& options, WallTime now);

/// The refusal that the taker gets when the store refuses.
[[nodiscard]] Refusal refusal_of(store::Refused const& refused);

}  // namespace grenache::exchange
