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
#include <grenache/rpc/carrier.hpp>

namespace grenache::rpc {

using net::Awaitable;
using net::Wake;
using net::WebSocketConnection;

namespace {

constexpr Duration kConnectMax = std::chrono::seconds{10};  // one attempt, shared by all who wait for it
constexpr Duration kCloseMax = std::chrono::seconds{1};     // for the other side to agree that we stop
constexpr std::size_t kQueuedBytesMax = 64 * 1024 * 1024;  // of one connection: several requests of full size

std::string key_of(HostPort const& to) { return to.host + ' ' + std::to_string(to.port); }

struct Wire;

/// A request that waits for its answer.
struct Pending {
  Pending(net::Executor const& executor, std::shared_ptr<Wire> w, Outgoing& outgoing);
  ~Pending();
  Pending(Pending const&) = delete;
  Pending& operator=(Pending const&) = delete;

  void send();
  void end(Attempt attempt) {
    outcome = std::move(attempt);
    ended.notify_all();
  }

  std::shared_ptr<Wire> wire;
  std::string rid;
  std::string text;
  bool sent = false;
  std::optional<Attempt> outcome;
  net::AsyncEvent ended;
};

/// The connection to one destination, being made or open.
struct Wire {
  Wire(net::Executor const& executor, HostPort t, Duration rest_max, std::function<void(Wire&)> expired)
      : to{std::move(t)}, key{key_of(to)}, idle_max{rest_max}, idle{executor, [this, expired] {
                                                                      expired(*this);
                                                                    }} {}

  void rest() {
    if (!connection || ended) return;
    idle_since = net::steady_now();
    idle.set(net::later_by(idle_since, idle_max));
  }
  /// Bytes that were not sent yet.
  [[nodiscard]] std::size_t queued() const {
    return connection ? connection->session()->queued_bytes() : waiting_bytes;
  }

  HostPort to;
  std::string key;
  std::optional<WebSocketConnection> connection;  // once it is open
  std::unordered_map<std::string, Pending*> pending;
  std::size_t waiting_bytes = 0;  // of requests made before it was open
  bool ended = false;
  Duration idle_max;
  TimePoint idle_since{};
  net::Deadline idle;
};

Pending::Pending(net::Executor const& executor, std::shared_ptr<Wire> w, Outgoing& outgoing)
    : wire{std::move(w)}, rid{std::move(outgoing.rid)}, text{std::move(outgoing.text)}, ended{executor} {
  wire->pending.emplace(rid, this);
  wire->idle.clear();
  wire->waiting_bytes += text.size();
  if (wire->connection) send();
}

Pending::~Pending() {
  // Answers that come from now on find nobody and are ignored.
  wire->pending.erase(rid);
  if (wire->pending.empty()) wire->rest();
}

void Pending::send() {
  sent = true;
  wire->connection->send(std::move(text));  // when it fails, receiving does too
}

}  // namespace

class WsCarrier : public Carrier {
 public:
  struct Impl;
  WsCarrier(net::Executor const& executor, Client::Options const& options,
            std::shared_ptr<net::TlsContext> tls)
      : impl_{std::make_shared<Impl>(executor, options, std::move(tls))} {}
  ~WsCarrier() override;

  Awaitable<Attempt> send(Outgoing outgoing) override;
  Awaitable<Result<net::HttpStream>> open(net::HttpCall head) override;
  Awaitable<void> stop() override;
  [[nodiscard]] std::size_t connection_count() const override;

 private:
  std::shared_ptr<Impl> impl_;
};

struct WsCarrier::Impl : std::enable_shared_from_this<Impl> {
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
  static Awaitable<void> run(std::shared_ptr<Impl> self, std::shared_ptr<Wire> wire);
  static Awaitable<void> stop(std::shared_ptr<Impl> self);
  std::shared_ptr<Wire> wire_to(HostPort const& to);
  bool make_room();
  void retire(Wire& wire);
  void remove(Wire const& wire);
  void end(Wire& wire, Error const& why);
  void end_all();

