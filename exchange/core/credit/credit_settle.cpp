// Debts that are paid on the ledger, and what others have paid there.
#include <algorithm>
#include <utility>

#include "exchange/core/credit/credit.hpp"

namespace grenache::exchange {
namespace {

using result::CreditSettlement;
using result::CreditSettlementState;
using result::Failure;
using result::FailureCode;

Failure no_answer() {
  return {FailureCode::unavailable, "the settlement ledger does not answer", "try again"};
}

}  // namespace

std::optional<Failure> Credit::why_no_ledger() const {
  if (auto failure = why_disabled()) return failure;
  if (!settlements_.is_enabled()) {
    return Failure{FailureCode::refused, "this peer uses no settlement ledger", "start it with --ledger"};
  }
  if (settlements_.is_full()) {
    return Failure{FailureCode::unavailable, "too many settlements are under way", "try again"};
  }
  return settlements_.is_ready() ? std::nullopt : std::optional{no_answer()};
}

UsdCents Credit::debt_to(PeerId const& peer) const {
  auto const* const line = lines_.find(peer);
  auto const debt = line ? -line->view().balance - settlements_.under_way(peer).units() : 0;
  return UsdCents{std::max<std::int64_t>(0, debt)};
}

// Paying

void Credit::run(CommandId id, command::SettleCredit const& wanted, Turn& turn) {
  if (auto failure = why_no_ledger()) return turn.answer(id, *std::move(failure));
  auto const found = find_peer(wanted.peer);
  if (auto const* const failure = std::get_if<Failure>(&found)) return turn.answer(id, *failure);
  auto const& peer = std::get<PeerId>(found);
  auto const* const line = lines_.find(peer);
  auto const debt = debt_to(peer);
  auto const amount = wanted.amount.value_or(debt);
  auto const refuse = [&](std::string text) {
    bool const is_settled = debt.units() == 0 && line && line->view().balance >= 0;
    auto const why = is_settled ? result::CreditRefusal::nothing_to_settle : result::CreditRefusal::none;
    turn.answer(id, Failure{FailureCode::refused, std::move(text), "see: balance", why,
                            line ? line->view().balance : 0});
  };
  if (!line) return refuse("there is no credit line with this peer");
  if (debt.units() == 0 && line->view().balance > 0) {
    return refuse("nothing to settle: the peer owes us, and must settle itself");
  }
  if (debt.units() == 0) return refuse("nothing to settle: nothing is owed that is not being settled");
  if (amount > debt) return refuse("only " + debt.to_text() + " USD are owed and not being settled");
  auto settlement = settlements_.start(peer, amount, turn);
  waiting_settlement_.emplace(std::move(settlement),
                              WaitingSettlement{id, peer, amount, turn.now.steady + options_.answer_limit});
}

void Credit::on_settled(Settlements::Outcome const& outcome, Turn& turn) {
  using Kind = Settlements::Outcome::Kind;
  auto const& [id, peer, amount] =
      std::tie(outcome.settlement.id, outcome.settlement.peer, outcome.settlement.amount);
  event::CreditSettled settled{id, peer, name_of(peer), amount, {}, {}};
  if (outcome.kind == Kind::paid) {
    settled.what = "paid";
    turn.log(std::move(settled));
    // The peer may have seen the transfer before we were told of it.
    auto const credit_id = settlement_id(outcome.settlement.ledger, outcome.settlement.seq);
    auto const* const line = lines_.find(peer);
    auto const* const received = line ? line->find_received(credit_id) : nullptr;
    if (received && received->kind == CreditKind::settle) {
      return settlements_.credited(peer, credit_id, received->amount, turn);
    }
    return lines_.tell_settled(peer, turn);
  }
  std::optional<Failure> failure;
  if (outcome.kind == Kind::refused) {
    settled.failure = describe(outcome.reason);
    auto const why = outcome.reason == LedgerErrc::insufficient ? result::CreditRefusal::no_funds
                                                                : result::CreditRefusal::none;
    failure =
        Failure{FailureCode::refused, "the ledger refuses: " + settled.failure, {}, why, amount.units()};
  }
  settled.what = failure ? "refused" : "credited";
  turn.log(std::move(settled));
  if (leaving_ && leaving_->settlements.erase(id) > 0) {
    if (failure) leaving_->settled = leaving_->settled - amount;
    if (leaving_->settlements.empty()) end_leaving(turn);
  }
  if (auto* const plan = find_plan(id)) {
    plan->settlement.clear();
    return failure ? end_plan(std::string{plan->id}, failure, turn) : go_on(*plan, turn);
  }
  auto const waiting = waiting_settlement_.extract(id);
  if (waiting.empty()) return;
  auto const command = waiting.mapped().command;
  if (failure) return turn.answer(command, *std::move(failure));
  turn.answer(command, CreditSettlement{id, peer, name_of(peer), amount, CreditSettlementState::credited,
                                        lines_.find(peer)->view().balance});
}

void Credit::end_waiting_settlements(Turn& turn) {
  auto const now = turn.now.steady;
  std::erase_if(waiting_settlement_, [&](auto const& each) {
    auto const& [id, waiting] = each;
    if (waiting.deadline > now) return false;
    auto const found = settlements_.all().find(id);
    bool const is_paid = found != settlements_.all().end() && found->second.state == Settlements::State::paid;
    auto const* const line = lines_.find(waiting.peer);
    turn.answer(waiting.command,
                CreditSettlement{id, waiting.peer, name_of(waiting.peer), waiting.amount,
                                 is_paid ? CreditSettlementState::paid : CreditSettlementState::pending,
                                 line ? line->view().balance : 0});
    return true;
  });
  for (auto& [id, plan] : plans_) {
    if (plan.command == 0 || plan.deadline > now) continue;
    Waiting const waiting{plan.command, plan.peer, plan.amount, {}};
    turn.answer(std::exchange(plan.command, 0),
                payment_view(id, waiting, result::CreditPaymentState::pending));
  }
  if (leaving_ && leaving_->deadline <= now) end_leaving(turn);
}

// Being paid

void Credit::on_incoming(Settlements::Incoming incoming, Turn& turn) {
  auto const* const line = lines_.find(incoming.peer);
  if (line) return credit(std::move(incoming), turn);
  turn.log(event::Warning{"peer " + incoming.peer.hex() + " has paid " + incoming.amount.to_text() +
                          " USD on the ledger, and has no credit line"});
}

void Credit::credit(Settlements::Incoming incoming, Turn& turn) {
  CreditEntry const entry{CreditKind::settle, incoming.id, incoming.amount,
                          turn.now.wall + options_.payment_life};
  auto const given =
      lines_.act(incoming.peer, turn, [&](CreditLine& line) { return line.give(entry, turn.now.wall); });
  bool const is_counted =
      !given && (given.error() == CreditErrc::id_reused || given.error() == CreditErrc::already_counted);
  if (!given && !is_counted) postpone(std::move(incoming), turn);
}

void Credit::postpone(Settlements::Incoming incoming, Turn& turn) {
  settlements_.postpone(std::move(incoming), turn);
  next_credit_ = std::min(next_credit_, later_by(turn.now.steady, options_.settlements.poll_interval));
}

void Credit::retry_postponed(PeerId const& peer, Turn& turn) {
  for (auto& each : settlements_.take_postponed(peer, turn)) credit(std::move(each), turn);
}

// The ledger's accounts

void Credit::run(CommandId id, command::ListUsers const&, Turn& turn) {
  if (auto failure = why_no_ledger()) return turn.answer(id, *std::move(failure));
  settlements_.ask_users(
      [id](std::optional<std::vector<LedgerAccount>> accounts, Turn& later) {
        if (!accounts) return later.answer(id, no_answer());
        result::LedgerUsers out;
        for (auto& each : *accounts) {
          out.users.push_back({std::move(each.name), each.key, each.balance, std::move(each.endpoint)});
        }
        later.answer(id, std::move(out));
      },
      turn);
}

void Credit::run(CommandId id, command::DeleteUsers const&, Turn& turn) {
  if (auto failure = why_no_ledger()) return turn.answer(id, *std::move(failure));
  settlements_.ask_delete(
      [id](Result<AccountsDeleted> const& deleted, Turn& later) {
        if (deleted) return later.answer(id, result::LedgerDeleted{deleted->count});
        later.answer(id, Failure{FailureCode::refused, deleted.error().message(), {}});
      },
      turn);
}

// Leaving

void Credit::run(CommandId id, command::LeaveCredit const&, Turn& turn) {
  if (leaving_) end_leaving(turn);
  leaving_ = Leaving{id, {}, {}, turn.now.steady + options_.answer_limit};
  if (why_no_ledger()) return end_leaving(turn);
  settlements_.ask_balance(
      [this, id](Turn& later) {
        if (!leaving_ || leaving_->command != id) return;
        for (auto const& [each, settlement] : settlements_.all()) {
          leaving_->settlements.insert(each);
          leaving_->settled = leaving_->settled + settlement.amount;
        }
        auto left = settlements_.balance().value_or(UsdCents{});
        std::vector<std::pair<UsdCents, PeerId>> debts;
        for (auto const& [peer, entry] : lines_.all()) debts.emplace_back(debt_to(peer), peer);
        std::ranges::sort(debts);
        for (auto const& [debt, peer] : debts) {
          auto const amount = std::min(debt, left);
          if (amount.units() == 0 || settlements_.is_full()) continue;
          left = left - amount;
          leaving_->settled = leaving_->settled + amount;
          leaving_->settlements.insert(settlements_.start(peer, amount, later));
        }
        if (leaving_->settlements.empty()) end_leaving(later);
      },
      turn);
}

void Credit::end_leaving(Turn& turn) {
  auto const leaving = *std::exchange(leaving_, {});
  result::CreditLeave out;
  out.settled = leaving.settled;
  for (auto const& id : leaving.settlements) {
    auto const found = settlements_.all().find(id);
    if (found != settlements_.all().end()) out.unconfirmed = out.unconfirmed + found->second.amount;
  }
  for (auto const& [peer, entry] : lines_.all()) {
    auto shown = view(peer, entry.line);
    if (shown.balance != 0) out.left.push_back(std::move(shown));
  }
  turn.answer(leaving.command, std::move(out));
}

}  // namespace grenache::exchange
