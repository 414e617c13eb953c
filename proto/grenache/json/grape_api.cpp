#include "grenache/json/grape_api.hpp"

#include <limits>
#include <set>

namespace grenache::json {

namespace {

constexpr std::size_t kTextMax = 200;  // maximum size of an error text in logs and messages

bool is_service_name(Value const* value) {
  std::string const* const name = value ? value->as_string() : nullptr;
  return name && !name->empty() && name->size() <= kServiceNameMax;
}

std::optional<GrapeRoute> route_of(std::string_view target) {
  if (target == "/lookup") return GrapeRoute::lookup;
  if (target == "/announce") return GrapeRoute::announce;
  if (target == "/unannounce") return GrapeRoute::unannounce;
  if (target == "/put") return GrapeRoute::put;
  if (target == "/get") return GrapeRoute::get;
  return std::nullopt;
}

struct Texts {
  char const* text;  // as answered by Node.js
  unsigned strict_status;
  char const* strict_error;
  char const* strict_message;
};

constexpr char kPutError[] = "ERR_GRAPE_PUT";

Texts texts_of(GrapeErrc code) {
  switch (code) {
    case GrapeErrc::payload_invalid:
      return {"ERR_GRAPE_PAYLOAD_INVALID", 400, nullptr, "the body is not JSON"};
    case GrapeErrc::payload_size:
      return {"ERR_GRAPE_PAYLOAD_SIZE", 413, nullptr, "the body exceeds the limit"};
    case GrapeErrc::request_not_found:
      return {"ERR_REQ_NOTFOUND", 404, nullptr, "unknown route"};
    case GrapeErrc::lookup:
      return {"ERR_GRAPE_LOOKUP", 400, nullptr, "data is not a service name: a string of 1 to 1024 bytes"};
    case GrapeErrc::announce:
      return {"ERR_GRAPE_ANNOUNCE", 400, nullptr, "data is not an array of a service name and a port"};
    case GrapeErrc::service_port:
      return {"ERR_GRAPE_SERVICE_PORT", 400, nullptr, "the port is not an integer from 0 to 65535"};
    case GrapeErrc::busy:
      return {"ERR_GRAPE_BUSY", 503, nullptr, "too many requests are waiting; try again later"};
    case GrapeErrc::hash_format:
      return {"ERR_GRAPE_HASH_FORMAT", 400, nullptr, "data is not a hash of 40 hex digits"};
    case GrapeErrc::generic:
      return {"ERR_GRAPE_GENERIC", 400, nullptr, "data is neither a hash nor an object with one"};
    case GrapeErrc::put_value_missing:
      return {"opts.v not given", 400, kPutError, "v is missing"};
    case GrapeErrc::put_value_size:
      return {"v must be less than 1000 bytes in put()", 400, kPutError, "v is not shorter than 1000 bytes"};
    case GrapeErrc::put_value:
      return {"v cannot be bencoded", 400, kPutError, "v cannot be bencoded"};
    case GrapeErrc::put_cas:
      return {"opts.cas must be an integer if provided", 400, kPutError, "cas is not an integer"};
    case GrapeErrc::put_key:
      return {"opts.k ed25519 public key must be 32 bytes", 400, kPutError, "k is not a key of 32 bytes"};
    case GrapeErrc::put_signature_missing:
      return {"opts.sign function or options.sig signature is required for mutable put", 400, kPutError,
              "sig is missing"};
    case GrapeErrc::put_signature:
      return {"invalid signature", 400, kPutError, "the signature is invalid"};
    case GrapeErrc::put_salt:
      return {"opts.salt is > 64 bytes long", 400, kPutError, "the salt is not a string of at most 64 bytes"};
    case GrapeErrc::put_seq_missing:
      return {"opts.seq not provided for a mutable update", 400, kPutError, "seq is missing"};
    case GrapeErrc::put_seq:
      return {"opts.seq not an integer", 400, kPutError, "seq is not an integer from 0"};
  }
  return {"ERR_GRAPE_GENERIC", 500, nullptr, "internal error"};
}

}  // namespace

std::string_view describe(GrapeErrc code) { return texts_of(code).text; }

bool is_grape_route(std::string_view target) { return route_of(target).has_value(); }

Result<GrapeRequest> parse_grape_request(std::string_view target, std::string_view body) {
  auto message = parse(body);
  if (!message) return GrapeErrc::payload_invalid;
  auto const route = route_of(target);
  if (!route) return GrapeErrc::request_not_found;
  GrapeRequest request;
  request.route = *route;
  if (Value const* const data = message->find("data")) request.data = *data;
  return request;
}

Result<std::string> parse_lookup_data(Value const& data) {
  if (!is_service_name(&data)) return GrapeErrc::lookup;
  return *data.as_string();
}

Result<GrapeAnnounce> parse_announce_data(Value const& data) {
  if (!data.as_array()) return GrapeErrc::announce;
  Value const* const port = data.at(1);
  auto const number = port ? port->as_int() : std::nullopt;
  if (!number || *number < 0 || *number > std::numeric_limits<std::uint16_t>::max()) {
    return GrapeErrc::service_port;
  }
  if (!is_service_name(data.at(0))) return GrapeErrc::announce;
  return GrapeAnnounce{*data.at(0)->as_string(), static_cast<std::uint16_t>(*number)};
}

std::string lookup_answer(std::vector<Endpoint> const& peers) {
  std::string out = "[";
  for (Endpoint const& peer : peers) {
    if (out.size() > 1) out += ',';
    append_quoted(out, peer.to_string());
  }
  return out += ']';
}

std::string announce_answer(std::uint32_t node_count) { return std::to_string(node_count); }

GrapeAnswer error_answer(GrapeErrc code) {
  std::string const text{describe(code)};
  if (code == GrapeErrc::payload_invalid) return {500, text};
  if (code == GrapeErrc::payload_size) return {413, text};
  std::string body;
  append_quoted(body, text);
  return {200, std::move(body)};
}

GrapeAnswer strict_error_answer(unsigned status, std::string_view error, std::string_view message) {
  return {status, to_text(Value::object({{"error", error}, {"message", message}}))};
}

GrapeAnswer strict_error_answer(GrapeErrc code) {
  Texts const words = texts_of(code);
  char const* const error = words.strict_error ? words.strict_error : words.text;
  return strict_error_answer(words.strict_status, error, words.strict_message);
}

std::string lookup_request(std::string_view rid, std::string_view name) {
  std::string out = "{\"rid\":";
  append_quoted(out, rid);
  out += ",\"data\":";
  append_quoted(out, name);
  return out += '}';
}

std::string announce_request(std::string_view rid, std::string_view name, std::uint16_t port) {
  std::string out = "{\"rid\":";
  append_quoted(out, rid);
  out += ",\"data\":[";
  append_quoted(out, name);
  return out.append(",").append(std::to_string(port)).append("]}");
}

bool is_grape_answer(unsigned status, std::string_view body) {
  constexpr std::string_view kErrorPrefix = "ERR_";
  if (body.starts_with(kErrorPrefix)) return true;
  auto const reply = parse(body);
  if (status < 400) return reply || body.empty();
  std::string const* const text = reply ? reply->as_string() : nullptr;
  std::string const* const error = reply && !text ? reply->find_string("error") : text;
  return error && error->starts_with(kErrorPrefix);
}

std::string grape_error_text(std::string_view body) {
  auto const reply = parse(body);
  std::string const* text = reply ? reply->as_string() : nullptr;
  if (reply && reply->find_string("error")) text = reply->find_string("message");
  if (text && !text->empty()) return text->substr(0, kTextMax);
  return body.empty() ? "empty answer" : std::string{body.substr(0, kTextMax)};
}

GrapeReply<std::vector<std::string>> parse_lookup_reply(std::string_view body, std::size_t peer_count_max) {
  auto const reply = parse(body);
  Value::Array const* const items = reply ? reply->as_array() : nullptr;
  if (!items) return {std::nullopt, grape_error_text(body)};
  std::vector<std::string> peers;
  std::set<std::string_view> seen;
  for (Value const& item : *items) {
    if (peers.size() == peer_count_max) break;
    std::string const* const peer = item.as_string();
    if (peer && HostPort::parse(*peer) && seen.insert(*peer).second) peers.push_back(*peer);
  }
  return {std::move(peers), {}};
}

GrapeReply<std::uint32_t> parse_announce_reply(std::string_view body) {
  auto const reply = parse(body);
  auto const count = reply ? reply->as_int() : std::nullopt;
  if (!count || *count < 0 || *count > std::numeric_limits<std::uint32_t>::max()) {
    return {std::nullopt, grape_error_text(body)};
  }
  return {static_cast<std::uint32_t>(*count), {}};
}

}  // namespace grenache::json
