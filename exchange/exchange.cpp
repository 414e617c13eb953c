#include "exchange/exchange.hpp"

#include <map>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "exchange/reservation/embedded.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/local_address.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/server.hpp>
#include <grenache/rpc/shown_at.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;
using net::Awaitable;

namespace {

/// A lookup that returns this many endpoints may lack ours (grape::Service::Options::peer_count_max).
constexpr std::size_t kShownMax = 100;

constexpr char const* kStopped = "ERR_STOPPED";

/// Answers a request that comes after the peer.
Awaitable<rpc::Reply> refuse() { co_return rpc::Reply::failure(kStopped); }

rpc::Link::Options link_options(Exchange::Options const& options) {
  rpc::Link::Options out;
  out.grapes = options.grapes;
  out.tls = options.grape_tls;
  out.announce_interval = options.announce_interval;
  // Every poll queries the grape; broadcasts in between use the cached result.
  out.cache.age_max = options.poll_interval / 2;
  return out;
}

rpc::Client::Options client_options() {
  rpc::Client::Options out;
  out.reply_bytes_max = kAnswerBytesMax;
  out.expanded_bytes_max = kAnswerBytesMax;
  return out;
}

rpc::Server::Options server_options(Exchange::Options const& options) {
  rpc::Server::Options out;
  out.web_access = options.web_access;
  out.body_bytes_max = kRequestBytesMax;
  out.expanded_bytes_max = kRequestBytesMax;
  return out;
}

std::string join(std::vector<rpc::GrapeUrl> const& grapes) {
  std::string out;
  for (auto const& grape : grapes) out += (out.empty() ? "" : ", ") + grape.to_string();
  return out;
}

/// Our endpoint as long as the DHT does not show it.
std::string first_endpoint(Exchange::Options const& options, std::uint16_t port) {
  if (!options.advertised_host.empty()) return options.advertised_host + ":" + std::to_string(port);
  IpAddress const loopback{127, 0, 0, 1};
  return Endpoint{options.bind.is_unspecified() ? loopback : options.bind, port}.to_string();
}

}  // namespace

struct Exchange::Impl {
  /// Expires with the object.
  using Alive = std::weak_ptr<bool>;

  struct Waiting {
    explicit Waiting(net::Executor const& executor) : event{executor} {}
    net::AsyncEvent event;
    std::optional<rpc::Reply> reply;
  };

  Impl(net::Executor e, Options o, SecretKey const& key, Random random, Log const& l);
  ~Impl() { alive.reset(); }
  Impl(Impl const&) = delete;
  Impl& operator=(Impl const&) = delete;

  void make_store(Random random);
  void pump();
  void carry_out(output::Reply& reply);
  void carry_out(output::Reserve& reserve);
  void carry_out(output::Release& release);
  void carry_out(output::Call& call);
  void carry_out(output::Broadcast& broadcast);
  template <class Event>
  void carry_out(Event& event);

  void tell(output::PongReceived const& event) const;
  void tell(output::BookReceived const& event) const;
  void tell(output::OrderAdded const& event) const;
  void tell(output::TakeGranted const& event) const;
  void tell(output::TakeRefused const& event) const;
  void tell(output::CallFailed const& event) const;
  void tell(output::TakeAnswered const& event) const;

