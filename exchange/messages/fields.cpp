#include "exchange/messages/fields.hpp"

#include <grenache/base/endpoint.hpp>

namespace grenache::exchange::fields {

std::optional<WallTime> find_time(Value const& body, std::string_view name) {
  auto const ms = body.find_int(name);
  if (!ms || *ms < 0 || *ms > kUnixMsMax) return std::nullopt;
  return from_unix_ms(*ms);
}

bool is_endpoint(std::string_view text) {
  return text.size() <= kEndpointSizeMax && HostPort::parse(text).has_value();
}

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

Result<std::string> parse_order_id(Value const& body) {
  auto const* const id = body.find_string("orderId");
  if (!id || id->size() > kOrderIdSizeMax) return MessageErrc::bad_order_id;
  return *id;
}

Result<std::string> parse_take_id(Value const& body) {
  auto const* const id = body.find_string("takeId");
  if (!id || !is_uuid(*id)) return MessageErrc::bad_take_id;
  return *id;
}

Result<PeerId> parse_key(Value const& body, std::string_view name) {
  auto const key = find_hex<PeerId>(body, name);
  if (!key) return MessageErrc::bad_key;
  return *key;
}

Result<Signature> parse_signature(Value const& body) {
  auto const signature = find_hex<Signature>(body, "signature");
  if (!signature) return MessageErrc::bad_signature;
  return *signature;
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

}  // namespace grenache::exchange::fields
