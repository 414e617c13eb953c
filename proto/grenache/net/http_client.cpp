#include "grenache/net/http_client.hpp"

#include <array>
#include <charconv>

#include <boost/beast/http/string_body.hpp>

#include <grenache/net/http_client_impl.hpp>

namespace grenache::net {

using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kTimeout = "timeout=";  // in a Keep-Alive header

}  // namespace

bool is_valid(HttpCall const& call, std::string const& host) {
  return is_valid_word(call.method) && is_valid_word(call.target) && is_valid_word(host) &&
         is_valid(call.headers);
}

std::string head_of(HttpCall const& call, std::string const& host) {
  std::string head;
  head.reserve(256);
  head.append(call.method).append(" ").append(call.target).append(" HTTP/1.1\r\nHost: ").append(host);
  append_headers(head, call.headers);
  return head;
}

Duration server_idle_max(std::string_view keep_alive) {
  auto const at = keep_alive.find(kTimeout);
  if (at == std::string_view::npos) return Duration::max();
  std::string_view const digits = keep_alive.substr(at + kTimeout.size());
  std::uint32_t seconds = 0;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  if (error != std::errc{}) return Duration::max();
  return std::chrono::seconds{seconds} - 1s;
}

std::string_view describe(HttpClientErrc code) {
  switch (code) {
    case HttpClientErrc::timed_out:
      return "no answer in time";
    case HttpClientErrc::not_resolved:
      return "host name not found";
    case HttpClientErrc::connection_lost:
      return "connection closed before the answer was complete";
    case HttpClientErrc::response_too_large:
      return "answer larger than the limit";
    case HttpClientErrc::malformed_response:
      return "answer is not HTTP";
    case HttpClientErrc::too_many_waiting:
      return "too many requests wait for a connection";
    case HttpClientErrc::stopped:
      return "the client was stopped";
    case HttpClientErrc::invalid_request:
      return "method, target or a header of the request is not valid";
  }
  return "unknown HTTP client error";
}

/// A call that waits for a lease. The waiters of a host are served in FIFO order.
struct HttpClient::Impl::Waiter {
  Waiter(Impl& i, std::string const& h) : impl{i}, host{h}, pool{i.pools[h]}, granted{i.executor} {
    place = pool.waiters.insert(pool.waiters.end(), this);
    ++impl.waiting;
    impl.update(pool);
  }
  ~Waiter() {
    if (lease) return;
    leave();
    impl.forget_if_empty(host);
  }
  Waiter(Waiter const&) = delete;
  Waiter& operator=(Waiter const&) = delete;

  void leave() {
    pool.waiters.erase(place);
    --impl.waiting;
    impl.update(pool);
  }
  void grant(std::unique_ptr<Connection> connection) {
    leave();
    lease.emplace(impl.shared_from_this(), host, std::move(connection));
    granted.notify_all();
  }

  Impl& impl;
  std::string const& host;
  Pool& pool;
  AsyncEvent granted;
  std::optional<Lease> lease;
  std::list<Waiter*>::iterator place;
};

bool HttpClient::Impl::acquire_slot(std::string const& host) {
  auto const known = pools.find(host);
  if (known != pools.end() && known->second.open >= options.connections_per_host_max) return false;
  if (!has_room()) return false;
  if (open >= options.connections_max) drop_idle(*idle_order.front());
  Pool& pool = pools[host];
  ++pool.open;
  ++open;
  update(pool);
  return true;
}

void HttpClient::Impl::release_slot(std::string const& host) {
  Pool& pool = pools.find(host)->second;
  --open;
  --pool.open;
  update(pool);
  forget_if_empty(host);
}

/// Adds the pool to `starved` or removes it. Called when its number of connections or waiters has changed.
void HttpClient::Impl::update(Pool& pool) {
  bool const is_starved = !pool.waiters.empty() && pool.open < options.connections_per_host_max;
  if (is_starved == pool.is_starved) return;
  pool.is_starved = is_starved;
  if (is_starved) {
    pool.place = starved.insert(starved.end(), &pool);
  } else {
    starved.erase(pool.place);
  }
}

void HttpClient::Impl::forget_if_empty(std::string const& host) {
  auto const pool = pools.find(host);
  if (pool->second.open == 0 && pool->second.waiters.empty()) pools.erase(pool);
}

void HttpClient::Impl::keep(std::unique_ptr<Connection> connection) {
  Pool& pool = pools.find(connection->host)->second;
  if (!pool.waiters.empty()) return pool.waiters.front()->grant(std::move(connection));
  connection->set_idle(true);
  connection->deadline.set(steady_deadline(connection->idle_max));
  pool.idle.push_back(std::move(connection));
}

void HttpClient::Impl::drop_idle(Connection& connection) {
  std::string const host = connection.host;
  pools.find(host)->second.idle.remove_if([&](auto const& each) { return each.get() == &connection; });
  release_slot(host);
}

