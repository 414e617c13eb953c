// Asks a peer whether it tells others of a maker's orders.
#pragma once

#include "exchange/messages/message_header.hpp"
#include <grenache/base/crypto.hpp>

namespace grenache::exchange {

/// Answer: "ok", or a refusal `payment` with the invoice of the fee. It is paid like a take: a PayMessage
/// with the order id kRelayOrderId, the take id in the description of the invoice, and the maker as the
/// taker, which is answered with a PaidMessage.
struct RelayFeeMessage {
  static constexpr std::string_view kType = "RelayFeeMessage";
  MessageHeader header;
  PeerId maker;
};
[[nodiscard]] json::Value to_json(RelayFeeMessage const& message);

inline constexpr char const* kRelayOrderId = "relay";

}  // namespace grenache::exchange
