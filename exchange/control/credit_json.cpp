#include "exchange/control/credit_json.hpp"

#include <utility>

namespace grenache::exchange {
namespace {

using json::Value;

std::string usd(std::int64_t cents) { return decimal_text(cents, UsdCents::kDigits); }
Value usd(std::optional<std::int64_t> cents) { return cents ? Value{usd(*cents)} : Value{}; }
Value usd(std::optional<UsdCents> const& amount) { return amount ? Value{amount->to_text()} : Value{}; }

Value entry_of(std::string_view type, auto const& each) {
  return Value::object({{"type", type},
                        {"id", each.id},
                        {"peer", each.peer.hex()},
                        {"name", each.name},
                        {"kind", to_text(each.kind)},
                        {"amount", each.amount.to_text()},
                        {"balance", usd(each.balance)}});
}

}  // namespace

Value to_json(result::CreditLineView const& view) {
  auto out = Value::object({{"type", "creditLine"},
                            {"peer", view.peer.hex()},
                            {"name", view.name},
                            {"balance", usd(view.balance)},
                            {"pending", view.pending.to_text()},
                            {"room", view.room.to_text()},
                            {"limit", view.limit.to_text()},
                            {"theirLimit", view.their_limit.to_text()},
                            {"isOpen", view.is_open},
                            {"isFrozen", view.is_frozen},
                            {"isProposed", view.is_proposed},
                            {"proposal", Value{}},
                            {"ourTerms", usd(view.our_terms)},
                            {"theirTerms", usd(view.their_terms)},
                            {"dueToUs", view.due_to_us.to_text()},
                            {"dueToThem", view.due_to_them.to_text()},
                            {"settling", view.settling.to_text()},
                            {"forwards", view.forwards},
                            {"fee", view.fee.to_text()},
                            {"feePpm", view.fee_ppm},
                            {"nets", view.nets}});
  if (view.proposal) {
    out.set("proposal", Value::object({{"limit", view.proposal->limit.to_text()},
                                       {"wish", view.proposal->wish.to_text()}}));
  }
  return out;
}

Value to_json(result::CreditBalance const& balance) {
  Value::Array lines;
  for (auto const& line : balance.lines) lines.push_back(to_json(line));
  auto out = Value::object({{"type", "balance"}, {"lines", std::move(lines)}, {"total", usd(balance.total)}});
  if (balance.has_ledger) {
    out.set("account", balance.account);
    out.set("onLedger", usd(balance.on_ledger));
  }
  return out;
}

Value to_json(result::CreditPayment const& payment) {
  auto out = Value::object({{"type", "creditPayment"},
                            {"id", payment.id},
                            {"peer", payment.peer.hex()},
                            {"name", payment.name},
                            {"amount", payment.amount.to_text()},
                            {"state", result::to_text(payment.state)},
                            {"balance", usd(payment.balance)}});
  if (payment.is_over_others) {
    out.set("isOverOthers", true);
    out.set("fee", usd(payment.fee));
  }
  return out;
}

Value to_json(result::NettingDone const& done) {
  return Value::object({{"type", "nettingDone"},
                        {"peers", done.peer_count},
                        {"debts", done.debt_count},
                        {"cycles", done.cycle_count},
                        {"failed", done.failed_count},
                        {"undecided", done.undecided_count},
                        {"removed", done.removed.to_text()}});
}

Value to_json(result::CreditForecast const& forecast) {
  return Value::object({{"type", "creditForecast"},
                        {"peer", forecast.peer.hex()},
                        {"name", forecast.name},
                        {"amount", forecast.amount.to_text()},
                        {"room", forecast.room.to_text()},
                        {"isPossible", forecast.is_possible},
                        {"text", forecast.text},
                        {"toSettle", forecast.to_settle.to_text()},
                        {"debts", forecast.debts.to_text()},
                        {"onLedger", usd(forecast.on_ledger)}});
}

Value to_json(result::Receipt const& receipt) {
  auto const body = json::parse(receipt.text);
  return Value::object({{"type", "receipt"}, {"receipt", body ? *body : Value{}}});
}

Value to_json(result::CreditSettlement const& settlement) {
  return Value::object({{"type", "creditSettlement"},
                        {"id", settlement.id},
                        {"peer", settlement.peer.hex()},
                        {"name", settlement.name},
                        {"amount", settlement.amount.to_text()},
                        {"state", result::to_text(settlement.state)},
                        {"balance", usd(settlement.balance)}});
}

Value to_json(result::LedgerUsers const& users) {
  Value::Array out;
  for (auto const& user : users.users) {
    out.push_back(Value::object({{"name", user.name},
                                 {"peer", user.peer.hex()},
                                 {"balance", user.balance.to_text()},
                                 {"endpoint", user.endpoint}}));
  }
  return Value::object({{"type", "ledgerUsers"}, {"users", std::move(out)}});
}

Value to_json(result::LedgerDeleted const& deleted) {
  return Value::object({{"type", "ledgerDeleted"}, {"count", deleted.count}});
}

Value to_json(result::CreditLeave const& leave) {
  Value::Array left;
  for (auto const& line : leave.left) left.push_back(to_json(line));
  return Value::object({{"type", "creditLeave"},
                        {"settled", leave.settled.to_text()},
                        {"unconfirmed", leave.unconfirmed.to_text()},
                        {"left", std::move(left)}});
}

Value to_json(event::CreditProposed const& proposed) {
  return Value::object({{"type", "proposal"},
                        {"peer", proposed.peer.hex()},
                        {"name", proposed.name},
                        {"limit", proposed.limit.to_text()},
                        {"wish", proposed.wish.to_text()}});
}
Value to_json(event::CreditReceived const& received) { return entry_of("creditReceived", received); }
Value to_json(event::CreditPaid const& paid) {
  auto out = entry_of(paid.failure.empty() ? "creditPaid" : "creditFailed", paid);
  if (!paid.failure.empty()) {
    out.set("failure", paid.failure);
    out.set("isUndecided", paid.is_undecided);
  }
  return out;
}
Value to_json(event::CreditTransit const& transit) {
  return Value::object({{"type", "creditTransit"},
                        {"id", transit.id},
                        {"what", transit.what},
                        {"from", transit.from.hex()},
                        {"fromName", transit.from_name},
                        {"to", transit.to.hex()},
                        {"toName", transit.to_name},
                        {"amount", transit.amount.to_text()},
                        {"fee", transit.fee.to_text()},
                        {"failure", transit.text.empty() ? Value{} : Value{transit.text}}});
}
Value to_json(event::CreditLow const& low) {
  return Value::object({{"type", "creditLow"},
                        {"peer", low.peer.hex()},
                        {"name", low.name},
                        {"room", low.room.to_text()},
                        {"limit", low.limit.to_text()}});
}
Value to_json(event::CreditSettled const& settled) {
  return Value::object({{"type", "creditSettled"},
                        {"id", settled.id},
                        {"peer", settled.peer.hex()},
                        {"name", settled.name},
                        {"amount", settled.amount.to_text()},
                        {"what", settled.what},
                        {"failure", settled.failure.empty() ? Value{} : Value{settled.failure}}});
}
Value to_json(event::CreditLineChanged const& changed) {
  return Value::object({{"type", "creditLineChanged"},
                        {"peer", changed.peer.hex()},
                        {"name", changed.name},
                        {"what", changed.what},
                        {"text", changed.text}});
}

}  // namespace grenache::exchange
