#include "proto/net/http_server.hpp"

#include <array>
#include <ctime>
#include <list>
#include <optional>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "proto/base/check.hpp"
#include "proto/net/address.hpp"
#include "proto/net/deadline.hpp"
#include "proto/net/task_group.hpp"

namespace grenache::net {

namespace http = boost::beast::http;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

using Fields = http::fields;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr Duration kLinger = 1s;         // how long a refused peer may take to read the refusal
constexpr Duration kAcceptPause = 50ms;  // after an accept that failed for want of descriptors

/// `Date` of RFC 9110, made once a second.
class DateText {
 public:
  std::string_view now() {
    std::time_t const seconds = std::chrono::system_clock::to_time_t(wall_now());
    if (seconds != seconds_) {
      seconds_ = seconds;
      std::tm utc{};
      gmtime_r(&seconds, &utc);
      size_ = std::strftime(text_.data(), text_.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    }
    return {text_.data(), size_};
  }

 private:
  std::time_t seconds_ = -1;
  std::array<char, 40> text_{};
  std::size_t size_ = 0;
};

bool has_body(unsigned status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  if (!fields) return {};
  auto const& all = *static_cast<Fields const*>(fields);
  auto const found = all.find(name);
  return found == all.end() ? std::string_view{} : std::string_view{found->value()};
}

bool HttpRequest::has_header(std::string_view name) const {
  return fields && static_cast<Fields const*>(fields)->count(name) > 0;
}

struct HttpServer::Impl : std::enable_shared_from_this<Impl> {
  struct Connection;
  using Connections = std::list<Connection*>;
  /// What a connection waits for: its next request, the rest of one, or us.
  enum class State : std::uint8_t { idle, reading, busy };

  Impl(Executor const& e, Options o, Handler h)
      : executor{e}, options{std::move(o)}, handler{std::move(h)}, acceptor{e}, pause{e}, tasks{e} {}

  Result<void> open(Endpoint const& bind);
  void admit(tcp::socket socket);
  Connections& in(State state) { return state == State::busy ? busy : silent; }
  [[nodiscard]] std::size_t connection_count() const { return silent.size() + busy.size(); }
  bool evict();
  void close_all();
  void write_head(std::string& out, HttpReply const& reply, bool keep_alive, bool http_1_0);

  static Awaitable<void> accept_loop(std::shared_ptr<Impl> self);
  static Awaitable<bool> stop(std::shared_ptr<Impl> self, Duration limit);

  Executor executor;
  Options options;
  Handler handler;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  TaskGroup tasks;
  Endpoint local;
  Connections silent;  // that wait for their peers; the one that waits longest is first
  Connections busy;
  Counters counters;
  DateText date;
  bool stopping = false;
};

/// One connection; owned by its own coroutine, known to the server through a list.
struct HttpServer::Impl::Connection {
  Connection(std::shared_ptr<Impl> s, tcp::socket accepted)
      : server{std::move(s)},
        socket{std::move(accepted)},
        deadline{server->executor, [this] { expire(); }},
        buffer{server->options.header_bytes_max + 4 * kReadBytes} {
    place = server->busy.insert(server->busy.end(), this);
  }
  ~Connection() { server->in(state).erase(place); }
  Connection(Connection const&) = delete;
  Connection& operator=(Connection const&) = delete;

  void expire() {
    if (state != State::idle) ++server->counters.timed_out;
    close();
  }
  void close() {
    Error ignored;
    socket.close(ignored);
  }
  void within(Duration limit) { deadline.set(steady_now() + limit); }
  void enter(State next) {
    Connections& to = server->in(next);
    to.splice(to.end(), server->in(state), place);
    state = next;
  }

  using Parser = http::request_parser<http::string_body>;
  enum class Read { request, closed, malformed, too_large };

  Awaitable<Read> read_request();
  Awaitable<bool> continue_if_expected();
  Awaitable<bool> read_some();
  Awaitable<bool> answer(HttpReply const& reply, bool keep_alive, bool http_1_0, bool head_only);
  Awaitable<void> refuse(HttpReply const& reply);
  Awaitable<HttpReply> handle(HttpRequest& request);
  Awaitable<void> serve();
  static Awaitable<void> run(std::unique_ptr<Connection> self);

