#include "grenache/json/rpc_envelope.hpp"

#include <utility>

namespace grenache::json {

namespace {

/// Moves item `index` out of `items`; null if there is none.
Value take(Value::Array& items, std::size_t index) {
  return index < items.size() ? std::move(items[index]) : Value{};
}

}  // namespace

std::string_view describe(RpcEnvelopeErrc code) {
  switch (code) {
    case RpcEnvelopeErrc::request_parse:
      return "ERR_REQUEST_PARSE";
    case RpcEnvelopeErrc::header_parse_gr:
      return "ERR_HEADER_PARSE_GR";
  }
  return "ERR_REQUEST_GENERIC";
}

Result<RpcRequestEnvelope> parse_rpc_request(std::string_view body, ParseLimits limits) {
  auto message = parse(body, limits);
  if (!message || message->is_null()) return RpcEnvelopeErrc::request_parse;
  RpcRequestEnvelope request;
  if (Value::Array* const items = message->as_array()) {
    request.rid = take(*items, 0);
    if (Value const* const key = message->at(1); key && key->as_string()) request.key = *key->as_string();
    request.payload = take(*items, 2);
  }
  return request;
}

Result<void> apply_gr_header(std::string_view header, RpcRequestEnvelope& request) {
  auto message = parse(header);
  Value::Array* const items = message ? message->as_array() : nullptr;
  Value const* const key = message ? message->at(1) : nullptr;
  if (!items || !key || !key->as_string()) return RpcEnvelopeErrc::header_parse_gr;
  request.key = *key->as_string();
  request.rid = take(*items, 0);
  return {};
}

std::string rpc_request(std::string_view rid, std::string_view key, std::string_view payload) {
  std::string out = "[";
  append_quoted(out, rid);
  out += ',';
  append_quoted(out, key);
  return out.append(",").append(payload).append("]");
}

std::string rpc_reply(Value const& rid, Value const& result) {
  return '[' + to_text(rid) + ",null," + to_text(result) + ']';
}

std::string rpc_error_reply(Value const& rid, std::string_view error) {
  std::string out = '[' + to_text(rid) + ',';
  append_quoted(out, error);
  return out += ",null]";
}

std::string rpc_refusal(RpcEnvelopeErrc code) {
  return "[null, \"" + std::string{describe(code)} + "\", null]";
}

std::optional<RpcReplyEnvelope> parse_rpc_reply(std::string_view body) {
  auto message = parse(body);
  Value::Array* const items = message ? message->as_array() : nullptr;
  if (!items) return std::nullopt;
  RpcReplyEnvelope reply;
  reply.rid = take(*items, 0);
  Value const error = take(*items, 1);
  if (std::string const* const text = error.as_string()) {
    reply.error = *text;
  } else if (!error.is_null()) {
    reply.error = to_text(error);
  }
  reply.result = take(*items, 2);
  return reply;
}

}  // namespace grenache::json
