#include <cstdlib>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "exchange/console/playbook_cast.hpp"
#include "exchange/data_folder.hpp"
#include <grenache/net/local_address.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/rpc/link.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;
using net::Awaitable;

namespace playbook {

std::string seconds_text(Duration time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", std::chrono::duration<double>(time).count());
  return text;
}

std::string terms_text(OrderRecord const& order) {
  return std::string{to_text(order.side)} + " " + order.remaining.to_text() + " BTC at " +
         order.price.to_text() + " USD";
}

std::string text_of(CommandResult const& result) {
  if (auto const* const failure = std::get_if<result::Failure>(&result)) return failure->text;
  if (auto const* const view = std::get_if<result::PurchaseView>(&result)) {
    return "the take is " + std::string{result::to_text(view->state)};
  }
  return "another answer came";
}

namespace {

std::string short_id(PeerId const& id) { return id.hex().substr(0, 12) + "…"; }

}  // namespace

Cast::Cast(net::Executor e, PlaybookOptions o, Random r, Narrator& n, Log const& l)
    : executor{std::move(e)}, options{std::move(o)}, narrator{n}, random_{std::move(r)}, log_{l} {}

Cast::~Cast() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

TimePoint Cast::limit() const { return net::steady_deadline(options.step_limit); }

Awaitable<void> Cast::sleep(Duration time) const {
  asio::steady_timer timer{executor};
  timer.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(time));
  (void)co_await timer.async_wait(net::kTuple);
}

Awaitable<Failure> Cast::await_grape() {
  rpc::Link::Options link_options;
  link_options.grapes = options.grapes;
  link_options.tls = options.grape_tls;
  rpc::Link link{executor, link_options, random_.fork()};
  auto const url = options.grapes.front().to_string();
  auto ready = co_await link.wait_ready(std::chrono::milliseconds{500});
  auto const limit_text =
      std::to_string(std::chrono::ceil<std::chrono::seconds>(options.grape_limit).count()) + " s";
  if (!ready) {
    narrator.note("waiting", {},
                  "no grape answers at " + url + " yet (" + ready.error().detail + "), waiting up to " +
                      limit_text + "; to start one: grape --dp 20001 --aph 30001 --bn ''");
    ready = co_await link.wait_ready(options.grape_limit);
  }
  co_await link.stop();
  if (!ready) co_return "no grape answers at " + url + " after " + limit_text + ": " + ready.error().detail;
  narrator.step("grape", {}, "a grape answers at " + url, {{"grape", url}});
  co_return std::nullopt;
}

/// Starts a peer; prints a note if that takes longer than `patience`.
Awaitable<Failure> Cast::start(Exchange& peer) {
  asio::steady_timer slow{executor, options.patience};
  slow.async_wait([this, &peer](Error const& error) {
    if (error) return;
    narrator.note(
        "waiting", peer.name(),
        "waits for the grape and for the books of those that '" + options.service + "' shows in the DHT");
  });
  auto failure = co_await peer.start();
  slow.cancel();
  co_return failure;
}

Exchange::Options Cast::options_of(std::string const& name) const {
  Exchange::Options out;
  out.grapes = options.grapes;
  out.service = options.service;
  out.grape_tls = options.grape_tls;
  out.bind = net::all_addresses();
  out.requires_grape = true;
  out.requires_own_address = true;
  out.redis = options.redis;
  out.is_new_identity = true;
  out.poll_interval = options.poll_interval;
  out.start_limit = options.step_limit;
  out.trader.name = name;
  return out;
}

Awaitable<Failure> Cast::add(std::string name, Exchange::Options peer_options) {
  auto key = SecretKey::generate(random_);
  auto& peer = *peers_.emplace_back(
      std::make_unique<Exchange>(executor, std::move(peer_options), key, random_.fork(), std::nullopt, log_));
  auto const failure = co_await start(peer);
  if (failure) co_return name + " cannot start: " + *failure;
  tell_started(peer, name);
  co_return std::nullopt;
}

