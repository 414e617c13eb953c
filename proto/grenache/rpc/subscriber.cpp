#include "grenache/rpc/subscriber.hpp"

#include <algorithm>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <utility>

#include <grenache/base/check.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/net/websocket.hpp>

namespace grenache::rpc {

using net::Awaitable;
using net::Wake;
using net::WebSocketConnection;

namespace {

constexpr std::size_t kMessageBytes = 64;  // memory of a queued message besides its bytes

}  // namespace

struct Subscriber::Impl : std::enable_shared_from_this<Impl> {
  struct ConnectedScope;
  /// A publisher, with a task that keeps a connection to it.
  struct Followed {
    bool known = true;                          // found by the last successful lookup
    WebSocketConnection* connection = nullptr;  // null while not connected
  };

  Impl(net::Executor const& e, Link& l, std::string n, Options o, Random r)
      : executor{e},
        link{l},
        name{std::move(n)},
        options{std::move(o)},
        random{std::move(r)},
        tasks{e},
        halt{e},
        lookup_moved{e},
        arrived{e},
        room{e},
        changed{e} {}

  static Awaitable<void> poll_lookups(std::shared_ptr<Impl> self);
  static Awaitable<void> follow(std::shared_ptr<Impl> self, std::string destination,
                                std::shared_ptr<Followed> followed);
  static Awaitable<bool> receive(std::shared_ptr<Impl> self, std::string destination, Followed& followed);
  static Awaitable<void> deliver(std::shared_ptr<Impl> self, Publication publication);
  static Awaitable<RpcResult<Publication>> next(std::shared_ptr<Impl> self);
  static Awaitable<RpcResult<void>> connected(std::shared_ptr<Impl> self, std::size_t count, Duration limit);
  static Awaitable<void> stop(std::shared_ptr<Impl> self);

  void update(std::vector<std::string> const& found);
  void look_up_soon();
  void call_handler(Publication publication);
  void shut_down();

