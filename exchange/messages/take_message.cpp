#include "exchange/messages/take_message.hpp"

#include "exchange/messages/fields.hpp"
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::exchange {

using namespace fields;

namespace {

constexpr std::string_view kPayDomain = "grenache/exchange/pay/1:";

Result<TakeTerms> parse_take(Value const& body, MessageHeader const& header) {
  TakeTerms out;
  auto take_id = parse_take_id(body);
  if (!take_id) return take_id.error();
  out.take_id = std::move(*take_id);
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

}  // namespace

Result<void> fields::read_members(Value const& body, ExecuteOrderMessage& out) {
  auto order_id = parse_order_id(body);
  if (!order_id) return order_id.error();
  out.order_id = std::move(*order_id);
  bool const is_original =
      is_missing(body.find("takeId")) && is_missing(body.find("taker")) && is_missing(body.find("signature"));
  if (is_original) return {};
  auto take = parse_take(body, out.header);
  if (!take) return take.error();
  out.take = std::move(*take);
  return {};
}

Value to_json(ExecuteOrderMessage const& message) {
  auto header = message.header;
  if (message.take) header.created_at = message.take->created;
  auto out = begin(ExecuteOrderMessage::kType, header);
  add(out, "orderId", message.order_id);
  if (!message.take) return out;
  add(out, "takeId", message.take->take_id);
  add(out, "amount", message.take->amount.to_text());
  add(out, "price", message.take->price.to_text());
  add(out, "taker", message.take->taker.hex());
  add(out, "signature", message.take->signature.hex());
  return out;
}

Result<void> fields::read_members(Value const& body, ExecuteOrderResponse& out) {
  auto order_id = parse_order_id(body);
  if (!order_id) return order_id.error();
  out.order_id = std::move(*order_id);
  auto const* const invoice = body.find_string("lightningInvoice");
  if (!invoice || invoice->empty() || invoice->size() > kInvoiceSizeMax) return MessageErrc::bad_invoice;
  out.lightning_invoice = *invoice;
  auto const expires = find_time(body, body.find("expiresAt") ? "expiresAt" : "exiresAt");
  if (!expires) return MessageErrc::bad_time;
  out.expires_at = *expires;
  if (!is_missing(body.find("takeId"))) {
    auto take_id = parse_take_id(body);
    if (!take_id) return take_id.error();
    out.take_id = std::move(*take_id);
  }
  if (!is_missing(body.find("amount"))) {
    out.amount = find_positive<Satoshi>(body, "amount");
    if (!out.amount) return MessageErrc::bad_amount;
  }
  return {};
}

Value to_json(ExecuteOrderResponse const& message) {
  auto out = begin(ExecuteOrderResponse::kType, message.header);
  add(out, "orderId", message.order_id);
  add(out, "lightningInvoice", message.lightning_invoice);
  add(out, "exiresAt", to_unix_ms(message.expires_at));
  add(out, "expiresAt", to_unix_ms(message.expires_at));
  if (!message.take_id.empty()) add(out, "takeId", message.take_id);
  if (message.amount) add(out, "amount", message.amount->to_text());
  return out;
}

Result<ExecuteOrderResponse> parse_execute_response(Value const& body) {
  return parse_answer<ExecuteOrderResponse>(body);
}

Result<void> fields::read_members(Value const& body, PayMessage& out) {
  auto order_id = parse_order_id(body);
  if (!order_id) return order_id.error();
  out.order_id = std::move(*order_id);
  auto take_id = parse_take_id(body);
  if (!take_id) return take_id.error();
  out.take_id = std::move(*take_id);
  auto const hash = find_hex<Sha256>(body, "paymentHash");
  if (!hash) return MessageErrc::bad_payment_hash;
  out.payment_hash = *hash;
  auto const taker = parse_key(body, "taker");
  if (!taker) return taker.error();
  out.taker = *taker;
  auto const signature = parse_signature(body);
  if (!signature) return signature.error();
  out.signature = *signature;
  return {};
}

Value to_json(PayMessage const& message) {
  auto out = begin(PayMessage::kType, message.header);
  add(out, "orderId", message.order_id);
  add(out, "takeId", message.take_id);
  add(out, "paymentHash", message.payment_hash.hex());
  add(out, "taker", message.taker.hex());
  add(out, "signature", message.signature.hex());
  return out;
}

Sha256 pay_digest(PayMessage const& message, PeerId const& maker) {
  dht::BencodeWriter out{std::string{kPayDomain}};
  out.begin_dict();
  out.string("hash", message.payment_hash.view());
  out.string("maker", maker.view());
  out.string("order", message.order_id);
  out.string("take", message.take_id);
  out.string("taker", message.taker.view());
  out.end();
  return sha256(out.view());
}

void sign_pay(PayMessage& message, PeerId const& maker, SecretKey const& taker) {
  message.taker = taker.public_key();
  message.signature = taker.sign(pay_digest(message, maker));
}

bool verify_pay(PayMessage const& message, PeerId const& maker) {
  return verify(message.taker, pay_digest(message, maker), message.signature);
}

Result<void> fields::read_members(Value const& body, PaidMessage& out) {
  auto order_id = parse_order_id(body);
  if (!order_id) return order_id.error();
  out.order_id = std::move(*order_id);
  auto take_id = parse_take_id(body);
  if (!take_id) return take_id.error();
  out.take_id = std::move(*take_id);
  auto const preimage = find_hex<Sha256>(body, "preimage");
  if (!preimage) return MessageErrc::bad_preimage;
  out.preimage = *preimage;
  return {};
}

Value to_json(PaidMessage const& message) {
  auto out = begin(PaidMessage::kType, message.header);
  add(out, "orderId", message.order_id);
  add(out, "takeId", message.take_id);
  add(out, "preimage", message.preimage.hex());
  return out;
}

Result<PaidMessage> parse_paid(Value const& body) { return parse_answer<PaidMessage>(body); }

}  // namespace grenache::exchange
