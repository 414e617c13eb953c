// Payments over the lines of others, and netting: commands and what is told of them.
#include <algorithm>

#include "exchange/core/credit/credit.hpp"

namespace grenache::exchange {

using result::CreditPaymentState;
using result::Failure;
using result::FailureCode;

namespace {

constexpr std::int64_t kFeePart = 100;  // of an amount is its highest fee, unless another one is named

}  // namespace

bool Credit::is_over_others(PeerId const& peer) const {
  auto const* const direct = lines_.find(peer);
  if (direct && direct->view().is_open) return false;
  return std::ranges::any_of(lines_.all(), [](auto const& each) { return each.second.line.view().is_open; });
}

void Credit::pay_over_others(CommandId id, PeerId const& peer, command::PayCredit const& wanted, Turn& turn) {
  if (!lines_.is_known(peer)) {
    return turn.answer(id, Failure{FailureCode::unavailable, "this peer does not answer", "see: peers"});
  }
  auto const count = waiting_transits_.size() + waiting_.size() + probing_.size() + plans_.size();
  if (count >= options_.waiting_count_max) {
    return turn.answer(id, Failure{FailureCode::unavailable, "too many payments are under way", "try again"});
  }
  auto const fee_max = wanted.fee_max.value_or(UsdCents{wanted.amount.units() / kFeePart + 1});
  auto const transit = transits_.pay(peer, wanted.amount, fee_max, turn);
  waiting_transits_.emplace(transit,
                            Waiting{id, peer, wanted.amount, turn.now.steady + options_.answer_limit});
}

void Credit::on_transit(Transits::Outcome const& outcome, Turn& turn) {
  bool const is_committed = outcome.state == TransitState::committed;
  std::string const text = is_committed ? ""
                                        : std::string{outcome.has_invoice ? describe(outcome.reason)
                                                                          : "the payee does not answer"};
  if (outcome.has_invoice) {
    std::string const what = !is_committed ? "failed" : outcome.is_netting ? "netted" : "sent";
    turn.log(event::CreditTransit{outcome.id, what, self_.id, self_.name, outcome.payee,
                                  outcome.is_netting ? self_.name : name_of(outcome.payee), outcome.amount,
                                  outcome.fee, text});
  }
  if (outcome.is_netting) return netting_.on_outcome(outcome, turn);
  auto const found = waiting_transits_.extract(outcome.id);
  if (found.empty()) return;
  auto const& waiting = found.mapped();
  if (!is_committed) {
    auto const code = outcome.has_invoice ? FailureCode::refused : FailureCode::unavailable;
    auto const* const hint = outcome.reason == TransitReason::fee ? "allow a higher fee: --max-fee USD" : "";
    return turn.answer(waiting.command, Failure{code, text + "; nothing was paid", hint});
  }
  auto payment = payment_view(outcome.id, waiting, CreditPaymentState::counted);
  payment.is_over_others = true;
  payment.fee = outcome.fee;
  turn.answer(waiting.command, std::move(payment));
}

void Credit::end_waiting_transits(Turn& turn) {
  std::erase_if(waiting_transits_, [&](auto const& each) {
    auto const& [id, waiting] = each;
    if (waiting.deadline > turn.now.steady) return false;
    auto payment = payment_view(id, waiting, CreditPaymentState::pending);
    payment.is_over_others = true;
    turn.answer(waiting.command, std::move(payment));
    return true;
  });
}

// What we do for others

void Credit::set_policy(CommandId id, PeerId const& peer, TransitPolicy const& policy, Turn& turn) {
  transits_.set_policy(peer, policy, turn);
  turn.answer(id, view(peer, *lines_.find(peer)));
}

void Credit::run(CommandId id, command::ForwardCredit const& wanted, Turn& turn) {
  if (auto failure = why_disabled()) return turn.answer(id, *std::move(failure));
  auto const found = find_peer(wanted.peer);
  if (auto const* const failure = std::get_if<Failure>(&found)) return turn.answer(id, *failure);
  auto const& peer = std::get<PeerId>(found);
  if (!lines_.find(peer)) {
    return turn.answer(
        id, Failure{FailureCode::refused, "there is no credit line with this peer", "see: propose"});
  }
  auto policy = transits_.policy(peer);
  policy.forwards = wanted.forward;
  policy.fee_fixed = wanted.forward ? wanted.fee : UsdCents{};
  policy.fee_ppm = wanted.forward ? std::clamp<std::int64_t>(wanted.ppm, 0, kFeePpmMax) : 0;
  set_policy(id, peer, policy, turn);
}

void Credit::run(CommandId id, command::AllowNetting const& wanted, Turn& turn) {
  if (auto failure = why_disabled()) return turn.answer(id, *std::move(failure));
  auto const found = find_peer(wanted.peer);
  if (auto const* const failure = std::get_if<Failure>(&found)) return turn.answer(id, *failure);
  auto const& peer = std::get<PeerId>(found);
  if (!lines_.find(peer)) {
    return turn.answer(
        id, Failure{FailureCode::refused, "there is no credit line with this peer", "see: propose"});
  }
  auto policy = transits_.policy(peer);
  policy.nets = wanted.allow;
  set_policy(id, peer, policy, turn);
}

void Credit::run(CommandId id, command::NetDebts const&, Turn& turn) {
  if (auto failure = why_disabled()) return turn.answer(id, *std::move(failure));
  if (!netting_.begin(id, turn)) {
    turn.answer(id, Failure{FailureCode::unavailable, "debts are being netted already", "try again"});
  }
}

}  // namespace grenache::exchange