void Cast::tell_started(Exchange& peer, std::string const& name) {
  narrator.step("start", name,
                "is " + short_id(peer.trader().id()) + ", listens on port " + std::to_string(peer.port()) +
                    " and has announced '" + options.service + "'",
                {{"peer_id", peer.trader().id().hex()}, {"port", int{peer.port()}}});
}

Awaitable<Failure> Cast::start_kept(std::string name) {
  if (folder_.empty()) {
    auto pattern = (std::filesystem::temp_directory_path() / "grenache-playbook-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) co_return "cannot make a temporary folder";
    folder_ = pattern;
  }
  auto opened = open_data_folder(folder_ / name, random_);
  if (!opened) co_return opened.error();
  kept_lock_ = std::move(opened->lock);
  auto peer_options = options_of(name);
  peer_options.redis.reset();
  kept_ = std::make_unique<Exchange>(executor, std::move(peer_options), opened->identity, random_.fork(),
                                     std::move(opened->journal), log_);
  auto const failure = co_await start(*kept_);
  if (failure) co_return name + " cannot start: " + *failure;
  tell_started(*kept_, name);
  co_return std::nullopt;
}

void Cast::kill_kept() {
  kept_.reset();
  kept_lock_.reset();
}

Awaitable<void> Cast::stop() {
  for (auto const& peer : peers_) (void)co_await peer->stop();
  if (kept_) (void)co_await kept_->stop();
}

Awaitable<Failure> Cast::until_met(Exchange& peer, Exchange& other) {
  auto const has_met = [&] {
    return !peer.trader().peers().endpoints_of(other.trader().id()).empty() && peer.trader().is_synced();
  };
  bool const met = co_await peer.wait_until(has_met, limit());
  if (met) co_return std::nullopt;
  co_return peer.name() + " has not found " + other.name() + " in the DHT within " +
      seconds_text(options.step_limit);
}

Awaitable<Failure> Cast::until_seen(Exchange& peer, OrderRecord const& order, OrderStatus status,
                                    Satoshi remaining) {
  auto const key = key_of(order);
  auto const is_there = [&] {
    auto const* const found = peer.trader().book().find(key);
    return found && found->status == status && found->remaining == remaining;
  };
  bool const arrived = co_await peer.wait_until(is_there, limit());
  if (arrived) co_return std::nullopt;
  co_return "order " + order.id + " is not " + std::string{to_text(status)} + " with " + remaining.to_text() +
      " BTC in the book of " + peer.name();
}

Awaitable<Failure> Cast::publish(Exchange& peer, command::AddOrder terms, OrderRecord& order) {
  Command command{std::move(terms)};
  auto const answer = co_await peer.execute(std::move(command));
  auto const* const placed = std::get_if<result::Placed>(&answer);
  if (!placed) co_return peer.name() + " cannot publish: " + text_of(answer);
  order = placed->order.order;
  narrator.step("publish", peer.name(), "publishes order " + order.id + ": " + terms_text(order),
                {{"order", order.id},
                 {"side", to_text(order.side)},
                 {"amount", order.amount.to_text()},
                 {"price", order.price.to_text()}});
  co_return std::nullopt;
}

}  // namespace playbook

Awaitable<std::optional<std::string>> play(net::Executor executor, PlaybookOptions options, Random random,
                                           Narrator& narrator, Log const& log) {
  auto const begun = net::steady_now();
  playbook::Cast cast{std::move(executor), std::move(options), std::move(random), narrator, log};
  auto failure = co_await playbook::play_trade(cast);
  if (!failure) failure = co_await playbook::play_troubles(cast);
  co_await cast.stop();
  if (failure) {
    narrator.failure(*failure);
  } else {
    narrator.step("done", {}, "every check held, in " + playbook::seconds_text(net::steady_now() - begun));
  }
  co_return failure;
}

}  // namespace grenache::exchange