  net::Executor executor;
  Link& link;
  std::string name;
  Options options;
  Random random;
  net::TaskGroup tasks;
  // All of these are also notified at the stop.
  net::AsyncEvent halt;
  net::AsyncEvent lookup_moved;  // next_lookup is earlier
  net::AsyncEvent arrived;       // a message is in the queue
  net::AsyncEvent room;          // a message was taken from the queue
  net::AsyncEvent changed;       // a publisher is connected
  Handler handler;
  std::map<std::string, std::shared_ptr<Followed>> followed;  // by destination
  std::deque<Publication> queue;
  std::size_t queue_bytes = 0;
  std::size_t connected_count = 0;
  TimePoint next_lookup{};
  Failure failure{Errc::timeout};  // the last failure to find or to reach a publisher
  Counters counters;
  bool started = false;
  bool stopping = false;
};

void Subscriber::Impl::update(std::vector<std::string> const& found) {
  for (auto const& [destination, each] : followed) {
    each->known = std::ranges::find(found, destination) != found.end();
  }
  for (std::string const& destination : found) {
    if (followed.size() >= options.publisher_count_max) break;
    auto const [place, is_new] = followed.try_emplace(destination, nullptr);
    if (!is_new) continue;
    place->second = std::make_shared<Followed>();
    tasks.spawn(follow(shared_from_this(), destination, place->second));
  }
}

void Subscriber::Impl::look_up_soon() {
  link.forget(name);
  next_lookup = std::min(next_lookup, net::steady_deadline(jittered(options.lookup_retry, random)));
  lookup_moved.notify_all();
}

Awaitable<void> Subscriber::Impl::poll_lookups(std::shared_ptr<Impl> self) {
  while (!self->stopping) {
    ++self->counters.lookups;
    auto const found = co_await self->link.lookup(self->name);
    if (self->stopping) co_return;
    if (found) {
      self->update(*found);
    } else {
      self->failure = found.error();
      if (found.error().code == Errc::lookup_empty) self->update({});
    }
    bool const all_connected = found && self->connected_count == self->followed.size();
    Duration const pause = all_connected ? self->options.lookup_interval : self->options.lookup_retry;
    self->next_lookup = net::steady_deadline(jittered(pause, self->random));
    while (!self->stopping && net::steady_now() < self->next_lookup) {
      Wake const wake = co_await self->lookup_moved.wait(self->next_lookup);
      if (wake == Wake::cancelled) co_return;
    }
  }
}

Awaitable<void> Subscriber::Impl::follow(std::shared_ptr<Impl> self, std::string destination,
                                         std::shared_ptr<Followed> followed) {
  Duration pause = self->options.retry_min;
  while (!self->stopping && followed->known) {
    TimePoint const begin = net::steady_now();
    bool const was_connected = co_await receive(self, destination, *followed);
    if (self->stopping) break;
    if (was_connected) self->look_up_soon();
    // Reconnect quickly only after a connection that lasted for a while.
    bool const has_lasted = was_connected && net::steady_now() - begin >= self->options.retry_max;
    if (has_lasted) pause = self->options.retry_min;
    TimePoint const next = net::steady_deadline(jittered(pause, self->random));
    pause = std::min(2 * pause, self->options.retry_max);
    Wake const wake = co_await self->halt.wait(next);
    if (wake == Wake::cancelled) break;
  }
  self->followed.erase(destination);
}

/// Registers an open connection during its lifetime.
struct Subscriber::Impl::ConnectedScope {
  ConnectedScope(Impl& i, Followed& f, WebSocketConnection& connection) : impl{i}, followed{f} {
    followed.connection = &connection;
    ++impl.connected_count;
    impl.changed.notify_all();
  }
  ~ConnectedScope() {
    followed.connection = nullptr;
    --impl.connected_count;
  }
  ConnectedScope(ConnectedScope const&) = delete;
  ConnectedScope& operator=(ConnectedScope const&) = delete;
  Impl& impl;
  Followed& followed;
};

/// Connects and delivers messages until the connection ends. Returns false if it could not connect.
Awaitable<bool> Subscriber::Impl::receive(std::shared_ptr<Impl> self, std::string destination,
                                          Followed& followed) {
  auto const to = HostPort::parse(destination);
  WebSocketConnection::Options options;
  options.tls = self->options.tls;
  options.message_bytes_max = self->options.message_bytes_max;
  options.idle_max = self->options.idle_max;
  TimePoint const deadline = net::steady_deadline(self->options.connect_timeout);
  if (!to) {
    ++self->counters.failed_attempts;
    co_return false;
  }
  auto connection = co_await WebSocketConnection::connect(self->executor, *to, options, deadline);
  if (self->stopping) co_return false;
  if (!connection) {
    ++self->counters.failed_attempts;
    Error const& why = connection.error();
    self->failure =
        Failure(Errc::request_generic, options.tls ? options.tls->explain(why, *to) : why.message());
    co_return false;
  }
  ConnectedScope const scope{*self, followed, *connection};
  ++self->counters.connections;
  while (!self->stopping) {
    auto message = co_await connection->receive();
    if (!message || self->stopping) break;
    Publication publication;
    publication.text = std::move(*message);
    publication.publisher = destination;
    co_await deliver(self, std::move(publication));
  }
  if (!self->stopping) ++self->counters.lost;
  co_return true;
}

Awaitable<void> Subscriber::Impl::deliver(std::shared_ptr<Impl> self, Publication publication) {
  ++self->counters.messages;
  if (self->handler) {
    self->call_handler(std::move(publication));
    co_return;
  }
  self->queue_bytes += publication.text.size() + kMessageBytes;
  self->queue.push_back(std::move(publication));
  self->arrived.notify_one();
  while (!self->stopping && self->queue_bytes >= self->options.queue_bytes_max) {
    Wake const wake = co_await self->room.wait();
    if (wake == Wake::cancelled) co_return;
  }
}

void Subscriber::Impl::call_handler(Publication publication) {
  try {
    handler(std::move(publication));
  } catch (std::exception const&) {
    ++counters.handler_failures;
  }
}

Awaitable<RpcResult<Publication>> Subscriber::Impl::next(std::shared_ptr<Impl> self) {
  while (self->queue.empty()) {
    if (self->stopping) co_return Errc::stopped;
    Wake const wake = co_await self->arrived.wait();
    if (wake == Wake::cancelled) co_return Errc::stopped;
  }
  Publication publication = std::move(self->queue.front());
  self->queue.pop_front();
  self->queue_bytes -= publication.text.size() + kMessageBytes;
  self->room.notify_all();
  // A waiter that was notified of a message may have been cancelled: notify another one.
  if (!self->queue.empty()) self->arrived.notify_one();
  co_return publication;
}

Awaitable<RpcResult<void>> Subscriber::Impl::connected(std::shared_ptr<Impl> self, std::size_t count,
                                                       Duration limit) {
  TimePoint const deadline = net::steady_deadline(limit);
  while (self->connected_count < count) {
    if (self->stopping) co_return Errc::stopped;
    Wake const wake = co_await self->changed.wait(deadline);
    if (wake == Wake::cancelled) co_return Errc::stopped;
    if (wake == Wake::timed_out) co_return self->failure;
  }
  co_return RpcResult<void>{};
}

void Subscriber::Impl::shut_down() {
  stopping = true;
  for (auto const& [destination, each] : followed) {
    if (each->connection) each->connection->drop();
  }
  for (net::AsyncEvent* event : {&halt, &lookup_moved, &arrived, &room, &changed}) event->notify_all();
}

Awaitable<void> Subscriber::Impl::stop(std::shared_ptr<Impl> self) {
  self->shut_down();
  self->tasks.cancel(boost::asio::cancellation_type::terminal);
  while (self->tasks.size() > 0) {
    co_await self->tasks.drained(self->options.connect_timeout);
  }
}

Subscriber::Subscriber(net::Executor const& executor, Link& link, std::string name, Options options,
                       Random random)
    : impl_{std::make_shared<Impl>(executor, link, std::move(name), std::move(options), std::move(random))} {}
Subscriber::~Subscriber() { impl_->shut_down(); }

void Subscriber::start() { start(nullptr); }

void Subscriber::start(Handler handler) {
  GRN_CHECK(!impl_->started);
  impl_->started = true;
  impl_->handler = std::move(handler);
  impl_->tasks.spawn(Impl::poll_lookups(impl_));
}

Awaitable<RpcResult<Publication>> Subscriber::next() { return Impl::next(impl_); }
Awaitable<RpcResult<void>> Subscriber::connected(std::size_t count, Duration limit) {
  return Impl::connected(impl_, count, limit);
}
std::size_t Subscriber::publisher_count() const { return impl_->connected_count; }
Subscriber::Counters const& Subscriber::counters() const { return impl_->counters; }
Awaitable<void> Subscriber::stop() { return Impl::stop(impl_); }

}  // namespace grenache::rpc
