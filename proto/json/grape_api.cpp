#include "proto/json/grape_api.hpp"

#include <limits>
#include <set>

namespace grenache::json {

namespace {

constexpr std::size_t kTextMax = 200;  // of what goes into logs and messages

bool is_service_name(Value const* value) {
  std::string const* const name = value ? value->as_string() : nullptr;
  return name && !name->empty() && name->size() <= kServiceNameMax;
}

std::optional<GrapeRoute> route_of(std::string_view target) {
  if (target == "/lookup") return GrapeRoute::lookup;
  if (target == "/announce") return GrapeRoute::announce;
  if (target == "/put") return GrapeRoute::put;
  if (target == "/get") return GrapeRoute::get;
  return std::nullopt;
}

struct StrictMeaning {
  unsigned status;
  char const* message;
};

StrictMeaning strict_meaning(GrapeErrc code) {
  switch (code) {
    case GrapeErrc::payload_invalid:
      return {400, "the body is not JSON"};
    case GrapeErrc::payload_size:
      return {413, "the body is over the limit"};
    case GrapeErrc::request_not_found:
      return {404, "there is no such route"};
    case GrapeErrc::lookup:
      return {400, "data is no service name: a string of 1 to 1024 bytes"};
    case GrapeErrc::announce:
      return {400, "data is no array of a service name (1 to 1024 bytes) and a port"};
    case GrapeErrc::service_port:
      return {400, "the port is no integer from 0 to 65535"};
    case GrapeErrc::busy:
      return {503, "too many requests wait already; try again later"};
  }
  return {500, "something failed inside"};
}

/// The text of a grape's error: a JSON string, or the bare text of a 413 or 500.
std::string error_text(Result<Value> const& reply, std::string_view body) {
  constexpr std::size_t kTextMax = 200;  // of what goes into logs and messages
  if (reply && reply->as_string() && !reply->as_string()->empty()) {
    return reply->as_string()->substr(0, kTextMax);
  }
  return body.empty() ? "empty answer" : std::string{body.substr(0, kTextMax)};
}

}  // namespace

std::string_view describe(GrapeErrc code) {
  switch (code) {
    case GrapeErrc::payload_invalid:
      return "ERR_GRAPE_PAYLOAD_INVALID";
    case GrapeErrc::payload_size:
      return "ERR_GRAPE_PAYLOAD_SIZE";
    case GrapeErrc::request_not_found:
      return "ERR_REQ_NOTFOUND";
    case GrapeErrc::lookup:
      return "ERR_GRAPE_LOOKUP";
    case GrapeErrc::announce:
      return "ERR_GRAPE_ANNOUNCE";
    case GrapeErrc::service_port:
      return "ERR_GRAPE_SERVICE_PORT";
    case GrapeErrc::busy:
      return "ERR_GRAPE_BUSY";
  }
  return "ERR_GRAPE_GENERIC";
}

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
  return {200, '"' + text + '"'};
}

GrapeAnswer strict_error_answer(GrapeErrc code) {
  auto const [status, message] = strict_meaning(code);
  return {status,
          to_text(Value::object({{"error", describe(code)}, {"message", std::string_view{message}}}))};
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

GrapeReply<std::vector<std::string>> parse_lookup_reply(std::string_view body, std::size_t peer_count_max) {
  auto const reply = parse(body);
  Value::Array const* const items = reply ? reply->as_array() : nullptr;
  if (!items) return {std::nullopt, error_text(reply, body)};
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
    return {std::nullopt, error_text(reply, body)};
  }
  return {static_cast<std::uint32_t>(*count), {}};
}

}  // namespace grenache::json
