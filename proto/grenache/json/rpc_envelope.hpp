// The envelope of Grenache RPC: [rid,key,payload] and [rid,err,res].
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <grenache/base/result.hpp>
#include <grenache/json/json.hpp>

namespace grenache::json {

/// Why there is no request in a body. The message of each is the error text that the server answers with.
enum class RpcEnvelopeErrc {
  request_parse = 1,  // ERR_REQUEST_PARSE: not JSON, or null; Node never answers these
  header_parse_gr,    // ERR_HEADER_PARSE_GR: the `_gr` header is not ["rid","key"]
};
[[nodiscard]] std::string_view describe(RpcEnvelopeErrc code);
constexpr char const* category_name(RpcEnvelopeErrc) { return "grenache.rpc_envelope"; }
inline Error make_error_code(RpcEnvelopeErrc code) { return make_enum_error(code); }

struct RpcRequestEnvelope {
  Value rid;        // a string as a rule; whatever it is, it is sent back
  std::string key;  // name of the service; empty when it was no string
  Value payload;
};

/// Reads [rid,key,payload]. As in Node, what is missing is null, and any JSON but null is a request: an
/// object or a number is one without rid, key and payload.
[[nodiscard]] Result<RpcRequestEnvelope> parse_rpc_request(std::string_view body);

/// Replaces rid and key by those of a `_gr` header, ["rid","key"].
[[nodiscard]] Result<void> apply_gr_header(std::string_view header, RpcRequestEnvelope& request);

/// `payload` is JSON text as to_text() makes it, so that it is printed once for many requests.
[[nodiscard]] std::string rpc_request(std::string_view rid, std::string_view key, std::string_view payload);

[[nodiscard]] std::string rpc_reply(Value const& rid, Value const& result);
[[nodiscard]] std::string rpc_error_reply(Value const& rid, std::string_view error);
/// The answer to what could not be read, for which there is no rid. Of a bad `_gr` it is, with its spaces,
/// what Node sends.
[[nodiscard]] std::string rpc_refusal(RpcEnvelopeErrc code);

struct RpcReplyEnvelope {
  Value rid;
  std::optional<std::string> error;  // the text; of an error that is no string, its JSON
  Value result;
};

/// Reads [rid,err,res]; nothing for anything that is not an array. Missing items are null.
[[nodiscard]] std::optional<RpcReplyEnvelope> parse_rpc_reply(std::string_view body);

}  // namespace grenache::json

GRN_ERROR_CODE_ENUM(grenache::json::RpcEnvelopeErrc);
