#include "tests/support/misbehaving_grape.hpp"

#include <algorithm>

#include <grenache/json/grape_api.hpp>

namespace grenache::test {

MisbehavingGrape::MisbehavingGrape(net::Executor const& executor, std::uint16_t port,
                                   net::HttpServer::Options options, std::string base_path)
    : announced{executor},
      unannounced{executor},
      base_path_{std::move(base_path)},
      released_{executor},
      server_{executor, std::move(options), [this](net::HttpRequest& request) { return answer(request); }} {
  server_.listen({IpAddress{127, 0, 0, 1}, port}).value();
}

HostPort MisbehavingGrape::address() const { return {"127.0.0.1", server_.local_endpoint().port}; }

void MisbehavingGrape::add(std::string const& name, std::string const& destination) {
  auto& destinations = services[name];
  if (std::ranges::count(destinations, destination) == 0) destinations.push_back(destination);
}

void MisbehavingGrape::release() {
  held_ = false;
  released_.notify_all();
}

net::Awaitable<net::HttpReply> MisbehavingGrape::answer(net::HttpRequest& request) {
  net::HttpReply reply = reply_to(request);
  while (held_) {
    net::Wake const wake = co_await released_.wait();
    if (wake == net::Wake::cancelled) break;
  }
  co_return reply;
}

net::HttpReply MisbehavingGrape::reply_to(net::HttpRequest& request) {
  net::HttpReply reply;
  if (!request.target.starts_with(base_path_)) {
    reply.status = 404;
    return reply;
  }
  request.target.remove_prefix(base_path_.size());
  if (request.target == "/health") ++health_count;
  if (request.target == "/health" && !(health.empty() && id.empty())) {
    reply.status = health.empty() ? 200 : 503;
    reply.body = json::to_text(
        json::Value::object({{"status", health.empty() ? "ok" : health}, {"id", id}, {"run", run}}));
    return reply;
  }
  auto const message = json::parse_grape_request(request.target, request.body);
  if (!message) {
    auto const refusal = json::error_answer(static_cast<json::GrapeErrc>(message.error().value()));
    reply.status = refusal.status;
    reply.body = refusal.body;
    return reply;
  }
  if (message->route == json::GrapeRoute::lookup) {
    ++lookup_count;
    std::vector<Endpoint> peers;
    for (std::string const& each : services[json::parse_lookup_data(message->data).value()]) {
      peers.push_back(Endpoint::parse(each).value());
    }
    reply.body = json::lookup_answer(peers);
  } else if (message->route == json::GrapeRoute::unannounce) {
    ++unannounce_count;
    unannounced.notify_all();
    auto const entry = json::parse_announce_data(message->data).value();
    if (knows_unannounce) {
      std::erase(services[entry.name], "127.0.0.1:" + std::to_string(entry.port));
      reply.body = json::announce_answer(1);
    } else {
      reply.body = json::error_answer(json::GrapeErrc::request_not_found).body;
    }
  } else {
    auto const entry = json::parse_announce_data(message->data).value();
    add(entry.name, "127.0.0.1:" + std::to_string(entry.port));
    ++announce_count;
    announced.notify_all();
    reply.body = json::announce_answer(1);
  }
  if (!error.empty()) reply.body = error;
  return reply;
}

}  // namespace grenache::test
