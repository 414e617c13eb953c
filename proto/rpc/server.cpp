#include "proto/rpc/server.hpp"

#include <exception>
#include <vector>

#include "proto/base/check.hpp"
#include "proto/json/rpc_envelope.hpp"
#include "proto/net/gzip.hpp"
#include "proto/net/http_server.hpp"
#include "proto/net/steady_clock.hpp"

namespace grenache::rpc {

using json::RpcEnvelopeErrc;
using net::Awaitable;
using net::HttpReply;
using net::HttpRequest;

namespace {

net::HttpServer::Options http_options(Server::Options const& options) {
  net::HttpServer::Options http;
  http.body_bytes_max = options.body_bytes_max;
  http.connection_count_max = options.connection_count_max;
  http.idle_max = options.idle_max;
  http.too_large.body = "[null, \"ERR_REQUEST_SIZE\", null]";
  return http;
}

HttpReply refusal(RpcEnvelopeErrc code) {
  HttpReply reply;
  reply.status = code == RpcEnvelopeErrc::header_parse_gr ? 500 : 400;
  reply.body = json::rpc_refusal(code);
  return reply;
}

}  // namespace

struct Server::Impl {
  struct Announced {
    Link* link;
    std::string name;
  };

  /// What answering needs; a request under way keeps it.
  struct Service {
    Options options;
    Handler handler;
  };

  Impl(net::Executor const& executor, Options const& options, std::shared_ptr<Service const> const& service)
      : http{executor, http_options(options),
             [service](HttpRequest& request) { return handle(service, request); }} {}

  static Awaitable<HttpReply> handle(std::shared_ptr<Service const> service, HttpRequest& request);
  static Awaitable<Reply> call_handler(Service const& service, Request& request);
  static Awaitable<RpcResult<void>> ready(std::shared_ptr<Impl> self, Duration limit);
  static Awaitable<bool> stop(std::shared_ptr<Impl> self, Duration limit);
  void stop_announcing() {
    for (Announced const& each : announced) each.link->stop_announcing(each.name, http.local_endpoint().port);
    announced.clear();
  }

  net::HttpServer http;
  std::vector<Announced> announced;
};

Awaitable<Reply> Server::Impl::call_handler(Service const& service, Request& request) {
  Reply reply;
  try {
    reply = co_await service.handler(request);
  } catch (std::exception const&) {
    reply = Reply::failure("ERR_REQUEST_HANDLER");
  }
  co_return reply;
}

Awaitable<HttpReply> Server::Impl::handle(std::shared_ptr<Service const> service, HttpRequest& request) {
  bool const compressed = request.header("grc-compress") == "gzip";
  if (compressed) {
    // As Node: a body that does not expand is taken as it is. A bomb ends here too, and then is no JSON.
    auto expanded = net::gunzip(request.body, service->options.expanded_bytes_max);
    if (expanded) request.body = std::move(*expanded);
  }
  auto envelope = json::parse_rpc_request(request.body);
  if (request.has_header("_gr")) {
    json::RpcRequestEnvelope unused;
    auto const applied = json::apply_gr_header(request.header("_gr"), envelope ? *envelope : unused);
    if (!applied) co_return refusal(RpcEnvelopeErrc::header_parse_gr);
  }
  if (!envelope) co_return refusal(RpcEnvelopeErrc::request_parse);

  Request call;
  call.rid = envelope->rid;  // kept: the handler may move from its request
  call.key = std::move(envelope->key);
  call.payload = std::move(envelope->payload);
  call.peer = request.peer;
  Reply const outcome = co_await call_handler(*service, call);
  HttpReply reply;
  reply.body = outcome.error ? json::rpc_error_reply(envelope->rid, *outcome.error)
                             : json::rpc_reply(envelope->rid, outcome.result);
  if (compressed) reply.body = net::gzip(reply.body);
  co_return reply;
}

Awaitable<RpcResult<void>> Server::Impl::ready(std::shared_ptr<Impl> self, Duration limit) {
  TimePoint const deadline = net::steady_now() + limit;
  std::vector<Announced> const expected = self->announced;
  for (Announced const& each : expected) {
    Duration const left = deadline - net::steady_now();
    auto const confirmed = co_await each.link->announced(each.name, self->http.local_endpoint().port, left);
    if (!confirmed) co_return confirmed.error();
  }
  co_return RpcResult<void>{};
}

Awaitable<bool> Server::Impl::stop(std::shared_ptr<Impl> self, Duration limit) {
  self->stop_announcing();
  bool const graceful = co_await self->http.stop(limit);
  co_return graceful;
}

Server::Server(net::Executor const& executor, Options options, Handler handler) {
  auto service = std::make_shared<Impl::Service const>(Impl::Service{options, std::move(handler)});
  impl_ = std::make_shared<Impl>(executor, options, service);
}

Server::~Server() = default;

Result<Endpoint> Server::listen(Endpoint const& bind) { return impl_->http.listen(bind); }
Endpoint Server::local_endpoint() const { return impl_->http.local_endpoint(); }

void Server::announce(Link& link, std::string name) {
  GRN_CHECK(local_endpoint().port != 0);
  link.start_announcing(name, local_endpoint().port);
  impl_->announced.push_back(Impl::Announced{&link, std::move(name)});
}

Awaitable<RpcResult<void>> Server::ready(Duration limit) { return Impl::ready(impl_, limit); }
Awaitable<bool> Server::stop(Duration limit) { return Impl::stop(impl_, limit); }

}  // namespace grenache::rpc
