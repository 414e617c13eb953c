#include <atomic>
#include <exception>
#include <set>
#include <vector>

#include <boost/asio/co_spawn.hpp>

#include <grenache/net/listener.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/net/websocket_channel.hpp>

namespace grenache::net {

namespace {

using Channel = WebSocketChannel;
using ChannelPtr = std::shared_ptr<Channel>;
using Count = std::atomic<std::uint64_t>;

/// The most a connection may still take after it was dropped.
constexpr Duration kLastWords = CorkedStream::kLinger + std::chrono::seconds{1};

/// Counts something as long as it lives. It shares the owner of the count: of the parameters of a coroutine
/// that is dropped, compilers destroy either first.
class Counted {
 public:
  explicit Counted(std::shared_ptr<std::atomic<std::size_t>> count) : count_{std::move(count)} { ++*count_; }
  ~Counted() { --*count_; }
  Counted(Counted const&) = delete;
  Counted& operator=(Counted const&) = delete;

 private:
  std::shared_ptr<std::atomic<std::size_t>> count_;
};

/// A channel in one of the sets of its lane.
class Listed {
 public:
  Listed(std::set<Channel*>& set, Channel* channel) : set_{set}, channel_{channel} { set_.insert(channel_); }
  ~Listed() { set_.erase(channel_); }
  Listed(Listed const&) = delete;
  Listed& operator=(Listed const&) = delete;

 private:
  std::set<Channel*>& set_;
  Channel* channel_;
};

}  // namespace

struct WebSocketServer::Impl : std::enable_shared_from_this<Impl> {
  /// The connections of one thread, touched there alone.
  struct Lane {
    explicit Lane(Executor const& e) : executor{e}, tasks{e} {}
    Executor executor;
    TaskGroup tasks;
    std::set<Channel*> upgrading;
    std::set<Channel*> open;
    bool stopping = false;
  };
  /// A stop under way, on the thread of the server.
  struct Stop {
    explicit Stop(Executor const& executor) : changed{executor} {}
    AsyncEvent changed;
    std::size_t lanes_left = 0;
    bool graceful = true;
  };
  struct AtomicCounters {
    Count connections{0}, refused{0}, failed_upgrades{0}, sessions{0}, messages{0}, malformed{0},
        too_large{0}, slow{0}, timed_out{0}, handler_failures{0};
  };

  Impl(Executor const& e, Options o, Handlers h)
      : executor{e}, options{std::move(o)}, handlers{std::move(h)} {
    listener.emplace(executor, options.threads);
    for (std::size_t i = 0; i < listener->lane_count(); ++i) {
      lanes.push_back(std::make_unique<Lane>(listener->lane(i)));
    }
  }

  Result<Endpoint> listen(Endpoint const& bind);
  void admit(Lane& lane, asio::ip::tcp::socket socket, Endpoint const& peer);
  template <class Handler, class... Arguments>
  bool call(Handler const& handler, Arguments&&... arguments);
  void count_end(Error const& why);
  void drop_all();

  static Awaitable<void> serve(std::shared_ptr<Impl> self, Lane& lane, ChannelPtr channel, Endpoint peer,
                               std::unique_ptr<Counted const> connection);
  static Awaitable<void> upgrade(std::shared_ptr<Impl> self, Lane& lane, ChannelPtr channel, Endpoint peer);
  static Awaitable<void> receive(std::shared_ptr<Impl> self, ChannelPtr channel);
  static Awaitable<bool> stop_lane(std::shared_ptr<Impl> self, Lane& lane, Duration limit);
  static Awaitable<bool> stop(std::shared_ptr<Impl> self, Duration limit);