  // These and the callbacks of the store may outlive this object. What they await owns what it uses; after it
  // they look at `alive` before they touch a member.
  Awaitable<rpc::Reply> serve(rpc::Request& request, Alive alive);
  Awaitable<void> call(output::Call call, Alive alive);
  Awaitable<void> broadcast(output::Broadcast broadcast, Alive alive);
  Awaitable<void> poll(Alive alive);
  Awaitable<Output> end_of(CallId call);
  Awaitable<std::optional<std::string>> start_redis();
  Awaitable<std::optional<std::string>> find_own_address(Endpoint local);
  Awaitable<std::optional<std::string>> start();
  Awaitable<bool> stop();

  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  net::Executor executor;
  Options options;
  Log const& log;
  Peer core;
  rpc::Link link;
  rpc::Client client;
  rpc::Server server;
  std::unique_ptr<RedisClient> redis;
  std::unique_ptr<ReservationStore> store;
  RedisReservations* redis_store = nullptr;  // `store`, if it is of this type
  net::TaskGroup tasks;
  net::AsyncEvent changed;  // after each batch of outputs
  std::map<RequestId, std::shared_ptr<Waiting>> waiting;
  std::map<CallId, std::optional<Output>> awaited;  // calls that end_of() waits for, with their last output
  RequestId last_request = 0;
  std::size_t relay_count = 0;
  bool has_polled = false;
  std::string redis_failure;
};

Exchange::Impl::Impl(net::Executor e, Options o, SecretKey const& key, Random random, Log const& l)
    : executor{e},
      options{std::move(o)},
      log{l},
      core{options.peer, key, random.fork()},
      link{executor, link_options(options), random.fork()},
      client{executor, link, client_options(), random.fork()},
      server{executor, server_options(options),
             [this, here = Alive{alive}](rpc::Request& request) {
               return here.expired() ? refuse() : serve(request, here);
             }},
      tasks{executor},
      changed{executor} {
  make_store(random.fork());
}

void Exchange::Impl::make_store(Random random) {
  if (!options.redis) {
    store = std::make_unique<EmbeddedReservations>(EmbeddedReservations::Environment{
        net::steady_now, net::wall_now,
        [e = executor](std::function<void()> task) { asio::post(e, std::move(task)); }});
    return;
  }
  RedisClient::Options redis_options;
  redis_options.url = *options.redis;
  redis = std::make_unique<RedisClient>(executor, redis_options);
  RedisReservations::Options store_options;
  store_options.maker = core.id().hex();
  auto redis_reservations = std::make_unique<RedisReservations>(*redis, std::move(random), store_options);
  redis_store = redis_reservations.get();
  store = std::move(redis_reservations);
}

// Outputs of the core

void Exchange::Impl::pump() {
  while (auto out = core.poll_output()) {
    std::visit([this](auto& each) { carry_out(each); }, *out);
  }
  changed.notify_all();
}

void Exchange::Impl::carry_out(output::Reply& reply) {
  auto const found = waiting.find(reply.request);
  if (found == waiting.end()) return;
  found->second->reply =
      reply.error.empty() ? rpc::Reply{std::move(reply.result)} : rpc::Reply::failure(std::move(reply.error));
  found->second->event.notify_all();
}

void Exchange::Impl::carry_out(output::Reserve& reserve) {
  auto const request = reserve.request;
  store->reserve(std::move(reserve.wanted),
                 [this, here = Alive{alive}, request](ReserveOutcome const& outcome) {
                   if (here.expired()) return;
                   core.reserved(request, outcome, net::wall_now());
                   pump();
                 });
}

void Exchange::Impl::carry_out(output::Release& release) {
  store->release(std::move(release.order_id), std::move(release.take_id), release.fence,
                 [this, here = Alive{alive}](Result<bool> const& released) {
                   if (here.expired()) return;
                   // The reservation expires anyway.
                   if (!released) log.warn("release_failed", {{"reason", released.error().message()}});
                 });
}

void Exchange::Impl::carry_out(output::Call& wanted) { tasks.spawn(call(std::move(wanted), alive)); }

void Exchange::Impl::carry_out(output::Broadcast& wanted) {
  bool const is_relay = wanted.count_max != 0;
  if (is_relay && relay_count >= options.relay_count_max) return;
  tasks.spawn(broadcast(std::move(wanted), alive));
}

template <class Event>
void Exchange::Impl::carry_out(Event& event) {
  tell(event);
  if constexpr (requires { event.call; }) {
    auto const found = awaited.find(event.call);
    if (found != awaited.end()) found->second = std::move(event);
  }
}

