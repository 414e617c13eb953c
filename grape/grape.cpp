#include "grape/grape.hpp"

#include <boost/asio/co_spawn.hpp>

#include <grenache/net/steady_clock.hpp>

namespace grenache::grape {
namespace {

net::Awaitable<Error> write_state(std::filesystem::path file, std::string bytes) {
  auto const written = replace_private_file(file, bytes);
  if (!written) co_return written.error();
  co_return Error{};
}

}  // namespace

Grape::Grape(net::Executor executor, Options options, Log const& log)
    : options_{std::move(options)},
      log_{log},
      runner_{executor, log},
      api_{executor, runner_, options_.api, [this] { return status(); }},
      tasks_{executor},
      halt_{executor} {}

std::optional<std::string> Grape::start() {
  if (auto failure = open_state()) return failure;
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
  restore_state();
  runner_.bootstrap(options_.bootstrap);
  if (state_) tasks_.spawn(save_loop());
  return std::nullopt;
}

std::optional<std::string> Grape::open_state() {
  if (options_.state_folder.empty()) return std::nullopt;
  auto opened = StateFolder::open(options_.state_folder);
  std::string const name = options_.state_folder.string();
  if (!opened && opened.error() == boost::system::errc::resource_unavailable_try_again) {
    return "another grape uses the state in " + name;
  }
  if (!opened) return "cannot keep state in " + name + ": " + opened.error().message();
  state_.emplace(std::move(*opened));
  disk_.emplace(1);
  return std::nullopt;
}

void Grape::restore_state() {
  if (!state_) return;
  auto const loaded = state_->load();
  if (!loaded.warning.empty()) {
    log_.warn("warning", {{"text", "a fresh start, as the state cannot be read: " + loaded.warning},
                          {"file", state_->file().string()}});
  }
  if (!loaded.snapshot) return;
  runner_.restore(*loaded.snapshot);
  log_.info("restored", {{"id", runner_.node().id().hex()},
                         {"contacts", std::uint64_t{loaded.snapshot->contacts.size()}},
                         {"items", std::uint64_t{loaded.snapshot->items.size()}},
                         {"services", std::uint64_t{loaded.snapshot->services.size()}}});
}

void Grape::tell_save_failure(Error const& error) {
  log_.warn("warning",
            {{"text", "cannot save the state: " + error.message()}, {"file", state_->file().string()}});
}

net::Awaitable<void> Grape::save_loop() {
  while (!stopping_) {
    std::string bytes = encode_state(runner_.snapshot());
    auto writing = boost::asio::co_spawn(*disk_, write_state(state_->file(), std::move(bytes)), net::kTuple);
    auto const [thrown, error] = co_await std::move(writing);
    if (thrown || error) tell_save_failure(error);
    TimePoint const next = net::steady_now() + options_.save_every;
    while (!stopping_) {
      net::Wake const wake = co_await halt_.wait(next);
      if (wake == net::Wake::cancelled) co_return;
      if (wake == net::Wake::timed_out) break;
    }
  }
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
  stopping_ = true;
  halt_.notify_all();
  (void)co_await tasks_.drained(std::chrono::seconds{5});
  if (state_) {
    auto const saved = replace_private_file(state_->file(), encode_state(runner_.snapshot()));
    if (!saved) tell_save_failure(saved.error());
  }
  co_await runner_.stop();
}

}  // namespace grenache::grape
