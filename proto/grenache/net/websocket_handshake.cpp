// The handshakes of a WebSocketChannel, in a file of their own because these templates are the slowest to
// compile.
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <grenache/net/http_wire.hpp>
#include <grenache/net/request_check.hpp>
#include <grenache/net/websocket_channel.hpp>

namespace grenache::net {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

namespace {

constexpr std::size_t kFirstBytes = 1024;  // holds a typical upgrade request

bool is_allowed(WebSocketServer::Options const& options, RequestLines const& request) {
  WebVerdict const verdict = check_web_access(options.web_access, request);
  return verdict == WebVerdict::allowed || verdict == WebVerdict::allowed_cross_origin;
}

/// Reads until there is more than empty lines; those before a request are ignored (RFC 9112 2.2).
Awaitable<Error> read_past_empty_lines(CorkedStream& stream, beast::flat_buffer& buffer) {
  for (;;) {
    auto const [error, size] = co_await stream.async_read_some(buffer.prepare(kFirstBytes), kTuple);
    if (error) co_return error;
    buffer.commit(size);
    auto const* const bytes = static_cast<char const*>(buffer.data().data());
    std::size_t empty = 0;
    while (empty < buffer.size() && (bytes[empty] == '\r' || bytes[empty] == '\n')) ++empty;
    buffer.consume(empty);
    if (buffer.size() > 0) co_return Error{};
  }
}

/// Joins the lines of a repeated header with commas, which is equivalent (RFC 9110 5.3).
void join_lines(http::fields& fields, http::field name) {
  if (fields.count(name) < 2) return;
  std::string all;
  auto const [begin, end] = fields.equal_range(name);
  for (auto each = begin; each != end; ++each) {
    if (!all.empty()) all += ", ";
    all += std::string_view{each->value()};
  }
  fields.set(name, all);
}

/// Returns the status with which a request is refused; 0 for one that can become a session.
unsigned refusal_of(http::request_parser<http::empty_body> const& parser,
                    WebSocketServer::Options const& options) {
  auto const& request = parser.get();
  RequestLines const lines{request};
  HeaderVerdict const verdict = check_header(lines, parser.chunked());
  if (verdict == HeaderVerdict::unsupported) return 501;
  if (verdict == HeaderVerdict::malformed) return 400;
  if (!websocket::is_upgrade(request)) return 426;
  if (!is_allowed(options, lines)) return 403;
  for (http::field const once : {http::field::sec_websocket_key, http::field::sec_websocket_version}) {
    if (request.count(once) > 1) return 400;  // Beast reads only the first line
  }
  // The bytes of a body would be read as frames.
  bool const with_body = parser.chunked() || parser.content_length().value_or(0) > 0;
  return with_body ? 400 : 0;
}

/// Returns the first subprotocol that the client offers, the one that Node.js' ws chooses; empty if there is
/// none. A client that offers some fails the handshake if none is chosen.
std::string first_protocol(http::fields const& fields) {
  http::token_list const offered{fields[http::field::sec_websocket_protocol]};
  auto const first = offered.begin();
  return first == offered.end() ? std::string{} : std::string{std::string_view{*first}};
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
  Error const unreadable = co_await read_past_empty_lines(socket_.next_layer(), buffer);
  if (unreadable) co_return reason(unreadable);
  auto const [error, size] = co_await http::async_read_header(socket_.next_layer(), buffer, parser, kTuple);
  if (error) {
    Error const failure = reason(error);
    if (failure == WebSocketErrc::refused) co_await refuse(400, "Bad Request");
    co_return failure;
  }
  auto& request = parser.get();
  // Beast reads only the first line of each.
  join_lines(request, http::field::connection);
  join_lines(request, http::field::upgrade);
  unsigned status = refusal_of(parser, options);
  if (status == 0 && buffer.size() > 0) status = 400;  // a client must not send frames before the answer
  if (status != 0) {
    std::string text{std::string_view{http::obsolete_reason(http::int_to_status(status))}};
    co_await refuse(status, std::move(text));
    co_return WebSocketErrc::refused;
  }
  session_->target_ = std::string{path_of(request.target())};
  websocket::stream_base::decorator decorator{
      [protocol = first_protocol(request)](websocket::response_type& response) {
        response.set(http::field::server, "grenache");
        if (!protocol.empty()) response.set(http::field::sec_websocket_protocol, protocol);
      }};
  socket_.set_option(std::move(decorator));
  auto const [failure] = co_await socket_.async_accept(request, kTuple);
  if (failure == websocket::condition::handshake_failed) co_await socket_.next_layer().linger();
  co_return failure;
}

/// Sends the same answer as Node.js' ws to a request that is not accepted.
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
  if (!is_valid_word(host) || !is_valid_word(path)) co_return asio::error::invalid_argument;
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
