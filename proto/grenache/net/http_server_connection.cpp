#include "grenache/net/http_server_connection.hpp"

#include <boost/asio/write.hpp>

namespace grenache::net {

using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

constexpr Duration kLinger = 1s;  // how long a peer may take to read the last of what was sent

bool expects_continue(http::fields const& fields) {
  return boost::beast::iequals(fields[http::field::expect], "100-continue");
}

/// The page may send what it asks for. `Private-Network` is asked by pages of the internet about addresses
/// that are not.
HttpReply preflight_reply(HttpRequest const& request) {
  HttpReply reply;
  reply.status = 204;
  auto const grant = [&](char const* asked, char const* granted) {
    std::string_view const value = request.header(asked);
    if (!value.empty()) reply.headers.emplace_back(granted, value);
  };
  grant("Access-Control-Request-Method", "Access-Control-Allow-Methods");
  grant("Access-Control-Request-Headers", "Access-Control-Allow-Headers");
  grant("Access-Control-Request-Private-Network", "Access-Control-Allow-Private-Network");
  reply.headers.emplace_back("Access-Control-Max-Age", "600");
  return reply;
}

}  // namespace

std::string_view DateText::now() {
  std::time_t const seconds = std::chrono::system_clock::to_time_t(wall_now());
  if (seconds != seconds_) {
    seconds_ = seconds;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    size_ = std::strftime(text_.data(), text_.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  }
  return {text_.data(), size_};
}

HttpConnection::HttpConnection(std::shared_ptr<HttpLane> l, tcp::socket accepted, Endpoint const& from)
    : lane{std::move(l)},
      stream{std::move(accepted), options().tls},
      deadline{lane->executor, [this] { expire(); }},
      buffer{options().header_bytes_max + kPieceBytes},
      peer{from},
      place{lane->busy.insert(lane->busy.end(), this)} {
  lane->connection_count.fetch_add(1, std::memory_order_relaxed);
}

HttpConnection::~HttpConnection() {
  in(phase).erase(place);
  lane->connection_count.fetch_sub(1, std::memory_order_relaxed);
}

void HttpConnection::expire() {
  expired = true;
  if (phase == Phase::reading || phase == Phase::busy) lane->count(&HttpServer::Counters::timed_out);
  close();
}

void HttpConnection::enter(Phase next) {
  HttpLane::Connections& to = in(next);
  to.splice(to.end(), in(phase), place);
  phase = next;
}

Awaitable<bool> HttpConnection::shake_hands() {
  enter(Phase::handshake);
  within(options().handshake_max);
  Error const error = co_await stream.handshake();
  enter(Phase::busy);
  if (error) {
    lane->count(&HttpServer::Counters::handshakes_failed);
    if (!expired) co_await linger();  // the alert says why
    co_return false;
  }
  certificate = stream.peer_certificate();
  co_return true;
}

Awaitable<bool> HttpConnection::read_some() {
  // A chunk header without end would fill the buffer; no sane one is that long.
  std::size_t const size_max = room(buffer, kReadBytes);
  if (size_max == 0) co_return false;
  auto const [error, size] = co_await stream.async_read_some(buffer.prepare(size_max), kTuple);
  buffer.commit(size);
  co_return !error;
}

Awaitable<bool> HttpConnection::continue_if_expected(bool expected) {
  if (!expected) co_return true;
  std::string_view const text = "HTTP/1.1 100 Continue\r\n\r\n";
  auto const [error, size] = co_await asio::async_write(stream, asio::buffer(text), kTuple);
  co_return !error;
}

bool HttpConnection::wants_stream() {
  HttpRequest request;
  describe(parser->get(), request);
  return options().wants_stream(request);
}

bool HttpConnection::is_allowed() {
  if (!options().web_access) return true;
  auto const& message = parser->get();
  std::string_view const origin = message[http::field::origin];
  WebVerdict const verdict = check_web_access(
      *options().web_access, {message[http::field::host], origin, message[http::field::user_agent]});
  if (verdict == WebVerdict::allowed_cross_origin) cross_origin = origin;
  return verdict == WebVerdict::allowed || verdict == WebVerdict::allowed_cross_origin;
}

bool HttpConnection::is_preflight(HttpRequest const& request) const {
  return !cross_origin.empty() && request.method == "OPTIONS" &&
         request.has_header("Access-Control-Request-Method");
}

bool HttpConnection::is_ambiguous() const {
  return parser->is_header_done() && !parser->chunked() &&
         parser->get().count(http::field::transfer_encoding) > 0;
}

Awaitable<HttpConnection::Read> HttpConnection::read_request() {
  bool const may_stream = options().wants_stream != nullptr;
  parser.emplace();
  feed = {};
  cross_origin.clear();
  parser->header_limit(static_cast<std::uint32_t>(options().header_bytes_max));
  parser->body_limit(options().body_bytes_max);
  if (may_stream) parser->body_limit(boost::none);  // until it is known that it has one
  parser->eager(!may_stream);
  enum class Part { none, header, body } part = Part::none;
  for (;;) {
    if (buffer.size() > 0) {
      Error error;
      buffer.consume(feed(*parser, buffer.data(), error));
      if (error && error != http::error::need_more) {
        co_return error == http::error::body_limit ? Read::too_large : Read::malformed;
      }
      if (is_ambiguous()) co_return Read::malformed;
    }
    if (parser->is_header_done() && part != Part::body) {
      part = Part::body;
      if (!is_allowed()) co_return Read::forbidden;
      if (may_stream) {
        if (wants_stream()) co_return Read::stream;
        if (parser->content_length().value_or(0) > options().body_bytes_max) co_return Read::too_large;
        parser->body_limit(options().body_bytes_max);
        parser->eager(true);
      }
      if (parser->is_done()) co_return Read::request;
      within(options().body_max);
      bool const writable = co_await continue_if_expected(expects_continue(parser->get()));
      if (!writable) co_return Read::closed;
      if (may_stream && buffer.size() > 0) continue;
    } else if (parser->is_done()) {
      co_return Read::request;
    } else if (part == Part::none && buffer.size() > 0) {
      part = Part::header;
      within(options().header_max);
    } else if (part == Part::none) {
      if (lane->stopping) co_return Read::closed;
      within(options().idle_max);
    }
    enter(part == Part::none ? Phase::idle : Phase::reading);
    bool const more = co_await read_some();
    enter(Phase::busy);
    if (!more) co_return Read::closed;
  }
}

void HttpConnection::begin_head(unsigned status, bool keep_alive, bool http_1_0) {
  head = "HTTP/1.1 ";
  head += std::to_string(status);
  head += ' ';
  head += std::string_view{http::obsolete_reason(http::int_to_status(status))};
  head += "\r\nDate: ";
  head += lane->date.now();
  if (!keep_alive) {
    head += "\r\nConnection: close";
  } else if (http_1_0) {
    head += "\r\nConnection: keep-alive";
  }
  if (!cross_origin.empty()) {
    head += "\r\nVary: Origin\r\nAccess-Control-Allow-Origin: ";
    head += cross_origin;
  }
}

/// One write. False when the peer has gone.
Awaitable<bool> HttpConnection::answer(HttpReply const& reply, bool keep_alive, bool http_1_0,
                                       bool head_only) {
  begin_head(reply.status, keep_alive, http_1_0);
  if (has_body(reply.status)) {
    head += "\r\nContent-Length: ";
    head += std::to_string(reply.body.size());
  }
  append_headers(head, reply.headers);
  head += "\r\n\r\n";
  bool const with_body = !head_only && has_body(reply.status);
  asio::const_buffer const body = with_body ? asio::buffer(reply.body) : asio::const_buffer{};
  std::array<asio::const_buffer, 3> const buffers{asio::buffer(head), body, asio::const_buffer{}};
  within(options().write_max);
  auto const [error, size] = co_await write_all(stream, buffers, joined);
  co_return !error;
}

Awaitable<void> HttpConnection::linger() {
  within(kLinger);
  co_await stream.finish();
  for (bool more = true; more;) {
    buffer.clear();
    // What is below TLS: nobody reads what this says any more.
    auto const [error, size] = co_await stream.socket().async_read_some(buffer.prepare(kReadBytes), kTuple);
    more = !error;
  }
}

Awaitable<void> HttpConnection::refuse(HttpReply const& reply) {
  bool const written = co_await answer(reply, false, false, false);
  if (written) co_await linger();
}

Awaitable<HttpReply> HttpConnection::handle(HttpRequest& request) {
  lane->count(&HttpServer::Counters::requests);
  HttpReply reply;
  try {
    reply = co_await lane->settings->handler(request);
  } catch (std::exception const&) {
    lane->count(&HttpServer::Counters::handler_failures);
    reply = HttpReply{};
    reply.status = 500;
  }
  co_return reply;
}

Awaitable<void> HttpConnection::end_badly(Read outcome) {
  if (outcome == Read::malformed) {
    lane->count(&HttpServer::Counters::malformed);
    co_await refuse(options().malformed);
  } else if (outcome == Read::too_large) {
    lane->count(&HttpServer::Counters::too_large);
    co_await refuse(options().too_large);
  } else if (outcome == Read::forbidden) {
    lane->count(&HttpServer::Counters::forbidden);
    co_await refuse(options().forbidden);
  }
}

Awaitable<void> HttpConnection::serve() {
  if (stream.is_tls()) {
    bool const shaken = co_await shake_hands();
    if (!shaken) co_return;
  }
  for (bool more = true; more;) {
    Read const outcome = co_await read_request();
    if (outcome == Read::stream) {
      more = co_await serve_stream();
      continue;
    }
    if (outcome != Read::request) {
      co_await end_badly(outcome);
      co_return;
    }
    deadline.clear();
    auto& message = parser->get();
    HttpRequest request;
    describe(message, request);
    request.body = std::move(message.body());
    HttpReply reply;
    if (is_preflight(request)) {
      reply = preflight_reply(request);
    } else {
      reply = co_await handle(request);
    }
    bool const keep_alive = message.keep_alive() && !lane->stopping;
    bool const head_only = message.method() == http::verb::head;
    bool const written = co_await answer(reply, keep_alive, message.version() < 11, head_only);
    if (written && !keep_alive && stream.is_tls()) co_await stream.finish();
    more = written && keep_alive;
  }
}

Awaitable<void> HttpConnection::run(std::unique_ptr<HttpConnection> self) { co_await self->serve(); }

}  // namespace grenache::net
