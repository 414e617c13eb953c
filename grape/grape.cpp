#include "grape/grape.hpp"

namespace grenache::grape {

Grape::Grape(net::Executor executor, Options options, Log const& log)
    : options_{std::move(options)},
      log_{log},
      runner_{executor, log},
      api_{executor, runner_, {.body_bytes_max = options_.body_bytes_max}} {}

std::optional<std::string> Grape::start() {
  IpAddress const address = options_.bind.value_or(IpAddress{});
  Endpoint const dht{address, options_.dht_port};
  auto const listening = runner_.listen(dht, options_.node);
  if (!listening) return "cannot listen on UDP " + dht.to_string() + ": " + listening.error().message();
  dht_ = *listening;
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

net::Awaitable<void> Grape::stop() {
  (void)co_await api_.stop(std::chrono::milliseconds{500});
  co_await runner_.stop();
}

}  // namespace grenache::grape
