// The envelope of Grenache RPC: [rid,key,payload] and [rid,err,res].
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <grenache/base/result.hpp>
#include <grenache/json/json.hpp>

namespace grenache::json {

/// Why a body holds no request. The message of each code is the error text of the server's answer.
enum class RpcEnvelopeErrc {
  request_parse = 1,  // ERR_REQUEST_PARSE: not JSON, or null; Node.js never answers these
  header_parse_gr,    // ERR_HEADER_PARSE_GR: the `_gr` header is not ["rid","key"]
};
[[nodiscard]] std::string_view describe(RpcEnvelopeErrc code);
constexpr char const* category_name(RpcEnvelopeErrc) { return "grenache.rpc_envelope"; }
inline Error make_error_code(RpcEnvelopeErrc code) { return make_enum_error(code); }

struct RpcRequestEnvelope {
  Value rid;        // usually a string; any value is sent back unchanged
  std::string key;  // name of the service; empty if it was not a string
  Value payload;
};

/// Parses [rid,key,payload]. As in Node.js, missing items are null, and any JSON except null is a request: an
/// object or a number is one without rid, key and payload.
[[nodiscard]] Result<RpcRequestEnvelope> parse_rpc_request(std::string_view body, ParseLimits limits = {});

/// Replaces rid and key with those of a `_gr` header, ["rid","key"].
[[nodiscard]] Result<void> apply_gr_header(std::string_view header, RpcRequestEnvelope& request);

/// `payload` is JSON text from to_text(), so that it is serialised once for many requests.
[[nodiscard]] std::string rpc_request(std::string_view rid, std::string_view key, std::string_view payload);

[[nodiscard]] std::string rpc_reply(Value const& rid, Value const& result);
[[nodiscard]] std::string rpc_error_reply(Value const& rid, std::string_view error);
/// The answer to a request that could not be parsed and has no rid. For a bad `_gr` it equals the answer of
/// Node.js, including its spaces.
[[nodiscard]] std::string rpc_refusal(RpcEnvelopeErrc code);

struct RpcReplyEnvelope {
  Value rid;
  std::optional<std::string> error;  // the text; its JSON if the error is not a string
  Value result;
};

/// Parses [rid,err,res]; nothing if it is not an array. Missing items are null.
[[nodiscard]] std::optional<RpcReplyEnvelope> parse_rpc_reply(std::string_view body);

}  // namespace grenache::json

GRN_ERROR_CODE_ENUM(grenache::json::RpcEnvelopeErrc);
