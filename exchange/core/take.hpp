// The maker's side of a take: checks the request, and builds the answer from the store's outcome.
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
  // How long a signed request is valid. Shorter than kReservationLife, so that a replayed request gets the
  // same answer while the reservation lives, and is refused afterwards.
  std::chrono::milliseconds request_age_max = std::chrono::minutes{5};
  bool accept_unsigned = true;  // takes of the original program, for whole orders
};

/// A take that waits for the reservation store.
struct PendingTake {
  OrderKey order;
  ReserveRequest request;
  std::string take_id;  // as chosen by the taker; empty for the original
};

/// Identifies the taker: its key in hex, or "003:" and the exchangeId of a peer of the original, which has no
/// key.
[[nodiscard]] std::string taker_of(ExecuteOrderMessage const& message);

/// The take id in the reservation store: the taker's id with the taker appended, so that a peer cannot get
/// another taker's answer by guessing or copying its id.
[[nodiscard]] std::string store_take_id(std::string_view take_id, std::string_view taker);

/// Checks whether the maker `self` may reserve what `message` requests; verifies the signature last. A maker
/// executes every order signed with its key, no matter which process published it.
[[nodiscard]] std::variant<PendingTake, Refusal> check_take(ExecuteOrderMessage const& message,
                                                            Book const& book, PeerId const& self,
                                                            TakeOptions const& options, WallTime now);

struct TakeAnswer {
  std::variant<ExecuteOrderResponse, Refusal> answer;  // the caller sets the header of the response
  // Set if the reservation must be released, because the order was closed meanwhile.
  std::optional<Reservation> release;
};

/// Builds the answer to the taker from the store's outcome. The same reservation gives the same response.
[[nodiscard]] TakeAnswer answer_take(PendingTake const& take, ReserveOutcome const& outcome, Book const& book,
                                     SecretKey const& self, WallTime now);

}  // namespace grenache::exchange
