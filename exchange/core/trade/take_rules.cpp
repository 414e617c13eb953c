#include "exchange/core/trade/take_rules.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace grenache::exchange {
namespace {

using std::chrono::milliseconds;

std::string seconds_text(milliseconds time) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count()) + " s";
}

// Returns a refusal if `order` cannot be taken at `now`.
std::optional<Refusal> why_closed(OwnOrder const* order, TakeOptions const& options, WallTime now) {
  if (!order) return Refusal{RefusalCode::unknown, "this maker has no such order", {}};
  auto const& record = order->record;
  switch (record.status) {
    case OrderStatus::filled:
      return Refusal{RefusalCode::filled, "the order has been filled", {}};
    case OrderStatus::cancelled:
      return Refusal{RefusalCode::unknown, "the maker has cancelled the order", {}};
    case OrderStatus::expired:
    case OrderStatus::open:
      break;
  }
  if (record.status == OrderStatus::expired || record.expires < now + options.life_min) {
    return Refusal{RefusalCode::expired, "the order has expired", {}};
  }
  return std::nullopt;
}

std::optional<Refusal> check_terms(TakeTerms const& take, OrderRecord const& order, PeerId const& self,
                                   TakeOptions const& options, WallTime now) {
  if (take.taker == self) return Refusal{RefusalCode::self_trade, "the order is the taker's own", {}};
  if (take.amount.units() <= 0) return Refusal{RefusalCode::amount, "nothing was asked for", {}};
  if (take.amount > order.remaining) {
    return Refusal{RefusalCode::amount, "only " + order.remaining.to_text() + " BTC of the order remain", {}};
  }
  if (take.amount < order.least_take && take.amount < order.remaining) {
    return Refusal{RefusalCode::amount,
                   "at least " + order.least_take.to_text() + " BTC of the order must be taken at once",
                   {}};
  }
  if (take.price != order.price) {
    return Refusal{RefusalCode::price, "the order's price is " + order.price.to_text() + " USD", {}};
  }
  if (std::chrono::abs(now - take.created) > options.request_age_max) {
    return Refusal{RefusalCode::signature, "the request is too old, or a clock is wrong", {}};
  }
  if (!verify_take(take, order.id, self)) {
    return Refusal{RefusalCode::signature, "the taker did not sign this request", {}};
  }
  return std::nullopt;
}

}  // namespace

std::string taker_of(ExecuteOrderMessage const& message) {
  return message.take ? message.take->taker.hex() : "003:" + std::to_string(message.header.exchange_id);
}

std::string store_take_id(std::string_view take_id, std::string_view taker) {
  return std::string{take_id} + "@" + std::string{taker};
}

std::variant<store::Reserve, Refusal> check_take(ExecuteOrderMessage const& message, OwnOrder const* order,
                                                 PeerId const& self, TakeOptions const& options,
                                                 WallTime now) {
  if (!message.take && !options.accept_unsigned) {
    return Refusal{RefusalCode::signature, "requests without a signature are not accepted here", {}};
  }
  if (auto closed = why_closed(order, options, now)) return *std::move(closed);
  auto const& record = order->record;
  if (message.take) {
    if (auto refusal = check_terms(*message.take, record, self, options, now)) return *std::move(refusal);
  }
  store::Reserve out;
  out.order = order->known();
  out.taker = taker_of(message);
  out.take_id = store_take_id(message.take ? message.take->take_id : std::string{}, out.taker);
  out.wanted = message.take ? message.take->amount : record.remaining;
  out.life = std::min(options.life, milliseconds{record.expires - now});
  return out;
}

Refusal refusal_of(store::Refused const& refused) {
  auto const retry = refused.retry_after;
  auto const when = retry.count() > 0 ? ", ask again in " + seconds_text(retry) : std::string{};
  switch (refused.reason) {
    case store::RefusalReason::reserved:
      return {RefusalCode::reserved, "others have reserved the order" + when, retry};
    case store::RefusalReason::rival_reserved:
      return {RefusalCode::reserved, "others have reserved an order that excludes this one" + when, retry};
    case store::RefusalReason::taker_has_one:
      return {RefusalCode::limit, "the taker has reserved a part of this order already" + when, retry};
    case store::RefusalReason::too_many_takes:
      return {RefusalCode::limit, "the order has too many unpaid invoices" + when, retry};
    case store::RefusalReason::amount:
      return {RefusalCode::amount, "less of the order remains", {}};
    case store::RefusalReason::closed:
      return {RefusalCode::unknown, "the maker has cancelled the order", {}};
    case store::RefusalReason::gone:
      return {RefusalCode::gone, "the invoice has expired", {}};
    case store::RefusalReason::unavailable:
      break;
  }
  return {RefusalCode::unavailable, "the reservation store does not answer, nothing was reserved", retry};
}

}  // namespace grenache::exchange
