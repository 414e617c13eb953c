// Refusals: the typed errors with which a peer answers a request.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace grenache::exchange {

/// Why a request was refused.
enum class RefusalCode {
  invalid = 1,  // not a valid request
  unknown,      // unknown order, or not one of this maker
  expired,      // the order has expired
  filled,       // nothing remains of the order
  reserved,     // reserved by others; retry after retry_after
  self_trade,   // the taker is the maker
  amount,       // missing, zero, less than the order's least take, or more than remains
  price,        // differs from the order's price
  signature,    // missing, invalid, or too old
  limit,        // too many requests
  unavailable,  // the reservation store does not answer
  gone,         // the invoice has expired, or its reservation was released
  payment,      // an invoice must be paid first
};
/// The code on the wire: "invalid", …, "self-trade", ….
[[nodiscard]] std::string_view to_text(RefusalCode code);

/// A reason is cut to this size, in bytes, when it is written or read.
inline constexpr std::size_t kRefusalReasonSizeMax = 500;

struct Refusal {
  RefusalCode code = RefusalCode::invalid;
  std::string reason;                       // human-readable
  std::chrono::milliseconds retry_after{};  // 0: retrying is useless, or the time is unknown
  std::string invoice{};                    // of `payment`
  friend bool operator==(Refusal const&, Refusal const&) = default;
};

/// Returns the error string of the RPC envelope: the JSON text of
/// {"type":"ErrorMessage","code","reason","retryAfterMs"}, with "invoice" if there is one.
[[nodiscard]] std::string to_error_text(Refusal const& refusal);
/// Parses the output of to_error_text(); nothing for any other text. An unknown code becomes `invalid`.
[[nodiscard]] std::optional<Refusal> parse_refusal(std::string_view text);

}  // namespace grenache::exchange