std::unique_ptr<HttpClient::Impl::Connection> HttpClient::Impl::take_idle(std::string const& host) {
  for (;;) {
    auto const pool = pools.find(host);
    if (pool == pools.end() || pool->second.idle.empty()) return nullptr;
    auto& idle = pool->second.idle;
    if (!idle.back()->is_usable()) {
      drop_idle(*idle.back());
      continue;
    }
    auto connection = std::move(idle.back());
    idle.pop_back();
    connection->set_idle(false);
    connection->deadline.clear();
    return connection;
  }
}

void HttpClient::Impl::serve_waiters() {
  if (stopping) return;
  while (!starved.empty() && has_room()) {
    Pool& pool = *starved.front();
    Waiter& waiter = *pool.waiters.front();
    (void)acquire_slot(waiter.host);
    waiter.grant(nullptr);
    if (pool.is_starved) starved.splice(starved.end(), starved, pool.place);  // round-robin
  }
}

void HttpClient::Impl::shut_down() {
  stopping = true;
  while (!idle_order.empty()) drop_idle(*idle_order.front());
  for (Connection* connection : active) connection->close();
  for (auto const& [host, pool] : pools) {
    for (Waiter* waiter : pool.waiters) waiter->granted.notify_all();
  }
  changed.notify_all();
  resolver.cancel();
}

Awaitable<Error> HttpClient::Impl::acquire(std::shared_ptr<Impl> self, std::string const& host,
                                           TimePoint deadline, std::optional<Lease>& out) {
  if (auto kept = self->take_idle(host)) {
    out.emplace(self, host, std::move(kept));
    co_return Error{};
  }
  if (self->acquire_slot(host)) {
    out.emplace(self, host, nullptr);
    co_return Error{};
  }
  if (self->waiting >= self->options.waiting_max) co_return HttpClientErrc::too_many_waiting;
  Waiter waiter{*self, host};
  Wake const wake = co_await waiter.granted.wait(deadline);
  if (self->stopping) co_return HttpClientErrc::stopped;
  if (waiter.lease) {
    out.emplace(std::move(*waiter.lease));
    co_return Error{};
  }
  if (wake == Wake::timed_out) co_return HttpClientErrc::timed_out;
  co_return asio::error::operation_aborted;
}

Awaitable<Error> HttpClient::Impl::resolve(std::shared_ptr<Impl> self, HostPort const& to, TimePoint deadline,
                                           TcpEndpoints& out) {
  auto found = co_await self->resolver.resolve(to, deadline);
  if (self->stopping) co_return HttpClientErrc::stopped;
  if (found) out = std::move(*found);
  if (!out.empty()) co_return Error{};
  if (found) co_return HttpClientErrc::not_resolved;
  if (found.error() == asio::error::timed_out) co_return HttpClientErrc::timed_out;
  bool const is_kept =
      found.error() == asio::error::operation_aborted || found.error() == asio::error::try_again;
  co_return is_kept ? found.error() : make_error_code(HttpClientErrc::not_resolved);
}

Awaitable<Error> HttpClient::Impl::handshake(std::shared_ptr<Impl> self, Connection& connection) {
  if (!connection.stream.is_tls()) co_return Error{};
  Error const error = co_await connection.stream.handshake();
  if (error) co_return connection.reason(error);
  if (connection.stream.resumed()) ++self->counters.resumed;
  co_return Error{};
}

Awaitable<Error> HttpClient::Impl::connect(std::shared_ptr<Impl> self, HostPort const& to, TimePoint deadline,
                                           Connection& connection) {
  TcpEndpoints addresses;
  Error failure = co_await resolve(self, to, deadline, addresses);
  if (failure) co_return failure;
  connection.deadline.set(deadline);
  for (tcp::endpoint const& address : addresses) {
    connection.close();
    auto& socket = connection.stream.socket();
    auto const [error] = co_await socket.async_connect(address, kTuple);
    if (!error && socket.is_open()) {
      ++self->counters.connections;
      Error ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      co_return co_await handshake(self, connection);
    }
    failure = connection.reason(error ? error : make_error_code(HttpClientErrc::connection_lost));
    if (connection.timed_out || self->stopping || error == asio::error::operation_aborted) break;
  }
  co_return failure;
}

