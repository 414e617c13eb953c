#include "grenache/rpc/rpc_error.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <grenache/net/http_client.hpp>
#include <grenache/net/websocket.hpp>

namespace grenache::rpc {

std::string_view describe(Errc code) {
  switch (code) {
    case Errc::timeout:
      return "ERR_TIMEOUT";
    case Errc::lookup_empty:
      return "ERR_GRAPE_LOOKUP_EMPTY";
    case Errc::grape_unreachable:
      return "ERR_GRAPE_UNREACHABLE";
    case Errc::grape_refused:
      return "ERR_GRAPE_GENERIC";
    case Errc::request_generic:
      return "ERR_REQUEST_GENERIC";
    case Errc::reply_empty:
      return "ERR_REPLY_EMPTY";
    case Errc::reply_encoding_compression:
      return "ERR_REPLY_ENCODING_COMPRESSION";
    case Errc::remote:
      return "ERR_REMOTE";
    case Errc::stopped:
      return "ERR_STOPPED";
    case Errc::not_ready:
      return "ERR_GRAPE_NOT_READY";
    case Errc::request_size:
      return "ERR_REQUEST_SIZE";
    case Errc::reply_size:
      return "ERR_REPLY_SIZE";
    case Errc::request_limit:
      return "ERR_REQUEST_LIMIT";
  }
  return "ERR_UNKNOWN";
}

std::string Failure::text() const {
  if (code == Errc::remote) return detail;
  std::string out{name_of(code)};
  if (!detail.empty()) out.append(": ").append(detail);
  return out;
}

bool is_never_connected(Error const& error) {
  namespace asio_error = boost::asio::error;
  return error == asio_error::connection_refused || error == asio_error::host_unreachable ||
         error == asio_error::network_unreachable || error == net::HttpClientErrc::not_resolved ||
         error == net::WebSocketErrc::not_resolved || error == asio_error::try_again ||
         error.category() == net::certificate_category();  // refused before anything was sent
}

void throw_exception_from_error(Failure const& failure, boost::source_location const&) {
  throw boost::system::system_error{make_error_code(failure.code), failure.detail};
}

}  // namespace grenache::rpc
