#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include <boost/asio/error.hpp>

#include <grenache/json/rpc_envelope.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/deadline.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/net/websocket.hpp>
#include <grenache/rpc/client_transport.hpp>

namespace grenache::rpc {

using net::Awaitable;
using net::Wake;
using net::WebSocketConnection;

namespace {

constexpr Duration kConnectMax = std::chrono::seconds{10};  // one attempt, shared by all its requests
constexpr Duration kCloseMax = std::chrono::seconds{1};     // for the closing handshakes at the stop
constexpr std::size_t kQueuedBytesMax = 64 * 1024 * 1024;  // per connection: several requests of maximum size

std::string key_of(HostPort const& to) { return to.host + ' ' + std::to_string(to.port); }

struct Connection;

/// A request that waits for its reply.
struct Pending {
  Pending(net::Executor const& executor, std::shared_ptr<Connection> w, Outgoing& outgoing);
  ~Pending();
  Pending(Pending const&) = delete;
  Pending& operator=(Pending const&) = delete;

  void send();
  void end(Attempt attempt) {
    outcome = std::move(attempt);
    ended.notify_all();
  }

  std::shared_ptr<Connection> connection;
  std::string rid;
  std::string text;
  bool sent = false;
  std::optional<Attempt> outcome;
  net::AsyncEvent ended;
};

/// A connection to one destination, connecting or open.
struct Connection {
  Connection(net::Executor const& executor, HostPort t, Duration idle_limit,
             std::function<void(Connection&)> expired)
      : to{std::move(t)}, key{key_of(to)}, idle_max{idle_limit}, idle{executor, [this, expired] {
                                                                        expired(*this);
                                                                      }} {}

  void start_idle_timer() {
    if (!web_socket || ended) return;
    idle_since = net::steady_now();
    idle.set(later_by(idle_since, idle_max));
  }
  /// Bytes that were not sent yet.
  [[nodiscard]] std::size_t queued() const {
    return web_socket ? web_socket->session()->queued_bytes() : waiting_bytes;
  }

  HostPort to;
  std::string key;
  std::optional<WebSocketConnection> web_socket;  // once it is open
  std::unordered_map<std::string, Pending*> pending;
  std::size_t waiting_bytes = 0;  // of requests made before it was open
  bool ended = false;
  Duration idle_max;
  TimePoint idle_since{};
  net::Deadline idle;
};

Pending::Pending(net::Executor const& executor, std::shared_ptr<Connection> w, Outgoing& outgoing)
    : connection{std::move(w)},
      rid{std::move(outgoing.rid)},
      text{std::move(outgoing.text)},
      ended{executor} {
  connection->pending.emplace(rid, this);
  connection->idle.clear();
  connection->waiting_bytes += text.size();
  if (connection->web_socket) send();
}

Pending::~Pending() {
  // A reply that arrives later is ignored.
  connection->pending.erase(rid);
  if (connection->pending.empty()) connection->start_idle_timer();
}

void Pending::send() {
  sent = true;
  connection->web_socket->send(std::move(text));  // if it fails, receive() fails too
}

}  // namespace

class WsClientTransport : public ClientTransport {
 public:
  struct Impl;
  WsClientTransport(net::Executor const& executor, Client::Options const& options,
                    std::shared_ptr<net::TlsContext> tls)
      : impl_{std::make_shared<Impl>(executor, options, std::move(tls))} {}
  ~WsClientTransport() override;

  Awaitable<Attempt> send(Outgoing outgoing) override;
  Awaitable<Result<net::HttpStream>> open(net::HttpCall head) override;
  Awaitable<void> stop() override;
  [[nodiscard]] std::size_t connection_count() const override;

 private:
  std::shared_ptr<Impl> impl_;
};

struct WsClientTransport::Impl : std::enable_shared_from_this<Impl> {
  Impl(net::Executor const& e, Client::Options const& options, std::shared_ptr<net::TlsContext> tls)
      : executor{e},
        tasks{e},
        connections_max{options.connections_max},
        waiting_max{options.waiting_max},
        idle_max{options.idle_max} {
    ws.tls = std::move(tls);
    ws.message_bytes_max = options.reply_bytes_max;
    ws.write_queue_bytes_max = std::max(kQueuedBytesMax, options.request_bytes_max);
  }

  static Awaitable<Attempt> send(std::shared_ptr<Impl> self, Outgoing outgoing);
  static Awaitable<void> run(std::shared_ptr<Impl> self, std::shared_ptr<Connection> connection);
  static Awaitable<void> stop(std::shared_ptr<Impl> self);
  std::shared_ptr<Connection> connection_to(HostPort const& to);
  bool make_room();
  void retire(Connection& connection);
  void remove(Connection const& connection);
  void end(Connection& connection, Error const& why);
  void end_all();

