// The bodies of a grape's HTTP API, for the grape and for those who ask it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>
#include <grenache/json/json.hpp>

namespace grenache::json {

/// Why a grape refuses a request. The message of each is the text that it answers with, as
/// grenache-grape 1.0.0 spells it.
enum class GrapeErrc {
  payload_invalid = 1,  // ERR_GRAPE_PAYLOAD_INVALID: the body is not JSON
  payload_size,         // ERR_GRAPE_PAYLOAD_SIZE: the body is over the limit
  request_not_found,    // ERR_REQ_NOTFOUND: no such route
  lookup,               // ERR_GRAPE_LOOKUP: nothing that can be looked up
  announce,             // ERR_GRAPE_ANNOUNCE: nothing that can be announced
  service_port,         // ERR_GRAPE_SERVICE_PORT
  busy,                 // ERR_GRAPE_BUSY, ours: too many requests wait already
  hash_format,          // ERR_GRAPE_HASH_FORMAT: the hash is no text of 40 hex digits
  generic,              // ERR_GRAPE_GENERIC: a get whose data is neither a text nor an object with a hash
  // What is wrong with a put, in Node's words:
  put_value_missing,
  put_value_size,
  put_value,  // ours: v has no bencoding
  put_cas,
  put_key,
  put_signature_missing,
  put_signature,  // ours: Node learns it from other nodes
  put_salt,
  put_seq_missing,
  put_seq,
};
[[nodiscard]] std::string_view describe(GrapeErrc code);
constexpr char const* category_name(GrapeErrc) { return "grenache.grape_api"; }
inline Error make_error_code(GrapeErrc code) { return make_enum_error(code); }

/// In bytes. The DHT carries a name in one datagram, beside the rest of the message.
constexpr std::size_t kServiceNameMax = 1024;

enum class GrapeRoute { announce, unannounce, lookup, put, get };

struct GrapeRequest {
  GrapeRoute route = GrapeRoute::lookup;
  Value data;  // null when there was none
};

struct GrapeAnnounce {
  std::string name;
  std::uint16_t port = 0;  // 0: the port that the DHT node sends from
};

/// Status and body of an answer. No content type goes with it.
struct GrapeAnswer {
  unsigned status = 200;
  std::string body;
};

// -- the grape's side

/// Looks at the body first, then at the route (exactly `/announce`, `/lookup`, `/put`, `/get`), as Node does.
/// `/unannounce` is ours: Node answers ERR_REQ_NOTFOUND.
/// A body that is JSON but no object counts as one without `data`.
[[nodiscard]] Result<GrapeRequest> parse_grape_request(std::string_view target, std::string_view body);

/// Whether `target` is exactly one of the routes.
[[nodiscard]] bool is_grape_route(std::string_view target);

/// The name to look up: a string of 1 to kServiceNameMax bytes.
[[nodiscard]] Result<std::string> parse_lookup_data(Value const& data);

/// `[name, port]`; the port is looked at before the name. Deviations from Node, which takes any name and
/// answers ports beyond 65535 with status 500 and a text of its own: a name that is no string or too long is
/// ERR_GRAPE_ANNOUNCE, any port that is no integer from 0 to 65535 ERR_GRAPE_SERVICE_PORT.
[[nodiscard]] Result<GrapeAnnounce> parse_announce_data(Value const& data);

/// `["ip:port",…]`
[[nodiscard]] std::string lookup_answer(std::vector<Endpoint> const& peers);
/// The number of nodes that stored the announcement.
[[nodiscard]] std::string announce_answer(std::uint32_t node_count);
/// Bare text with status 500 or 413 for a bad payload, a JSON string with status 200 for the rest.
[[nodiscard]] GrapeAnswer error_answer(GrapeErrc code);
/// Ours, for those who asked for it: the JSON object `{"error":…,"message":…}` with status 4xx or 5xx.
[[nodiscard]] GrapeAnswer strict_error_answer(GrapeErrc code);
[[nodiscard]] GrapeAnswer strict_error_answer(unsigned status, std::string_view error,
                                              std::string_view message);

// -- the asking side

/// `{"rid":…,"data":"name"}`
[[nodiscard]] std::string lookup_request(std::string_view rid, std::string_view name);
/// `{"rid":…,"data":["name",port]}`; also the body of /unannounce.
[[nodiscard]] std::string announce_request(std::string_view rid, std::string_view name, std::uint16_t port);

/// What a grape has answered: a value, or the text of its error.
template <class T>
struct GrapeReply {
  std::optional<T> value;
  std::string error;
};

/// The peers in the order given, each once; what is not `host:port` is left out, and so is all beyond
/// `peer_count_max`.
[[nodiscard]] GrapeReply<std::vector<std::string>> parse_lookup_reply(std::string_view body,
                                                                      std::size_t peer_count_max);
[[nodiscard]] GrapeReply<std::uint32_t> parse_announce_reply(std::string_view body);
/// False for the answer of a server that is no grape: what no grape, Node's included, answers with this
/// status.
[[nodiscard]] bool is_grape_answer(unsigned status, std::string_view body);
/// The text of a grape's error: a JSON string, the object of a strict one, or the bare text of a 413 or 500.
/// Short.
[[nodiscard]] std::string grape_error_text(std::string_view body);

}  // namespace grenache::json

GRN_ERROR_CODE_ENUM(grenache::json::GrapeErrc);