void Exchange::Impl::tell(output::PongReceived const& event) const {
  log.debug("peer", {{"peer", event.endpoint},
                     {"name", event.name},
                     {"peer_id", event.peer ? json::Value{event.peer->hex()} : json::Value{}}});
}

void Exchange::Impl::tell(output::BookReceived const& event) const {
  auto const level = event.new_count > 0 || event.dropped_count > 0 ? LogLevel::info : LogLevel::debug;
  log.write(level, "book",
            {{"peer", event.endpoint},
             {"orders", std::uint64_t{event.order_count}},
             {"new", std::uint64_t{event.new_count}},
             {"dropped", std::uint64_t{event.dropped_count}}});
}

void Exchange::Impl::tell(output::OrderAdded const& event) const {
  auto const& order = event.order;
  log.info("order", {{"id", order.id},
                     {"side", to_text(order.side)},
                     {"remaining", order.remaining.to_text()},
                     {"price", order.price.to_text()},
                     {"status", to_text(order.status)},
                     {"maker", order.maker ? json::Value{order.maker->hex()} : json::Value{}}});
}

void Exchange::Impl::tell(output::TakeGranted const& event) const {
  log.info("take_granted", {{"order", event.response.order_id}, {"peer", event.endpoint}});
}

void Exchange::Impl::tell(output::TakeRefused const& event) const {
  log.info(
      "take_refused",
      {{"peer", event.endpoint}, {"code", to_text(event.refusal.code)}, {"reason", event.refusal.reason}});
}

void Exchange::Impl::tell(output::CallFailed const& event) const {
  log.debug("call_failed", {{"peer", event.endpoint}, {"reason", event.reason}});
}

void Exchange::Impl::tell(output::TakeAnswered const& event) const {
  log.info("take", {{"order", event.order_id},
                    {"taker", event.taker},
                    {"refused", event.refusal ? json::Value{to_text(event.refusal->code)} : json::Value{}}});
}

// Coroutines

Awaitable<rpc::Reply> Exchange::Impl::serve(rpc::Request& request, Alive here) {
  auto const id = ++last_request;
  auto const mine = std::make_shared<Waiting>(executor);
  waiting.emplace(id, mine);
  core.receive(id, std::move(request.payload), net::wall_now());
  pump();
  while (!mine->reply) {
    auto const wake = co_await mine->event.wait();
    if (here.expired()) co_return rpc::Reply::failure(kStopped);
    if (wake == net::Wake::cancelled) break;
  }
  waiting.erase(id);
  if (!mine->reply) co_return rpc::Reply::failure(kStopped);
  co_return std::move(*mine->reply);
}

Awaitable<void> Exchange::Impl::call(output::Call wanted, Alive here) {
  if (here.expired()) co_return;
  rpc::RequestOptions request;
  request.timeout = options.call_timeout;
  request.retry_count = 1;  // messages may be repeated: orders have a seq, takes an id
  auto reply = co_await client.request_to(std::move(wanted.endpoint), options.service,
                                          std::move(wanted.payload), request);
  // Also while stopping: somebody may wait for the end of the call.
  if (here.expired()) co_return;
  CallAnswer answer;
  if (reply) {
    answer.result = std::move(*reply);
  } else {
    answer.error = reply.error().text();
    if (answer.error.empty()) answer.error = "the peer has answered with an error";
  }
  core.answered(wanted.call, std::move(answer), net::wall_now());
  pump();
}

Awaitable<void> Exchange::Impl::broadcast(output::Broadcast wanted, Alive here) {
  if (here.expired()) co_return;
  bool const is_relay = wanted.count_max != 0;
  if (is_relay) ++relay_count;
  rpc::MapOptions map;
  map.timeout = options.call_timeout;
  map.limit = wanted.count_max;
  auto const replies = co_await client.map(options.service, std::move(wanted.payload), map);
  if (here.expired()) co_return;
  if (is_relay) --relay_count;
  if (!replies) log.debug("broadcast_failed", {{"reason", replies.error().text()}});
}

