#include "exchange/event_log.hpp"

#include <cstdint>

namespace grenache::exchange {
namespace {

json::Value hex_of(std::optional<PeerId> const& peer) {
  return peer ? json::Value{peer->hex()} : json::Value{};
}

void write(Log const& log, event::OrderChanged const& event) {
  auto const& order = event.order;
  log.write(event.is_own ? LogLevel::info : LogLevel::debug, "order",
            {{"id", order.id},
             {"side", to_text(order.side)},
             {"remaining", order.remaining.to_text()},
             {"price", order.price.to_text()},
             {"status", to_text(order.status)},
             {"maker", hex_of(order.maker)}});
}

void write(Log const& log, event::PeerMet const& event) {
  log.info("peer", {{"peer", event.endpoint}, {"name", event.name}, {"peer_id", hex_of(event.peer)}});
}

void write(Log const& log, event::PeerLost const& event) {
  log.info("peer_lost", {{"peer", event.endpoint}, {"reason", event.reason}});
}

void write(Log const& log, event::BookRead const& event) {
  auto const level = event.new_count > 0 || event.dropped_count > 0 ? LogLevel::info : LogLevel::debug;
  log.write(level, "book",
            {{"peer", event.endpoint},
             {"orders", std::uint64_t{event.order_count}},
             {"new", std::uint64_t{event.new_count}},
             {"dropped", std::uint64_t{event.dropped_count}}});
}

void write(Log const& log, event::TakeAnswered const& event) {
  log.write(event.refusal ? LogLevel::debug : LogLevel::info, "take",
            {{"order", event.order_id},
             {"taker", event.taker},
             {"amount", event.amount.to_text()},
             {"refused", event.refusal ? json::Value{to_text(event.refusal->code)} : json::Value{}}});
}

void write(Log const& log, event::SaleExpired const& event) {
  log.info("invoice_expired",
           {{"order", event.order_id}, {"taker", event.taker}, {"amount", event.amount.to_text()}});
}

void write(Log const& log, event::PurchaseChanged const& event) {
  log.info("purchase", {{"take", event.purchase.take_id},
                        {"order", event.purchase.order_id},
                        {"state", result::to_text(event.purchase.state)},
                        {"reason", event.text}});
}

void write(Log const& log, event::TradeDone const& event) {
  log.info("trade", {{"order", event.order_id},
                     {"take", event.take_id},
                     {"role", event.as_maker ? "maker" : "taker"},
                     {"side", to_text(event.side)},
                     {"amount", event.amount.to_text()},
                     {"price", event.price.to_text()},
                     {"usd", event.cents.to_text()}});
}

void write(Log const& log, event::GrapeChanged const& event) {
  log.write(event.answers ? LogLevel::info : LogLevel::warn, "grape", {{"text", event.text}});
}

std::string usd(std::int64_t cents) { return decimal_text(cents, UsdCents::kDigits); }

void write(Log const& log, event::CreditProposed const& event) {
  log.info("proposal", {{"peer_id", event.peer.hex()},
                        {"name", event.name},
                        {"limit", event.limit.to_text()},
                        {"wish", event.wish.to_text()}});
}

void write(Log const& log, event::CreditReceived const& event) {
  log.info("credit_received", {{"payment", event.id},
                               {"peer_id", event.peer.hex()},
                               {"name", event.name},
                               {"kind", to_text(event.kind)},
                               {"amount", event.amount.to_text()},
                               {"balance", usd(event.balance)}});
}

void write(Log const& log, event::CreditPaid const& event) {
  bool const is_failed = !event.failure.empty();
  log.write(is_failed ? LogLevel::warn : LogLevel::info, is_failed ? "credit_failed" : "credit_paid",
            {{"payment", event.id},
             {"peer_id", event.peer.hex()},
             {"name", event.name},
             {"kind", to_text(event.kind)},
             {"amount", event.amount.to_text()},
             {"balance", usd(event.balance)},
             {"reason", event.failure}});
}

void write(Log const& log, event::CreditTransit const& event) {
  bool const is_failed = event.what == "failed";
  log.write(is_failed ? LogLevel::warn : LogLevel::info, "credit_transit",
            {{"payment", event.id},
             {"what", event.what},
             {"from", event.from.hex()},
             {"to", event.to.hex()},
             {"amount", event.amount.to_text()},
             {"fee", event.fee.to_text()},
             {"reason", event.text}});
}

void write(Log const& log, event::CreditLow const& event) {
  log.warn("credit_low", {{"peer_id", event.peer.hex()},
                          {"name", event.name},
                          {"room", event.room.to_text()},
                          {"limit", event.limit.to_text()}});
}

void write(Log const& log, event::CreditSettled const& event) {
  log.write(event.failure.empty() ? LogLevel::info : LogLevel::warn, "settlement",
            {{"settlement", event.id},
             {"peer_id", event.peer.hex()},
             {"name", event.name},
             {"amount", event.amount.to_text()},
             {"what", event.what},
             {"reason", event.failure}});
}

void write(Log const& log, event::CreditLineChanged const& event) {
  log.info("credit_line",
           {{"peer_id", event.peer.hex()}, {"name", event.name}, {"what", event.what}, {"text", event.text}});
}

void write(Log const& log, event::Warning const& event) { log.warn("warning", {{"text", event.text}}); }

}  // namespace

void log_event(Log const& log, Event const& event) {
  std::visit([&](auto const& each) { write(log, each); }, event);
}

}  // namespace grenache::exchange
