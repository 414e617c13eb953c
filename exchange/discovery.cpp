#include "exchange/discovery.hpp"

#include <utility>

#include <boost/asio/steady_timer.hpp>

#include <grenache/net/local_address.hpp>
#include <grenache/rpc/shown_at.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;
using net::Awaitable;

namespace {

/// A lookup that returns this many endpoints may lack ours (grape::Service::Options::peer_count_max).
constexpr std::size_t kShownMax = 100;
/// A person waits so long for the message that no grape answers.
constexpr Duration kFirstWait = std::chrono::seconds{1};

constexpr char const* kOver = "stopped";
/// A market is looked up in one of so many rounds.
constexpr std::size_t kMarketRounds = 5;

std::string join(std::vector<rpc::GrapeUrl> const& grapes) {
  std::string out;
  for (auto const& grape : grapes) out += (out.empty() ? "" : ", ") + grape.to_string();
  return out;
}

}  // namespace

std::string market_name(std::string const& service, Side side) {
  return service + ":BTC/USD:" + std::string{to_text(side)};
}

/// Owned by the coroutines too. Each looks at `is_over` after it has waited.
struct Discovery::State {
  static Awaitable<std::optional<std::string>> start(std::shared_ptr<State> self);
  static Awaitable<void> start_patiently(std::shared_ptr<State> self);
  static Awaitable<void> poll(std::shared_ptr<State> self);
  /// Announces the markets in which we have orders, and ends the announcements of others.
  void announce_markets();
  /// Reports the address that the DHT shows. Warns, or fails if `requires_own_address`, when it is not an
  /// address of this host.
  [[nodiscard]] std::optional<std::string> find_own_address(std::vector<std::string> const& found) const;
  /// Why no grape answers and, if the first one would run on this machine, how to start it.
  [[nodiscard]] std::string no_grape(std::string const& why) const;
  void set_text(bool is_answering, std::string now);

  net::Executor executor;
  rpc::Link& link;
  rpc::Server& server;
  Log const& log;
  Options options;
  Callbacks callbacks;
  bool has_polled = false;
  bool is_announcing = false;
  bool is_over = false;
  std::optional<bool> answers{};  // as reported
  std::string text{};
};

std::string Discovery::State::no_grape(std::string const& why) const {
  auto out = "no grape answers at " + join(options.grapes) + ": " + why;
  if (options.grapes.empty()) return out;
  auto const& first = options.grapes.front();
  bool const is_plain = !first.uses_tls && first.base_path.empty();
  bool const is_here = first.at.host == "127.0.0.1" || first.at.host == "localhost";
  if (!is_plain || !is_here) return out;
  return out + "; start one with: grape --dp 20001 --aph " + std::to_string(first.at.port) + " --bn ''";
}

void Discovery::State::set_text(bool is_answering, std::string now) {
  text = std::move(now);
  if (answers == is_answering) return;
  answers = is_answering;
  if (callbacks.on_state) callbacks.on_state(is_answering, text);
}

Awaitable<std::optional<std::string>> Discovery::State::start(std::shared_ptr<State> self) {
  auto const grapes = join(self->options.grapes);
  auto const limit = self->options.start_limit;
  auto const ready = co_await self->link.wait_ready(limit);
  if (self->is_over) co_return kOver;
  if (!ready) {
    self->text = "no grape answers at " + grapes + ": " + ready.error().text();
    co_return self->text;
  }
  self->text = grapes + " answers";
  if (!std::exchange(self->is_announcing, true)) self->server.announce(self->link, self->options.service);
  auto const announced = co_await self->server.ready(limit);
  if (self->is_over) co_return kOver;
  if (!announced) {
    self->text = "cannot announce the service: " + announced.error().text();
    co_return self->text;
  }
  auto const found = co_await self->link.lookup(self->options.service);
  if (self->is_over) co_return kOver;
  if (!found || found->size() >= kShownMax) co_return std::nullopt;
  co_return self->find_own_address(*found);
}

