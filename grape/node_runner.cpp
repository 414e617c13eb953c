#include "grape/node_runner.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>

#include <grenache/net/address.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::grape {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;

// Batches of datagrams processed before other work on this thread runs.
constexpr int kBatchesInARow = 4;

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

}  // namespace

Result<std::vector<IpAddress>> system_name_lookup(std::string const& host) try {
  // Not the resolver of the runner's io_context, whose destructor waits for running resolutions.
  asio::io_context context{1};
  udp::resolver resolver{context};
  Error error;
  auto const found = resolver.resolve(host, "", error);
  if (error) return error;
  std::vector<IpAddress> addresses;
  for (auto const& entry : found) addresses.push_back(net::from_asio(entry.endpoint()).address);
  return addresses;
} catch (std::exception const&) {  // nothing could catch it on a detached thread
  return Error{asio::error::no_memory};
}

NodeRunner::NodeRunner(net::Executor executor, Log const& log, NameLookup name_lookup)
    : executor_{executor},
      log_{log},
      name_lookup_{std::move(name_lookup)},
      socket_{std::make_shared<UdpSocket>(executor)},
      tasks_{executor},
      requests_{std::make_shared<Requests>()},
      random_{Random::from_system()},
      resolutions_{std::in_place, executor} {
  requests_->runner = this;
}

NodeRunner::~NodeRunner() {
  requests_->runner = nullptr;
  socket_->close();
}

Result<Endpoint> NodeRunner::listen(Endpoint const& bind, NodeOptions options) {
  auto const opened = socket_->open(bind);
  if (!opened) return opened.error();
  Endpoint const local = *opened;
  options.port = local.port;
  options.ipv6 = local.address.is_v6();
  options.ipv4 = !options.ipv6 || local.address.is_unspecified();
  if (!local.address.is_unspecified()) {
    (options.ipv6 ? options.own_address6 : options.own_address) = local.address;
  }
  node_.emplace(std::move(options), Random::from_system());
  deadline_.emplace(executor_, [this] { on_deadline(); });
  tasks_.spawn(receive_loop(requests_, socket_));
  return local;
}

Snapshot NodeRunner::snapshot() const { return node_->snapshot(net::steady_now()); }
void NodeRunner::restore(Snapshot const& snapshot) { node_->restore(snapshot, net::steady_now()); }

void NodeRunner::bootstrap(std::vector<HostPort> addresses) {
  std::vector<Endpoint> numeric;
  bool has_names = false;
  for (auto& address : addresses) {
    if (auto const ip = IpAddress::parse(address.host)) {
      numeric.push_back({*ip, address.port});
    } else {
      names_.add(std::move(address));
      has_names = true;
    }
  }
  // Without numeric addresses, bootstrap() is called when the first name resolves, so that the node is not
  // ready before.
  if (!numeric.empty() || !has_names) {
    has_joined_ = true;
    node_->bootstrap(numeric, net::steady_now());
  }
  numeric_.insert(numeric_.end(), numeric.begin(), numeric.end());
  resolve_names();
  flush();
}

void NodeRunner::resolve_names() {
  TimePoint const now = net::steady_now();
  auto const leads_in = [this](std::vector<Endpoint> const& addresses) {
    return node_->is_reached_through(addresses);
  };
  while (resolutions_) {
    auto const number = names_.next(now, leads_in);
    if (!number) return;
    auto look_up = [lookup = name_lookup_, host = names_.name(*number).host] { return lookup(host); };
    auto done = [this, number = *number](Result<std::vector<IpAddress>> const& addresses) {
      resolved(number, addresses);
    };
    if (!resolutions_->run(std::move(look_up), std::move(done))) {
      resolved(
          *number,
          Error{boost::system::errc::make_error_code(boost::system::errc::resource_unavailable_try_again)});
    }
  }
}

void NodeRunner::resolved(std::size_t number, Result<std::vector<IpAddress>> const& addresses) {
  TimePoint const now = net::steady_now();
  std::string const& host = names_.name(number).host;
  if (!addresses) {
    log_.warn("warning",
              {{"text", "cannot resolve bootstrap host: " + addresses.error().message()}, {"host", host}});
  }
  auto change = names_.resolved(number, addresses ? *addresses : std::vector<IpAddress>{}, now, random_);
  if (!change.former.empty()) {
    log_.info("moved", {{"host", host}, {"address", change.addresses.front().to_string()}});
  }
  // Keep addresses that were also given as numbers.
  std::erase_if(change.former,
                [this](Endpoint const& each) { return std::ranges::find(numeric_, each) != numeric_.end(); });
  node_->forget_bootstrap(change.former);
  if (!change.addresses.empty() || !has_joined_) node_->bootstrap(change.addresses, now);
  has_joined_ = true;
  resolve_names();
  flush();
}

net::Awaitable<void> NodeRunner::receive_loop(std::shared_ptr<Requests> shared,
                                              std::shared_ptr<UdpSocket> socket) {
  for (;;) {
    bool const open = co_await socket->readable();
    if (!open || shared->runner == nullptr) co_return;
    shared->runner->receive();
  }
}

void NodeRunner::receive() {
  for (int batch = 0; batch < kBatchesInARow; ++batch) {
    auto const received = socket_->receive();
    TimePoint const now = net::steady_now();
    for (auto const& datagram : received) {
      asked_ = datagram;
      node_->receive(datagram.from, datagram.bytes, now);
      drain();
    }
    asked_.reset();
    flush();
    if (received.size() < socket_->batch_max()) return;
  }
}

