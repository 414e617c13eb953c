#include <array>
#include <atomic>
#include <exception>
#include <optional>
#include <vector>

#include <grenache/net/websocket_channel.hpp>
#include <grenache/net/worker.hpp>

namespace grenache::net {

namespace {

using Channel = WebSocketChannel;
using Counters = WebSocketServer::Counters;
using Phase = Worker::Phase;

/// The counters of a WebSocketWorker; its base class Worker has the others.
constexpr std::array kCounters{
    &Counters::failed_upgrades, &Counters::sessions, &Counters::messages,  &Counters::malformed,
    &Counters::too_large,       &Counters::slow,     &Counters::timed_out, &Counters::handler_failures,
};
static_assert(sizeof(Counters) == sizeof(Worker::Counters) + kCounters.size() * sizeof(std::uint64_t));

/// Shared by the server and all connections.
struct Settings {
  WebSocketServer::Options options;
  WebSocketServer::Handlers handlers;
  std::atomic<bool> destroyed{false};  // the server was destroyed; no handler may be called any more
  std::atomic<std::size_t> session_count{0};
};

struct WebSocketWorker : Worker {
  using Counters = WebSocketServer::Counters;

  WebSocketWorker(std::shared_ptr<Settings> s, Executor const& executor, Limits limits)
      : Worker{executor, limits}, settings{std::move(s)} {}

  void start(asio::ip::tcp::socket socket, Endpoint const& peer) override;
  void count(std::uint64_t Counters::*what) { tally.count(what); }
  void count_end(Error const& why);
  template <class Handler, class... Arguments>
  bool call(Handler const& handler, Arguments&&... arguments);

  std::shared_ptr<Settings> settings;
  Tally<Counters> tally;
};

/// One connection; owned by its own coroutine.
struct Peer : Worker::Connection {
  Peer(std::shared_ptr<WebSocketWorker> worker, std::shared_ptr<Channel> c, Endpoint const& from)
      : Worker::Connection{std::move(worker)}, channel{std::move(c)}, address{from} {
    channel->on_progress = [this] {
      enter(Phase::idle);
      queued.set(channel->session()->queued_bytes());
    };
    channel->on_release = [this] { count_held(); };
    channel->on_part = [this](std::size_t bytes) {
      return until_room(bytes, bytes, steady_deadline(ws_worker().settings->options.message_max));
    };
  }
  ~Peer() override {
    channel->on_progress = nullptr;
    channel->on_release = nullptr;
    channel->on_part = nullptr;
  }

  static Awaitable<void> run(std::unique_ptr<Peer> self);
  Awaitable<void> serve();
  Awaitable<bool> upgrade();
  Awaitable<void> receive();
  /// Counts `text_bytes` and the holds of the session.
  void count_held() { held.set(text_bytes + channel->session()->held_bytes()); }
  /// Returns whether a message that needs `bytes` must wait for the budget; 0: between messages.
  [[nodiscard]] bool must_wait(std::size_t bytes);
  /// Waits with `text` bytes of a message until there is room for `bytes`; drops the connection after
  /// `limit`.
  Awaitable<void> until_room(std::size_t text, std::size_t bytes, TimePoint limit);

  void cut(Cut why) override {
    channel->abandon();
    if (why == Cut::evicted) channel->write_close_now(close_code::kTryAgainLater);
    channel->drop(why == Cut::evicted ? WebSocketErrc::evicted : WebSocketErrc::stopped);
  }
  void drain() override {
    if (phase() == Phase::handshake) return cut(Cut::stopped);
    channel->drain();
  }
  [[nodiscard]] bool is_served() const override { return channel->session()->is_held(); }
  [[nodiscard]] WebSocketWorker& ws_worker() const { return static_cast<WebSocketWorker&>(worker()); }

