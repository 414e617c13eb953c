// The maker's side of a take: may it be reserved, and what to answer once the store has spoken.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "exchange/core/book.hpp"
#include "exchange/core/invoice.hpp"
#include "exchange/messages/order_message.hpp"
#include "exchange/reservation/reservation_store.hpp"

namespace grenache::exchange {

struct TakeOptions {
  // How long a signed request counts. Shorter than kReservationLife: whoever repeats somebody else's request
  // gets the same answer while the reservation lives, and none afterwards.
  std::chrono::milliseconds request_age_max = std::chrono::minutes{5};
  bool accept_unsigned = true;  // takes of the original program, which are of whole orders
};

/// A take that waits for the store.
struct PendingTake {
  OrderKey order;
  ReserveRequest request;
  std::string take_id;  // as the taker chose it; empty for the original
};

/// Who takes: the key of the taker in hex, or "003:" and the exchangeId of the original, which has no other
/// name.
[[nodiscard]] std::string taker_of(ExecuteOrderMessage const& message);

/// The take id in the reservation store: the taker's own with the taker behind it, so that nobody gets an
/// answer that was another's by guessing or copying an id.
[[nodiscard]] std::string store_take_id(std::string_view take_id, std::string_view taker);

/// Whether the maker with the key `self` may ask the store for what `message` wants; the signature is looked
/// at last. An order with the key of `self` is its own to execute, wherever the order came from.
[[nodiscard]] std::variant<PendingTake, Refusal> check_take(ExecuteOrderMessage const& message,
                                                            Book const& book, PeerId const& self,
                                                            TakeOptions const& options, WallTime now);

struct TakeAnswer {
  std::variant<ExecuteOrderResponse, Refusal> answer;  // the header of the response is left to the caller
  // What to give back to the store: the order was closed while the store was asked.
  std::optional<Reservation> release;
};

/// What to tell the taker after the store has answered. The same reservation makes the same response.
[[nodiscard]] TakeAnswer answer_take(PendingTake const& take, ReserveOutcome const& outcome, Book const& book,
                                     SecretKey const& self, WallTime now);

}  // namespace grenache::exchange