void NodeRunner::on_deadline() {
  node_->expire(net::steady_now());
  // Checked here too, since the node may have lost all others; its upkeep sets a deadline every few seconds.
  resolve_names();
  flush();
}

void NodeRunner::drain() {
  while (auto output = node_->poll_output()) {
    if (auto* datagram = std::get_if<Datagram>(&*output)) {
      bool const is_answer = asked_ && asked_->from == datagram->to;
      auto const source = is_answer ? asked_->at : std::nullopt;
      node_->reuse(socket_->send(datagram->to, std::move(datagram->bytes), source));
    } else {
      handle(std::get<Event>(std::move(*output)));
    }
  }
}

void NodeRunner::flush() {
  drain();
  socket_->flush();
  if (deadline_) {
    deadline_->set(std::min(node_->next_deadline(), names_.next_deadline(net::steady_now())));
  }
}

void NodeRunner::handle(Event&& event) {
  // Fields cost allocations, and these events are frequent.
  bool const is_debug = log_.enabled(LogLevel::debug);
  std::visit(
      Overloaded{
          [&](Ready const&) {
            log_.info("ready", {{"nodes", std::uint64_t{node_->node_count()}}});
          },
          [&](NodeAdded const& added) {
            if (is_debug) log_.debug("node", {{"peer", added.endpoint.to_string()}, {"id", added.id.hex()}});
          },
          [&](PeerFound const& found) {
            if (is_debug)
              log_.debug("peer", {{"name", found.name.bytes()}, {"peer", found.peer.to_string()}});
          },
          [&](AnnounceStored const& stored) {
            if (is_debug)
              log_.debug("announce", {{"name", stored.name.bytes()}, {"peer", stored.peer.to_string()}});
          },
          [&](LookupDone& done) {
            if (!done.peers.empty()) last_found_ = net::steady_now();
            finish(done);
          },
          [&](AnnounceDone& done) { finish(done); }, [&](UnannounceDone& done) { finish(done); },
          [&](GetDone& done) { finish(done); }, [&](PutDone& done) { finish(done); },
          [&](Warning const& warning) {
            log_.warn("warning", {{"text", warning.text}});
          },
          [](auto const&) {},  // requests that the HTTP API does not make
      },
      event);
}

template <class Done>
void NodeRunner::finish(Done& done) {
  auto& waiters = std::get<Waiters<Done>>(requests_->waiters);
  auto const found = waiters.find(done.id);
  if (found == waiters.end()) return;
  Waiter<Done>& waiter = *found->second;
  waiter.done = std::move(done);
  if (waiter.changed) waiter.changed->notify_all();
}

template <class Done>
net::Awaitable<Result<Done>> NodeRunner::outcome_of(Result<RequestId> id) {
  return await_outcome<Done>(requests_, executor_, id);
}

template <class Done>
net::Awaitable<Result<Done>> NodeRunner::await_outcome(std::shared_ptr<Requests> shared,
                                                       net::Executor executor, Result<RequestId> id) {
  if (!id) co_return id.error();
  Waiter<Done> waiter;
  Registration<Done> const registration{std::get<Waiters<Done>>(shared->waiters), *id, waiter};
  shared->runner->flush();
  while (!waiter.done) {
    if (!waiter.changed) waiter.changed.emplace(executor);
    net::Wake const wake = co_await waiter.changed->wait();
    if (wake == net::Wake::cancelled) break;
  }
  if (!waiter.done) {
    if (shared->runner != nullptr) shared->runner->node_->cancel(*id);
    co_return Error{asio::error::operation_aborted};
  }
  co_return std::move(*waiter.done);
}

net::Awaitable<Result<std::vector<Endpoint>>> NodeRunner::lookup(dht::ServiceKey name) {
  auto const id = node_->start_lookup(name, net::steady_now());
  auto done = co_await outcome_of<LookupDone>(id);
  if (!done) co_return done.error();
  co_return std::move(done->peers);
}

net::Awaitable<Result<std::size_t>> NodeRunner::announce(dht::ServiceKey name, std::uint16_t port) {
  auto const id = node_->start_announce(name, port, net::steady_now(), true);
  auto const done = co_await outcome_of<AnnounceDone>(id);
  if (!done) co_return done.error();
  co_return done->stored;
}

net::Awaitable<Result<std::size_t>> NodeRunner::unannounce(dht::ServiceKey name, std::uint16_t port) {
  auto const id = node_->start_unannounce(name, port, net::steady_now());
  auto const done = co_await outcome_of<UnannounceDone>(id);
  if (!done) co_return done.error();
  co_return done->removed;
}

net::Awaitable<Result<GetDone>> NodeRunner::get(NodeId target, std::string salt) {
  auto const id = node_->start_get(target, salt, net::steady_now());
  return outcome_of<GetDone>(id);
}

net::Awaitable<Result<PutDone>> NodeRunner::put(dht::Item item, std::optional<std::int64_t> cas) {
  PutOptions how;
  how.cas = cas;
  auto const id = node_->start_put(std::move(item), net::steady_now(), how);
  return outcome_of<PutDone>(id);
}

net::Awaitable<void> NodeRunner::stop() {
  deadline_.reset();
  resolutions_.reset();
  socket_->close();
  tasks_.cancel(asio::cancellation_type::terminal);
  (void)co_await tasks_.drained(std::chrono::seconds{1});
}

}  // namespace grenache::grape