Awaitable<void> Exchange::Impl::poll(Alive here) {
  if (here.expired()) co_return;
  asio::steady_timer timer{executor};
  for (;;) {
    auto const found = co_await link.lookup(options.service);
    if (here.expired() || tasks.stopping()) co_return;
    if (found) core.found(*found, net::wall_now());
    core.expire(net::wall_now());
    has_polled = true;
    pump();
    timer.expires_after(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(options.poll_interval));
    auto const [error] = co_await timer.async_wait(net::kTuple);
    if (error || here.expired() || tasks.stopping()) co_return;
  }
}

Awaitable<Output> Exchange::Impl::end_of(CallId id) {
  auto const entry = awaited.try_emplace(id).first;
  pump();
  while (!entry->second) {
    auto const wake = co_await changed.wait();
    if (wake == net::Wake::cancelled) break;
  }
  Output out = output::CallFailed{id, {}, "stopped"};
  if (entry->second) out = std::move(*entry->second);
  awaited.erase(id);
  co_return out;
}

Awaitable<std::optional<std::string>> Exchange::Impl::start_redis() {
  redis->start(
      [this] {
        redis_store->connected();
        log.debug("redis_connected", {{"redis", options.redis->to_string()}});
        changed.notify_all();
      },
      [this](std::string const& reason) {
        redis_failure = reason;
        log.warn("redis_lost", {{"redis", options.redis->to_string()}, {"reason", reason}});
        changed.notify_all();
      });
  while (!redis->connected() && redis_failure.empty()) {
    auto const wake = co_await changed.wait();
    if (wake == net::Wake::cancelled) co_return "stopped";
  }
  if (redis->connected()) co_return std::nullopt;
  co_return "Redis is not reachable at " + options.redis->to_string() + ": " + redis_failure;
}

/// Advertises the address that the DHT shows, unless one is configured. Warns, or fails if
/// `requires_own_address`, when it is not an address of this host.
Awaitable<std::optional<std::string>> Exchange::Impl::find_own_address(Endpoint local) {
  auto const found = co_await link.lookup(options.service);
  if (!found || found->size() >= kShownMax) co_return std::nullopt;
  bool const grape_is_here = rpc::may_be_here(options.grapes, net::is_of_this_host);
  auto const shown = rpc::shown_at(*found, local, grape_is_here, net::is_of_this_host);
  std::optional<Endpoint> own = shown.here;
  if (!own && shown.elsewhere.size() == 1) own = shown.elsewhere.front();
  if (!shown.here && !shown.elsewhere.empty()) {
    std::string const where = shown.elsewhere.back().to_string();
    if (options.requires_own_address) {
      std::string const why = grape_is_here ? "a router stands between this host and the other grapes"
                                            : "the grape at " + join(options.grapes) +
                                                  " runs on another host; use one on this host";
      co_return "the DHT shows it at " + where + ", which is no address of this host: " + why;
    }
    if (options.advertised_host.empty()) {
      log.warn("shown_elsewhere", {{"endpoint", where},
                                   {"text",
                                    "the DHT shows this peer at an address of another host: behind a router "
                                    "forward the port, else announce through a grape on this host"}});
    }
  }
  if (own && options.advertised_host.empty() && options.bind.is_unspecified()) {
    core.listening(own->to_string());
    log.info("advertised", {{"endpoint", own->to_string()}});
  }
  co_return std::nullopt;
}

