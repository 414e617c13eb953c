#include "exchange/console/playbook.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include <grenache/net/local_address.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/link.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;
using net::Awaitable;

namespace {

// The message of a failure; nothing on success.
using Failure = std::optional<std::string>;

constexpr Satoshi kAmount{kSatoshiPerBtc};
constexpr PriceCents kPrice{6'000'000};

std::string short_id(PeerId const& id) { return id.hex().substr(0, 12) + "…"; }

std::string seconds_text(Duration time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", std::chrono::duration<double>(time).count());
  return text;
}

std::string terms_text(OrderRecord const& order) {
  return std::string{to_text(order.side)} + " " + order.remaining.to_text() + " BTC at " +
         order.price.to_text() + " USD";
}

std::string failure_of(Output const& out) {
  if (auto const* const failed = std::get_if<output::CallFailed>(&out)) {
    return failed->endpoint.empty() ? failed->reason : failed->endpoint + ": " + failed->reason;
  }
  if (auto const* const refused = std::get_if<output::TakeRefused>(&out)) {
    return "refused as " + std::string{to_text(refused->refusal.code)} + ": " + refused->refusal.reason;
  }
  return "granted";
}

class Playbook {
 public:
  Playbook(net::Executor executor, PlaybookOptions options, Random random, Narrator& narrator, Log const& log)
      : executor_{std::move(executor)},
        options_{std::move(options)},
        random_{std::move(random)},
        narrator_{narrator},
        log_{log},
        tasks_{executor_},
        begun_{net::steady_now()} {}

  Awaitable<Failure> play();

 private:
  Awaitable<Failure> await_grape();
  Awaitable<Failure> start_peers();
  Awaitable<Failure> start(Exchange& peer);
  Awaitable<Failure> meet();
  Awaitable<Failure> ping();
  Awaitable<Failure> publish_buy();
  Awaitable<Failure> poll_matches();
  Awaitable<Failure> execute();
  Awaitable<Failure> check_invoice();
  Awaitable<Failure> execute_again();
  Awaitable<Failure> refuse_carol();
  Awaitable<Failure> show_redis();
  Awaitable<void> sell_later();
  Awaitable<void> stop();

  Exchange& alice() { return *peers_[0]; }
  Exchange& bob() { return *peers_[1]; }
  Exchange& carol() { return *peers_[2]; }
  TimePoint limit() const { return net::steady_deadline(options_.step_limit); }