Awaitable<void> Discovery::State::start_patiently(std::shared_ptr<State> self) {
  auto limit = kFirstWait;
  for (;;) {
    auto const ready = co_await self->link.wait_ready(limit);
    auto const cancelled = co_await asio::this_coro::cancellation_state;
    if (self->is_over || cancelled.cancelled() != asio::cancellation_type::none) co_return;
    limit = self->options.start_limit;
    if (!ready) {
      self->set_text(false, self->no_grape(ready.error().text()));
      continue;
    }
    auto const failure = co_await start(self);
    auto const ended = co_await asio::this_coro::cancellation_state;
    if (self->is_over || ended.cancelled() != asio::cancellation_type::none) co_return;
    self->set_text(!failure, failure.value_or(join(self->options.grapes) + " answers"));
    if (!failure) co_return;
  }
}

void Discovery::State::announce_markets() {
  auto const port = server.local_endpoint().port;
  for (auto const side : {Side::buy, Side::sell}) {
    auto const name = market_name(options.service, side);
    if (callbacks.has_orders(side)) {
      link.start_announcing(name, port);
    } else {
      link.stop_announcing(name, port);
    }
  }
}

Awaitable<void> Discovery::State::poll(std::shared_ptr<State> self) {
  asio::steady_timer timer{self->executor};
  auto const interval =
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(self->options.poll_interval);
  for (std::size_t round = 0;; ++round) {
    if (self->is_over) co_return;
    self->announce_markets();
    auto const found = co_await self->link.lookup(self->options.service);
    if (self->is_over) co_return;
    if (found) {
      self->callbacks.on_found(*found);
      self->set_text(true, join(self->options.grapes) + " answers");
    } else if (found.error().code == rpc::Errc::grape_unreachable) {
      self->set_text(false, self->no_grape(found.error().text()));
    }
    self->has_polled = true;
    if (found && round % kMarketRounds == 0) {
      auto const side = round / kMarketRounds % 2 == 0 ? Side::sell : Side::buy;
      auto const offering = co_await self->link.lookup(market_name(self->options.service, side));
      if (self->is_over) co_return;
      if (offering) self->callbacks.on_found(*offering);
    }
    timer.expires_after(interval);
    auto const [error] = co_await timer.async_wait(net::kTuple);
    if (error || self->is_over) co_return;
  }
}

std::optional<std::string> Discovery::State::find_own_address(std::vector<std::string> const& found) const {
  bool const grape_is_here = rpc::may_be_here(options.grapes, net::is_of_this_host);
  auto const shown = rpc::shown_at(found, server.local_endpoint(), grape_is_here, net::is_of_this_host);
  std::optional<Endpoint> own = shown.here;
  if (!own && shown.elsewhere.size() == 1) own = shown.elsewhere.front();
  if (!shown.here && !shown.elsewhere.empty()) {
    std::string const where = shown.elsewhere.back().to_string();
    if (options.requires_own_address) {
      std::string const why = grape_is_here ? "a router stands between this host and the other grapes"
                                            : "the grape at " + join(options.grapes) +
                                                  " runs on another host; use one on this host";
      return "the DHT shows it at " + where + ", which is no address of this host: " + why;
    }
    if (options.takes_shown_address) {
      std::string const advice =
          "the DHT shows this peer at an address of another host: behind a router forward the port, else "
          "announce through a grape on this host";
      log.warn("shown_elsewhere", {{"endpoint", where}, {"text", advice}});
      if (callbacks.on_warning) callbacks.on_warning(advice + " (" + where + ")");
    }
  }
  if (own && options.takes_shown_address) callbacks.on_own_endpoint(own->to_string());
  return std::nullopt;
}

Discovery::Discovery(net::Executor executor, rpc::Link& link, rpc::Server& server, Log const& log,
                     Options options, Callbacks callbacks)
    : state_{new State{std::move(executor), link, server, log, std::move(options), std::move(callbacks)}} {
  state_->text = "not asked yet: " + join(state_->options.grapes);
}
Discovery::~Discovery() { stop(); }

void Discovery::stop() { state_->is_over = true; }

Awaitable<std::optional<std::string>> Discovery::start() { return State::start(state_); }
Awaitable<void> Discovery::start_patiently() { return State::start_patiently(state_); }
Awaitable<void> Discovery::poll() { return State::poll(state_); }
bool Discovery::has_polled() const { return state_->has_polled; }
std::string const& Discovery::state() const { return state_->text; }

}  // namespace grenache::exchange
