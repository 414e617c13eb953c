// A proof that a maker has signed contradictory terms of one order.
#pragma once

#include "exchange/messages/message_header.hpp"
#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

/// Two records of one maker and one order id that contradict() each other. With both signatures it convicts
/// the maker, whoever sends it. Answer: "ok".
struct EquivocationMessage {
  static constexpr std::string_view kType = "EquivocationMessage";
  MessageHeader header;
  OrderRecord first;
  OrderRecord second;
};
/// `first` and `second` are AddOrderMessages. A message whose records do not contradict each other does not
/// parse.
[[nodiscard]] json::Value to_json(EquivocationMessage const& message);

}  // namespace grenache::exchange
