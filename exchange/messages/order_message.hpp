// Messages about orders: publishing one, reading a book, asking for matches.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/messages/message_header.hpp"
#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

/// Adds an order to the book of the receiver.
///
/// Mapping: `buy` and `sell` give the side; `amountToBuy` is the remaining amount, in BTC on both sides,
/// since the original matches opposite sides with equal amountToBuy at 1 BTC for 1 USD. Our prices are in
/// `price`, which the original ignores. Without `signature` it is an order of the original: price
/// kOriginalPrice, seq 0, no maker, created at createdAt, expires kOriginalOrderLife later. `minimum` is
/// least_take; left out if 0.
struct AddOrderMessage {
  static constexpr std::string_view kType = "AddOrderMessage";
  MessageHeader header;
  OrderRecord order;
};
/// The members of the original come first; a signed order is followed by its whole record.
[[nodiscard]] json::Value to_json(AddOrderMessage const& message);
/// An order in the answers to GetOrderbook and GetOrderMatches: an AddOrderMessage with the maker's
/// exchangeId.
[[nodiscard]] json::Value to_json(OrderRecord const& order);

struct GetOrderMatchesMessage {
  static constexpr std::string_view kType = "GetOrderMatchesMessage";
  MessageHeader header;
  std::string order_id;
};
[[nodiscard]] json::Value to_json(GetOrderMatchesMessage const& message);

struct GetOrderbookMessage {
  static constexpr std::string_view kType = "GetOrderbookMessage";
  MessageHeader header;
  bool with_closed = false;  // closed orders too; the original sends and knows no such member
};
[[nodiscard]] json::Value to_json(GetOrderbookMessage const& message);

struct OrderList {
  std::vector<OrderRecord> orders;
  std::size_t dropped = 0;  // malformed, or beyond `count_max`
};
/// Parses the array of orders in an answer to GetOrderbook or GetOrderMatches. Malformed items are skipped
/// and counted, so that one bad order does not hide the others. Errors: bad_answer if it is not an array.
[[nodiscard]] Result<OrderList> parse_orders(json::Value const& body, std::size_t count_max);

}  // namespace grenache::exchange
