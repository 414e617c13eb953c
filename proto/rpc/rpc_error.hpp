// Why a Grenache request has failed, in the words that Grenache users know.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <boost/system/result.hpp>

namespace grenache::rpc {

enum class RpcErrc {
  timeout = 1,                 // ERR_TIMEOUT: no answer within the timeout
  lookup_empty,                // ERR_GRAPE_LOOKUP_EMPTY: the grape answers, and knows nobody of that name
  grape_unreachable,           // ERR_GRAPE_UNREACHABLE: no grape answers; Node has no name for it
  grape_refused,               // ERR_GRAPE_GENERIC: a grape has answered with an error
  request_generic,             // ERR_REQUEST_GENERIC: the transport failed, or a status that is not 2xx
  reply_empty,                 // ERR_REPLY_EMPTY: an answer that is no [rid,err,res] of this request
  reply_encoding_compression,  // ERR_REPLY_ENCODING_COMPRESSION: an answer that should be gzip and is not
  remote,                      // the service has answered with an error of its own
  stopped,                     // ERR_STOPPED: this client or link was stopped, or the caller cancelled
};

/// The Grenache name, "ERR_TIMEOUT" and so on.
[[nodiscard]] std::string_view name_of(RpcErrc code);

struct RpcFailure {
  RpcErrc code = RpcErrc::request_generic;
  std::string detail;  // what exactly; of `remote` the service's error text; may be empty

  RpcFailure() = default;
  RpcFailure(RpcErrc c, std::string d = {}) : code{c}, detail{std::move(d)} {}

  /// As the callbacks of Node's peers get it: the service's own text, or "ERR_REQUEST_GENERIC: detail".
  [[nodiscard]] std::string text() const;
};

/// A value or an RpcFailure.
template <class T>
using RpcResult = boost::system::result<T, RpcFailure>;

}  // namespace grenache::rpc