Awaitable<std::optional<std::string>> Exchange::Impl::start() {
  Endpoint const wanted{options.bind, options.port};
  auto const listening = server.listen(wanted);
  if (!listening) {
    co_return "cannot listen on TCP " + wanted.to_string() + ": " + listening.error().message();
  }
  core.listening(first_endpoint(options, listening->port));
  log.info("listening", {{"port", int{listening->port}}, {"peer_id", core.id().hex()}});
  if (redis) {
    auto failure = co_await start_redis();
    if (failure) co_return failure;
  }
  auto const grape_ready = co_await link.wait_ready(options.start_limit);
  if (!grape_ready) {
    co_return "no grape answers at " + join(options.grapes) + ": " + grape_ready.error().text();
  }
  server.announce(link, options.service);
  auto const announced = co_await server.ready(options.start_limit);
  if (!announced) co_return "cannot announce the service: " + announced.error().text();
  auto failure = co_await find_own_address(*listening);
  if (failure) co_return failure;
  tasks.spawn(poll(alive));
  while (!has_polled || !core.is_synced()) {
    auto const wake = co_await changed.wait();
    if (wake == net::Wake::cancelled) co_return "stopped";
  }
  log.info("ready", {{"port", int{listening->port}},
                     {"peer_id", core.id().hex()},
                     {"name", options.peer.name},
                     {"peers", std::uint64_t{core.endpoint_count()}},
                     {"orders", std::uint64_t{core.book().size()}}});
  co_return std::nullopt;
}

Awaitable<bool> Exchange::Impl::stop() {
  (void)co_await server.stop(std::chrono::milliseconds{500});
  co_await client.stop();
  tasks.cancel(asio::cancellation_type::terminal);
  co_await link.stop();
  if (redis) redis->stop();
  co_return co_await tasks.drained(std::chrono::seconds{1});
}

Exchange::Exchange(net::Executor executor, Options options, SecretKey const& key, Random random,
                   Log const& log)
    : impl_{std::make_unique<Impl>(std::move(executor), std::move(options), key, std::move(random), log)} {}
Exchange::~Exchange() = default;

Awaitable<std::optional<std::string>> Exchange::start() { return impl_->start(); }
Awaitable<bool> Exchange::stop() { return impl_->stop(); }

Peer const& Exchange::peer() const { return impl_->core; }
std::string const& Exchange::name() const { return impl_->options.peer.name; }
std::uint16_t Exchange::port() const { return impl_->server.local_endpoint().port; }

Result<OrderRecord> Exchange::publish(OrderTerms const& terms) {
  auto order = impl_->core.publish(terms, net::wall_now());
  impl_->pump();
  return order;
}

std::vector<Match> Exchange::matches(std::string_view order_id) const {
  return impl_->core.matches(order_id, net::wall_now());
}

Awaitable<Output> Exchange::ping(std::string endpoint) {
  return impl_->end_of(impl_->core.ping(std::move(endpoint), net::wall_now()));
}

Awaitable<Output> Exchange::take(OrderRecord order, Satoshi amount) {
  return take(std::move(order), amount, {});
}

Awaitable<Output> Exchange::take(OrderRecord order, Satoshi amount, std::string take_id) {
  return impl_->end_of(impl_->core.take(order, amount, std::move(take_id), net::wall_now()));
}

Awaitable<bool> Exchange::wait_until(std::function<bool()> condition, TimePoint deadline) {
  while (!condition()) {
    auto const wake = co_await impl_->changed.wait(deadline);
    if (wake != net::Wake::notified) co_return condition();
  }
  co_return true;
}

Awaitable<Result<RedisReservations::Shown>> Exchange::show_reservation(std::string order_id,
                                                                       std::string take_id, PeerId taker) {
  if (!impl_->redis_store) co_return make_error_code(RedisErrc::not_connected);
  auto const answer = std::make_shared<std::optional<Result<RedisReservations::Shown>>>();
  auto const done = [answer, impl = impl_.get(),
                     here = Impl::Alive{impl_->alive}](Result<RedisReservations::Shown> shown) {
    *answer = std::move(shown);
    if (!here.expired()) impl->changed.notify_all();
  };
  impl_->redis_store->show(order_id, store_take_id(take_id, taker.hex()), done);
  while (!*answer) {
    auto const wake = co_await impl_->changed.wait();
    if (wake == net::Wake::cancelled) co_return make_error_code(RedisErrc::stopped);
  }
  co_return **answer;
}

}  // namespace grenache::exchange
