#include "exchange/messages/order_message.hpp"

#include <utility>

#include "exchange/messages/fields.hpp"
#include <grenache/base/endpoint.hpp>

namespace grenache::exchange {

using namespace fields;

namespace {

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
  if (!is_missing(body.find("minimum"))) {
    auto const minimum = find_positive<Satoshi>(body, "minimum");
    if (!minimum || *minimum > *amount) return MessageErrc::bad_amount;
    out.least_take = *minimum;
  }
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
  if (!created || !expires || *expires <= *created) return MessageErrc::bad_time;
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

}  // namespace

Result<void> fields::read_members(Value const& body, AddOrderMessage& out) {
  auto order = parse_order(body, out.header);
  if (!order) return order.error();
  out.order = std::move(*order);
  return {};
}

Result<void> fields::read_members(Value const& body, GetOrderMatchesMessage& out) {
  auto order_id = parse_order_id(body);
  if (!order_id) return order_id.error();
  out.order_id = std::move(*order_id);
  return {};
}

Result<void> fields::read_members(Value const& body, GetOrderbookMessage& out) {
  auto const* const with_closed = body.find("withClosed");
  auto const* const flag = with_closed ? with_closed->as_bool() : nullptr;
  out.with_closed = flag && *flag;
  return {};
}

Value to_json(AddOrderMessage const& message) {
  auto const& order = message.order;
  auto out = begin(AddOrderMessage::kType, message.header);
  bool const buys = order.side == Side::buy;
  add(out, "id", order.id);
  add(out, "buy", buys ? "BTC" : "USD");
  add(out, "sell", buys ? "USD" : "BTC");
  add(out, "amountToBuy", order.remaining.to_json_number());
  if (!order.maker) return out;
  add(out, "price", order.price.to_text());
  add(out, "amount", order.amount.to_text());
  if (order.least_take.units() != 0) add(out, "minimum", order.least_take.to_text());
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
  auto out = begin(GetOrderMatchesMessage::kType, message.header);
  add(out, "orderId", message.order_id);
  return out;
}

Value to_json(GetOrderbookMessage const& message) {
  auto out = begin(GetOrderbookMessage::kType, message.header);
  if (message.with_closed) add(out, "withClosed", true);
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

}  // namespace grenache::exchange