  std::shared_ptr<Impl> server;
  tcp::socket socket;
  Deadline deadline;
  boost::beast::flat_buffer buffer;
  std::optional<Parser> parser;
  std::string head;
  Endpoint peer;
  Connections::iterator place;
  State state = State::busy;
};

using Connection = HttpServer::Impl::Connection;

/// False when the peer has gone or the deadline has passed.
Awaitable<bool> Connection::read_some() {
  // A chunk header without end would fill the buffer; no sane one is that long.
  std::size_t const room = std::min(kReadBytes, buffer.max_size() - buffer.size());
  if (room == 0) co_return false;
  auto const [error, size] = co_await socket.async_read_some(buffer.prepare(room), kTuple);
  buffer.commit(size);
  co_return !error;
}

Awaitable<bool> Connection::continue_if_expected() {
  if (!boost::beast::iequals(parser->get()[http::field::expect], "100-continue")) co_return true;
  std::string_view const text = "HTTP/1.1 100 Continue\r\n\r\n";
  auto const [error, size] = co_await asio::async_write(socket, asio::buffer(text), kTuple);
  co_return !error;
}

Awaitable<Connection::Read> Connection::read_request() {
  parser.emplace();
  parser->header_limit(static_cast<std::uint32_t>(server->options.header_bytes_max));
  parser->body_limit(server->options.body_bytes_max);
  parser->eager(true);
  enum class Phase { idle, header, body } phase = Phase::idle;
  for (;;) {
    if (buffer.size() > 0) {
      Error error;
      buffer.consume(parser->put(buffer.data(), error));
      if (error && error != http::error::need_more) {
        co_return error == http::error::body_limit ? Read::too_large : Read::malformed;
      }
      if (parser->is_done()) co_return Read::request;
    }
    if (parser->is_header_done()) {
      if (phase != Phase::body) {
        phase = Phase::body;
        within(server->options.body_max);
        bool const writable = co_await continue_if_expected();
        if (!writable) co_return Read::closed;
      }
    } else if (buffer.size() > 0) {
      if (phase == Phase::idle) {
        phase = Phase::header;
        within(server->options.header_max);
      }
    } else {
      if (server->stopping) co_return Read::closed;
      within(server->options.idle_max);
    }
    enter(phase == Phase::idle ? State::idle : State::reading);
    bool const more = co_await read_some();
    enter(State::busy);
    if (!more) co_return Read::closed;
  }
}

/// One gathered write. False when the peer has gone.
Awaitable<bool> Connection::answer(HttpReply const& reply, bool keep_alive, bool http_1_0, bool head_only) {
  head.clear();
  server->write_head(head, reply, keep_alive, http_1_0);
  bool const with_body = !head_only && has_body(reply.status);
  std::array<asio::const_buffer, 2> const buffers{
      asio::buffer(head), with_body ? asio::buffer(reply.body) : asio::const_buffer{}};
  within(server->options.write_max);
  auto const [error, size] = co_await asio::async_write(socket, buffers, kTuple);
  co_return !error;
}

/// Answers and closes. Reads on for a moment: closing with unread bytes would reset the connection, and the
/// peer might never see the answer.
Awaitable<void> Connection::refuse(HttpReply const& reply) {
  bool const written = co_await answer(reply, false, false, false);
  if (!written) co_return;
  Error ignored;
  socket.shutdown(tcp::socket::shutdown_send, ignored);
  within(kLinger);
  for (bool more = true; more;) {
    buffer.clear();
    more = co_await read_some();
  }
}

Awaitable<HttpReply> Connection::handle(HttpRequest& request) {
  ++server->counters.requests;
  HttpReply reply;
  try {
    reply = co_await server->handler(request);
  } catch (std::exception const&) {
    ++server->counters.handler_failures;
    reply = HttpReply{};
    reply.status = 500;
  }
  co_return reply;
}

Awaitable<void> Connection::serve() {
  for (;;) {
    Read const outcome = co_await read_request();
    if (outcome == Read::closed) co_return;
    if (outcome == Read::malformed) {
      ++server->counters.malformed;
      co_await refuse(server->options.malformed);
      co_return;
    }
    if (outcome == Read::too_large) {
      ++server->counters.too_large;
      co_await refuse(server->options.too_large);
      co_return;
    }
    deadline.clear();
    auto& message = parser->get();
    HttpRequest request;
    request.method = message.method_string();
    request.target = message.target();
    request.body = std::move(message.body());
    request.peer = peer;
    request.fields = static_cast<Fields const*>(&message);
    HttpReply const reply = co_await handle(request);
    bool const keep_alive = message.keep_alive() && !server->stopping;
    bool const head_only = message.method() == http::verb::head;
    bool const written = co_await answer(reply, keep_alive, message.version() < 11, head_only);
    if (!written || !keep_alive) co_return;
  }
}

Awaitable<void> Connection::run(std::unique_ptr<Connection> self) { co_await self->serve(); }

void HttpServer::Impl::write_head(std::string& out, HttpReply const& reply, bool keep_alive, bool http_1_0) {
  out += "HTTP/1.1 ";
  out += std::to_string(reply.status);
  out += ' ';
  out += std::string_view{http::obsolete_reason(http::int_to_status(reply.status))};
  out += "\r\nDate: ";
  out += date.now();
  if (has_body(reply.status)) {
    out += "\r\nContent-Length: ";
    out += std::to_string(reply.body.size());
  }
  if (!keep_alive) {
    out += "\r\nConnection: close";
  } else if (http_1_0) {
    out += "\r\nConnection: keep-alive";
  }
  for (auto const& [name, value] : reply.headers) {
    out += "\r\n";
    out += name;
    out += ": ";
    out += value;
  }
  out += "\r\n\r\n";
}

Result<void> HttpServer::Impl::open(Endpoint const& bind) {
  Error error;
  auto const endpoint = to_asio<tcp>(bind);
  acceptor.open(endpoint.protocol(), error);
  if (error) return error;
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (error) return error;
  if (endpoint.protocol() == tcp::v6()) acceptor.set_option(asio::ip::v6_only(false), error);
  acceptor.bind(endpoint, error);
  if (error) return error;
  acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) return error;
  auto const bound = acceptor.local_endpoint(error);
  if (error) return error;
  local = from_asio(bound);
  return {};
}

bool HttpServer::Impl::evict() {
  if (silent.empty()) return false;
  ++counters.connections_evicted;
  Connection& oldest = *silent.front();
  oldest.enter(State::busy);  // its coroutine ends soon; it must not be evicted twice
  oldest.close();
  return true;
}

void HttpServer::Impl::admit(tcp::socket socket) {
  ++counters.connections;
  // The evicted connection leaves its list a moment later, so the count may pass the limit by those.
  if (connection_count() >= options.connection_count_max && !evict()) {
    ++counters.connections_refused;
    return;
  }
  Error error;
  socket.set_option(tcp::no_delay(true), error);
  auto const remote = socket.remote_endpoint(error);
  if (error) return;  // it has gone already
  auto connection = std::make_unique<Connection>(shared_from_this(), std::move(socket));
  connection->peer = from_asio(remote);
  tasks.spawn(Connection::run(std::move(connection)));
}

Awaitable<void> HttpServer::Impl::accept_loop(std::shared_ptr<Impl> self) {
  while (self->acceptor.is_open()) {
    auto [error, socket] = co_await self->acceptor.async_accept(kTuple);
    if (!error) {
      self->admit(std::move(socket));
    } else if (error != asio::error::connection_aborted && self->acceptor.is_open()) {
      bool const evicted = self->evict();
      if (evicted && error == asio::error::no_descriptors) continue;
      // Out of memory, or nobody to close: accepting again at once would spin.
      self->pause.expires_after(kAcceptPause);
      auto const [paused] = co_await self->pause.async_wait(kTuple);
      if (paused) co_return;
    }
  }
}

void HttpServer::Impl::close_all() {
  for (Connection* connection : silent) connection->close();
  for (Connection* connection : busy) connection->close();
}

Awaitable<bool> HttpServer::Impl::stop(std::shared_ptr<Impl> self, Duration limit) {
  self->stopping = true;
  Error ignored;
  self->acceptor.close(ignored);
  self->pause.cancel();
  for (Connection* connection : self->silent) {
    if (connection->state == State::idle) connection->close();
  }
  bool const graceful = co_await self->tasks.drained(limit);
  if (!graceful) {
    self->close_all();
    self->tasks.cancel(asio::cancellation_type::terminal);
    co_await self->tasks.drained(limit + kLinger);
  }
  co_return graceful;
}

HttpServer::HttpServer(Executor const& executor, Options options, Handler handler)
    : impl_{std::make_shared<Impl>(executor, std::move(options), std::move(handler))} {}

HttpServer::~HttpServer() {
  impl_->stopping = true;
  Error ignored;
  impl_->acceptor.close(ignored);
  impl_->pause.cancel();
  impl_->close_all();
}

Result<Endpoint> HttpServer::listen(Endpoint const& bind) {
  GRN_CHECK(!impl_->acceptor.is_open());
  if (auto const opened = impl_->open(bind); !opened) {
    Error ignored;
    impl_->acceptor.close(ignored);
    return opened.error();
  }
  impl_->tasks.spawn(Impl::accept_loop(impl_));
  return impl_->local;
}

Endpoint HttpServer::local_endpoint() const { return impl_->local; }
Awaitable<bool> HttpServer::stop(Duration limit) { return Impl::stop(impl_, limit); }
std::size_t HttpServer::connection_count() const { return impl_->connection_count(); }
HttpServer::Counters const& HttpServer::counters() const { return impl_->counters; }

}  // namespace grenache::net