  Executor executor;
  Options options;
  Handlers handlers;
  AtomicCounters counters;
  std::atomic<std::size_t> connection_count{0};
  std::atomic<std::size_t> session_count{0};
  std::atomic<bool> gone{false};  // no handler may be called any more
  std::vector<std::unique_ptr<Lane>> lanes;
  std::optional<Listener> listener;
};

Result<Endpoint> WebSocketServer::Impl::listen(Endpoint const& bind) {
  Listener::Handlers on;
  on.accepted = [weak = weak_from_this()](std::size_t lane, asio::ip::tcp::socket socket,
                                          Endpoint const& peer) {
    if (auto const self = weak.lock()) self->admit(*self->lanes[lane], std::move(socket), peer);
  };
  on.exhausted = [](std::size_t) { return false; };  // nobody here is without need
  return listener->listen(bind, std::move(on));
}

void WebSocketServer::Impl::admit(Lane& lane, asio::ip::tcp::socket socket, Endpoint const& peer) {
  if (lane.stopping || gone) return;
  ++counters.connections;
  if (connection_count >= options.connection_count_max) {
    ++counters.refused;
    return;
  }
  auto channel = std::make_shared<Channel>(std::move(socket), options, std::string{});
  std::shared_ptr<std::atomic<std::size_t>> count{shared_from_this(), &connection_count};
  auto connection = std::make_unique<Counted const>(std::move(count));
  lane.tasks.spawn_isolated(serve(shared_from_this(), lane, std::move(channel), peer, std::move(connection)));
}

/// False when the handler has thrown.
template <class Handler, class... Arguments>
bool WebSocketServer::Impl::call(Handler const& handler, Arguments&&... arguments) {
  if (!handler || gone) return true;
  try {
    handler(std::forward<Arguments>(arguments)...);
    return true;
  } catch (std::exception const&) {
    ++counters.handler_failures;
    return false;
  }
}

void WebSocketServer::Impl::count_end(Error const& why) {
  if (why == WebSocketErrc::malformed) ++counters.malformed;
  if (why == WebSocketErrc::message_too_large) ++counters.too_large;
  if (why == WebSocketErrc::queue_full) ++counters.slow;
  if (why == WebSocketErrc::timed_out) ++counters.timed_out;
}

Awaitable<void> WebSocketServer::Impl::serve(std::shared_ptr<Impl> self, Lane& lane, ChannelPtr channel,
                                             Endpoint peer, std::unique_ptr<Counted const> connection) {
  (void)connection;
  co_await upgrade(self, lane, channel, peer);
  if (channel->is_dropped()) co_return;
  {
    ++self->counters.sessions;
    Counted const session{std::shared_ptr<std::atomic<std::size_t>>{self, &self->session_count}};
    Listed const open{lane.open, channel.get()};
    if (lane.stopping) channel->drain();
    lane.tasks.spawn(Channel::write_loop(channel));
    co_await receive(self, channel);
    co_await Channel::written(channel);
  }
  self->count_end(channel->why());
  self->call(self->handlers.on_close, channel->session(), channel->why());
}

Awaitable<void> WebSocketServer::Impl::upgrade(std::shared_ptr<Impl> self, Lane& lane, ChannelPtr channel,
                                               Endpoint peer) {
  TimePoint const deadline = steady_now() + self->options.handshake_max;
  Listed const upgrading{lane.upgrading, channel.get()};
  Error const error = co_await channel->accept(peer, self->options, deadline);
  if (!error) co_return;
  ++self->counters.failed_upgrades;
  self->count_end(error);
  channel->drop(error);
}

Awaitable<void> WebSocketServer::Impl::receive(std::shared_ptr<Impl> self, ChannelPtr channel) {
  auto const& session = channel->session();
  bool well = self->call(self->handlers.on_open, session);
  for (;;) {
    if (!well) session->close(close_code::kInternalError);
    auto message = co_await Channel::read(channel);
    if (!message) co_return;
    if (!well || channel->is_draining()) continue;
    ++self->counters.messages;
    well = self->call(self->handlers.on_message, session, std::move(*message));
    co_await Channel::room(channel, self->options.hold_count_max);
  }
}

void WebSocketServer::Impl::drop_all() {
  for (auto const& lane : lanes) {
    // What is dropped leaves these sets a moment later, not now.
    for (Channel* channel : lane->upgrading) channel->drop(WebSocketErrc::stopped);
    for (Channel* channel : lane->open) channel->drop(WebSocketErrc::stopped);
  }
}

Awaitable<bool> WebSocketServer::Impl::stop_lane(std::shared_ptr<Impl> self, Lane& lane, Duration limit) {
  (void)self;  // keeps the lane
  lane.stopping = true;
  for (Channel* channel : lane.upgrading) channel->drop(WebSocketErrc::stopped);
  for (Channel* channel : lane.open) channel->drain();
  bool const graceful = co_await lane.tasks.drained(limit);
  if (!graceful) {
    for (Channel* channel : lane.open) channel->drop(WebSocketErrc::stopped);
    co_await lane.tasks.drained(kLastWords);
  }
  co_return graceful;
}

Awaitable<bool> WebSocketServer::Impl::stop(std::shared_ptr<Impl> self, Duration limit) {
  self->listener->close();
  auto const stop = std::make_shared<Stop>(self->executor);
  stop->lanes_left = self->lanes.size();
  for (auto const& lane : self->lanes) {
    auto stopped = [stop](std::exception_ptr const&, bool graceful) {
      stop->graceful = stop->graceful && graceful;
      --stop->lanes_left;
      stop->changed.notify_all();
    };
    asio::co_spawn(lane->executor, stop_lane(self, *lane, limit),
                   asio::bind_executor(self->executor, std::move(stopped)));
  }
  while (stop->lanes_left > 0) {
    Wake const wake = co_await stop->changed.wait();
    if (wake == Wake::cancelled) co_return false;
  }
  co_return stop->graceful;
}

WebSocketServer::WebSocketServer(Executor const& executor, Options options, Handlers handlers)
    : impl_{std::make_shared<Impl>(executor, std::move(options), std::move(handlers))} {}

WebSocketServer::~WebSocketServer() {
  impl_->gone = true;
  impl_->listener->close();
  impl_->listener->end_threads();  // from here on all that is left belongs to this thread
  impl_->drop_all();
  // The contexts of the threads go with the listener, and with them the coroutines that hold the rest.
  impl_->listener.reset();
}

Result<Endpoint> WebSocketServer::listen(Endpoint const& bind) { return impl_->listen(bind); }
Endpoint WebSocketServer::local_endpoint() const { return impl_->listener->local_endpoint(); }
Awaitable<bool> WebSocketServer::stop(Duration limit) { return Impl::stop(impl_, limit); }
std::size_t WebSocketServer::session_count() const { return impl_->session_count; }

WebSocketServer::Counters WebSocketServer::counters() const {
  auto const& from = impl_->counters;
  Counters to;
  to.connections = from.connections;
  to.refused = from.refused;
  to.failed_upgrades = from.failed_upgrades;
  to.sessions = from.sessions;
  to.messages = from.messages;
  to.malformed = from.malformed;
  to.too_large = from.too_large;
  to.slow = from.slow;
  to.timed_out = from.timed_out;
  to.handler_failures = from.handler_failures;
  return to;
}

}  // namespace grenache::net
