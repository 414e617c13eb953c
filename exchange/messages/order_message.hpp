// The messages between exchange peers, in the wire format of the original program
// (github.com/SeverinAlexB/code_challenge), extended by members that it ignores.
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

/// How a message is embedded in the RPC envelope. The original sends JSON text as a string and crashes on
/// anything else, so requests are sent as text; answers use the form of the request.
enum class PayloadForm { text, object };

struct Payload {
  json::Value body;
  PayloadForm form = PayloadForm::text;
};

/// Parses a string as JSON text; any other value is the message itself. Errors: not_json.
[[nodiscard]] Result<Payload> read_payload(json::Value payload);
[[nodiscard]] json::Value write_payload(json::Value body, PayloadForm form);

enum class CreatorType { unknown, client, server };

/// The members that all messages have.
struct MessageHeader {
  std::int64_t exchange_id = -1;  // RPC port of the sender; the original executes at localhost:exchangeId
  CreatorType creator = CreatorType::unknown;
  WallTime created_at{};
};

inline constexpr std::size_t kOrderIdSizeMax = 128;   // bytes; limit of an id in a request
inline constexpr std::size_t kPeerNameSizeMax = 64;   // bytes; for display only
inline constexpr std::size_t kEndpointSizeMax = 260;  // a DNS name of 253 characters, colon, port
inline constexpr std::size_t kInvoiceSizeMax = 7089;  // the capacity of the largest QR code
/// Limits of an RPC body: a request holds at most one order, an answer a whole book of 10,000.
inline constexpr std::size_t kRequestBytesMax = 64 * 1024;
inline constexpr std::size_t kAnswerBytesMax = 16 * 1024 * 1024;
inline constexpr std::chrono::hours kOrderLifeMax{24 * 7};  // from created to expires of a signed order

struct PingPongMessage {
  MessageHeader header;
  bool is_pong = false;
  std::optional<PeerId> peer;  // the sender; none: the original does not send it
  std::string instance;        // hex, random per process, so that a process recognises its own ping
  std::string name;            // at most kPeerNameSizeMax bytes
};

/// Adds an order to the book of the receiver.
///
/// Mapping: `buy` and `sell` give the side; `amountToBuy` is the remaining amount, in BTC on both sides,
/// since the original matches opposite sides with equal amountToBuy at 1 BTC for 1 USD. Our prices are in
/// `price`, which the original ignores. Without `signature` it is an order of the original: price
/// kOriginalPrice, seq 0, no maker, created at createdAt, expires kOriginalOrderLife later.
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
  std::optional<TakeTerms> take;  // none: a request of the original, for the whole order
};

struct GetOrderbookMessage {
  MessageHeader header;
};

using Request = std::variant<PingPongMessage, AddOrderMessage, GetOrderMatchesMessage, ExecuteOrderMessage,
                             GetOrderbookMessage>;

/// Parses a request. Checks types, sizes, ranges and consistency of the known members; ignores others. Does
/// not verify signatures.
[[nodiscard]] Result<Request> parse_request(json::Value const& body);

struct ExecuteOrderResponse {
  MessageHeader header;
  std::string order_id;
  std::string lightning_invoice;
  WallTime expires_at{};  // written as `expiresAt` and as `exiresAt`, the original's spelling
  std::string take_id;    // empty from the original
  std::optional<Satoshi> amount;
};

[[nodiscard]] json::Value to_json(PingPongMessage const& message);
/// The members of the original come first; a signed order is followed by its whole record.
[[nodiscard]] json::Value to_json(AddOrderMessage const& message);
[[nodiscard]] json::Value to_json(GetOrderMatchesMessage const& message);
[[nodiscard]] json::Value to_json(ExecuteOrderMessage const& message);
[[nodiscard]] json::Value to_json(GetOrderbookMessage const& message);
[[nodiscard]] json::Value to_json(ExecuteOrderResponse const& message);
/// An order in the answers to GetOrderbook and GetOrderMatches: an AddOrderMessage with the maker's
/// exchangeId.
[[nodiscard]] json::Value to_json(OrderRecord const& order);

[[nodiscard]] Result<PingPongMessage> parse_pong(json::Value const& body);
[[nodiscard]] Result<ExecuteOrderResponse> parse_execute_response(json::Value const& body);

struct OrderList {
  std::vector<OrderRecord> orders;
  std::size_t dropped = 0;  // malformed, or beyond `count_max`
};
/// Parses the array of orders in an answer to GetOrderbook or GetOrderMatches. Malformed items are skipped
/// and counted, so that one bad order does not hide the others. Errors: bad_answer if it is not an array.
[[nodiscard]] Result<OrderList> parse_orders(json::Value const& body, std::size_t count_max);

/// Why a request was refused.
enum class RefusalCode {
  invalid = 1,  // not a valid request
  unknown,      // unknown order, or not one of this maker
  expired,      // the order has expired
  filled,       // nothing remains of the order
  reserved,     // reserved by others; retry after retry_after
  self_trade,   // the taker is the maker
  amount,       // missing, zero, or more than remains
  price,        // differs from the order's price
  signature,    // missing, invalid, or too old
  limit,        // too many requests
  unavailable,  // the reservation store does not answer
};
/// The code on the wire: "invalid", …, "self-trade", ….
[[nodiscard]] std::string_view to_text(RefusalCode code);

struct Refusal {
  RefusalCode code = RefusalCode::invalid;
  std::string reason;                       // human-readable
  std::chrono::milliseconds retry_after{};  // 0: retrying is useless, or the time is unknown
  friend bool operator==(Refusal const&, Refusal const&) = default;
};

/// Returns the error string of the RPC envelope: the JSON text of
/// {"type":"ErrorMessage","code","reason","retryAfterMs"}.
[[nodiscard]] std::string to_error_text(Refusal const& refusal);
/// Parses the output of to_error_text(); nothing for any other text. An unknown code becomes `invalid`.
[[nodiscard]] std::optional<Refusal> parse_refusal(std::string_view text);

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::MessageErrc);
