#include "grape/grape.hpp"

#include "proto/net/steady_clock.hpp"

namespace grenache::grape {

Grape::Grape(net::Executor executor, Options options, Log const& log)
    : options_{std::move(options)},
      log_{log},
      runner_{executor, log},
      api_{executor, runner_, options_.api, [this] { return status(); }} {}

std::optional<std::string> Grape::start() {
  IpAddress const address = options_.bind.value_or(IpAddress{});
  Endpoint const dht{address, options_.dht_port};
  auto const listening = runner_.listen(dht, options_.node);
  if (!listening) return "cannot listen on UDP " + dht.to_string() + ": " + listening.error().message();
  dht_ = *listening;
  started_ = net::steady_now();
  Endpoint const api{address, options_.api_port};
  auto const api_listening = api_.listen(api);
  if (!api_listening)
    return "cannot listen on TCP " + api.to_string() + ": " + api_listening.error().message();
  log_.info(
      "listening",
      {{"port", int{dht_.port}}, {"address", dht_.address.to_string()}, {"id", runner_.node().id().hex()}});
  log_.info("api_listening",
            {{"port", int{api_listening->port}}, {"address", api_listening->address.to_string()}});
  runner_.bootstrap(options_.bootstrap);
  return std::nullopt;
}

Status Grape::status() const {
  TimePoint const now = net::steady_now();
  Status status;
  status.version = GRENACHE_VERSION;
  status.id = runner_.node().id();
  status.dht = dht_;
  status.api = api_.local_endpoint();
  status.bootstrap_count = options_.bootstrap.size();
  status.uptime = now - started_;
  if (auto const found = runner_.last_found()) status.last_lookup_age = now - *found;
  status.node = runner_.node().stats();
  status.socket = runner_.socket_counters();
  status.http = api_.counters();
  status.http_connections = api_.connection_count();
  status.process = process_use();
  return status;
}

net::Awaitable<void> Grape::stop() {
  (void)co_await api_.stop(std::chrono::milliseconds{500});
  co_await runner_.stop();
}

}  // namespace grenache::grape