  std::shared_ptr<Channel> channel;
  Endpoint address;
  std::size_t text_bytes = 0;  // of the message that is being read or handled
  ByteBudget::Share held{worker().budget()};
  ByteBudget::Share queued{worker().budget()};
};

/// Counts a session as long as it is open.
class Counted {
 public:
  explicit Counted(std::shared_ptr<Settings> settings) : settings_{std::move(settings)} {
    ++settings_->session_count;
  }
  ~Counted() { --settings_->session_count; }
  Counted(Counted const&) = delete;
  Counted& operator=(Counted const&) = delete;

 private:
  std::shared_ptr<Settings> settings_;
};

void WebSocketWorker::start(asio::ip::tcp::socket socket, Endpoint const& peer) {
  auto channel = std::make_shared<Channel>(std::move(socket), settings->options, std::string{});
  auto self = std::static_pointer_cast<WebSocketWorker>(shared_from_this());
  auto connection = std::make_unique<Peer>(std::move(self), std::move(channel), peer);
  tasks().spawn_isolated(Peer::run(std::move(connection)));
}

/// Calls a handler of the user. Returns false when it has thrown.
template <class Handler, class... Arguments>
bool WebSocketWorker::call(Handler const& handler, Arguments&&... arguments) {
  if (!handler || settings->destroyed) return true;
  try {
    handler(std::forward<Arguments>(arguments)...);
    return true;
  } catch (...) {
    count(&Counters::handler_failures);
    return false;
  }
}

void WebSocketWorker::count_end(Error const& why) {
  if (why == WebSocketErrc::malformed) count(&Counters::malformed);
  if (why == WebSocketErrc::message_too_large) count(&Counters::too_large);
  if (why == WebSocketErrc::queue_full) count(&Counters::slow);
  if (why == WebSocketErrc::timed_out) count(&Counters::timed_out);
}

Awaitable<void> Peer::run(std::unique_ptr<Peer> self) { co_await self->serve(); }

Awaitable<void> Peer::serve() {
  bool const open = co_await upgrade();
  if (!open) co_return;
  {
    ws_worker().count(&Counters::sessions);
    Counted const session{ws_worker().settings};
    enter(Phase::idle);
    if (ws_worker().stopping()) channel->drain();
    ws_worker().tasks().spawn_isolated(Channel::write_loop(channel));
    try {
      co_await receive();
    } catch (...) {
      ws_worker().count_failure();
      channel->drop(asio::error::no_memory);
    }
    co_await Channel::written(channel);
  }
  ws_worker().count_end(channel->why());
  ws_worker().call(ws_worker().settings->handlers.on_close, channel->session(), channel->why());
  // Keeps its place and its bytes, so that peers that come and go cannot add up requests in progress.
  enter(Phase::serving);
  text_bytes = 0;
  count_held();
  queued.set(0);
  co_await Channel::released(channel);
}

Awaitable<bool> Peer::upgrade() {
  auto const& options = ws_worker().settings->options;
  Error error;
  try {
    error = co_await channel->accept(address, options, steady_deadline(options.handshake_max));
  } catch (...) {
    ws_worker().count_failure();
    error = asio::error::no_memory;
  }
  if (!error) co_return true;
  ws_worker().count(&Counters::failed_upgrades);
  ws_worker().count_end(error);
  channel->drop(error);
  co_return false;
}

bool Peer::must_wait(std::size_t bytes) {
  if (bytes > 0) return bytes > ByteBudget::kFreeBytes && !held.may_grow();
  // A peer with many queued bytes must read them before it may send more requests, and one with large
  // requests in progress waits for their answers. This wait also ends when that has happened, even if the
  // budget is still full.
  auto const& session = *channel->session();
  bool const holds_much =
      session.queued_bytes() > ByteBudget::kFreeBytes || session.held_bytes() > ByteBudget::kFreeBytes;
  return holds_much && worker().budget().is_full();
}

Awaitable<void> Peer::until_room(std::size_t text, std::size_t bytes, TimePoint limit) {
  text_bytes = text;
  count_held();
  TimePoint next_check = later_by(steady_now(), Worker::kRecheckInterval);
  while (!channel->is_dropped() && must_wait(bytes)) {
    TimePoint const now = steady_now();
    if (now >= limit) co_return channel->drop(WebSocketErrc::timed_out);
    if (now >= next_check) {
      channel->drop_without_peer();
      next_check = later_by(now, Worker::kRecheckInterval);
    }
    Wake const wake = co_await ws_worker().room().wait(next_check);
    if (wake == Wake::cancelled) co_return;
    count_held();  // the ends of small requests are not reported
  }
}

Awaitable<void> Peer::receive() {
  auto const& session = channel->session();
  auto const& handlers = ws_worker().settings->handlers;
  auto const& options = ws_worker().settings->options;
  bool succeeded = ws_worker().call(handlers.on_open, session);
  for (;;) {
    if (!succeeded) session->close(close_code::kInternalError);
    auto message = co_await Channel::read(channel);
    if (!message) co_return;
    enter(Phase::idle);
    if (!succeeded || channel->is_draining()) continue;
    std::size_t const size = message->size();
    std::size_t const needed = size * options.hold_bytes_per_byte;
    if (needed > ByteBudget::kFreeBytes) {
      enter(Phase::serving);  // it is we who make the peer wait
      co_await until_room(size, needed, TimePoint::max());
      enter(Phase::idle);
    }
    if (channel->is_dropped() || channel->is_draining()) continue;
    ws_worker().count(&Counters::messages);
    succeeded = ws_worker().call(handlers.on_message, session, std::move(*message));
    queued.set(session->queued_bytes());
    text_bytes = 0;
    count_held();
    if (must_wait(0)) co_await until_room(0, 0, TimePoint::max());
    if (!channel->has_room(options.hold_count_max)) co_await Channel::room(channel, options.hold_count_max);
  }
}

}  // namespace

struct WebSocketServer::Impl {
  Impl(Executor const& executor, Options options, Handlers handlers) {
    settings->options = std::move(options);
    settings->handlers = std::move(handlers);
    auto const make = [this](Executor const& e, Worker::Limits limits) -> std::shared_ptr<Worker> {
      return workers.emplace_back(std::make_shared<WebSocketWorker>(settings, e, limits));
    };
    Options const& given = settings->options;
    Worker::Limits const limits{given.connection_count_max, given.held_bytes_max};
    pool = std::make_shared<WorkerPool>(executor, given.threads, limits, make);
  }