  net::Executor executor_;
  PlaybookOptions options_;
  Random random_;
  Narrator& narrator_;
  Log const& log_;
  net::TaskGroup tasks_;
  TimePoint begun_;
  std::vector<std::unique_ptr<Exchange>> peers_;
  OrderRecord buy_;
  std::optional<OrderRecord> sell_;  // once Bob has published it
  Failure sell_failure_;
  std::optional<Match> match_;
  std::optional<output::TakeGranted> granted_;
};

Awaitable<Failure> Playbook::play() {
  Failure failure;
  for (auto const scene :
       {&Playbook::await_grape, &Playbook::start_peers, &Playbook::meet, &Playbook::ping,
        &Playbook::publish_buy, &Playbook::poll_matches, &Playbook::execute, &Playbook::check_invoice,
        &Playbook::execute_again, &Playbook::refuse_carol, &Playbook::show_redis}) {
    failure = co_await (this->*scene)();
    if (failure) break;
  }
  co_await stop();
  if (failure) {
    narrator_.failure(*failure);
  } else {
    narrator_.step("done", {}, "every check held, in " + seconds_text(net::steady_now() - begun_));
  }
  co_return failure;
}

Awaitable<void> Playbook::stop() {
  tasks_.cancel(asio::cancellation_type::terminal);
  (void)co_await tasks_.drained(std::chrono::seconds{1});
  for (auto const& peer : peers_) (void)co_await peer->stop();
}

Awaitable<Failure> Playbook::await_grape() {
  rpc::Link::Options link_options;
  link_options.grapes = options_.grapes;
  link_options.tls = options_.grape_tls;
  rpc::Link link{executor_, link_options, random_.fork()};
  auto const url = options_.grapes.front().to_string();
  auto ready = co_await link.wait_ready(std::chrono::milliseconds{500});
  auto const limit =
      std::to_string(std::chrono::ceil<std::chrono::seconds>(options_.grape_limit).count()) + " s";
  if (!ready) {
    narrator_.note("waiting", {},
                   "no grape answers at " + url + " yet (" + ready.error().detail + "), waiting up to " +
                       limit + "; to start one: grape --dp 20001 --aph 30001 --bn ''");
    ready = co_await link.wait_ready(options_.grape_limit);
  }
  co_await link.stop();
  if (!ready) co_return "no grape answers at " + url + " after " + limit + ": " + ready.error().detail;
  narrator_.step("grape", {}, "a grape answers at " + url, {{"grape", url}});
  co_return std::nullopt;
}

/// Starts a peer; prints a note if that takes longer than `patience`.
Awaitable<Failure> Playbook::start(Exchange& peer) {
  asio::steady_timer slow{executor_, options_.patience};
  slow.async_wait([this, &peer](Error const& error) {
    if (error) return;
    narrator_.note(
        "waiting", peer.name(),
        "waits for the grape and for the books of those that '" + options_.service + "' shows in the DHT");
  });
  auto failure = co_await peer.start();
  slow.cancel();
  co_return failure;
}

Awaitable<Failure> Playbook::start_peers() {
  for (auto const* const name : {"Alice", "Bob", "Carol"}) {
    Exchange::Options options;
    options.grapes = options_.grapes;
    options.service = options_.service;
    options.grape_tls = options_.grape_tls;
    options.bind = net::all_addresses();
    options.requires_own_address = true;
    options.redis = options_.redis;
    options.poll_interval = options_.poll_interval;
    options.start_limit = options_.step_limit;
    options.peer.name = name;
    auto key = SecretKey::generate(random_);
    auto& peer = *peers_.emplace_back(
        std::make_unique<Exchange>(executor_, std::move(options), key, random_.fork(), log_));
    auto const failure = co_await start(peer);
    if (failure) co_return std::string{name} + " cannot start: " + *failure;
    narrator_.step("start", name,
                   "is " + short_id(peer.peer().id()) + ", listens on port " + std::to_string(peer.port()) +
                       " and has announced '" + options_.service + "'",
                   {{"peer_id", peer.peer().id().hex()}, {"port", int{peer.port()}}});
  }
  co_return std::nullopt;
}

Awaitable<Failure> Playbook::meet() {
  auto const end = limit();
  for (auto const& peer : peers_) {
    for (auto const& other : peers_) {
      if (peer == other) continue;
      auto const has_met = [&] {
        return !peer->peer().endpoints_of(other->peer().id()).empty() && peer->peer().is_synced();
      };
      bool const met = co_await peer->wait_until(has_met, end);
      if (!met) {
        co_return peer->name() + " has not found " + other->name() + " in the DHT within " +
            seconds_text(options_.step_limit);
      }
    }
    narrator_.step("sync", peer->name(),
                   "has found the others in the DHT and read their books: " +
                       std::to_string(peer->peer().book().size()) + " orders",
                   {{"peers", std::uint64_t{peer->peer().endpoint_count()}},
                    {"orders", std::uint64_t{peer->peer().book().size()}}});
  }
  co_return std::nullopt;
}

Awaitable<Failure> Playbook::ping() {
  for (auto* const other : {&bob(), &carol()}) {
    auto const endpoint = alice().peer().endpoints_of(other->peer().id()).front();
    auto const begun = net::steady_now();
    auto const out = co_await alice().ping(endpoint);
    auto const took = std::chrono::duration_cast<std::chrono::microseconds>(net::steady_now() - begun);
    auto const* const pong = std::get_if<output::PongReceived>(&out);
    if (!pong) co_return "Alice's ping has no answer: " + failure_of(out);
    if (pong->peer != other->peer().id())
      co_return "somebody else than " + other->name() + " answers at " + endpoint;
    narrator_.step(
        "ping", "Alice",
        "pings " + pong->name + " at " + endpoint + ": pong after " + std::to_string(took.count()) + " µs",
        {{"peer", endpoint}, {"us", std::int64_t{took.count()}}});
  }
  co_return std::nullopt;
}

Awaitable<Failure> Playbook::publish_buy() {
  auto const order = alice().publish({Side::buy, kPrice, kAmount});
  if (!order) co_return "Alice cannot publish: " + order.error().message();
  buy_ = *order;
  narrator_.step(
      "publish", "Alice", "publishes order " + buy_.id + ": " + terms_text(buy_),
      {{"order", buy_.id}, {"side", "buy"}, {"amount", kAmount.to_text()}, {"price", kPrice.to_text()}});
  tasks_.spawn(sell_later());
  auto const end = limit();
  for (auto* const other : {&bob(), &carol()}) {
    auto const has_it = [&] { return other->peer().book().find(key_of(buy_)) != nullptr; };
    bool const arrived = co_await other->wait_until(has_it, end);
    if (!arrived) co_return "Alice's order has not reached " + other->name();
    narrator_.step("received", other->name(), "has Alice's order in the book", {{"order", buy_.id}});
  }
  co_return std::nullopt;
}

Awaitable<void> Playbook::sell_later() {
  asio::steady_timer timer{executor_};
  timer.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(options_.sell_delay));
  auto const [error] = co_await timer.async_wait(net::kTuple);
  if (error) co_return;
  auto const order = bob().publish({Side::sell, kPrice, kAmount});
  if (!order) {
    sell_failure_ = "Bob cannot publish: " + order.error().message();
    co_return;
  }
  sell_ = *order;
  narrator_.step(
      "publish", "Bob", "publishes order " + order->id + ": " + terms_text(*order),
      {{"order", order->id}, {"side", "sell"}, {"amount", kAmount.to_text()}, {"price", kPrice.to_text()}});
}

