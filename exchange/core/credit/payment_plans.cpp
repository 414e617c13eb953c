// Payments above the room of their line: fill it, settle, pay the rest.
#include <algorithm>

#include "exchange/core/credit/credit.hpp"
#include "exchange/core/row_fields.hpp"

namespace grenache::exchange {

using result::Failure;
using result::FailureCode;

std::optional<UsdCents> Credit::to_settle(CreditView const& view, UsdCents amount) {
  auto const left = amount.units() - view.room.units();
  if (left <= 0) return UsdCents{};
  auto const limit = view.their_limit.units();
  // Each round settles the whole limit.
  auto const rounds = limit > 0 ? (left + limit - 1) / limit : kPaymentRoundsMax + 1;
  if (rounds > kPaymentRoundsMax) return std::nullopt;
  return UsdCents{rounds * limit};
}

result::CreditForecast Credit::forecast(PeerId const& peer, UsdCents amount) const {
  result::CreditForecast out{peer, name_of(peer), amount, {}, false, {}, {}, {}, {}};
  for (auto const& [each, entry] : lines_.all()) out.debts = out.debts + debt_to(each);
  out.on_ledger = settlements_.balance();
  if (auto const failure = why_not_paid(peer)) {
    out.text = failure->text;
    return out;
  }
  auto const view = lines_.find(peer)->view();
  out.room = view.room;
  auto const settled = to_settle(view, amount);
  bool const needs_ledger = amount > view.room;
  if (needs_ledger && (!settlements_.is_enabled() || !settled)) {
    out.text = no_room(view).text;
  } else if (needs_ledger && !out.on_ledger) {
    out.text = "the settlement ledger does not answer";
  } else if (needs_ledger && *settled > *out.on_ledger) {
    out.text = settled->to_text() + " USD would have to be settled on the ledger, where we have " +
               out.on_ledger->to_text();
  } else {
    out.is_possible = true;
    out.to_settle = *settled;
    // What the peer owes us falls first.
    auto const owed = std::max<std::int64_t>(0, view.balance);
    auto const new_debt = std::max<std::int64_t>(0, amount.units() - owed) - settled->units();
    out.debts = out.debts + UsdCents{new_debt};
    if (out.on_ledger) out.on_ledger = *out.on_ledger - *settled;
  }
  return out;
}

void Credit::begin_plan(Waiting const& waiting, Turn& turn) {
  if (auto failure = why_no_ledger()) return turn.answer(waiting.command, *std::move(failure));
  auto const seen = forecast(waiting.peer, waiting.amount);
  if (!seen.is_possible) return turn.answer(waiting.command, Failure{FailureCode::refused, seen.text, {}});
  Plan plan;
  plan.id = make_uuid(turn.random);
  plan.peer = waiting.peer;
  plan.amount = plan.left = waiting.amount;
  plan.command = waiting.command;
  plan.deadline = waiting.deadline;
  auto const id = plan.id;
  go_on(plans_.emplace(id, std::move(plan)).first->second, turn);
}

/// Takes the next step, if none is under way.
void Credit::go_on(Plan& plan, Turn& turn) {
  if (!plan.entry.empty() || !plan.settlement.empty()) return;
  auto const id = plan.id;
  if (plan.left.units() == 0) return end_plan(id, std::nullopt, turn);
  if (auto failure = why_not_paid(plan.peer)) return end_plan(id, std::move(failure), turn);
  auto const view = lines_.find(plan.peer)->view();
  if (view.room.units() > 0) {
    auto const part = std::min(view.room, plan.left);
    CreditEntry const entry{CreditKind::pay, make_uuid(turn.random), part,
                            turn.now.wall + options_.payment_life};
    auto const given =
        lines_.act(plan.peer, turn, [&](CreditLine& line) { return line.give(entry, turn.now.wall); });
    if (!given) return end_plan(id, Failure{FailureCode::refused, given.error().message(), {}}, turn);
    plan.left = plan.left - part;
    plan.entry = entry.id;
    return turn.save(row_of(plan));
  }
  auto const debt = debt_to(plan.peer);
  if (debt.units() == 0 || plan.rounds >= kPaymentRoundsMax) return end_plan(id, no_room(view), turn);
  ++plan.rounds;
  if (auto failure = why_no_ledger()) return end_plan(id, std::move(failure), turn);
  plan.settlement = settlements_.start(plan.peer, debt, turn);
  turn.save(row_of(plan));
}

void Credit::end_plan(std::string const& id, std::optional<Failure> failure, Turn& turn) {
  auto const found = plans_.extract(id);
  auto const& plan = found.mapped();
  turn.erase(kPlanKind, plan.id);
  if (failure) {
    if (plan.left != plan.amount) failure->credit = result::CreditRefusal::none;
    failure->text +=
        "; " + (plan.amount - plan.left).to_text() + " of " + plan.amount.to_text() + " USD were paid before";
    turn.log(event::Warning{"a payment to " + plan.peer.hex() + " stopped: " + failure->text});
  }
  if (plan.command == 0) return;
  if (failure) return turn.answer(plan.command, *std::move(failure));
  Waiting const waiting{plan.command, plan.peer, plan.amount, {}};
  turn.answer(plan.command, payment_view(plan.last, waiting, result::CreditPaymentState::counted));
}

Credit::Plan* Credit::find_plan(std::string const& entry_or_settlement) {
  auto const found = std::ranges::find_if(plans_, [&](auto const& each) {
    return each.second.entry == entry_or_settlement || each.second.settlement == entry_or_settlement;
  });
  return found == plans_.end() ? nullptr : &found->second;
}

Row Credit::row_of(Plan const& plan) {
  auto const body = json::Value::object({{"peer", plan.peer.hex()},
                                         {"amount", plan.amount.to_text()},
                                         {"left", plan.left.to_text()},
                                         {"entry", plan.entry},
                                         {"settlement", plan.settlement},
                                         {"rounds", plan.rounds}});
  return {kPlanKind, plan.id, json::to_text(body)};
}

bool Credit::restore_plan(Row const& row) {
  RowFields fields{row.body};
  Plan plan;
  plan.id = row.key;
  plan.peer = fields.parsed("peer", [](std::string_view text) { return PeerId::from_hex(text); });
  plan.amount = fields.money<UsdCents>("amount");
  plan.left = fields.money<UsdCents>("left");
  plan.entry = fields.text("entry");
  plan.settlement = fields.text("settlement");
  plan.rounds = fields.integer("rounds");
  return fields.ok() && plans_.emplace(row.key, std::move(plan)).second;
}

}  // namespace grenache::exchange
