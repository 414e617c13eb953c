#include "grape/grape.hpp"

#include <grenache/base/hex.hpp>
#include <grenache/base/random.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::grape {

Grape::Grape(net::Executor executor, Options options, Log const& log)
    : executor_{executor},
      options_{std::move(options)},
      log_{log},
      run_{to_hex(Random::from_system().bytes(8))},
      runner_{executor, log, options_.name_lookup},
      api_{executor, runner_, options_.api, [this] { return status(); }} {}

std::optional<std::string> Grape::start() {
  if (auto failure = open_state()) return failure;
  IpAddress const address = options_.bind.value_or(IpAddress{});
  Endpoint const dht{address, options_.dht_port};
  auto const listening = runner_.listen(dht, options_.node);
  if (!listening) return "cannot listen on UDP " + dht.to_string() + ": " + listening.error().message();
  dht_ = *listening;
  started_ = net::steady_now();
  Endpoint const api{options_.api_bind.value_or(address), options_.api_port};
  auto const api_listening = api_.listen(api);
  if (!api_listening)
    return "cannot listen on TCP " + api.to_string() + ": " + api_listening.error().message();
  log_.info(
      "listening",
      {{"port", int{dht_.port}}, {"address", dht_.address.to_string()}, {"id", runner_.node().id().hex()}});
  log_.info("api_listening",
            {{"port", int{api_listening->port}}, {"address", api_listening->address.to_string()}});
  restore_state();
  is_restored_ = true;
  runner_.bootstrap(options_.bootstrap);
  if (saver_) saver_->start();
  return std::nullopt;
}

std::optional<std::string> Grape::open_state() {
  if (options_.state_folder.empty()) return std::nullopt;
  auto opened = StateFolder::open(options_.state_folder);
  std::string const name = options_.state_folder.string();
  if (!opened && opened.error() == boost::system::errc::resource_unavailable_try_again) {
    return "another grape is using the state folder " + name;
  }
  if (!opened) return "cannot use the state folder " + name + ": " + opened.error().message();
  saver_.emplace(
      executor_, std::move(*opened), options_.save_every,
      [this] { return encode_state(runner_.snapshot(), net::wall_now()); },
      [this](Error const& error) { warn_not_saved(error.message()); });
  return std::nullopt;
}

void Grape::restore_state() {
  if (!saver_) return;
  auto const loaded = saver_->folder().load(net::wall_now());
  if (!loaded.warning.empty()) {
    log_.warn("warning",
              {{"text", "starting without the saved state, which cannot be read: " + loaded.warning},
               {"file", saver_->folder().file().string()}});
  }
  if (!loaded.snapshot) return;
  runner_.restore(*loaded.snapshot);
  log_.info("restored", {{"id", runner_.node().id().hex()},
                         {"contacts", std::uint64_t{loaded.snapshot->contacts.size()}},
                         {"items", std::uint64_t{loaded.snapshot->items.size()}},
                         {"services", std::uint64_t{loaded.snapshot->services.size()}}});
}

void Grape::warn_not_saved(std::string const& reason) {
  log_.warn("warning",
            {{"text", "cannot save the state: " + reason}, {"file", saver_->folder().file().string()}});
}

Status Grape::status() const {
  TimePoint const now = net::steady_now();
  Status status;
  status.version = GRENACHE_VERSION;
  status.id = runner_.node().id();
  status.run = run_;
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
  if (saver_ && is_restored_) {
    bool const saved = co_await saver_->finish(options_.last_save_max);
    if (!saved) warn_not_saved("the disk does not answer");
  }
  co_await runner_.stop();
}

}  // namespace grenache::grape
