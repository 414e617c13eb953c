// How a WebSocketChannel becomes open. In a file of its own because these templates take the longest to
// compile.
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <grenache/net/websocket_channel.hpp>

namespace grenache::net {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

namespace {

bool is_allowed(WebSocketServer::Options const& options, http::fields const& fields) {
  if (!options.web_access) return true;
  WebVerdict const verdict = check_web_access(
      *options.web_access,
      {fields[http::field::host], fields[http::field::origin], fields[http::field::user_agent]});
  return verdict == WebVerdict::allowed || verdict == WebVerdict::allowed_cross_origin;
}

}  // namespace

Error WebSocketChannel::opened(Error error) {
  deadline_.clear();
  if (error || dropped_) return reason(error);
  writing_ = true;
  return {};
}

Awaitable<Error> WebSocketChannel::accept(Endpoint peer, WebSocketServer::Options const& options,
                                          TimePoint deadline) {
  prepare();
  deadline_.set(deadline);
  Error error = co_await socket_.next_layer().below().handshake();
  if (!error) {
    session_->peer_ = peer;
    session_->certificate_ = socket_.next_layer().below().peer_certificate();
    error = co_await upgrade(options);
  }
  co_return opened(error);
}

Awaitable<Error> WebSocketChannel::upgrade(WebSocketServer::Options const& options) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(options.header_bytes_max));
  beast::flat_buffer buffer{options.header_bytes_max + kReadBytes};
  auto const [error, size] = co_await http::async_read_header(socket_.next_layer(), buffer, parser, kTuple);
  if (error) {
    Error const failure = reason(error);
    if (failure == WebSocketErrc::refused) co_await refuse(400, "Bad Request");
    co_return failure;
  }
  auto const& request = parser.get();
  if (!websocket::is_upgrade(request)) {
    co_await refuse(426, "Upgrade Required");
    co_return WebSocketErrc::refused;
  }
  if (!is_allowed(options, request)) {
    co_await refuse(403, "Forbidden");
    co_return WebSocketErrc::refused;
  }
  if (buffer.size() > 0) {  // a client has nothing to say before the answer
    co_await refuse(400, "Bad Request");
    co_return WebSocketErrc::refused;
  }
  session_->target_ = std::string{request.target()};
  websocket::stream_base::decorator name{
      [](websocket::response_type& response) { response.set(http::field::server, "grenache"); }};
  socket_.set_option(std::move(name));
  auto const [failure] = co_await socket_.async_accept(request, kTuple);
  if (failure == websocket::condition::handshake_failed) co_await socket_.next_layer().linger();
  co_return failure;
}

/// As Node's ws answers who asks for something else.
Awaitable<void> WebSocketChannel::refuse(unsigned status, std::string text) {
  http::response<http::string_body> response{http::int_to_status(status), 11};
  response.set(http::field::content_type, "text/plain");
  response.set(http::field::connection, "close");
  if (status == 426) response.set(http::field::upgrade, "websocket");
  response.body() = std::move(text);
  response.prepare_payload();
  auto const [error, size] = co_await http::async_write(socket_.next_layer(), response, kTuple);
  if (!error) co_await socket_.next_layer().linger();
}

Awaitable<Error> WebSocketChannel::open(std::string host, std::string path, TimePoint deadline) {
  prepare();
  deadline_.set(deadline);
  Error error = co_await socket_.next_layer().below().handshake();
  if (!error) {
    session_->certificate_ = socket_.next_layer().below().peer_certificate();
    session_->target_ = path;
    auto const [failure] = co_await socket_.async_handshake(host, path, kTuple);
    error = failure;
  }
  co_return opened(error);
}

}  // namespace grenache::net
