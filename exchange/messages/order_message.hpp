// The messages that exchange peers send each other, in the wire form of the original program
// (github.com/SeverinAlexB/code_challenge), which ours extends by members that it does not look at.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "exchange/messages/order_record.hpp"
#include <grenache/json/json.hpp>

namespace grenache::exchange {

enum class MessageErrc {
  not_json = 1,
  not_an_object,
  unknown_type,
  bad_header,
  bad_ping,
  bad_order_id,
  bad_sides,
  bad_amount,
  bad_price,
  bad_status,
  bad_seq,
  bad_time,
  bad_key,
  bad_endpoint,
  bad_signature,
  bad_take_id,
  bad_answer,
  bad_invoice,
  unsigned_price,
};
[[nodiscard]] std::string_view describe(MessageErrc code);
constexpr char const* category_name(MessageErrc) { return "grenache.exchange_message"; }
inline Error make_error_code(MessageErrc code) { return make_enum_error(code); }

/// How a message travels inside the RPC envelope: the original sends JSON text as a string in it and dies of
/// anything else, so requests are sent as text; answers go in the form that was asked in.
enum class PayloadForm { text, object };

struct Payload {
  json::Value body;
  PayloadForm form = PayloadForm::text;
};

/// A string is read as JSON text; anything else is the message itself. Errors: not_json.
[[nodiscard]] Result<Payload> read_payload(json::Value payload);
[[nodiscard]] json::Value write_payload(json::Value body, PayloadForm form);

enum class CreatorType { unknown, client, server };

/// What all messages begin with.
struct MessageHeader {
  std::int64_t exchange_id = -1;  // RPC port of the sender; the original executes at localhost:exchangeId
  CreatorType creator = CreatorType::unknown;
  WallTime created_at{};
};

inline constexpr std::size_t kOrderIdSizeMax = 128;   // bytes, of an id that is asked for
inline constexpr std::size_t kPeerNameSizeMax = 64;   // bytes; only for show
inline constexpr std::size_t kEndpointSizeMax = 260;  // a DNS name of 253 characters, colon, port
inline constexpr std::size_t kInvoiceSizeMax = 7089;  // what fits into the largest QR code
/// Of an RPC body: a request is one order at most, an answer a whole book of 10,000.
inline constexpr std::size_t kRequestBytesMax = 64 * 1024;
inline constexpr std::size_t kAnswerBytesMax = 16 * 1024 * 1024;
inline constexpr std::chrono::hours kOrderLifeMax{24 * 7};  // from created to expires of a signed order

struct PingPongMessage {
  MessageHeader header;
  bool is_pong = false;
  std::optional<PeerId> peer;  // who sends; the original says nothing about it
  std::string instance;        // hex, drawn anew by each process: so one recognizes oneself
  std::string name;            // at most kPeerNameSizeMax bytes
};

/// An order in the book, as AddOrderMessage.
///
/// Mapping: `buy` and `sell` give the side; `amountToBuy` is what remains, in BTC on both sides, since the
/// original matches opposite sides with equal amountToBuy and takes 1 BTC for 1 USD. Prices of ours are in
/// `price`, which the original does not see. Without `signature` it is an order of the original: price
/// kOriginalPrice, seq 0, no maker, created is createdAt and it expires kOriginalOrderLife later.
struct AddOrderMessage {
  MessageHeader header;
  OrderRecord order;
};

struct GetOrderMatchesMessage {
  MessageHeader header;
  std::string order_id;
};

struct ExecuteOrderMessage {
  MessageHeader header;
  std::string order_id;
  std::optional<TakeTerms> take;  // none: the original, which takes the whole order
};

struct GetOrderbookMessage {
  MessageHeader header;
};

using Request = std::variant<PingPongMessage, AddOrderMessage, GetOrderMatchesMessage, ExecuteOrderMessage,
                             GetOrderbookMessage>;

/// Reads a request. Strict about types, sizes and ranges of the members it knows, and about members that
/// contradict each other; others are ignored. Does not check signatures.
[[nodiscard]] Result<Request> parse_request(json::Value const& body);

struct ExecuteOrderResponse {
  MessageHeader header;
  std::string order_id;
  std::string lightning_invoice;
  WallTime expires_at{};  // written as `expiresAt` and, as the original spells it, `exiresAt`
  std::string take_id;    // empty from the original
  std::optional<Satoshi> amount;
};

[[nodiscard]] json::Value to_json(PingPongMessage const& message);
/// The members of the original come first; a signed order has all of its record behind them.
[[nodiscard]] json::Value to_json(AddOrderMessage const& message);
[[nodiscard]] json::Value to_json(GetOrderMatchesMessage const& message);
[[nodiscard]] json::Value to_json(ExecuteOrderMessage const& message);
[[nodiscard]] json::Value to_json(GetOrderbookMessage const& message);
[[nodiscard]] json::Value to_json(ExecuteOrderResponse const& message);
/// An order as GetOrderbook and GetOrderMatches answer it: an AddOrderMessage with the maker's exchangeId.
[[nodiscard]] json::Value to_json(OrderRecord const& order);

[[nodiscard]] Result<PingPongMessage> parse_pong(json::Value const& body);
[[nodiscard]] Result<ExecuteOrderResponse> parse_execute_response(json::Value const& body);

struct OrderList {
  std::vector<OrderRecord> orders;
  std::size_t dropped = 0;  // unreadable, or more than asked for
};
/// Reads an array of orders as GetOrderbook and GetOrderMatches answer; items that are no order are counted
/// and left out, so that one bad order does not hide the others. Errors: bad_answer when it is no array.
[[nodiscard]] Result<OrderList> parse_orders(json::Value const& body, std::size_t count_max);

/// Why a request was not granted.
enum class RefusalCode {
  invalid = 1,  // not a request that this peer understands
  unknown,      // no such order here, or not one of this maker
  expired,      // the order's time is over
  filled,       // nothing of it remains
  reserved,     // others hold it; retry_after says when to ask again
  self_trade,   // the taker is the maker
  amount,       // none, or more than remains
  price,        // not the order's price
  signature,    // missing, wrong, or too old
  limit,        // too much asked for at once
  unavailable,  // the reservation store gives no answer
};
/// The machine readable word: "invalid", …, "self-trade", ….
[[nodiscard]] std::string_view to_text(RefusalCode code);

struct Refusal {
  RefusalCode code = RefusalCode::invalid;
  std::string reason;                       // for people
  std::chrono::milliseconds retry_after{};  // 0: asking again makes no sense, or nobody knows
  friend bool operator==(Refusal const&, Refusal const&) = default;
};

/// What goes into the error place of the RPC envelope, which holds a string: the JSON text of
/// {"type":"ErrorMessage","code","reason","retryAfterMs"}.
[[nodiscard]] std::string to_error_text(Refusal const& refusal);
/// Nothing unless `text` is what to_error_text() makes; a word that is not known reads as `invalid`.
[[nodiscard]] std::optional<Refusal> parse_refusal(std::string_view text);

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::MessageErrc);
