#include "grenache/net/http_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <grenache/net/async_event.hpp>
#include <grenache/net/http_server_connection.hpp>
#include <grenache/net/listener.hpp>

namespace grenache::net {

using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

using Counters = HttpServer::Counters;

constexpr std::array kCounters{
    &Counters::connections,
    &Counters::connections_evicted,
    &Counters::connections_refused,
    &Counters::handshakes_failed,
    &Counters::requests,
    &Counters::malformed,
    &Counters::too_large,
    &Counters::forbidden,
    &Counters::timed_out,
    &Counters::handler_failures,
};
static_assert(sizeof(Counters) == kCounters.size() * sizeof(std::uint64_t));

constexpr Duration kCutOff = 1s;  // beside the limit of a stop: how long what was cut off may take to end

}  // namespace

std::string_view describe(HttpServerErrc code) {
  switch (code) {
    case HttpServerErrc::timed_out:
      return "the peer of a stream is silent";
    case HttpServerErrc::connection_lost:
      return "connection closed before the request was complete";
    case HttpServerErrc::malformed_request:
      return "request is not HTTP";
  }
  return "unknown HTTP server error";
}

std::string_view HttpRequest::header(std::string_view name) const {
  if (!fields) return {};
  auto const& all = *static_cast<http::fields const*>(fields);
  auto const found = all.find(name);
  return found == all.end() ? std::string_view{} : std::string_view{found->value()};
}

bool HttpRequest::has_header(std::string_view name) const {
  return fields && static_cast<http::fields const*>(fields)->count(name) > 0;
}

bool HttpLane::evict() {
  if (silent.empty()) return false;
  count(&Counters::connections_evicted);
  HttpConnection& oldest = *silent.front();
  oldest.enter(HttpConnection::Phase::busy);  // its coroutine ends soon; it must not be evicted twice
  oldest.close();
  return true;
}

void HttpLane::admit(tcp::socket socket, Endpoint const& peer) {
  if (stopping) return;
  count(&Counters::connections);
  // The evicted connection leaves its list a moment later, so the count may pass the limit by those.
  if (silent.size() + busy.size() >= connection_count_max && !evict()) {
    count(&Counters::connections_refused);
    return;
  }
  auto connection = std::make_unique<HttpConnection>(shared_from_this(), std::move(socket), peer);
  tasks.spawn_isolated(HttpConnection::run(std::move(connection)));
}

void HttpLane::close_all() {
  for (HttpConnection* connection : silent) connection->close();
  for (HttpConnection* connection : busy) connection->close();
}

Awaitable<bool> HttpLane::stop(std::shared_ptr<HttpLane> self, Duration limit) {
  self->stopping = true;
  for (HttpConnection* connection : self->silent) {
    if (connection->phase == HttpConnection::Phase::idle) connection->close();
  }
  bool const graceful = co_await self->tasks.drained(limit);
  if (!graceful) {
    self->close_all();
    self->tasks.cancel(asio::cancellation_type::terminal);
    co_await self->tasks.drained(limit + kCutOff);
  }
  co_return graceful;
}

struct HttpServer::Impl {
  Impl(Executor const& e, Options options, Handler handler)
      : executor{e}, listener{e, options.threads}, stopped{e} {
    std::size_t const count = listener.lane_count();
    std::size_t const share = (options.connection_count_max + count - 1) / count;
    auto made = std::make_shared<HttpSettings>();
    made->options = std::move(options);
    made->handler = std::move(handler);
    for (std::size_t i = 0; i < count; ++i) {
      lanes.push_back(std::make_shared<HttpLane>(made, listener.lane(i), share));
    }
  }

  void drop();
  static Awaitable<bool> stop(std::shared_ptr<Impl> self, Duration limit);

  Executor executor;
  Listener listener;
  std::vector<std::shared_ptr<HttpLane>> lanes;  // goes before the threads they live on
  AsyncEvent stopped;
  Counters sum;
};

/// Ends everything at once.
void HttpServer::Impl::drop() {
  listener.close();
  listener.end_threads();
  for (auto const& lane : lanes) {
    lane->stopping = true;
    lane->close_all();
  }
}

Awaitable<bool> HttpServer::Impl::stop(std::shared_ptr<Impl> self, Duration limit) {
  struct Outcome {
    std::size_t left;
    bool graceful = true;
  };
  self->listener.close();
  auto const outcome = std::make_shared<Outcome>();
  outcome->left = self->lanes.size();
  for (auto const& lane : self->lanes) {
    auto ended = [outcome, weak = std::weak_ptr{self}, to = self->executor](std::exception_ptr const&,
                                                                            bool graceful) {
      asio::post(to, [outcome, weak, graceful] {
        --outcome->left;
        outcome->graceful = outcome->graceful && graceful;
        if (auto const impl = weak.lock()) impl->stopped.notify_all();
      });
    };
    asio::co_spawn(lane->executor, HttpLane::stop(lane, limit), std::move(ended));
  }
  while (outcome->left > 0) {
    Wake const wake = co_await self->stopped.wait();
    if (wake == Wake::cancelled) break;
  }
  co_return outcome->graceful && outcome->left == 0;
}

HttpServer::HttpServer(Executor const& executor, Options options, Handler handler)
    : impl_{std::make_shared<Impl>(executor, std::move(options), std::move(handler))} {}

HttpServer::~HttpServer() { impl_->drop(); }

Result<Endpoint> HttpServer::listen(Endpoint const& bind) {
  std::vector<std::weak_ptr<HttpLane>> const lanes{impl_->lanes.begin(), impl_->lanes.end()};
  Listener::Handlers handlers;
  handlers.accepted = [lanes](std::size_t number, tcp::socket socket, Endpoint const& peer) {
    if (auto const lane = lanes[number].lock()) lane->admit(std::move(socket), peer);
  };
  handlers.exhausted = [lanes](std::size_t number) {
    auto const lane = lanes[number].lock();
    return lane && lane->evict();
  };
  return impl_->listener.listen(bind, std::move(handlers));
}

Endpoint HttpServer::local_endpoint() const { return impl_->listener.local_endpoint(); }
Awaitable<bool> HttpServer::stop(Duration limit) { return Impl::stop(impl_, limit); }

std::size_t HttpServer::connection_count() const {
  std::size_t count = 0;
  for (auto const& lane : impl_->lanes) count += lane->connection_count.load(std::memory_order_relaxed);
  return count;
}

HttpServer::Counters const& HttpServer::counters() const {
  for (auto const each : kCounters) {
    impl_->sum.*each = 0;
    for (auto const& lane : impl_->lanes) impl_->sum.*each += lane->counted(each);
  }
  return impl_->sum;
}

}  // namespace grenache::net
