#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include <boost/asio/post.hpp>

#include <grenache/json/memory_bytes.hpp>
#include <grenache/json/rpc_envelope.hpp>
#include <grenache/net/deadline.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/net/websocket.hpp>
#include <grenache/rpc/service.hpp>

namespace grenache::rpc {

namespace asio = boost::asio;
using net::Awaitable;
using net::WebSocketServer;
using net::WebSocketSession;
using Session = WebSocketServer::Session;

namespace {

constexpr Duration kCutOff = std::chrono::seconds{1};  // for handlers that were cancelled to end
constexpr Duration kCancelAgain = std::chrono::milliseconds{100};

/// The coroutine handlers of one session, on its thread.
struct SessionTasks {
  explicit SessionTasks(net::Executor const& e) : executor{e}, group{e}, cancellations{e} {}
  net::Executor executor;
  net::TaskGroup group;
  net::TaskGroup cancellations;  // cancel the group after the session has ended
  bool closed = false;
};
using SessionTaskSet = std::set<std::shared_ptr<SessionTasks>>;

/// Shared by all sessions. Thread-safe.
struct SessionRegistry {
  explicit SessionRegistry(std::shared_ptr<Service> s) : service{std::move(s)} {}

  void add(std::shared_ptr<SessionTasks> session_tasks) {
    std::lock_guard const lock{mutex};
    sessions.insert(std::move(session_tasks));
  }
  void remove(std::shared_ptr<SessionTasks> const& session_tasks) {
    std::lock_guard const lock{mutex};
    sessions.erase(session_tasks);
  }
  SessionTaskSet all() {
    std::lock_guard const lock{mutex};
    return sessions;
  }

  std::shared_ptr<Service> service;
  std::mutex mutex;
  SessionTaskSet sessions;  // those that are open, or have handlers
};

std::shared_ptr<SessionTasks> tasks_of(WebSocketSession const& session) {
  return std::static_pointer_cast<SessionTasks>(session.context);
}

Awaitable<void> call(std::shared_ptr<SessionRegistry> registry, Session session,
                     std::shared_ptr<SessionTasks> session_tasks, Request request,
                     [[maybe_unused]] WebSocketSession::Hold hold) {
  try {
    json::Value const rid = request.rid;  // the handler may move from its request
    Reply const reply = co_await registry->service->call(request);
    session->send(reply_text(rid, reply));
  } catch (...) {  // such as bad_alloc: the caller must not wait for a reply that never comes
    session->close(net::close_code::kInternalError);
  }
  if (session_tasks->closed && session_tasks->group.size() == 1) registry->remove(session_tasks);
}

/// Cancels the handlers of a session that has ended. Cancellation is not sticky: a handler may wait again.
Awaitable<void> cancel_until_ended(std::shared_ptr<SessionTasks> session_tasks) {
  while (session_tasks->group.size() > 0) {
    session_tasks->group.cancel(asio::cancellation_type::terminal);
    (void)co_await session_tasks->group.drained(kCancelAgain);
  }
}

void call_back(Service& service, std::shared_ptr<Service> const& shared, Session const& session,
               Request request, WebSocketSession::Hold given) {
  // In a shared_ptr, because std::function needs copyable captures.
  auto hold = std::make_shared<WebSocketSession::Hold>(std::move(given));
  auto deliver = [session, hold, rid = request.rid](Reply const& reply) {
    try {
      session->send(reply_text(rid, reply));
    } catch (...) {
      session->close(net::close_code::kInternalError);
    }
  };
  auto state = std::make_unique<Responder::State>(shared, std::move(deliver));
  service.call_back(std::move(request), std::move(state));
}

void handle(std::shared_ptr<SessionRegistry> const& registry, Session const& session,
            std::string const& text) {
  Service& service = *registry->service;
  auto envelope = json::parse_rpc_request(text);
  if (!envelope) {
    ++service.not_json;
    session->send(json::rpc_refusal(json::RpcEnvelopeErrc::request_parse));
    return;
  }
  ++service.requests;
  auto hold = session->hold(memory_of(*envelope));
  Request request;
  request.rid = std::move(envelope->rid);
  request.key = std::move(envelope->key);
  request.payload = std::move(envelope->payload);
  request.transport = service.options.transport;
  request.peer = session->peer();
  request.certificate = session->certificate();
  if (service.callback) {
    return call_back(service, registry->service, session, std::move(request), std::move(hold));
  }
  auto const session_tasks = tasks_of(*session);
  session_tasks->group.spawn_isolated(
      call(registry, session, session_tasks, std::move(request), std::move(hold)));
}

WebSocketServer::Handlers handlers(std::shared_ptr<SessionRegistry> const& registry) {
  WebSocketServer::Handlers handlers;
  handlers.on_message = [registry](Session const& session, std::string const& text) {
    handle(registry, session, text);
  };
  if (!registry->service->handler) return handlers;
  handlers.on_open = [registry](Session const& session) {
    auto session_tasks = std::make_shared<SessionTasks>(session->executor());
    session->context = session_tasks;
    registry->add(std::move(session_tasks));
  };
  handlers.on_close = [registry](Session const& session, Error const&) {
    auto const session_tasks = tasks_of(*session);
    if (!session_tasks) return;  // on_open had no memory for it
    session_tasks->closed = true;
    if (session_tasks->group.size() == 0) return registry->remove(session_tasks);
    session_tasks->cancellations.spawn_isolated(cancel_until_ended(session_tasks));
  };
  return handlers;
}

WebSocketServer::Options ws_options(Server::Options const& options, std::shared_ptr<net::TlsContext> tls) {
  WebSocketServer::Options ws;
  ws.tls = std::move(tls);
  ws.threads = options.threads;
  ws.message_bytes_max = options.body_bytes_max;
  ws.write_queue_bytes_max = options.write_queue_bytes_max;
  ws.connection_count_max = options.connection_count_max;
  ws.held_bytes_max = options.held_bytes_max;
  ws.hold_bytes_per_byte = 2 * json::kMemoryPerTextByte;  // the rid is held twice
  ws.hold_count_max = options.requests_per_connection_max;
  ws.idle_max = options.idle_max;
  ws.handshake_max = options.handshake_max;
  ws.web_access = options.web_access;
  return ws;
}

class WsServerTransport : public ServerTransport {
 public:
  WsServerTransport(net::Executor const& executor, std::shared_ptr<Service> const& service,
                    std::shared_ptr<net::TlsContext> tls)
      : executor_{executor},
        registry_{std::make_shared<SessionRegistry>(service)},
        ws_{executor, ws_options(service->options, std::move(tls)), handlers(registry_)} {}