Awaitable<Failure> Playbook::poll_matches() {
  asio::steady_timer timer{executor_};
  auto const end = limit() + options_.sell_delay;
  for (int count = 1;; ++count) {
    timer.expires_after(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(options_.poll_interval));
    auto const [error] = co_await timer.async_wait(net::kTuple);
    if (error) co_return "interrupted";
    if (sell_failure_) co_return sell_failure_;
    // Other peers may trade through the same grape, so look for Bob's order.
    auto const matches = alice().matches(buy_.id);
    auto const bobs = std::ranges::find_if(
        matches, [&](Match const& match) { return match.order.maker == bob().peer().id(); });
    if (bobs != matches.end()) {
      match_ = *bobs;
      break;
    }
    if (net::steady_now() >= end) co_return "Alice has found no match for her order";
    narrator_.note("poll", "Alice", "polls for matches (" + std::to_string(count) + "): none yet",
                   {{"poll", count}, {"matches", std::uint64_t{matches.size()}}});
  }
  if (!sell_ || match_->order.id != sell_->id)
    co_return "Alice has found an order that Bob has not published";
  narrator_.step("match", "Alice",
                 "finds a match: Bob's order " + match_->order.id + ", " + match_->amount.to_text() +
                     " BTC at " + match_->order.price.to_text() + " USD",
                 {{"order", match_->order.id}, {"amount", match_->amount.to_text()}});
  co_return std::nullopt;
}

Awaitable<Failure> Playbook::execute() {
  auto const out = co_await alice().take(match_->order, match_->amount);
  auto const* const granted = std::get_if<output::TakeGranted>(&out);
  if (!granted) co_return "Bob has not granted the order to Alice, but " + failure_of(out);
  granted_ = *granted;
  auto const& response = granted->response;
  narrator_.step("execute", "Alice",
                 "asks Bob at " + granted->endpoint + " to execute it; he answers with an invoice:",
                 {{"order", response.order_id},
                  {"take", response.take_id},
                  {"expires_at", to_unix_ms(response.expires_at)},
                  {"invoice", response.lightning_invoice}});
  narrator_.note("invoice", "Bob", response.lightning_invoice);
  co_return std::nullopt;
}

