#include "grenache/net/http_server_connection.hpp"

#include <boost/asio/write.hpp>

namespace grenache::net {

using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kJoinedBytesMax = 2048;  // a body so small is copied faster than gathered

/// Grants the method and the headers that the page asks for. Browsers ask for `Private-Network` when a page
/// from the internet calls a private address.
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

void HttpWorker::start(tcp::socket socket, Endpoint const& peer) {
  auto self = std::static_pointer_cast<HttpWorker>(shared_from_this());
  auto connection = std::make_unique<HttpConnection>(std::move(self), std::move(socket), peer);
  TaskGroup::Handle& handle = connection->task;
  tasks().spawn_isolated(HttpConnection::run(std::move(connection)), handle);
}

std::uint64_t HttpWorker::served() {
  try {
    if (!poll_scheduled) schedule_poll();
  } catch (std::bad_alloc const&) {  // the next call starts it
  }
  return poll_count;
}

void HttpWorker::schedule_poll() {
  timer.expires_after(kPollInterval);
  timer.async_wait([weak = weak_from_this()](Error const& error) {
    auto const self = std::static_pointer_cast<HttpWorker>(weak.lock());
    if (self && !error) self->poll_peers();
  });
  poll_scheduled = true;
}

void HttpWorker::poll_peers() {
  poll_scheduled = false;
  ++poll_count;
  try {
    abort_those_without_peer();
    if (admission().is_serving()) schedule_poll();
  } catch (std::bad_alloc const&) {  // the next call of served() starts it again
  }
}

void HttpWorker::abort_those_without_peer() {
  watched.clear();
  sockets.clear();
  admission().for_each_served([this](Admission::Entry& entry) {
    auto& connection = static_cast<HttpConnection&>(entry);
    if (connection.served_since + 2 > poll_count) return false;
    if (!connection.watched) return true;
    watched.push_back(&connection);
    // POLLRDHUP is set even if unread bytes precede the end: a pipelined request, or the close_notify of TLS.
    sockets.push_back({connection.stream.socket().native_handle(), POLLRDHUP, 0});
    return true;
  });
  if (watched.empty()) return;
  ::poll(sockets.data(), sockets.size(), 0);
  for (std::size_t i = 0; i < watched.size(); ++i) {
    bool const has_left = (sockets[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
    // By a deadline of a stream, or evicted. Those that a stop has closed are cancelled by it, at its limit.
    bool const is_closed = !stopping() && !watched[i]->stream.socket().is_open();
    if (has_left || is_closed || watched[i]->aborted) watched[i]->abort();
  }
}

HttpConnection::HttpConnection(std::shared_ptr<HttpWorker> w, tcp::socket accepted, Endpoint const& from)
    : Worker::Connection{std::move(w)},
      stream{std::move(accepted), options().tls},
      deadline{http_worker().executor(), [this] { expire(); }},
      buffer{options().header_bytes_max + kPieceBytes},
      peer{from} {}

void HttpConnection::expire() {
  expired = true;
  bool const in_request = phase() == Phase::reading || phase() == Phase::writing;
  bool const will_answer = collecting && phase() == Phase::reading;
  if (in_request && !will_answer && !answered_408) count(&HttpServer::Counters::timed_out);
  if (!will_answer) return close();
  Error ignored;
  stream.socket().cancel(ignored);  // ends the read, after which the peer is sent 408
}

void HttpConnection::abort() {
  if (!aborted) count(&HttpServer::Counters::aborted);
  aborted = true;
  close();
  task.cancel(asio::cancellation_type::terminal);  // repeated at the next poll: the handler may wait again
}

void HttpConnection::cut(Cut why) {
  close();
  if (why == Cut::evicted && watched) (void)http_worker().served();  // the poll cancels its handler
}

void HttpConnection::drain() {
  if (phase() == Phase::handshake || phase() == Phase::idle) close();
}

Awaitable<bool> HttpConnection::handshake() {
  within(options().handshake_max);
  Error const error = co_await stream.handshake();
  if (error) {
    count(&HttpServer::Counters::handshakes_failed);
    if (!expired) co_await linger();  // so that the peer receives the TLS alert
    co_return false;
  }
  certificate = stream.peer_certificate();
  co_return true;
}

Awaitable<bool> HttpConnection::continue_if_expected(bool expected) {
  if (!expected) co_return true;
  enter(Phase::writing);
  std::string_view const text = "HTTP/1.1 100 Continue\r\n\r\n";
  auto const [error, size] = co_await asio::async_write(stream, asio::buffer(text), kTuple);
  co_return !error;
}

Awaitable<bool> HttpConnection::until_room() {
  TimePoint const limit = steady_deadline(options().body_max);
  while (!held.may_grow()) {
    TimePoint const now = steady_now();
    if (now >= limit || !stream.socket().is_open()) co_return false;
    Wake const wake = co_await http_worker().room().wait(std::min(limit, now + Worker::kRecheckInterval));
    if (wake == Wake::cancelled) co_return false;
  }
  co_return true;
}

Awaitable<bool> HttpConnection::until_room_for_body() {
  std::size_t const size = parser->get().body().size();
  if (size <= ByteBudget::kFreeBytes) co_return true;
  held.set(size);
  if (held.may_grow()) co_return true;
  deadline.clear();
  bool const has_room = co_await until_room();
  begun = steady_now();
  received = 0;
  deadline.set(later_by(begun, options().body_max));
  co_return has_room;
}

bool HttpConnection::wants_stream() {
  HttpRequest request;
  describe(parser->get(), request);
  return options().wants_stream(request);
}

bool HttpConnection::is_allowed(RequestLines const& request) {
  WebVerdict const verdict = check_web_access(options().web_access, request);
  if (verdict == WebVerdict::allowed_cross_origin) cross_origin = request.origin.value;
  return verdict == WebVerdict::allowed || verdict == WebVerdict::allowed_cross_origin;
}

bool HttpConnection::is_preflight(HttpRequest const& request) const {
  return !cross_origin.empty() && request.method == "OPTIONS" &&
         request.has_header("Access-Control-Request-Method");
}

HttpConnection::Read HttpConnection::check() {
  RequestLines const request{parser->get()};
  HeaderVerdict const verdict = check_header(request, parser->chunked());
  if (verdict == HeaderVerdict::malformed) return Read::malformed;
  if (verdict == HeaderVerdict::unsupported) return Read::unsupported;
  keep_alive = parser->get().keep_alive();
  return is_allowed(request) ? Read::request : Read::forbidden;
}

/// Skips empty lines before a request (RFC 9112 2.2).
void HttpConnection::skip_empty_lines() {
  auto const* const bytes = static_cast<char const*>(buffer.data().data());
  std::size_t size = 0;
  while (size < buffer.size() && (bytes[size] == '\r' || bytes[size] == '\n')) ++size;
  buffer.consume(size);
}

Awaitable<HttpConnection::Read> HttpConnection::read_request() {
  bool const may_stream = options().wants_stream != nullptr;
  parser.emplace();
  feed = {};
  fields.reset();
  cross_origin.clear();
  parser->header_limit(static_cast<std::uint32_t>(options().header_bytes_max));
  parser->body_limit(options().body_bytes_max);
  if (may_stream) parser->body_limit(boost::none);  // set later, unless it is a stream
  parser->eager(false);  // stop after the header, so that `fields` gets no trailers
  enum class Part { none, header, slow_header, body, slow_body } part = Part::none;
  bool late = false;  // the deadline has passed during a read that succeeded
  for (;;) {
    if (part == Part::none) skip_empty_lines();
    if (buffer.size() > 0) {
      if (part == Part::none) part = Part::header;
      Error error;
      buffer.consume(feed(*parser, buffer.data(), error));
      if (error && error != http::error::need_more) {
        co_return error == http::error::body_limit ? Read::too_large : Read::malformed;
      }
    }
    if (parser->is_header_done() && part < Part::body) {
      part = Part::body;
      Read const checked = check();
      if (checked != Read::request) co_return checked;
      if (may_stream) {
        if (wants_stream()) co_return Read::stream;
        if (parser->content_length().value_or(0) > options().body_bytes_max) co_return Read::too_large;
        parser->body_limit(options().body_bytes_max);
      }
      if (parser->chunked()) fields = static_cast<http::fields const&>(parser->get());
      parser->eager(true);
      if (buffer.size() > 0 && !parser->is_done()) continue;
    }
    if (parser->is_done()) co_return Read::request;
    if (late && part == Part::slow_header) co_return Read::timed_out;
    if (part == Part::body) {
      part = Part::slow_body;
      begun = steady_now();
      received = 0;
      deadline.set(later_by(begun, options().body_max));
      bool const writable = co_await continue_if_expected(expects_continue(parser->get()));
      if (!writable) co_return Read::closed;
    } else if (part == Part::header) {
      part = Part::slow_header;
      within(options().header_max);
    } else if (part == Part::none) {
      if (http_worker().stopping()) co_return Read::closed;
      within(options().idle_max);
    }
    enter(part == Part::none ? Phase::idle : Phase::reading);
    std::size_t const size_max = room(buffer, kReadBytes);
    if (size_max == 0) co_return Read::closed;  // no valid chunk header is longer than the buffer
    collecting = true;
    auto const [failed, size] = co_await stream.async_read_some(buffer.prepare(size_max), kTuple);
    collecting = false;
    buffer.commit(size);
    received += size;
    bool const too_slow = expired && phase() == Phase::reading;
    if (failed) co_return too_slow ? Read::timed_out : Read::closed;
    late = std::exchange(expired, false);  // the bytes read may complete the header
    if (part == Part::slow_body) {
      within(options().body_max, received);
      bool const has_room = co_await until_room_for_body();
      if (!has_room && !stream.socket().is_open()) co_return Read::closed;
      if (!has_room) co_return Read::timed_out;
    }
  }
}

void HttpConnection::begin_head(unsigned status, bool persistent, bool http_1_0) {
  head = "HTTP/1.1 ";
  head += std::to_string(status);
  head += ' ';
  head += std::string_view{http::obsolete_reason(http::int_to_status(status))};
  head += "\r\nDate: ";
  head += http_worker().date.now();
  if (!persistent) {
    head += "\r\nConnection: close";
  } else if (http_1_0) {
    head += "\r\nConnection: keep-alive";
  }
  if (!cross_origin.empty()) {
    head += "\r\nVary: Origin\r\nAccess-Control-Allow-Origin: ";
    head += cross_origin;
  }
}

/// Sends the head and a large body. Each part that was written extends the deadline.
Awaitable<bool> HttpConnection::write_large(asio::const_buffer body) {
  begun = steady_now();
  std::size_t sent = 0;
  asio::const_buffer before = asio::buffer(head);
  while (sent < body.size()) {
    asio::const_buffer const part = asio::buffer(body + sent, kPieceBytes);
    std::array<asio::const_buffer, 3> const buffers{before, part, asio::const_buffer{}};
    auto const [error, size] = co_await write_all(stream, buffers, joined);
    if (error) co_return false;
    before = {};
    sent += part.size();
    within(options().write_max, sent);
    enter(Phase::writing);
  }
  co_return true;
}

/// Sends a reply, in one write unless the body is large. Returns false when that fails.
Awaitable<bool> HttpConnection::answer(HttpReply const& reply, bool persistent, bool http_1_0,
                                       bool head_only) {
  begin_head(reply.status, persistent, http_1_0);
  if (has_body(reply.status)) {
    head += "\r\nContent-Length: ";
    head += std::to_string(reply.body.size());
  }
  append_headers(head, reply.headers);
  head += "\r\n\r\n";
  bool const with_body = !head_only && has_body(reply.status);
  asio::const_buffer const body = with_body ? asio::buffer(reply.body) : asio::const_buffer{};
  within(options().write_max);
  enter(Phase::writing);
  if (body.size() <= kJoinedBytesMax) {
    head.append(static_cast<char const*>(body.data()), body.size());
    auto const [error, size] = co_await asio::async_write(stream, asio::buffer(head), kTuple);
    co_return !error;
  }
  if (body.size() > kPieceBytes) {
    bool const written = co_await write_large(body);
    co_return written;
  }
  std::array<asio::const_buffer, 3> const buffers{asio::buffer(head), body, asio::const_buffer{}};
  auto const [error, size] = co_await write_all(stream, buffers, joined);
  co_return !error;
}

Awaitable<void> HttpConnection::linger() {
  deadline.clear();
  enter(Phase::closing);
  co_await stream.linger();
}

Awaitable<void> HttpConnection::refuse(HttpReply const& reply) {
  bool const written = co_await answer(reply, false, false, false);
  if (written) co_await linger();
}

void HttpConnection::enter_serving() {
  enter(Phase::serving);
  served_since = http_worker().served();
}

Awaitable<void> HttpConnection::send_error(Read outcome) {
  if (outcome == Read::malformed) {
    count(&HttpServer::Counters::malformed);
    co_await refuse(options().malformed);
  } else if (outcome == Read::unsupported) {
    count(&HttpServer::Counters::malformed);
    HttpReply unsupported;
    unsupported.status = 501;
    co_await refuse(unsupported);
  } else if (outcome == Read::too_large) {
    count(&HttpServer::Counters::too_large);
    co_await refuse(options().too_large);
  } else if (outcome == Read::timed_out) {
    count(&HttpServer::Counters::timed_out);
    answered_408 = true;
    HttpReply timed_out;
    timed_out.status = 408;
    co_await refuse(timed_out);
  } else if (outcome == Read::forbidden) {
    count(&HttpServer::Counters::forbidden);
    co_await refuse(options().forbidden);
  }
}

Awaitable<void> HttpConnection::serve() {
  if (stream.is_tls()) {
    bool const is_secure = co_await handshake();
    if (!is_secure) co_return;
  }
  for (bool more = true; more;) {
    Read const outcome = co_await read_request();
    if (outcome == Read::stream) {
      more = co_await serve_stream();
      continue;
    }
    if (outcome != Read::request) {
      co_await send_error(outcome);
      co_return;
    }
    deadline.clear();
    auto& message = parser->get();
    HttpRequest request;
    describe(message, request);
    if (fields) request.fields = &*fields;
    request.body = std::move(message.body());
    request.connection = this;
    held.set(request.body.size());
    std::optional<HttpReply> handled;
    if (is_preflight(request)) {
      handled = preflight_reply(request);
    } else {
      watched = options().cancels_abandoned;
      enter_serving();
      count(&HttpServer::Counters::requests);
      try {
        handled = co_await http_worker().settings->handler(request);
      } catch (...) {  // answered with 500
      }
      watched = false;
    }
    if (aborted) co_return;
    if (!handled || !is_valid(handled->headers)) {
      count(&HttpServer::Counters::handler_failures);
      handled = HttpReply{500, {}, {}};
    }
    HttpReply const& reply = *handled;
    if (http_worker().stopping()) keep_alive = false;
    bool const head_only = message.method() == http::verb::head;
    std::string{}.swap(request.body);  // an assignment would keep its memory
    held.set(reply.body.size());
    bool const written = co_await answer(reply, keep_alive, message.version() < 11, head_only);
    held.set(0);
    if (written && !keep_alive) co_await linger();
    more = written && keep_alive;
  }
}

Awaitable<void> HttpConnection::run(std::unique_ptr<HttpConnection> self) {
  try {
    co_await self->serve();
  } catch (...) {
    self->worker().count_failure();
  }
}

}  // namespace grenache::net
