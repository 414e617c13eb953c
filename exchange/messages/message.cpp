#include "exchange/messages/message.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "exchange/messages/fields.hpp"

namespace grenache::exchange {

using namespace fields;

namespace {

template <class Message>
Result<Request> parse_as(Value const& body) {
  auto message = parse<Message>(body);
  if (!message) return message.error();
  return Request{std::move(*message)};
}

struct RequestType {
  std::string_view name;
  Result<Request> (*parse)(Value const& body);
};
template <class Message>
constexpr RequestType kRequestType{Message::kType, &parse_as<Message>};

constexpr std::array kRequestTypes{
    kRequestType<PingPongMessage>,        kRequestType<AddOrderMessage>,
    kRequestType<GetOrderMatchesMessage>, kRequestType<ExecuteOrderMessage>,
    kRequestType<GetOrderbookMessage>,    kRequestType<PayMessage>,
    kRequestType<GetPeersMessage>,        kRequestType<ReconcileMessage>,
    kRequestType<InventoryMessage>,       kRequestType<GetRecordsMessage>,
    kRequestType<EquivocationMessage>,    kRequestType<RelayFeeMessage>,
    kRequestType<CreditMessages>,         kRequestType<TransitInvoiceMessage>,
    kRequestType<PrepareMessage>,         kRequestType<GetDebtsMessage>,
    kRequestType<StartNettingMessage>,
};
static_assert(kRequestTypes.size() == std::variant_size_v<Request>);

}  // namespace

std::string_view describe(MessageErrc code) {
  switch (code) {
    case MessageErrc::not_json:
      return "the payload is not JSON";
    case MessageErrc::not_an_object:
      return "the message is not an object";
    case MessageErrc::unknown_type:
      return "the message type is missing or unknown";
    case MessageErrc::bad_header:
      return "exchangeId, creatorType or createdAt is malformed";
    case MessageErrc::bad_ping:
      return "the ping is malformed";
    case MessageErrc::bad_order_id:
      return "the order id is missing, too long or, in an order, not a UUID";
    case MessageErrc::bad_sides:
      return "buy and sell are not BTC and USD";
    case MessageErrc::bad_amount:
      return "an amount is missing, malformed or contradicts another";
    case MessageErrc::unsigned_price:
      return "an order without a signature cannot name a price";
    case MessageErrc::bad_price:
      return "the price is missing or malformed";
    case MessageErrc::bad_status:
      return "the status is unknown or contradicts the remaining amount";
    case MessageErrc::bad_seq:
      return "seq is not a positive integer";
    case MessageErrc::bad_time:
      return "a time is missing, malformed or out of range";
    case MessageErrc::bad_key:
      return "a peer's key is not 66 hex digits";
    case MessageErrc::bad_endpoint:
      return "the endpoint is not host:port";
    case MessageErrc::bad_signature:
      return "the signature is missing or not 128 hex digits";
    case MessageErrc::bad_take_id:
      return "the take id is not a UUID";
    case MessageErrc::bad_answer:
      return "the answer does not have the expected form";
    case MessageErrc::bad_invoice:
      return "the answer has no invoice";
    case MessageErrc::bad_payment_hash:
      return "the payment hash is missing or not 64 hex digits";
    case MessageErrc::bad_preimage:
      return "the preimage is missing or not 64 hex digits";
    case MessageErrc::bad_range:
      return "a list of hashes, positions or orders is missing, malformed or too long";
    case MessageErrc::bad_proof:
      return "the two records do not contradict each other";
  }
  return "unknown error";
}

Result<Payload> read_payload(Value payload) {
  auto const* const text = payload.as_string();
  if (!text) return Payload{std::move(payload), PayloadForm::object};
  auto body = json::parse(*text, kPayloadLimits);
  if (!body) return make_error_code(MessageErrc::not_json);
  return Payload{std::move(*body), PayloadForm::text};
}

Value read_answer(Value result) {
  auto payload = read_payload(result);
  return payload ? std::move(payload->body) : std::move(result);
}

Value write_payload(Value body, PayloadForm form) {
  return form == PayloadForm::text ? Value{json::to_text(body)} : std::move(body);
}

Result<Request> parse_request(Value const& body) {
  if (!body.as_object()) return make_error_code(MessageErrc::not_an_object);
  auto const* const name = body.find_string("type");
  if (!name) return make_error_code(MessageErrc::unknown_type);
  auto const* const type = std::ranges::find(kRequestTypes, std::string_view{*name}, &RequestType::name);
  if (type == kRequestTypes.end()) return make_error_code(MessageErrc::unknown_type);
  return type->parse(body);
}

}  // namespace grenache::exchange