  net::Executor executor;
  net::TaskGroup tasks;
  WebSocketConnection::Options ws;
  std::size_t connections_max;
  std::size_t waiting_max;
  Duration idle_max;
  std::map<std::string, std::shared_ptr<Wire>> wires;  // those that take requests
  std::size_t open = 0;
  bool stopping = false;
};

/// The wire to a destination; null when there is no room for one more.
std::shared_ptr<Wire> WsCarrier::Impl::wire_to(HostPort const& to) {
  std::string const key = key_of(to);
  if (auto const found = wires.find(key); found != wires.end()) return found->second;
  if (wires.size() >= connections_max && !make_room()) return nullptr;
  auto expired = [this](Wire& wire) { retire(wire); };
  auto wire = std::make_shared<Wire>(executor, to, idle_max, expired);
  wires.emplace(key, wire);
  tasks.spawn(run(shared_from_this(), wire));
  return wire;
}

/// Closes the connection that is idle longest; false when none is.
bool WsCarrier::Impl::make_room() {
  Wire* longest = nullptr;
  for (auto const& [key, wire] : wires) {
    bool const idle = wire->connection && wire->pending.empty();
    if (idle && (!longest || wire->idle_since < longest->idle_since)) longest = wire.get();
  }
  if (!longest) return false;
  retire(*longest);
  return true;
}

/// Takes no more requests and closes; run() ends with it.
void WsCarrier::Impl::retire(Wire& wire) {
  wire.idle.clear();
  wire.connection->session()->close();
  remove(wire);
}

/// Unless another wire to the same destination has taken its place.
void WsCarrier::Impl::remove(Wire const& wire) {
  auto const known = wires.find(wire.key);
  if (known != wires.end() && known->second.get() == &wire) wires.erase(known);
}

/// Fails what waits for an answer that cannot come any more.
void WsCarrier::Impl::end(Wire& wire, Error const& why) {
  std::string const text = ws.tls ? ws.tls->explain(why, wire.to) : "";
  remove(wire);
  wire.ended = true;
  wire.idle.clear();
  bool const several = wire.pending.size() > 1;
  for (auto const& [rid, pending] : std::exchange(wire.pending, {})) {
    if (stopping) {
      pending->end(final_attempt(Errc::stopped));
      continue;
    }
    Attempt attempt = failed_attempt(why, text);
    attempt.surely_unseen = !pending->sent;
    // Of several, nobody knows whose answer was too large; asked alone, it will show.
    if (several) attempt.transport_failed = true;
    pending->end(std::move(attempt));
  }
}

Awaitable<void> WsCarrier::Impl::run(std::shared_ptr<Impl> self, std::shared_ptr<Wire> wire) {
  TimePoint const deadline = net::steady_deadline(kConnectMax);
  auto connected = co_await WebSocketConnection::connect(self->executor, wire->to, self->ws, deadline);
  if (!connected) {
    self->end(*wire, connected.error());
    co_return;
  }
  if (self->stopping) co_return;
  wire->connection = std::move(*connected);
  ++self->open;
  for (auto const& [rid, pending] : wire->pending) pending->send();
  if (wire->pending.empty()) wire->rest();
  for (;;) {
    auto const message = co_await wire->connection->receive();
    if (!message) {
      --self->open;
      self->end(*wire, message.error());
      break;
    }
    auto reply = json::parse_rpc_reply(*message);
    std::string const* const rid = reply ? reply->rid.as_string() : nullptr;
    auto const asked = rid ? wire->pending.find(*rid) : wire->pending.end();
    if (asked == wire->pending.end()) continue;  // too late, or nothing that was asked for
    asked->second->end(answered_attempt(result_of(std::move(*reply))));
  }
}

Awaitable<Attempt> WsCarrier::Impl::send(std::shared_ptr<Impl> self, Outgoing outgoing) {
  if (self->stopping) co_return final_attempt(Errc::stopped);
  std::shared_ptr<Wire> const wire = self->wire_to(outgoing.to);
  if (!wire || wire->pending.size() >= self->waiting_max ||
      wire->queued() + outgoing.text.size() > self->ws.write_queue_bytes_max) {
    co_return final_attempt(Errc::request_limit);
  }
  Pending pending{self->executor, wire, outgoing};
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

void WsCarrier::Impl::end_all() {
  stopping = true;
  auto const ended = std::exchange(wires, {});
  for (auto const& [key, wire] : ended) {
    end(*wire, {});
    if (wire->connection) wire->connection->session()->close();
  }
}

Awaitable<void> WsCarrier::Impl::stop(std::shared_ptr<Impl> self) {
  self->end_all();
  bool const closed = co_await self->tasks.drained(kCloseMax);
  if (closed) co_return;
  self->tasks.cancel(net::asio::cancellation_type::terminal);
  co_await self->tasks.drained(Duration::max());
}

WsCarrier::~WsCarrier() {
  impl_->end_all();
  impl_->tasks.cancel(net::asio::cancellation_type::terminal);
}

Awaitable<Attempt> WsCarrier::send(Outgoing outgoing) { return Impl::send(impl_, std::move(outgoing)); }
Awaitable<Result<net::HttpStream>> WsCarrier::open(net::HttpCall) {
  co_return make_error_code(boost::asio::error::operation_not_supported);
}
Awaitable<void> WsCarrier::stop() { return Impl::stop(impl_); }
std::size_t WsCarrier::connection_count() const { return impl_->open; }

std::unique_ptr<Carrier> make_ws_carrier(net::Executor const& executor, Client::Options const& options,
                                         std::shared_ptr<net::TlsContext> tls) {
  return std::make_unique<WsCarrier>(executor, options, std::move(tls));
}

}  // namespace grenache::rpc
