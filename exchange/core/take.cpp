#include "exchange/core/take.hpp"

#include <utility>

namespace grenache::exchange {
namespace {

std::string seconds_text(std::chrono::milliseconds time) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count()) + " s";
}

// Returns a refusal if `order` cannot be taken at `now`.
std::optional<Refusal> why_closed(OrderRecord const* order, WallTime now) {
  if (!order) return Refusal{RefusalCode::unknown, "this maker has no such order", {}};
  switch (order->status) {
    case OrderStatus::filled:
      return Refusal{RefusalCode::filled, "the order has been filled", {}};
    case OrderStatus::cancelled:
      return Refusal{RefusalCode::unknown, "the maker has cancelled the order", {}};
    case OrderStatus::expired:
      return Refusal{RefusalCode::expired, "the order has expired", {}};
    case OrderStatus::open:
      break;
  }
  if (order->expires <= now) return Refusal{RefusalCode::expired, "the order has expired", {}};
  return std::nullopt;
}

std::optional<Refusal> check_terms(TakeTerms const& take, OrderRecord const& order, PeerId const& self,
                                   TakeOptions const& options, WallTime now) {
  if (take.taker == self) return Refusal{RefusalCode::self_trade, "the order is the taker's own", {}};
  if (take.amount.units() <= 0) return Refusal{RefusalCode::amount, "nothing was asked for", {}};
  if (take.amount > order.remaining) {
    return Refusal{RefusalCode::amount, "only " + order.remaining.to_text() + " BTC of the order remain", {}};
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

Refusal refusal_of(ReservationRefusal const& refusal) {
  auto const retry = refusal.retry_after;
  auto const when = retry.count() > 0 ? ", ask again in " + seconds_text(retry) : std::string{};
  switch (refusal.reason) {
    case ReservationErrc::reserved:
      return {RefusalCode::reserved, "others have reserved the order" + when, retry};
    case ReservationErrc::taker_has_one:
      return {RefusalCode::limit, "the taker has reserved a part of this order already" + when, retry};
    case ReservationErrc::unavailable:
      break;
  }
  return {RefusalCode::unavailable, "the reservation store does not answer, nothing was reserved", retry};
}

}  // namespace

std::string taker_of(ExecuteOrderMessage const& message) {
  return message.take ? message.take->taker.hex() : "003:" + std::to_string(message.header.exchange_id);
}

std::string store_take_id(std::string_view take_id, std::string_view taker) {
  return std::string{take_id} + "@" + std::string{taker};
}

std::variant<PendingTake, Refusal> check_take(ExecuteOrderMessage const& message, Book const& book,
                                              PeerId const& self, TakeOptions const& options, WallTime now) {
  if (!message.take && !options.accept_unsigned) {
    return Refusal{RefusalCode::signature, "requests without a signature are not accepted here", {}};
  }
  auto const* const order = book.find(OrderKey{message.order_id, self});
  if (auto closed = why_closed(order, now)) return *std::move(closed);
  if (message.take) {
    if (auto refusal = check_terms(*message.take, *order, self, options, now)) return *std::move(refusal);
  }
  PendingTake pending;
  pending.order = key_of(*order);
  pending.take_id = message.take ? message.take->take_id : std::string{};
  ReserveRequest& request = pending.request;
  request.order_id = order->id;
  request.taker = taker_of(message);
  request.take_id = store_take_id(pending.take_id, request.taker);
  request.amount_sat = (message.take ? message.take->amount : order->remaining).units();
  request.available_sat = order->remaining.units();
  request.life = kReservationLife;
  return pending;
}

TakeAnswer answer_take(PendingTake const& take, ReserveOutcome const& outcome, Book const& book,
                       SecretKey const& self, WallTime now) {
  if (auto const* const refusal = std::get_if<ReservationRefusal>(&outcome)) {
    return {refusal_of(*refusal), std::nullopt};
  }
  auto const& reservation = std::get<Reservation>(outcome);
  if (auto closed = why_closed(book.find(take.order), now)) return {*std::move(closed), reservation};

  InvoiceTerms const terms{take.order.id,           reservation.take_id,
                           reservation.fence,       Satoshi{reservation.amount_sat},
                           reservation.reserved_at, kReservationLife};
  auto invoice = issue_invoice(terms, self);
  if (!invoice) {
    return {Refusal{RefusalCode::amount, "no invoice can be made: " + invoice.error().message(), {}},
            reservation};
  }
  return {ExecuteOrderResponse{
              {}, take.order.id, std::move(*invoice), invoice_expiry(terms), take.take_id, terms.amount},
          std::nullopt};
}

}  // namespace grenache::exchange
