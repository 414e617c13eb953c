#include "grenache/rpc/server.hpp"

#include <utility>
#include <vector>

#include <grenache/base/check.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/rpc/service.hpp>

namespace grenache::rpc {

using net::Awaitable;

struct Server::Impl {
  struct Announced {
    Link* link;
    std::string name;
  };

  Impl(net::Executor const& e, Options options) : executor{e} { service->options = std::move(options); }

  static Awaitable<RpcResult<void>> ready(std::shared_ptr<Impl> self, Duration limit);
  static Awaitable<bool> stop(std::shared_ptr<Impl> self, Duration limit);
  [[nodiscard]] Endpoint local_endpoint() const {
    return transport ? transport->local_endpoint() : Endpoint{};
  }

  net::Executor executor;
  std::shared_ptr<Service> service = std::make_shared<Service>();
  std::unique_ptr<ServerTransport> transport;  // null until it listens
  std::vector<Announced> announced;
};

Awaitable<RpcResult<void>> Server::Impl::ready(std::shared_ptr<Impl> self, Duration limit) {
  TimePoint const deadline = net::steady_deadline(limit);
  std::vector<Announced> const expected = self->announced;
  for (Announced const& each : expected) {
    Duration const left = deadline - net::steady_now();
    auto const confirmed = co_await each.link->announced(each.name, self->local_endpoint().port, left);
    if (!confirmed) co_return confirmed.error();
  }
  co_return RpcResult<void>{};
}

Awaitable<bool> Server::Impl::stop(std::shared_ptr<Impl> self, Duration limit) {
  for (Announced const& each : std::exchange(self->announced, {})) {
    each.link->stop_announcing(each.name, self->local_endpoint().port);
  }
  if (!self->transport) co_return true;
  bool const graceful = co_await self->transport->stop(limit);
  co_return graceful;
}

Server::Server(net::Executor const& executor, Options options, Handler handler)
    : impl_{std::make_shared<Impl>(executor, std::move(options))} {
  impl_->service->handler = std::move(handler);
}

Server::Server(net::Executor const& executor, Options options, CallbackHandler handler)
    : impl_{std::make_shared<Impl>(executor, std::move(options))} {
  impl_->service->callback = std::move(handler);
}

Server::~Server() = default;

void Server::on_stream(StreamHandler handler) {
  GRN_CHECK(!impl_->transport);
  impl_->service->stream = std::move(handler);
}

Result<Endpoint> Server::listen(Endpoint const& bind) {
  GRN_CHECK(!impl_->transport);
  Options const& options = impl_->service->options;
  std::shared_ptr<net::TlsContext> tls;
  if (uses_tls(options.transport)) {
    auto made = net::TlsContext::make_server(options.tls);
    if (!made) return made.error();
    tls = std::move(*made);
  }
  auto const make_transport =
      uses_websocket(options.transport) ? make_ws_server_transport : make_http_server_transport;
  auto transport = make_transport(impl_->executor, impl_->service, std::move(tls));
  auto const bound = transport->listen(bind);
  if (bound) impl_->transport = std::move(transport);
  return bound;
}

Endpoint Server::local_endpoint() const { return impl_->local_endpoint(); }

void Server::announce(Link& link, std::string name) {
  GRN_CHECK(local_endpoint().port != 0);
  link.start_announcing(name, local_endpoint().port);
  impl_->announced.push_back(Impl::Announced{&link, std::move(name)});
}

Awaitable<RpcResult<void>> Server::ready(Duration limit) { return Impl::ready(impl_, limit); }
Awaitable<bool> Server::stop(Duration limit) { return Impl::stop(impl_, limit); }

std::size_t Server::held_bytes() const { return impl_->transport ? impl_->transport->held_bytes() : 0; }

Server::Counters Server::counters() const {
  Service const& service = *impl_->service;
  Counters counters;
  counters.requests = service.requests;
  counters.streams = service.streams;
  counters.handler_failures = service.handler_failures;
  counters.not_json = service.not_json;
  counters.bad_gr_header = service.bad_gr_header;
  if (impl_->transport) impl_->transport->count(counters);
  return counters;
}

}  // namespace grenache::rpc
