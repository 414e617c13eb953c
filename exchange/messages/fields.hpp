// Internals shared by the messages: readers and writers of single members, and the reader of each message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "exchange/messages/message.hpp"

namespace grenache::exchange::fields {

using json::Value;

/// A message has depth 2, and a book of 10,000 orders has 200,000 values.
inline constexpr json::ParseLimits kPayloadLimits{.depth_max = 16, .value_count_max = 300'000};
/// The range of JavaScript's Date, in ms.
inline constexpr std::int64_t kUnixMsMax = 8'640'000'000'000'000;

[[nodiscard]] inline bool is_missing(Value const* value) { return !value || value->is_null(); }
[[nodiscard]] std::optional<WallTime> find_time(Value const& body, std::string_view name);
/// host:port of at most kEndpointSizeMax bytes.
[[nodiscard]] bool is_endpoint(std::string_view text);

template <class Money>
[[nodiscard]] std::optional<Money> find_money(Value const& body, std::string_view name) {
  auto const* const value = body.find(name);
  auto const money = value ? Money::from_json(*value) : Result<Money>{MoneyErrc::not_a_number};
  if (!money) return std::nullopt;
  return *money;
}
template <class Money>
[[nodiscard]] std::optional<Money> find_positive(Value const& body, std::string_view name) {
  auto const money = find_money<Money>(body, name);
  return money && money->units() > 0 ? money : std::nullopt;
}
/// The bytes that a string member spells in hex.
template <class Bytes>
[[nodiscard]] std::optional<Bytes> find_hex(Value const& body, std::string_view name) {
  auto const* const text = body.find_string(name);
  return text ? Bytes::from_hex(*text) : std::nullopt;
}

[[nodiscard]] Result<MessageHeader> parse_header(Value const& body);
/// Any text up to kOrderIdSizeMax: an id that is not a UUID matches no order, which is answered as an unknown
/// order.
[[nodiscard]] Result<std::string> parse_order_id(Value const& body);
[[nodiscard]] Result<std::string> parse_take_id(Value const& body);
[[nodiscard]] Result<PeerId> parse_key(Value const& body, std::string_view name);
[[nodiscard]] Result<Signature> parse_signature(Value const& body);

/// The members of the header, with which every message begins.
[[nodiscard]] Value::Object begin(std::string_view type, MessageHeader const& header);
inline void add(Value::Object& object, std::string name, Value value) {
  object.emplace_back(std::move(name), std::move(value));
}

/// Each reads the members of a message after its header, which is set already.
[[nodiscard]] Result<void> read_members(Value const& body, PingPongMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, AddOrderMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, GetOrderMatchesMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, GetOrderbookMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, ExecuteOrderMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, ExecuteOrderResponse& out);
[[nodiscard]] Result<void> read_members(Value const& body, PayMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, PaidMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, GetPeersMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, ReconcileMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, InventoryMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, GetRecordsMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, EquivocationMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, RelayFeeMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, CreditMessages& out);
[[nodiscard]] Result<void> read_members(Value const& body, TransitInvoiceMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, TransitInvoice& out);
[[nodiscard]] Result<void> read_members(Value const& body, PrepareMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, TransitOutcome& out);
[[nodiscard]] Result<void> read_members(Value const& body, GetDebtsMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, DebtsAnswer& out);
[[nodiscard]] Result<void> read_members(Value const& body, StartNettingMessage& out);
[[nodiscard]] Result<void> read_members(Value const& body, NettingAnswer& out);

/// Parses a message whose type is known.
template <class Message>
[[nodiscard]] Result<Message> parse(Value const& body) {
  auto const header = parse_header(body);
  if (!header) return header.error();
  Message out;
  out.header = *header;
  if (auto const read = read_members(body, out); !read) return read.error();
  return out;
}
/// Parses an answer that must be of type `Message`.
template <class Message>
[[nodiscard]] Result<Message> parse_answer(Value const& body) {
  auto const* const type = body.find_string("type");
  if (!type || *type != Message::kType) return MessageErrc::bad_answer;
  return parse<Message>(body);
}

}  // namespace grenache::exchange::fields
