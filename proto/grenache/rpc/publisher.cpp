#include "grenache/rpc/publisher.hpp"

#include <atomic>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include <grenache/base/check.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/websocket.hpp>

namespace grenache::rpc {

using net::Awaitable;
using Session = net::WebSocketServer::Session;

namespace {

constexpr std::size_t kIncomingBytesMax = 64 * 1024;  // subscribers send no messages

net::WebSocketServer::Options server_options(Publisher::Options const& options) {
  net::WebSocketServer::Options server;
  server.tls = options.tls;
  server.message_bytes_max = kIncomingBytesMax;
  server.write_queue_bytes_max = options.queue_bytes_max;
  server.idle_max = options.idle_max;
  server.connection_count_max = options.subscriber_count_max;
  server.web_access = options.web_access;
  server.threads = options.threads;
  return server;
}

}  // namespace

struct Publisher::Impl {
  struct Announced {
    Link* link;
    std::string name;
  };

  Impl(net::Executor const& executor, Options const& options)
      : server{executor, server_options(options), handlers()} {}

  net::WebSocketServer::Handlers handlers() {
    net::WebSocketServer::Handlers on;
    on.on_open = [this](Session const& session) {
      std::lock_guard const lock{mutex};
      subscribers.insert(session);
    };
    on.on_close = [this](Session const& session, Error const&) {
      std::lock_guard const lock{mutex};
      subscribers.erase(session);
    };
    return on;
  }

  std::size_t publish(std::string text) {
    auto const message = std::make_shared<std::string const>(std::move(text));
    std::size_t count = 0;
    std::lock_guard const lock{mutex};
    for (Session const& session : subscribers) {
      if (session->send(message)) ++count;
    }
    ++published;
    delivered += count;
    return count;
  }

  void stop_announcing() {
    for (Announced const& each : announced) {
      each.link->stop_announcing(each.name, server.local_endpoint().port);
    }
    announced.clear();
  }

  static Awaitable<RpcResult<void>> ready(std::shared_ptr<Impl> self, Duration limit);
  static Awaitable<bool> stop(std::shared_ptr<Impl> self, Duration limit);

  std::mutex mutex;  // guards `subscribers`
  std::set<Session> subscribers;
  std::atomic<std::uint64_t> published{0};
  std::atomic<std::uint64_t> delivered{0};
  std::vector<Announced> announced;
  net::WebSocketServer server;
};

Awaitable<RpcResult<void>> Publisher::Impl::ready(std::shared_ptr<Impl> self, Duration limit) {
  TimePoint const deadline = net::steady_deadline(limit);
  std::vector<Announced> const expected = self->announced;
  for (Announced const& each : expected) {
    Duration const left = deadline - net::steady_now();
    auto const confirmed = co_await each.link->announced(each.name, self->server.local_endpoint().port, left);
    if (!confirmed) co_return confirmed.error();
  }
  co_return RpcResult<void>{};
}

Awaitable<bool> Publisher::Impl::stop(std::shared_ptr<Impl> self, Duration limit) {
  self->stop_announcing();
  bool const graceful = co_await self->server.stop(limit);
  co_return graceful;
}

Publisher::Publisher(net::Executor const& executor, Options options)
    : impl_{std::make_shared<Impl>(executor, options)} {}
Publisher::~Publisher() = default;

Result<Endpoint> Publisher::listen(Endpoint const& bind) { return impl_->server.listen(bind); }
Endpoint Publisher::local_endpoint() const { return impl_->server.local_endpoint(); }

void Publisher::announce(Link& link, std::string name) {
  GRN_CHECK(local_endpoint().port != 0);
  link.start_announcing(name, local_endpoint().port);
  impl_->announced.push_back(Impl::Announced{&link, std::move(name)});
}

Awaitable<RpcResult<void>> Publisher::ready(Duration limit) { return Impl::ready(impl_, limit); }
std::size_t Publisher::publish(std::string text) { return impl_->publish(std::move(text)); }
std::size_t Publisher::subscriber_count() const {
  std::lock_guard const lock{impl_->mutex};
  return impl_->subscribers.size();
}

Publisher::Counters Publisher::counters() const {
  auto const server = impl_->server.counters();
  Counters counters;
  counters.published = impl_->published;
  counters.delivered = impl_->delivered;
  counters.subscribers = server.sessions;
  counters.slow = server.slow;
  counters.refused = server.refused;
  return counters;
}

Awaitable<bool> Publisher::stop(Duration limit) { return Impl::stop(impl_, limit); }

}  // namespace grenache::rpc
