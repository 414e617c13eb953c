#include "proto/net/http_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "proto/net/async_event.hpp"
#include "proto/net/http_server_connection.hpp"
#include "proto/net/listener.hpp"

namespace grenache::net {

using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

using Counters = HttpServer::Counters;

constexpr std::size_t kReadBytes = 16 * 1024;
// The end of a chunked body without trailers: more than this is to come while it has not ended, and Beast
// asserts that it sees as much.
constexpr std::size_t kChunkEndSize = 5;
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
static_assert(sizeof(Counters) == kCounters.size() * sizeof(std::uint64_t));

constexpr Duration kCutOff = 1s;  // beside the limit of a stop: how long what was cut off may take to end

}  // namespace

std::string_view describe(HttpServerErrc code) {
  switch (code) {
    case HttpServerErrc::timed_out:
      return "the peer of a stream is silent";
    case HttpServerErrc::connection_lost:
      return "connection closed before the request was complete";
    case HttpServerErrc::malformed_request:
      return "request is not HTTP";
  }
  return "unknown HTTP server error";
}

std::string_view HttpRequest::header(std::string_view name) const {
  if (!fields) return {};
  auto const& all = *static_cast<http::fields const*>(fields);
  auto const found = all.find(name);
  return found == all.end() ? std::string_view{} : std::string_view{found->value()};
}

bool HttpRequest::has_header(std::string_view name) const {
  return fields && static_cast<http::fields const*>(fields)->count(name) > 0;
}

struct HttpServer::Impl : std::enable_shared_from_this<Impl> {
  struct Connection;
  using Connections = std::list<Connection*>;

  Impl(Executor const& e, Options o, Handler h)
      : executor{e}, options{std::move(o)}, handler{std::move(h)}, acceptor{e}, pause{e}, tasks{e} {}

  Result<void> open(Endpoint const& bind);
  void admit(tcp::socket socket);
  bool evict_idle();
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
  Connections idle;  // the one idle longest is first
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
  ~Connection() { (is_idle ? server->idle : server->busy).erase(place); }
  Connection(Connection const&) = delete;
  Connection& operator=(Connection const&) = delete;

  void expire() {
    if (!is_idle) ++server->counters.timed_out;
    close();
  }
  void close() {
    Error ignored;
    socket.close(ignored);
  }
  void within(Duration limit) { deadline.set(steady_now() + limit); }
  void set_idle(bool now_idle) {
    if (now_idle == is_idle) return;
    Connections& to = now_idle ? server->idle : server->busy;
    to.splice(to.end(), is_idle ? server->idle : server->busy, place);
    is_idle = now_idle;
  }

  using Parser = http::request_parser<http::string_body>;
  enum class Read { request, closed, malformed, too_large };

  /// False when what was received is better parsed together with what follows.
  [[nodiscard]] bool can_parse() const {
    bool const in_chunks = parser->is_header_done() && parser->chunked();
    return buffer.size() >= (in_chunks ? kChunkEndSize : 1);
  }
  /// True when the header names an encoding that Beast takes for none: a proxy before us may see another end
  /// of the request than we do.
  [[nodiscard]] bool is_ambiguous() const {
    return parser->is_header_done() && !parser->chunked() &&
           parser->get().count(http::field::transfer_encoding) > 0;
  }
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
  bool is_idle = false;
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
    if (can_parse()) {
      Error error;
      buffer.consume(parser->put(buffer.data(), error));
      if (error && error != http::error::need_more) {
        co_return error == http::error::body_limit ? Read::too_large : Read::malformed;
      }
      if (is_ambiguous()) co_return Read::malformed;
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
      set_idle(true);
      within(server->options.idle_max);
    }
    bool const more = co_await read_some();
    set_idle(false);
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

bool HttpServer::Impl::evict_idle() {
  if (idle.empty()) return false;
  count(&Counters::connections_evicted);
  HttpConnection& oldest = *idle.front();
  oldest.set_idle(false);  // its coroutine ends soon; it must not be evicted twice
  oldest.close();
  return true;
}

void HttpLane::admit(tcp::socket socket, Endpoint const& peer) {
  if (stopping) return;
  count(&Counters::connections);
  // The evicted connection leaves its list a moment later, so the count may pass the limit by those.
  if (idle.size() + busy.size() >= connection_count_max && !evict_idle()) {
    count(&Counters::connections_refused);
    return;
  }
  auto connection = std::make_unique<HttpConnection>(shared_from_this(), std::move(socket), peer);
  tasks.spawn(HttpConnection::run(std::move(connection)));
}

void HttpLane::close_all() {
  for (HttpConnection* connection : idle) connection->close();
  for (HttpConnection* connection : busy) connection->close();
}

Awaitable<bool> HttpLane::stop(std::shared_ptr<HttpLane> self, Duration limit) {
  self->stopping = true;
  for (HttpConnection* connection : self->idle) connection->close();
  bool const graceful = co_await self->tasks.drained(limit);
  if (!graceful) {
    self->close_all();
    self->tasks.cancel(asio::cancellation_type::terminal);
    co_await self->tasks.drained(limit + kCutOff);
  }
  co_return graceful;
}

struct HttpServer::Impl {
  Impl(Executor const& e, Options options, Handler handler)
      : executor{e}, listener{e, options.threads}, stopped{e} {
    std::size_t const count = listener.lane_count();
    std::size_t const share = (options.connection_count_max + count - 1) / count;
    auto made = std::make_shared<HttpSettings>();
    made->options = std::move(options);
    made->handler = std::move(handler);
    for (std::size_t i = 0; i < count; ++i) {
      lanes.push_back(std::make_shared<HttpLane>(made, listener.lane(i), share));
    }
  }

