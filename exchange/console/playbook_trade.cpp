#include <algorithm>
#include <cstdint>

#include "exchange/console/playbook_cast.hpp"
#include "exchange/history.hpp"
#include "exchange/messages/bolt11.hpp"
#include <grenache/net/steady_clock.hpp>

namespace grenache::exchange::playbook {

using net::Awaitable;

namespace {

constexpr PriceCents kPrice{6'000'000};

command::AddOrder terms_of(Side side) {
  command::AddOrder out;
  out.side = side;
  out.price = kPrice;
  out.amount = kAmount;
  return out;
}

class Trade {
 public:
  explicit Trade(Cast& cast) : cast_{cast}, narrator_{cast.narrator} {}

  Awaitable<Failure> play();

 private:
  Awaitable<Failure> start_peers();
  Awaitable<Failure> meet();
  Awaitable<Failure> ping();
  Awaitable<Failure> publish_buy();
  Awaitable<Failure> poll_matches();
  Awaitable<Failure> accept();
  Awaitable<Failure> check_invoice();
  Awaitable<Failure> accept_again();
  Awaitable<Failure> refuse_carol();
  Awaitable<Failure> show_redis();
  Awaitable<Failure> pay();
  Awaitable<Failure> check_books();

  Cast& cast_;
  Narrator& narrator_;
  OrderRecord buy_;
  OrderRecord sell_;
  result::OrderView match_;
  result::PurchaseView take_;
};

Awaitable<Failure> Trade::play() {
  for (auto const scene : {&Trade::start_peers, &Trade::meet, &Trade::ping, &Trade::publish_buy,
                           &Trade::poll_matches, &Trade::accept, &Trade::check_invoice, &Trade::accept_again,
                           &Trade::refuse_carol, &Trade::show_redis, &Trade::pay, &Trade::check_books}) {
    auto failure = co_await (this->*scene)();
    if (failure) co_return failure;
  }
  co_return std::nullopt;
}

Awaitable<Failure> Trade::start_peers() {
  auto failure = co_await cast_.await_grape();
  for (std::string const name : {"Alice", "Bob", "Carol"}) {
    if (failure) break;
    auto options = cast_.options_of(name);
    failure = co_await cast_.add(name, std::move(options));
  }
  co_return failure;
}

Awaitable<Failure> Trade::meet() {
  for (auto* const peer : {&cast_.alice(), &cast_.bob(), &cast_.carol()}) {
    for (auto* const other : {&cast_.alice(), &cast_.bob(), &cast_.carol()}) {
      if (peer == other) continue;
      auto failure = co_await cast_.until_met(*peer, *other);
      if (failure) co_return failure;
    }
    auto const& trader = peer->trader();
    narrator_.step("sync", peer->name(),
                   "has found the others in the DHT and read their books: " +
                       std::to_string(trader.book().size()) + " orders",
                   {{"peers", std::uint64_t{trader.peers().met().size()}},
                    {"orders", std::uint64_t{trader.book().size()}}});
  }
  co_return std::nullopt;
}

Awaitable<Failure> Trade::ping() {
  for (auto* const other : {&cast_.bob(), &cast_.carol()}) {
    auto const endpoint = cast_.alice().trader().peers().endpoints_of(other->trader().id()).front();
    auto const begun = net::steady_now();
    Command command{command::Connect{endpoint}};
    auto const answer = co_await cast_.alice().execute(std::move(command));
    auto const took = std::chrono::duration_cast<std::chrono::microseconds>(net::steady_now() - begun);
    auto const* const pong = std::get_if<result::Connected>(&answer);
    if (!pong) co_return "Alice's ping has no answer: " + text_of(answer);
    if (pong->peer != other->trader().id()) {
      co_return "somebody else than " + other->name() + " answers at " + endpoint;
    }
    narrator_.step(
        "ping", "Alice",
        "pings " + pong->name + " at " + endpoint + ": pong after " + std::to_string(took.count()) + " µs",
        {{"peer", endpoint}, {"us", std::int64_t{took.count()}}});
  }
  co_return std::nullopt;
}

Awaitable<Failure> Trade::publish_buy() {
  auto failure = co_await cast_.publish(cast_.alice(), terms_of(Side::buy), buy_);
  for (auto* const other : {&cast_.bob(), &cast_.carol()}) {
    if (failure) co_return failure;
    failure = co_await cast_.until_seen(*other, buy_, OrderStatus::open, buy_.amount);
    if (!failure)
      narrator_.step("received", other->name(), "has Alice's order in the book", {{"order", buy_.id}});
  }
  co_return failure;
}

Awaitable<Failure> Trade::poll_matches() {
  auto const sell_at = net::steady_deadline(cast_.options.sell_delay);
  auto const end = later_by(sell_at, cast_.options.step_limit);
  for (int count = 1;; ++count) {
    co_await cast_.sleep(cast_.options.poll_interval);
    if (sell_.id.empty() && net::steady_now() >= sell_at) {
      auto failure = co_await cast_.publish(cast_.bob(), terms_of(Side::sell), sell_);
      if (failure) co_return failure;
    }
    Command command{command::ListMatches{buy_.id}};
    auto const answer = co_await cast_.alice().execute(std::move(command));
    auto const* const list = std::get_if<result::OrderList>(&answer);
    if (!list) co_return "Alice cannot list matches: " + text_of(answer);
    // Other peers may trade through the same grape, so look for Bob's order.
    auto const bobs = std::ranges::find_if(
        list->orders, [&](auto const& view) { return view.order.maker == cast_.bob().trader().id(); });
    if (bobs != list->orders.end()) {
      match_ = *bobs;
      break;
    }
    if (net::steady_now() >= end) co_return "Alice has found no match for her order";
    narrator_.note("poll", "Alice", "polls for matches (" + std::to_string(count) + "): none yet",
                   {{"poll", count}, {"matches", std::uint64_t{list->orders.size()}}});
  }
  if (match_.order.id != sell_.id) co_return "Alice has found an order that Bob has not published";
  narrator_.step("match", "Alice",
                 "finds a match: Bob's order " + match_.order.id + ", " + match_.matched.to_text() +
                     " BTC at " + match_.order.price.to_text() + " USD",
                 {{"order", match_.order.id}, {"amount", match_.matched.to_text()}});
  co_return std::nullopt;
}

command::AcceptOrder accept_of(OrderRecord const& order, std::string for_order = {}) {
  command::AcceptOrder out;
  out.id = order.id;
  out.price = order.price;
  out.for_order = std::move(for_order);
  return out;
}

Awaitable<Failure> Trade::accept() {
  Command command{accept_of(match_.order, buy_.id)};
  auto const answer = co_await cast_.alice().execute(std::move(command));
  auto const* const view = std::get_if<result::PurchaseView>(&answer);
  if (!view) co_return "Bob has not granted the order to Alice: " + text_of(answer);
  take_ = *view;
  narrator_.step("execute", "Alice", "asks Bob to execute it; he answers with an invoice:",
                 {{"order", take_.order_id},
                  {"take", take_.take_id},
                  {"expires_at", to_unix_ms(take_.invoice_expires)},
                  {"invoice", take_.invoice}});
  narrator_.note("invoice", "Bob", take_.invoice);
  co_return std::nullopt;
}

Awaitable<Failure> Trade::check_invoice() {
  auto const invoice = bolt11::decode(take_.invoice);
  if (!invoice) co_return "the invoice cannot be decoded: " + invoice.error().message();
  narrator_.step("check", {}, "the invoice decodes; payment hash " + invoice->payment_hash.hex(),
                 {{"check", "decodes"}, {"payment_hash", invoice->payment_hash.hex()}});

  if (invoice->payee != cast_.bob().trader().id()) {
    co_return "the invoice is signed by " + invoice->payee.hex() + ", not by Bob";
  }
  narrator_.step("check", {}, "it is signed by Bob's key " + invoice->payee.hex(),
                 {{"check", "payee"}, {"payee", invoice->payee.hex()}});

  auto const msat = static_cast<std::uint64_t>(match_.matched.units()) * 1000;
  if (invoice->amount_msat != msat) co_return "the invoice asks for another amount";
  auto const cost = notional(match_.matched, match_.order.price);
  narrator_.step(
      "check", {},
      "it asks for exactly " + match_.matched.to_text() + " BTC (" + cost.cents.to_text() + " USD)",
      {{"check", "amount"}, {"msat", msat}, {"usd", cost.cents.to_text()}});

  auto const left = std::chrono::floor<std::chrono::seconds>(invoice->expires_at() - net::wall_now());
  if (std::chrono::seconds{invoice->expiry_s} > kReservationLife) {
    co_return "the invoice lives longer than 900 s";
  }
  if (left.count() <= 0) co_return "the invoice has expired already";
  narrator_.step(
      "check", {},
      "it expires after " + std::to_string(invoice->expiry_s) + " s, " + std::to_string(left.count()) +
          " s from now",
      {{"check", "expiry"}, {"expiry_s", invoice->expiry_s}, {"left_s", std::int64_t{left.count()}}});
  co_return std::nullopt;
}

Awaitable<Failure> Trade::accept_again() {
  Command command{accept_of(match_.order)};
  auto const answer = co_await cast_.alice().execute(std::move(command));
  auto const* const view = std::get_if<result::PurchaseView>(&answer);
  if (!view) co_return "Alice has asked for the same take again: " + text_of(answer);
  if (view->invoice != take_.invoice) {
    co_return "Alice has asked for the same take again and got another invoice";
  }
  narrator_.step("repeat", "Alice", "asks for the same take again and gets the same invoice",
                 {{"take", view->take_id}});
  co_return std::nullopt;
}

Awaitable<Failure> Trade::refuse_carol() {
  auto failure = co_await cast_.until_seen(cast_.carol(), match_.order, OrderStatus::open, kAmount);
  if (failure) co_return failure;
  Command command{accept_of(match_.order)};
  auto const answer = co_await cast_.carol().execute(std::move(command));
  auto const* const refused = std::get_if<result::Failure>(&answer);
  if (!refused) co_return "Carol was not refused: " + text_of(answer);
  if (refused->code != result::FailureCode::refused ||
      refused->text.find("ask again in") == std::string::npos) {
    co_return "Carol was not told when to ask again: " + refused->text;
  }
  narrator_.step("refused", "Carol", "asks for the same order: " + refused->text,
                 {{"code", "reserved"}, {"reason", refused->text}});
  co_return std::nullopt;
}

Awaitable<Failure> Trade::show_redis() {
  if (!cast_.options.redis) co_return std::nullopt;
  auto const shown =
      co_await cast_.bob().show_reservation(match_.order.id, take_.take_id, cast_.alice().trader().id());
  if (!shown) co_return "Redis does not show the reservation: " + shown.error().message();
  auto const life = shown->remaining_life;
  if (life.count() <= 0 || life > kReservationLife) co_return "the reservation in Redis has a wrong life";
  narrator_.step("redis", "Bob", "holds it in Redis for " + seconds_text(life) + " more: " + shown->key,
                 {{"key", shown->key}, {"remaining_ms", std::int64_t{life.count()}}});
  co_return std::nullopt;
}

Awaitable<Failure> Trade::pay() {
  Command command{command::Pay{take_.invoice}};
  auto const answer = co_await cast_.alice().execute(std::move(command));
  auto const* const view = std::get_if<result::PurchaseView>(&answer);
  if (!view || view->state != result::PurchaseState::settled) {
    co_return "Alice's payment was not confirmed: " + text_of(answer);
  }
  auto const invoice = bolt11::decode(take_.invoice);
  auto const preimage = Sha256::from_hex(view->preimage);
  if (!invoice || !preimage || sha256(preimage->view()) != invoice->payment_hash) {
    co_return "the preimage is not that of the invoice";
  }
  narrator_.step("pay", "Alice", "pays the invoice; Bob gives the preimage " + view->preimage,
                 {{"take", view->take_id}, {"preimage", view->preimage}});
  narrator_.step("check", {}, "its SHA-256 is the payment hash of the invoice", {{"check", "preimage"}});
  co_return std::nullopt;
}

Awaitable<Failure> Trade::check_books() {
  for (auto* const peer : {&cast_.alice(), &cast_.bob(), &cast_.carol()}) {
    for (auto const* const order : {&sell_, &buy_}) {
      auto failure = co_await cast_.until_seen(*peer, *order, OrderStatus::filled, kNothing);
      if (failure) co_return failure;
    }
    narrator_.step("filled", peer->name(), "has both orders as filled", {{"orders", 2}});
  }
  for (auto* const peer : {&cast_.alice(), &cast_.bob()}) {
    Command command{command::ListTrades{1}};
    auto const answer = co_await peer->execute(std::move(command));
    auto const* const history = std::get_if<result::History>(&answer);
    if (!history || history->rows.empty()) co_return peer->name() + " has no record of the trade";
    narrator_.step("trade", peer->name(), words_of({"trade", {}, history->rows.front()}));
  }
  co_return std::nullopt;
}

}  // namespace

Awaitable<Failure> play_trade(Cast& cast) {
  Trade trade{cast};
  auto failure = co_await trade.play();
  co_return failure;
}

}  // namespace grenache::exchange::playbook