  std::shared_ptr<Settings> settings = std::make_shared<Settings>();
  std::shared_ptr<WorkerPool> pool;
  std::vector<std::shared_ptr<WebSocketWorker>> workers;  // destroyed before the threads of the pool
};

WebSocketServer::WebSocketServer(Executor const& executor, Options options, Handlers handlers)
    : impl_{std::make_shared<Impl>(executor, std::move(options), std::move(handlers))} {}

WebSocketServer::~WebSocketServer() {
  impl_->settings->destroyed = true;
  impl_->pool->drop();
}

Result<Endpoint> WebSocketServer::listen(Endpoint const& bind) { return impl_->pool->listen(bind); }
Endpoint WebSocketServer::local_endpoint() const { return impl_->pool->local_endpoint(); }
Awaitable<bool> WebSocketServer::stop(Duration limit) { return WorkerPool::stop(impl_->pool, limit); }
std::size_t WebSocketServer::session_count() const { return impl_->settings->session_count; }
std::size_t WebSocketServer::held_bytes() const { return impl_->pool->held_bytes(); }

WebSocketServer::Counters WebSocketServer::counters() const {
  Counters sum;
  for (auto const each : kCounters) {
    for (auto const& worker : impl_->workers) sum.*each += worker->tally.counted(each);
  }
  sum.connections = impl_->pool->counted(&Worker::Counters::connections);
  sum.evicted = impl_->pool->counted(&Worker::Counters::evicted);
  sum.refused = impl_->pool->counted(&Worker::Counters::refused);
  sum.failed = impl_->pool->counted(&Worker::Counters::failed);
  return sum;
}

}  // namespace grenache::net