Awaitable<Failure> Playbook::check_invoice() {
  auto const invoice = bolt11::decode(granted_->response.lightning_invoice);
  if (!invoice) co_return "the invoice cannot be decoded: " + invoice.error().message();
  narrator_.step("check", {}, "the invoice decodes; payment hash " + invoice->payment_hash.hex(),
                 {{"check", "decodes"}, {"payment_hash", invoice->payment_hash.hex()}});

  if (invoice->payee != bob().peer().id())
    co_return "the invoice is signed by " + invoice->payee.hex() + ", not by Bob";
  narrator_.step("check", {}, "it is signed by Bob's key " + invoice->payee.hex(),
                 {{"check", "payee"}, {"payee", invoice->payee.hex()}});

  auto const msat = static_cast<std::uint64_t>(match_->amount.units()) * 1000;
  if (invoice->amount_msat != msat) co_return "the invoice asks for another amount";
  auto const cost = notional(match_->amount, match_->order.price);
  narrator_.step(
      "check", {},
      "it asks for exactly " + match_->amount.to_text() + " BTC (" + cost.cents.to_text() + " USD)",
      {{"check", "amount"}, {"msat", msat}, {"usd", cost.cents.to_text()}});

  auto const left = std::chrono::floor<std::chrono::seconds>(invoice->expires_at() - net::wall_now());
  if (std::chrono::seconds{invoice->expiry_s} > kReservationLife)
    co_return "the invoice lives longer than 900 s";
  if (left.count() <= 0) co_return "the invoice has expired already";
  narrator_.step(
      "check", {},
      "it expires after " + std::to_string(invoice->expiry_s) + " s, " + std::to_string(left.count()) +
          " s from now",
      {{"check", "expiry"}, {"expiry_s", invoice->expiry_s}, {"left_s", std::int64_t{left.count()}}});
  co_return std::nullopt;
}

Awaitable<Failure> Playbook::execute_again() {
  auto const out = co_await alice().take(match_->order, match_->amount, granted_->response.take_id);
  auto const* const granted = std::get_if<output::TakeGranted>(&out);
  if (!granted) co_return "Alice has asked for the same take again: " + failure_of(out);
  if (granted->response.lightning_invoice != granted_->response.lightning_invoice) {
    co_return "Alice has asked for the same take again and got another invoice";
  }
  narrator_.step("repeat", "Alice", "asks for the same take again and gets the same invoice",
                 {{"take", granted->response.take_id}});
  co_return std::nullopt;
}

Awaitable<Failure> Playbook::refuse_carol() {
  auto const has_it = [&] { return carol().peer().book().find(key_of(match_->order)) != nullptr; };
  bool const arrived = co_await carol().wait_until(has_it, limit());
  if (!arrived) co_return "Bob's order has not reached Carol";
  auto const out = co_await carol().take(match_->order, match_->amount);
  auto const* const refused = std::get_if<output::TakeRefused>(&out);
  if (!refused) co_return "Carol was not refused, but " + failure_of(out);
  auto const& refusal = refused->refusal;
  if (refusal.code != RefusalCode::reserved) co_return "Carol was " + failure_of(out);
  if (refusal.retry_after.count() <= 0 || refusal.retry_after > kReservationLife) {
    co_return "Carol was not told when to ask again";
  }
  narrator_.step("refused", "Carol",
                 "asks for the same order and is refused (" + std::string{to_text(refusal.code)} +
                     "): " + refusal.reason,
                 {{"code", to_text(refusal.code)},
                  {"reason", refusal.reason},
                  {"retry_after_ms", std::int64_t{refusal.retry_after.count()}}});
  co_return std::nullopt;
}

Awaitable<Failure> Playbook::show_redis() {
  if (!options_.redis) co_return std::nullopt;
  auto const shown =
      co_await bob().show_reservation(match_->order.id, granted_->response.take_id, alice().peer().id());
  if (!shown) co_return "Redis does not show the reservation: " + shown.error().message();
  auto const life = shown->remaining_life;
  if (life.count() <= 0 || life > kReservationLife) co_return "the reservation in Redis has a wrong life";
  narrator_.step("redis", "Bob", "holds it in Redis for " + seconds_text(life) + " more: " + shown->key,
                 {{"key", shown->key}, {"remaining_ms", std::int64_t{life.count()}}});
  co_return std::nullopt;
}

}  // namespace

Awaitable<std::optional<std::string>> play(net::Executor executor, PlaybookOptions options, Random random,
                                           Narrator& narrator, Log const& log) {
  Playbook playbook{std::move(executor), std::move(options), std::move(random), narrator, log};
  auto failure = co_await playbook.play();
  co_return failure;
}

}  // namespace grenache::exchange
