#include "grenache/net/http_server.hpp"

#include <grenache/net/http_server_connection.hpp>

namespace grenache::net {

namespace {

using Counters = HttpServer::Counters;

/// The counters of an HttpWorker; its base class Worker has the others.
constexpr std::array kCounters{
    &Counters::handshakes_failed, &Counters::requests,  &Counters::malformed,        &Counters::too_large,
    &Counters::forbidden,         &Counters::timed_out, &Counters::handler_failures, &Counters::aborted,
};
static_assert(sizeof(Counters) == sizeof(Worker::Counters) + kCounters.size() * sizeof(std::uint64_t));

}  // namespace

std::string_view describe(HttpServerErrc code) {
  switch (code) {
    case HttpServerErrc::timed_out:
      return "no data on the stream for too long";
    case HttpServerErrc::connection_lost:
      return "connection closed before the request was complete";
    case HttpServerErrc::malformed_request:
      return "request is not HTTP";
    case HttpServerErrc::invalid_header:
      return "a header of the reply is not valid";
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

void HttpRequest::set_held(std::size_t bytes) {
  if (connection) connection->held.set(bytes);
}

Awaitable<bool> HttpRequest::until_room() {
  if (!connection) co_return true;
  co_return co_await connection->until_room();
}

struct HttpServer::Impl {
  Impl(Executor const& executor, Options options, Handler handler) {
    auto const settings = std::make_shared<HttpSettings>();
    settings->options = std::move(options);
    settings->handler = std::move(handler);
    auto const make = [&](Executor const& e, Worker::Limits limits) -> std::shared_ptr<Worker> {
      return workers.emplace_back(std::make_shared<HttpWorker>(settings, e, limits));
    };
    Options const& given = settings->options;
    Worker::Limits const limits{given.connection_count_max, given.held_bytes_max};
    pool = std::make_shared<WorkerPool>(executor, given.threads, limits, make);
  }

  std::shared_ptr<WorkerPool> pool;
  std::vector<std::shared_ptr<HttpWorker>> workers;  // those of the pool; destroyed before its threads
  Counters sum;
};

HttpServer::HttpServer(Executor const& executor, Options options, Handler handler)
    : impl_{std::make_shared<Impl>(executor, std::move(options), std::move(handler))} {}

HttpServer::~HttpServer() { impl_->pool->drop(); }

Result<Endpoint> HttpServer::listen(Endpoint const& bind) { return impl_->pool->listen(bind); }
Endpoint HttpServer::local_endpoint() const { return impl_->pool->local_endpoint(); }
Awaitable<bool> HttpServer::stop(Duration limit) { return WorkerPool::stop(impl_->pool, limit); }
std::size_t HttpServer::connection_count() const { return impl_->pool->connection_count(); }
std::size_t HttpServer::held_bytes() const { return impl_->pool->held_bytes(); }

HttpServer::Counters const& HttpServer::counters() const {
  Counters& sum = impl_->sum;
  for (auto const each : kCounters) {
    sum.*each = 0;
    for (auto const& worker : impl_->workers) sum.*each += worker->tally.counted(each);
  }
  sum.connections = impl_->pool->counted(&Worker::Counters::connections);
  sum.connections_evicted = impl_->pool->counted(&Worker::Counters::evicted);
  sum.connections_refused = impl_->pool->counted(&Worker::Counters::refused);
  sum.connections_failed = impl_->pool->counted(&Worker::Counters::failed);
  return sum;
}

}  // namespace grenache::net