Awaitable<Result<HttpResponse>> HttpClient::Impl::Connection::read_response(bool head_only) {
  std::optional<http::response_parser<http::string_body>> parser;
  Feed feed;
  auto const begin = [&] {
    parser.emplace();
    feed = {};
    parser->header_limit(static_cast<std::uint32_t>(impl.options.header_bytes_max));
    parser->body_limit(impl.options.body_bytes_max);
    parser->eager(true);
    parser->skip(head_only);
  };
  begin();
  while (!parser->is_done()) {
    Error error;
    if (buffer.size() > 0) {
      buffer.consume(feed(*parser, buffer.data(), error));
      if (error == http::error::body_limit) co_return HttpClientErrc::response_too_large;
      if (error && error != http::error::need_more) co_return HttpClientErrc::malformed_response;
      if (parser->is_done()) {
        // 100 Continue and the like precede the response.
        if (parser->get().result_int() >= 200) break;
        begin();
        continue;
      }
    }
    std::size_t const size_max = room(buffer, kReadBytes);
    if (size_max == 0) co_return HttpClientErrc::malformed_response;
    auto const [failure, size] = co_await stream.async_read_some(buffer.prepare(size_max), kTuple);
    buffer.commit(size);
    if (size > 0) answered = true;
    if (failure == asio::error::eof && parser->is_header_done()) {
      parser->put_eof(error);  // complete if the end of the connection delimits the body
      if (error) co_return HttpClientErrc::connection_lost;
    } else if (failure) {
      co_return reason(failure);
    }
  }
  auto& message = parser->get();
  update_idle_max(*parser);
  HttpResponse response;
  response.status = message.result_int();
  response.body = std::move(message.body());
  co_return response;
}

Awaitable<Result<HttpResponse>> HttpClient::Impl::Connection::exchange(HttpCall const& call,
                                                                       std::string const& head) {
  answered = false;
  idle_max = Duration::zero();  // not reused unless the response is complete
  std::array<asio::const_buffer, 3> const buffers{asio::buffer(head), asio::buffer(call.body),
                                                  asio::const_buffer{}};
  auto const [error, size] = co_await write_all(stream, buffers, joined);
  if (error && (timed_out || impl.stopping || error == asio::error::operation_aborted)) {
    co_return reason(error);
  }
  // A server that refuses a body may answer and close before it has read all of it, so read the answer even
  // if writing has failed.
  auto response = co_await read_response(call.method == "HEAD");
  if (error && !response) co_return reason(error);
  if (error) idle_max = Duration::zero();
  co_return response;
}

Awaitable<Result<HttpResponse>> HttpClient::Impl::perform(std::shared_ptr<Impl> self, HttpCall const& call) {
  if (call.timeout <= Duration::zero()) co_return HttpClientErrc::timed_out;
  TimePoint const deadline = steady_deadline(call.timeout);
  std::string const host = host_text(call.destination);
  if (!is_valid(call, host)) co_return HttpClientErrc::invalid_request;
  std::string head = head_of(call, host);
  head.append("\r\nContent-Length: ").append(std::to_string(call.body.size())).append("\r\n\r\n");
  std::optional<Lease> lease;
  Error const refused = co_await acquire(self, host, deadline, lease);
  if (refused) co_return refused;
  if (lease->connection) {
    Connection& kept = *lease->connection;
    kept.deadline.set(deadline);
    auto response = co_await kept.exchange(call, head);
    bool const was_dead = !response && !kept.answered && !kept.timed_out && !self->stopping &&
                          response.error() != asio::error::operation_aborted;
    if (!was_dead || !call.repeatable) {
      kept.deadline.clear();
      co_return response;
    }
    ++self->counters.repeated;
    lease->connection.reset();
  }
  lease->connection = std::make_unique<Connection>(*self, host);
  Connection& fresh = *lease->connection;
  Error const unreachable = co_await connect(self, call.destination, deadline, fresh);
  if (unreachable) co_return unreachable;
  auto response = co_await fresh.exchange(call, head);
  fresh.deadline.clear();
  co_return response;
}

Awaitable<Result<HttpResponse>> HttpClient::Impl::request(std::shared_ptr<Impl> self, HttpCall call) {
  if (self->stopping) co_return HttpClientErrc::stopped;
  UnderWay const count{*self};
  ++self->counters.requests;
  auto response = co_await perform(self, call);
  co_return response;
}

Awaitable<void> HttpClient::Impl::stop(std::shared_ptr<Impl> self) {
  self->shut_down();
  while (self->under_way > 0) {
    Wake const wake = co_await self->changed.wait();
    if (wake == Wake::cancelled) co_return;
  }
}

HttpClient::HttpClient(Executor const& executor, Options options)
    : impl_{std::make_shared<Impl>(executor, options)} {}
HttpClient::~HttpClient() { impl_->shut_down(); }

Awaitable<Result<HttpResponse>> HttpClient::request(HttpCall call) {
  return Impl::request(impl_, std::move(call));
}
Awaitable<Result<HttpStream>> HttpClient::open(HttpCall head) {
  return Impl::open_stream(impl_, std::move(head));
}
Awaitable<void> HttpClient::stop() { return Impl::stop(impl_); }
std::size_t HttpClient::connection_count() const { return impl_->open; }
HttpClient::Counters const& HttpClient::counters() const { return impl_->counters; }

}  // namespace grenache::net
