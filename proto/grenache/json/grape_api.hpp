// Parses and writes the bodies of a grape's HTTP API, for servers and clients.
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

/// Why a grape refuses a request. The message of each code is the text of the answer, as in grenache-grape
/// 1.0.0.
enum class GrapeErrc {
  payload_invalid = 1,  // ERR_GRAPE_PAYLOAD_INVALID: the body is not JSON
  payload_size,         // ERR_GRAPE_PAYLOAD_SIZE: the body is over the limit
  request_not_found,    // ERR_REQ_NOTFOUND: no such route
  lookup,               // ERR_GRAPE_LOOKUP: `data` is not a valid name
  announce,             // ERR_GRAPE_ANNOUNCE: `data` is not a valid announcement
  service_port,         // ERR_GRAPE_SERVICE_PORT
  busy,                 // ERR_GRAPE_BUSY, an extension: too many requests are waiting
  hash_format,          // ERR_GRAPE_HASH_FORMAT: the hash is not a string of 40 hex digits
  generic,              // ERR_GRAPE_GENERIC: a get whose data is neither a string nor an object with a hash
  // Errors of a put, with the texts of Node.js:
  put_value_missing,
  put_value_size,
  put_value,  // an extension: v has no bencoding
  put_cas,
  put_key,
  put_signature_missing,
  put_signature,  // an extension: in Node.js this error comes from other nodes
  put_salt,
  put_seq_missing,
  put_seq,
};
[[nodiscard]] std::string_view describe(GrapeErrc code);
constexpr char const* category_name(GrapeErrc) { return "grenache.grape_api"; }
inline Error make_error_code(GrapeErrc code) { return make_enum_error(code); }

/// In bytes. A name must fit into one datagram together with the other fields.
constexpr std::size_t kServiceNameMax = 1024;

enum class GrapeRoute { announce, unannounce, lookup, put, get };

struct GrapeRequest {
  GrapeRoute route = GrapeRoute::lookup;
  Value data;  // null if there was none
};

struct GrapeAnnounce {
  std::string name;
  std::uint16_t port = 0;  // 0: the port that the DHT node sends from
};

/// Status and body of an answer, which has no Content-Type.
struct GrapeAnswer {
  unsigned status = 200;
  std::string body;
};

// -- the grape's side

/// Parses the body first, then the route (exactly `/announce`, `/lookup`, `/put`, `/get`), as Node.js does.
/// `/unannounce` is an extension, for which Node.js answers ERR_REQ_NOTFOUND. A JSON body that is not an
/// object is treated as one without `data`.
[[nodiscard]] Result<GrapeRequest> parse_grape_request(std::string_view target, std::string_view body);

/// Whether `target` is exactly one of the routes.
[[nodiscard]] bool is_grape_route(std::string_view target);

/// Returns the name to look up: a string of 1 to kServiceNameMax bytes.
[[nodiscard]] Result<std::string> parse_lookup_data(Value const& data);

/// Parses `[name, port]`, the port before the name. Differs from Node.js, which accepts any name and answers
/// ports above 65535 with status 500 and another text: a name that is not a string or too long is
/// ERR_GRAPE_ANNOUNCE, a port that is not an integer from 0 to 65535 is ERR_GRAPE_SERVICE_PORT.
[[nodiscard]] Result<GrapeAnnounce> parse_announce_data(Value const& data);

/// `["ip:port",…]`
[[nodiscard]] std::string lookup_answer(std::vector<Endpoint> const& peers);
/// The number of nodes that stored the announcement.
[[nodiscard]] std::string announce_answer(std::uint32_t node_count);
/// Plain text with status 500 or 413 for a bad payload, a JSON string with status 200 for all other errors.
[[nodiscard]] GrapeAnswer error_answer(GrapeErrc code);
/// Answers of `--strict`: the JSON object `{"error":…,"message":…}` with status 4xx or 5xx.
[[nodiscard]] GrapeAnswer strict_error_answer(GrapeErrc code);
[[nodiscard]] GrapeAnswer strict_error_answer(unsigned status, std::string_view error,
                                              std::string_view message);

// -- the asking side

/// `{"rid":…,"data":"name"}`
[[nodiscard]] std::string lookup_request(std::string_view rid, std::string_view name);
/// `{"rid":…,"data":["name",port]}`; also the body of /unannounce.
[[nodiscard]] std::string announce_request(std::string_view rid, std::string_view name, std::uint16_t port);

/// A grape's answer: a value, or the text of its error.
template <class T>
struct GrapeReply {
  std::optional<T> value;
  std::string error;
};

/// Returns the peers in the given order, without duplicates and entries that are not `host:port`, at most
/// `peer_count_max`.
[[nodiscard]] GrapeReply<std::vector<std::string>> parse_lookup_reply(std::string_view body,
                                                                      std::size_t peer_count_max);
[[nodiscard]] GrapeReply<std::uint32_t> parse_announce_reply(std::string_view body);
/// Returns false for an answer that no grape, including Node.js' Grape, sends with this status, so it comes
/// from another kind of server.
[[nodiscard]] bool is_grape_answer(unsigned status, std::string_view body);
/// Returns the error text of an answer, truncated: a JSON string, the object of `--strict`, or the plain text
/// of a 413 or 500.
[[nodiscard]] std::string grape_error_text(std::string_view body);

}  // namespace grenache::json

GRN_ERROR_CODE_ENUM(grenache::json::GrapeErrc);
