#include "proto/rpc/rpc_error.hpp"

namespace grenache::rpc {

std::string_view name_of(RpcErrc code) {
  switch (code) {
    case RpcErrc::timeout:
      return "ERR_TIMEOUT";
    case RpcErrc::lookup_empty:
      return "ERR_GRAPE_LOOKUP_EMPTY";
    case RpcErrc::grape_unreachable:
      return "ERR_GRAPE_UNREACHABLE";
    case RpcErrc::grape_refused:
      return "ERR_GRAPE_GENERIC";
    case RpcErrc::request_generic:
      return "ERR_REQUEST_GENERIC";
    case RpcErrc::reply_empty:
      return "ERR_REPLY_EMPTY";
    case RpcErrc::reply_encoding_compression:
      return "ERR_REPLY_ENCODING_COMPRESSION";
    case RpcErrc::remote:
      return "ERR_REMOTE";
    case RpcErrc::stopped:
      return "ERR_STOPPED";
  }
  return "ERR_UNKNOWN";
}

std::string RpcFailure::text() const {
  if (code == RpcErrc::remote) return detail;
  std::string out{name_of(code)};
  if (!detail.empty()) out.append(": ").append(detail);
  return out;
}

}  // namespace grenache::rpc