  ~WsServerTransport() override {
    if (on_own_threads()) return;  // the handlers are destroyed with the threads
    for (auto const& each : registry_->all()) each->group.cancel(asio::cancellation_type::terminal);
  }

  Result<Endpoint> listen(Endpoint const& bind) override { return ws_.listen(bind); }
  [[nodiscard]] Endpoint local_endpoint() const override { return ws_.local_endpoint(); }

  Awaitable<bool> stop(Duration limit) override {
    TimePoint const deadline = net::steady_deadline(limit);
    bool cut_off = false;
    net::Deadline cancellation{executor_, [&] { cut_off = cancel_all(); }};
    cancellation.set(deadline);
    bool const closed = co_await ws_.stop(std::min(limit, Duration::max() - kCutOff) + kCutOff);
    if (on_own_threads()) co_return closed && !cut_off;
    SessionTaskSet const left = registry_->all();
    for (auto const& each : left) {
      bool const drained = co_await each->group.drained(deadline - net::steady_now());
      if (drained) continue;
      cut_off = true;
      // Cancellation is not sticky: a handler may wait again.
      bool ended = false;
      while (!ended && net::steady_now() < later_by(deadline, kCutOff)) {
        each->group.cancel(asio::cancellation_type::terminal);
        ended = co_await each->group.drained(kCancelAgain);
      }
    }
    co_return closed && !cut_off;
  }

  [[nodiscard]] std::size_t held_bytes() const override { return ws_.held_bytes(); }
  void count(Server::Counters& counters) const override {
    auto const ws = ws_.counters();
    counters.connections += ws.connections;
    counters.connections_evicted += ws.evicted;
    counters.connections_refused += ws.refused;
    counters.handshake_failures += ws.failed_upgrades;
    counters.not_http += ws.malformed;
    counters.too_large += ws.too_large;
    counters.too_slow += ws.slow + ws.timed_out;
  }

 private:
  [[nodiscard]] bool on_own_threads() const { return registry_->service->options.threads > 0; }

  /// Cancels all handlers. Returns false if there were none.
  bool cancel_all() {
    SessionTaskSet const left = registry_->all();
    for (auto const& each : left) {
      asio::post(each->executor, [each] { each->group.cancel(asio::cancellation_type::terminal); });
    }
    return !left.empty();
  }

  net::Executor executor_;
  std::shared_ptr<SessionRegistry> registry_;
  WebSocketServer ws_;
};

}  // namespace

std::unique_ptr<ServerTransport> make_ws_server_transport(net::Executor const& executor,
                                                          std::shared_ptr<Service> service,
                                                          std::shared_ptr<net::TlsContext> tls) {
  return std::make_unique<WsServerTransport>(executor, service, std::move(tls));
}

}  // namespace grenache::rpc
