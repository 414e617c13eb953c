#include "grape/http_api.hpp"

#include <utility>

namespace grenache::grape {
namespace {

using json::GrapeErrc;
using json::GrapeRoute;

net::HttpReply error_reply(GrapeErrc code) {
  auto answer = json::error_answer(code);
  return {answer.status, std::move(answer.body), {}};
}

net::HttpReply error_reply(Error const& error) {
  if (error == make_error_code(ServiceErrc::too_many_requests)) return {200, "\"ERR_GRAPE_BUSY\"", {}};
  return {500, "", {}};  // cut off by a stop
}

net::HttpServer::Options server_options(HttpApi::Options const& options) {
  net::HttpServer::Options out;
  out.body_bytes_max = options.body_bytes_max;
  out.too_large = error_reply(GrapeErrc::payload_size);
  out.malformed = {400, "", {}};
  return out;
}

}  // namespace

HttpApi::HttpApi(net::Executor executor, NodeRunner& runner, Options options)
    : runner_{runner},
      server_{std::move(executor), server_options(options),
              [this](net::HttpRequest& request) { return handle(request); }} {}

net::Awaitable<net::HttpReply> HttpApi::handle(net::HttpRequest& request) {
  auto const parsed = json::parse_grape_request(request.target, request.body);
  if (!parsed) co_return error_reply(static_cast<GrapeErrc>(parsed.error().value()));
  if (parsed->route == GrapeRoute::announce) {
    auto data = json::parse_announce_data(parsed->data);
    if (!data) co_return error_reply(static_cast<GrapeErrc>(data.error().value()));
    co_return co_await announce(std::move(*data));
  }
  if (parsed->route == GrapeRoute::lookup) {
    auto name = json::parse_lookup_data(parsed->data);
    if (!name) co_return error_reply(static_cast<GrapeErrc>(name.error().value()));
    co_return co_await lookup(std::move(*name));
  }
  co_return error_reply(GrapeErrc::request_not_found);
}

net::Awaitable<net::HttpReply> HttpApi::announce(json::GrapeAnnounce announce) {
  auto const key = dht::ServiceKey::from_bytes(announce.name);
  if (!key) co_return error_reply(GrapeErrc::announce);
  auto const stored = co_await runner_.announce(*key, announce.port);
  if (!stored) co_return error_reply(stored.error());
  net::HttpReply reply;
  reply.body = json::announce_answer(static_cast<std::uint32_t>(*stored));
  co_return reply;
}

net::Awaitable<net::HttpReply> HttpApi::lookup(std::string name) {
  auto const key = dht::ServiceKey::from_bytes(name);
  if (!key) co_return error_reply(GrapeErrc::lookup);
  auto const peers = co_await runner_.lookup(*key);
  if (!peers) co_return error_reply(peers.error());
  net::HttpReply reply;
  reply.body = json::lookup_answer(*peers);
  co_return reply;
}

}  // namespace grenache::grape