  net::Executor executor;
  net::TaskGroup tasks;
  WebSocketConnection::Options ws;
  std::size_t connections_max;
  std::size_t waiting_max;
  Duration idle_max;
  std::map<std::string, std::shared_ptr<Connection>> connections;  // those that accept requests
  std::size_t open = 0;
  bool stopping = false;
};

/// Returns the connection to a destination, a new one if there is none; null at the limit of connections.
std::shared_ptr<Connection> WsClientTransport::Impl::connection_to(HostPort const& to) {
  std::string const key = key_of(to);
  if (auto const found = connections.find(key); found != connections.end()) return found->second;
  if (connections.size() >= connections_max && !make_room()) return nullptr;
  auto expired = [this](Connection& connection) { retire(connection); };
  auto connection = std::make_shared<Connection>(executor, to, idle_max, expired);
  connections.emplace(key, connection);
  tasks.spawn(run(shared_from_this(), connection));
  return connection;
}

/// Closes the connection that has been idle longest. Returns false if none is idle.
bool WsClientTransport::Impl::make_room() {
  Connection* longest = nullptr;
  for (auto const& [key, connection] : connections) {
    bool const idle = connection->web_socket && connection->pending.empty();
    if (idle && (!longest || connection->idle_since < longest->idle_since)) longest = connection.get();
  }
  if (!longest) return false;
  retire(*longest);
  return true;
}

/// Closes an open connection, which accepts no more requests; run() ends after that.
void WsClientTransport::Impl::retire(Connection& connection) {
  connection.idle.clear();
  connection.web_socket->session()->close();
  remove(connection);
}

/// Removes a connection, unless another one to the same destination has replaced it.
void WsClientTransport::Impl::remove(Connection const& connection) {
  auto const known = connections.find(connection.key);
  if (known != connections.end() && known->second.get() == &connection) connections.erase(known);
}

/// Fails the pending requests of a connection that has ended.
void WsClientTransport::Impl::end(Connection& connection, Error const& why) {
  std::string const text = ws.tls ? ws.tls->explain(why, connection.to) : "";
  remove(connection);
  connection.ended = true;
  connection.idle.clear();
  bool const several = connection.pending.size() > 1;
  for (auto const& [rid, pending] : std::exchange(connection.pending, {})) {
    if (stopping) {
      pending->end(final_attempt(Errc::stopped));
      continue;
    }
    Attempt attempt = failed_attempt(why, text);
    attempt.surely_unseen = !pending->sent;
    // If the error is a reply that is too large, it is unknown which of several requests it belongs to, so
    // each may be tried elsewhere.
    if (several) attempt.transport_failed = true;
    pending->end(std::move(attempt));
  }
}

Awaitable<void> WsClientTransport::Impl::run(std::shared_ptr<Impl> self,
                                             std::shared_ptr<Connection> connection) {
  TimePoint const deadline = net::steady_deadline(kConnectMax);
  auto connected = co_await WebSocketConnection::connect(self->executor, connection->to, self->ws, deadline);
  if (!connected) {
    self->end(*connection, connected.error());
    co_return;
  }
  if (self->stopping) co_return;
  connection->web_socket = std::move(*connected);
  ++self->open;
  for (auto const& [rid, pending] : connection->pending) pending->send();
  if (connection->pending.empty()) connection->start_idle_timer();
  for (;;) {
    auto const message = co_await connection->web_socket->receive();
    if (!message) {
      --self->open;
      self->end(*connection, message.error());
      break;
    }
    auto reply = json::parse_rpc_reply(*message);
    std::string const* const rid = reply ? reply->rid.as_string() : nullptr;
    auto const entry = rid ? connection->pending.find(*rid) : connection->pending.end();
    if (entry == connection->pending.end()) continue;  // its request has timed out, or never existed
    entry->second->end(answered_attempt(result_of(std::move(*reply))));
  }
}

Awaitable<Attempt> WsClientTransport::Impl::send(std::shared_ptr<Impl> self, Outgoing outgoing) {
  if (self->stopping) co_return final_attempt(Errc::stopped);
  std::shared_ptr<Connection> const connection = self->connection_to(outgoing.to);
  if (!connection || connection->pending.size() >= self->waiting_max ||
      connection->queued() + outgoing.text.size() > self->ws.write_queue_bytes_max) {
    co_return final_attempt(Errc::request_limit);
  }
  Pending pending{self->executor, connection, outgoing};
  while (!pending.outcome) {
    Wake const wake = co_await pending.ended.wait(outgoing.deadline);
    if (pending.outcome) break;
    if (wake == Wake::cancelled) co_return final_attempt(Errc::stopped);
    if (wake == Wake::timed_out) {
      Attempt late = final_attempt(Errc::timeout);
      late.transport_failed = true;
      late.surely_unseen = !pending.sent;
      co_return late;
    }
  }
  co_return std::move(*pending.outcome);
}

void WsClientTransport::Impl::end_all() {
  stopping = true;
  auto const ended = std::exchange(connections, {});
  for (auto const& [key, connection] : ended) {
    end(*connection, {});
    if (connection->web_socket) connection->web_socket->session()->close();
  }
}

Awaitable<void> WsClientTransport::Impl::stop(std::shared_ptr<Impl> self) {
  self->end_all();
  bool const closed = co_await self->tasks.drained(kCloseMax);
  if (closed) co_return;
  self->tasks.cancel(net::asio::cancellation_type::terminal);
  co_await self->tasks.drained(Duration::max());
}

WsClientTransport::~WsClientTransport() {
  impl_->end_all();
  impl_->tasks.cancel(net::asio::cancellation_type::terminal);
}

Awaitable<Attempt> WsClientTransport::send(Outgoing outgoing) {
  return Impl::send(impl_, std::move(outgoing));
}
Awaitable<Result<net::HttpStream>> WsClientTransport::open(net::HttpCall) {
  co_return make_error_code(boost::asio::error::operation_not_supported);
}
Awaitable<void> WsClientTransport::stop() { return Impl::stop(impl_); }
std::size_t WsClientTransport::connection_count() const { return impl_->open; }

std::unique_ptr<ClientTransport> make_ws_client_transport(net::Executor const& executor,
                                                          Client::Options const& options,
                                                          std::shared_ptr<net::TlsContext> tls) {
  return std::make_unique<WsClientTransport>(executor, options, std::move(tls));
}

}  // namespace grenache::rpc