  void drop();
  static Awaitable<bool> stop(std::shared_ptr<Impl> self, Duration limit);

  Executor executor;
  Listener listener;
  std::vector<std::shared_ptr<HttpLane>> lanes;  // goes before the threads they live on
  AsyncEvent stopped;
  Counters sum;
};

/// Ends everything at once.
void HttpServer::Impl::drop() {
  listener.close();
  listener.end_threads();
  for (auto const& lane : lanes) {
    lane->stopping = true;
    lane->close_all();
  }
}

Awaitable<bool> HttpServer::Impl::stop(std::shared_ptr<Impl> self, Duration limit) {
  struct Outcome {
    std::size_t left;
    bool graceful = true;
  };
  self->listener.close();
  auto const outcome = std::make_shared<Outcome>();
  outcome->left = self->lanes.size();
  for (auto const& lane : self->lanes) {
    auto ended = [outcome, weak = std::weak_ptr{self}, to = self->executor](std::exception_ptr const&,
                                                                            bool graceful) {
      asio::post(to, [outcome, weak, graceful] {
        --outcome->left;
        outcome->graceful = outcome->graceful && graceful;
        if (auto const impl = weak.lock()) impl->stopped.notify_all();
      });
    };
    asio::co_spawn(lane->executor, HttpLane::stop(lane, limit), std::move(ended));
  }
  while (outcome->left > 0) {
    Wake const wake = co_await self->stopped.wait();
    if (wake == Wake::cancelled) break;
  }
  co_return outcome->graceful && outcome->left == 0;
}

HttpServer::HttpServer(Executor const& executor, Options options, Handler handler)
    : impl_{std::make_shared<Impl>(executor, std::move(options), std::move(handler))} {}

HttpServer::~HttpServer() { impl_->drop(); }

Result<Endpoint> HttpServer::listen(Endpoint const& bind) {
  std::vector<std::weak_ptr<HttpLane>> const lanes{impl_->lanes.begin(), impl_->lanes.end()};
  Listener::Handlers handlers;
  handlers.accepted = [lanes](std::size_t number, tcp::socket socket, Endpoint const& peer) {
    if (auto const lane = lanes[number].lock()) lane->admit(std::move(socket), peer);
  };
  handlers.exhausted = [lanes](std::size_t number) {
    if (auto const lane = lanes[number].lock()) lane->evict_idle();
  };
  return impl_->listener.listen(bind, std::move(handlers));
}

Endpoint HttpServer::local_endpoint() const { return impl_->listener.local_endpoint(); }
Awaitable<bool> HttpServer::stop(Duration limit) { return Impl::stop(impl_, limit); }

std::size_t HttpServer::connection_count() const {
  std::size_t count = 0;
  for (auto const& lane : impl_->lanes) count += lane->connection_count.load(std::memory_order_relaxed);
  return count;
}

HttpServer::Counters const& HttpServer::counters() const {
  for (auto const each : kCounters) {
    impl_->sum.*each = 0;
    for (auto const& lane : impl_->lanes) impl_->sum.*each += lane->counted(each);
  }
  return impl_->sum;
}

}  // namespace grenache::net
