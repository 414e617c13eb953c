#include "exchange/messages/order_message.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <grenache/base/endpoint.hpp>

namespace grenache::exchange {
namespace {

using json::Value;

// A message has depth 2, and a book of 10,000 orders has 200,000 values.
constexpr json::ParseLimits kPayloadLimits{.depth_max = 16, .value_count_max = 300'000};
// The range of JavaScript's Date, in ms.
constexpr std::int64_t kUnixMsMax = 8'640'000'000'000'000;
constexpr std::size_t kInstanceSizeMax = 32;

std::optional<WallTime> find_time(Value const& body, std::string_view name) {
  auto const ms = body.find_int(name);
  if (!ms || *ms < 0 || *ms > kUnixMsMax) return std::nullopt;
  return from_unix_ms(*ms);
}

bool is_missing(Value const* value) { return !value || value->is_null(); }

Result<MessageHeader> parse_header(Value const& body) {
  MessageHeader out;
  if (!is_missing(body.find("exchangeId"))) {
    auto const id = body.find_int("exchangeId");
    if (!id) return MessageErrc::bad_header;
    out.exchange_id = *id;
  }
  if (auto const* const creator = body.find("creatorType"); !is_missing(creator)) {
    auto const* const text = creator->as_string();
    if (!text || (*text != "client" && *text != "server")) return MessageErrc::bad_header;
    out.creator = *text == "client" ? CreatorType::client : CreatorType::server;
  }
  if (!is_missing(body.find("createdAt"))) {
    auto const time = find_time(body, "createdAt");
    if (!time) return MessageErrc::bad_header;
    out.created_at = *time;
  }
  return out;
}

Value::Object begin(std::string_view type, MessageHeader const& header) {
  Value creator;
  if (header.creator == CreatorType::client) creator = "client";
  if (header.creator == CreatorType::server) creator = "server";
  return {{"type", type},
          {"exchangeId", header.exchange_id},
          {"creatorType", std::move(creator)},
          {"createdAt", to_unix_ms(header.created_at)}};
}

void add(Value::Object& object, std::string name, Value value) {
  object.emplace_back(std::move(name), std::move(value));
}

Result<std::string> parse_order_id(Value const& body) {
  auto const* const id = body.find_string("orderId");
  // Any form is accepted: an id that is not a UUID matches no order, which is answered as an unknown order.
  if (!id || id->size() > kOrderIdSizeMax) return MessageErrc::bad_order_id;
  return *id;
}

Result<PeerId> parse_key(Value const& body, std::string_view name) {
  auto const* const text = body.find_string(name);
  auto const key = text ? PeerId::from_hex(*text) : std::nullopt;
  if (!key) return MessageErrc::bad_key;
  return *key;
}

Result<Signature> parse_signature(Value const& body) {
  auto const* const text = body.find_string("signature");
  auto const signature = text ? Signature::from_hex(*text) : std::nullopt;
  if (!signature) return MessageErrc::bad_signature;
  return *signature;
}

template <class Money>
std::optional<Money> find_money(Value const& body, std::string_view name) {
  auto const* const value = body.find(name);
  auto const money = value ? Money::from_json(*value) : Result<Money>{MoneyErrc::not_a_number};
  if (!money) return std::nullopt;
  return *money;
}

template <class Money>
std::optional<Money> find_positive(Value const& body, std::string_view name) {
  auto const money = find_money<Money>(body, name);
  return money && money->units() > 0 ? money : std::nullopt;
}

Result<PingPongMessage> parse_ping_pong(Value const& body, MessageHeader const& header) {
  PingPongMessage out{header, false, {}, {}, {}};
  auto const* const message = body.find_string("message");
  if (!message || (*message != "ping" && *message != "pong")) return MessageErrc::bad_ping;
  out.is_pong = *message == "pong";
  if (!is_missing(body.find("peer"))) {
    auto const peer = parse_key(body, "peer");
    if (!peer) return peer.error();
    out.peer = *peer;
  }
  for (auto const& [name, size_max, target] : {std::tuple{"name", kPeerNameSizeMax, &out.name},
                                               std::tuple{"instance", kInstanceSizeMax, &out.instance}}) {
    if (is_missing(body.find(name))) continue;
    auto const* const text = body.find_string(name);
    if (!text || text->size() > size_max) return MessageErrc::bad_ping;
    *target = *text;
  }
  return out;
}

// Parses an order of the original, or the members of ours that the original reads.
Result<OrderRecord> parse_original_order(Value const& body, MessageHeader const& header) {
  OrderRecord out;
  out.exchange_id = header.exchange_id;
  auto const* const id = body.find_string("id");
  if (!id || !is_uuid(*id)) return MessageErrc::bad_order_id;
  out.id = *id;
  auto const* const buy = body.find_string("buy");
  auto const* const sell = body.find_string("sell");
  bool const buys = buy && sell && *buy == "BTC" && *sell == "USD";
  bool const sells = buy && sell && *buy == "USD" && *sell == "BTC";
  if (!buys && !sells) return MessageErrc::bad_sides;
  out.side = buys ? Side::buy : Side::sell;
  auto const amount = find_money<Satoshi>(body, "amountToBuy");
  if (!amount) return MessageErrc::bad_amount;
  out.amount = out.remaining = *amount;
  out.price = kOriginalPrice;
  if (is_missing(body.find("createdAt"))) return MessageErrc::bad_time;
  out.created = header.created_at;
  out.expires = out.created + kOriginalOrderLife;
  return out;
}

Result<void> parse_terms(Value const& body, OrderRecord& out) {
  auto const amount = find_positive<Satoshi>(body, "amount");
  auto const remaining = find_money<Satoshi>(body, "remaining");
  if (!amount || !remaining || *remaining > *amount || *remaining != out.remaining) {
    return MessageErrc::bad_amount;
  }
  out.amount = *amount;
  auto const price = find_positive<PriceCents>(body, "price");
  if (!price) return MessageErrc::bad_price;
  out.price = *price;
  auto const* const status = body.find_string("status");
  auto const known = status ? parse_order_status(*status) : std::nullopt;
  if (!known || (*known == OrderStatus::open && remaining->units() == 0)) return MessageErrc::bad_status;
  out.status = *known;
  return {};
}

Result<OrderRecord> parse_signed_order(Value const& body, OrderRecord out) {
  if (auto const terms = parse_terms(body, out); !terms) return terms.error();
  auto const seq = body.find_int("seq");
  if (!seq || *seq < 1) return MessageErrc::bad_seq;
  out.seq = *seq;
  auto const created = find_time(body, "created");
  auto const expires = find_time(body, "expires");
  if (!created || !expires || *expires <= *created || *expires - *created > kOrderLifeMax) {
    return MessageErrc::bad_time;
  }
  out.created = *created;
  out.expires = *expires;
  auto const maker = parse_key(body, "maker");
  if (!maker) return maker.error();
  out.maker = *maker;
  auto const* const endpoint = body.find_string("endpoint");
  auto const host_port =
      endpoint && endpoint->size() <= kEndpointSizeMax ? HostPort::parse(*endpoint) : std::nullopt;
  if (!host_port) return MessageErrc::bad_endpoint;
  out.endpoint = *endpoint;
  // exchangeId is not covered by the signature; take it from the endpoint, which is.
  out.exchange_id = host_port->port;
  auto const signature = parse_signature(body);
  if (!signature) return signature.error();
  out.signature = *signature;
  return out;
}

Result<OrderRecord> parse_order(Value const& body, MessageHeader const& header) {
  auto order = parse_original_order(body, header);
  if (!order) return order.error();
  if (!is_missing(body.find("signature"))) return parse_signed_order(body, std::move(*order));
  // An order of ours must be signed: without a signature, nobody is bound to its price.
  if (!is_missing(body.find("maker"))) return MessageErrc::bad_signature;
  if (!is_missing(body.find("price"))) return MessageErrc::unsigned_price;
  if (order->amount.units() == 0) return MessageErrc::bad_amount;
  return order;
}

Result<TakeTerms> parse_take(Value const& body, MessageHeader const& header) {
  TakeTerms out;
  auto const* const take_id = body.find_string("takeId");
  if (!take_id || !is_uuid(*take_id)) return MessageErrc::bad_take_id;
  out.take_id = *take_id;
  // Zero and excessive amounts are refused by the maker, with code `amount`.
  auto const amount = find_money<Satoshi>(body, "amount");
  if (!amount) return MessageErrc::bad_amount;
  out.amount = *amount;
  auto const price = find_money<PriceCents>(body, "price");
  if (!price) return MessageErrc::bad_price;
  out.price = *price;
  auto const taker = parse_key(body, "taker");
  if (!taker) return taker.error();
  out.taker = *taker;
  if (is_missing(body.find("createdAt"))) return MessageErrc::bad_time;
  out.created = header.created_at;
  auto const signature = parse_signature(body);
  if (!signature) return signature.error();
  out.signature = *signature;
  return out;
}

Result<ExecuteOrderMessage> parse_execute(Value const& body, MessageHeader const& header) {
  auto order_id = parse_order_id(body);
  if (!order_id) return order_id.error();
  ExecuteOrderMessage out{header, std::move(*order_id), {}};
  bool const is_original =
      is_missing(body.find("takeId")) && is_missing(body.find("taker")) && is_missing(body.find("signature"));
  if (is_original) return out;
  auto take = parse_take(body, header);
  if (!take) return take.error();
  out.take = std::move(*take);
  return out;
}

struct RefusalWord {
  RefusalCode code;
  std::string_view word;
};
constexpr std::array kRefusalWords{
    RefusalWord{RefusalCode::invalid, "invalid"},         RefusalWord{RefusalCode::unknown, "unknown"},
    RefusalWord{RefusalCode::expired, "expired"},         RefusalWord{RefusalCode::filled, "filled"},
    RefusalWord{RefusalCode::reserved, "reserved"},       RefusalWord{RefusalCode::self_trade, "self-trade"},
    RefusalWord{RefusalCode::amount, "amount"},           RefusalWord{RefusalCode::price, "price"},
    RefusalWord{RefusalCode::signature, "signature"},     RefusalWord{RefusalCode::limit, "limit"},
    RefusalWord{RefusalCode::unavailable, "unavailable"},
};

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

Value write_payload(Value body, PayloadForm form) {
  return form == PayloadForm::text ? Value{json::to_text(body)} : std::move(body);
}

Result<Request> parse_request(Value const& body) {
  if (!body.as_object()) return make_error_code(MessageErrc::not_an_object);
  auto const* const type = body.find_string("type");
  if (!type) return make_error_code(MessageErrc::unknown_type);
  auto const header = parse_header(body);
  if (!header) return header.error();

  if (*type == "PingPongMessage") {
    auto ping = parse_ping_pong(body, *header);
    if (!ping) return ping.error();
    return Request{std::move(*ping)};
  }
  if (*type == "AddOrderMessage") {
    auto order = parse_order(body, *header);
    if (!order) return order.error();
    return Request{AddOrderMessage{*header, std::move(*order)}};
  }
  if (*type == "GetOrderMatchesMessage") {
    auto order_id = parse_order_id(body);
    if (!order_id) return order_id.error();
    return Request{GetOrderMatchesMessage{*header, std::move(*order_id)}};
  }
  if (*type == "ExecuteOrderMessage") {
    auto execute = parse_execute(body, *header);
    if (!execute) return execute.error();
    return Request{std::move(*execute)};
  }
  if (*type == "GetOrderbookMessage") return Request{GetOrderbookMessage{*header}};
  return make_error_code(MessageErrc::unknown_type);
}

Value to_json(PingPongMessage const& message) {
  auto out = begin("PingPongMessage", message.header);
  add(out, "message", message.is_pong ? "pong" : "ping");
  if (message.peer) add(out, "peer", message.peer->hex());
  if (!message.instance.empty()) add(out, "instance", message.instance);
  if (!message.name.empty()) add(out, "name", message.name);
  return out;
}

Value to_json(AddOrderMessage const& message) {
  auto const& order = message.order;
  auto out = begin("AddOrderMessage", message.header);
  bool const buys = order.side == Side::buy;
  add(out, "id", order.id);
  add(out, "buy", buys ? "BTC" : "USD");
  add(out, "sell", buys ? "USD" : "BTC");
  add(out, "amountToBuy", order.remaining.to_json_number());
  if (!order.maker) return out;
  add(out, "price", order.price.to_text());
  add(out, "amount", order.amount.to_text());
  add(out, "remaining", order.remaining.to_text());
  add(out, "status", to_text(order.status));
  add(out, "seq", order.seq);
  add(out, "maker", order.maker->hex());
  add(out, "created", to_unix_ms(order.created));
  add(out, "expires", to_unix_ms(order.expires));
  add(out, "endpoint", order.endpoint);
  add(out, "signature", order.signature.hex());
  return out;
}

Value to_json(OrderRecord const& order) {
  return to_json(AddOrderMessage{{order.exchange_id, CreatorType::client, order.created}, order});
}

Value to_json(GetOrderMatchesMessage const& message) {
  auto out = begin("GetOrderMatchesMessage", message.header);
  add(out, "orderId", message.order_id);
  return out;
}

Value to_json(ExecuteOrderMessage const& message) {
  auto header = message.header;
  if (message.take) header.created_at = message.take->created;
  auto out = begin("ExecuteOrderMessage", header);
  add(out, "orderId", message.order_id);
  if (!message.take) return out;
  add(out, "takeId", message.take->take_id);
  add(out, "amount", message.take->amount.to_text());
  add(out, "price", message.take->price.to_text());
  add(out, "taker", message.take->taker.hex());
  add(out, "signature", message.take->signature.hex());
  return out;
}

Value to_json(GetOrderbookMessage const& message) { return begin("GetOrderbookMessage", message.header); }

Value to_json(ExecuteOrderResponse const& message) {
  auto out = begin("ExecuteOrderResponse", message.header);
  add(out, "orderId", message.order_id);
  add(out, "lightningInvoice", message.lightning_invoice);
  add(out, "exiresAt", to_unix_ms(message.expires_at));
  add(out, "expiresAt", to_unix_ms(message.expires_at));
  if (!message.take_id.empty()) add(out, "takeId", message.take_id);
  if (message.amount) add(out, "amount", message.amount->to_text());
  return out;
}

Result<PingPongMessage> parse_pong(Value const& body) {
  auto const* const type = body.find_string("type");
  if (!type || *type != "PingPongMessage") return MessageErrc::bad_answer;
  auto const header = parse_header(body);
  if (!header) return header.error();
  auto out = parse_ping_pong(body, *header);
  if (out && !out->is_pong) return MessageErrc::bad_answer;
  return out;
}

Result<ExecuteOrderResponse> parse_execute_response(Value const& body) {
  auto const* const type = body.find_string("type");
  if (!type || *type != "ExecuteOrderResponse") return MessageErrc::bad_answer;
  auto const header = parse_header(body);
  if (!header) return header.error();
  auto order_id = parse_order_id(body);
  if (!order_id) return order_id.error();
  auto const* const invoice = body.find_string("lightningInvoice");
  if (!invoice || invoice->empty() || invoice->size() > kInvoiceSizeMax) return MessageErrc::bad_invoice;
  auto const expires = find_time(body, body.find("expiresAt") ? "expiresAt" : "exiresAt");
  if (!expires) return MessageErrc::bad_time;
  ExecuteOrderResponse out{*header, std::move(*order_id), *invoice, *expires, {}, {}};
  if (!is_missing(body.find("takeId"))) {
    auto const* const take_id = body.find_string("takeId");
    if (!take_id || !is_uuid(*take_id)) return MessageErrc::bad_take_id;
    out.take_id = *take_id;
  }
  if (!is_missing(body.find("amount"))) {
    out.amount = find_positive<Satoshi>(body, "amount");
    if (!out.amount) return MessageErrc::bad_amount;
  }
  return out;
}

Result<OrderList> parse_orders(Value const& body, std::size_t count_max) {
  auto const* const items = body.as_array();
  if (!items) return make_error_code(MessageErrc::bad_answer);
  OrderList out;
  for (auto const& item : *items) {
    auto request = parse_request(item);
    auto* const message = request ? std::get_if<AddOrderMessage>(&*request) : nullptr;
    if (message && out.orders.size() < count_max) {
      out.orders.push_back(std::move(message->order));
    } else {
      ++out.dropped;
    }
  }
  return out;
}

std::string_view to_text(RefusalCode code) {
  for (auto const& entry : kRefusalWords) {
    if (entry.code == code) return entry.word;
  }
  return "invalid";
}

std::string to_error_text(Refusal const& refusal) {
  return json::to_text(Value::object({{"type", "ErrorMessage"},
                                      {"code", to_text(refusal.code)},
                                      {"reason", refusal.reason},
                                      {"retryAfterMs", std::int64_t{refusal.retry_after.count()}}}));
}

std::optional<Refusal> parse_refusal(std::string_view text) {
  auto const body = json::parse(text, kPayloadLimits);
  if (!body) return std::nullopt;
  auto const* const type = body->find_string("type");
  auto const* const code = body->find_string("code");
  if (!type || *type != "ErrorMessage" || !code) return std::nullopt;
  Refusal out;
  auto const* const word = std::ranges::find(kRefusalWords, std::string_view{*code}, &RefusalWord::word);
  if (word != kRefusalWords.end()) out.code = word->code;
  if (auto const* const reason = body->find_string("reason")) out.reason = *reason;
  out.retry_after = std::chrono::milliseconds{
      std::clamp<std::int64_t>(body->find_int("retryAfterMs").value_or(0), 0, kUnixMsMax)};
  return out;
}

}  // namespace grenache::exchange
