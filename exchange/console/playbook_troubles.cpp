#include "exchange/console/playbook_cast.hpp"

namespace grenache::exchange::playbook {

using net::Awaitable;

namespace {

constexpr Satoshi kQuarter{kSatoshiPerBtc / 4};
constexpr Satoshi kRest{kSatoshiPerBtc - kSatoshiPerBtc / 4};

command::AddOrder sell_terms() {
  command::AddOrder out;
  out.side = Side::sell;
  out.price = PriceCents{6'100'000};
  out.amount = kAmount;
  return out;
}

class Troubles {
 public:
  explicit Troubles(Cast& cast) : cast_{cast}, narrator_{cast.narrator} {}

  Awaitable<Failure> play();

 private:
  Awaitable<Failure> take_a_part();
  Awaitable<Failure> let_an_invoice_expire();
  Awaitable<Failure> cancel_during_a_take();
  Awaitable<Failure> kill_a_maker();

  Awaitable<Failure> accept(Exchange& taker, OrderRecord const& order, Satoshi amount,
                            result::PurchaseView& take);
  Awaitable<Failure> pay(Exchange& taker, result::PurchaseView const& take);

  Cast& cast_;
  Narrator& narrator_;
};

Awaitable<Failure> Troubles::play() {
  for (auto const scene : {&Troubles::take_a_part, &Troubles::let_an_invoice_expire,
                           &Troubles::cancel_during_a_take, &Troubles::kill_a_maker}) {
    auto failure = co_await (this->*scene)();
    if (failure) co_return failure;
  }
  co_return std::nullopt;
}

Awaitable<Failure> Troubles::accept(Exchange& taker, OrderRecord const& order, Satoshi amount,
                                    result::PurchaseView& take) {
  auto failure = co_await cast_.until_seen(taker, order, order.status, order.remaining);
  if (failure) co_return failure;
  command::AcceptOrder wanted;
  wanted.id = order.id;
  wanted.amount = amount;
  Command command{std::move(wanted)};
  auto const answer = co_await taker.execute(std::move(command));
  auto const* const view = std::get_if<result::PurchaseView>(&answer);
  if (!view) co_return taker.name() + " got no invoice: " + text_of(answer);
  take = *view;
  narrator_.step("execute", taker.name(),
                 "reserves " + amount.to_text() + " BTC of order " + order.id + " and has the invoice",
                 {{"order", order.id}, {"take", take.take_id}, {"amount", amount.to_text()}});
  co_return std::nullopt;
}

Awaitable<Failure> Troubles::pay(Exchange& taker, result::PurchaseView const& take) {
  Command command{command::Pay{take.invoice}};
  auto const answer = co_await taker.execute(std::move(command));
  auto const* const view = std::get_if<result::PurchaseView>(&answer);
  if (!view || view->state != result::PurchaseState::settled) {
    co_return taker.name() + "'s payment was not confirmed: " + text_of(answer);
  }
  narrator_.step("pay", taker.name(), "pays and gets the preimage", {{"take", take.take_id}});
  co_return std::nullopt;
}

Awaitable<Failure> Troubles::take_a_part() {
  OrderRecord order;
  auto failure = co_await cast_.publish(cast_.bob(), sell_terms(), order);
  if (failure) co_return failure;
  result::PurchaseView take;
  failure = co_await accept(cast_.carol(), order, kQuarter, take);
  if (!failure) failure = co_await pay(cast_.carol(), take);
  if (!failure) failure = co_await cast_.until_seen(cast_.alice(), order, OrderStatus::open, kRest);
  if (failure) co_return failure;
  narrator_.step("partial", "Alice", "sees that " + kRest.to_text() + " BTC of the order remain",
                 {{"order", order.id}, {"remaining", kRest.to_text()}});
  co_return std::nullopt;
}

Awaitable<Failure> Troubles::let_an_invoice_expire() {
  auto options = cast_.options_of("Dave");
  auto const life = cast_.options.short_reservation;
  options.trader.sales.takes.life = std::chrono::duration_cast<std::chrono::milliseconds>(life);
  auto failure = co_await cast_.add("Dave", std::move(options));
  if (failure) co_return failure;
  auto& dave = cast_.last();
  OrderRecord order;
  failure = co_await cast_.publish(dave, sell_terms(), order);
  if (failure) co_return failure;
  result::PurchaseView take;
  failure = co_await accept(cast_.alice(), order, kAmount, take);
  if (failure) co_return failure;
  co_await cast_.sleep(life + std::chrono::milliseconds{500});
  Command late{command::Pay{take.invoice}};
  auto const answer = co_await cast_.alice().execute(std::move(late));
  if (!std::holds_alternative<result::Failure>(answer)) {
    co_return "a payment after " + seconds_text(life) + " was not refused: " + text_of(answer);
  }
  narrator_.step("expired", "Alice", "does not pay for " + seconds_text(life) + "; then it is too late",
                 {{"take", take.take_id}, {"reason", text_of(answer)}});
  failure = co_await accept(cast_.carol(), order, kAmount, take);
  if (!failure) failure = co_await pay(cast_.carol(), take);
  co_return failure;
}

Awaitable<Failure> Troubles::cancel_during_a_take() {
  OrderRecord order;
  auto failure = co_await cast_.publish(cast_.bob(), sell_terms(), order);
  if (failure) co_return failure;
  result::PurchaseView take;
  failure = co_await accept(cast_.alice(), order, kQuarter, take);
  if (failure) co_return failure;
  Command cancel{command::CancelOrder{order.id}};
  auto const cancelled = co_await cast_.bob().execute(std::move(cancel));
  if (!std::holds_alternative<result::Placed>(cancelled))
    co_return "Bob cannot cancel: " + text_of(cancelled);
  failure = co_await cast_.until_seen(cast_.carol(), order, OrderStatus::cancelled, kAmount);
  if (failure) co_return failure;
  narrator_.step("cancel", "Bob", "cancels the order; the reserved part can still be paid",
                 {{"order", order.id}});
  failure = co_await pay(cast_.alice(), take);
  if (!failure) failure = co_await cast_.until_seen(cast_.carol(), order, OrderStatus::cancelled, kRest);
  co_return failure;
}

Awaitable<Failure> Troubles::kill_a_maker() {
  auto failure = co_await cast_.start_kept("Erin");
  OrderRecord order;
  if (!failure) failure = co_await cast_.publish(cast_.kept(), sell_terms(), order);
  result::PurchaseView take;
  if (!failure) failure = co_await accept(cast_.alice(), order, kAmount, take);
  if (failure) co_return failure;
  cast_.kill_kept();
  narrator_.note("killed", "Erin", "dies with the invoice in Alice's hands");
  failure = co_await cast_.start_kept("Erin");
  if (failure) co_return failure;
  auto const* const own = cast_.kept().trader().own_orders().find(order.id);
  if (!own || own->record.status != OrderStatus::open) co_return "Erin does not know her order any more";
  narrator_.step("restored", "Erin", "is back with her order and her promise", {{"order", order.id}});
  failure = co_await pay(cast_.alice(), take);
  if (!failure) failure = co_await cast_.until_seen(cast_.bob(), order, OrderStatus::filled, kNothing);
  co_return failure;
}

}  // namespace

Awaitable<Failure> play_troubles(Cast& cast) {
  Troubles troubles{cast};
  auto failure = co_await troubles.play();
  co_return failure;
}

}  // namespace grenache::exchange::playbook
