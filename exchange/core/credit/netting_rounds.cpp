#include "exchange/core/credit/netting_rounds.hpp"

#include <algorithm>

namespace grenache::exchange {

bool NettingRounds::begin(CommandId command, Turn& turn) {
  if (round_) return false;
  round_.emplace();
  round_->command = command;
  round_->deadline = later_by(turn.now.steady, options_.limit);
  round_->seen.insert(self_.id);
  std::optional<PeerId> after;
  for (bool has_more = true; has_more;) {
    auto const page = transits_.debts(after);
    add(self_.id, page);
    has_more = page.has_more;
    if (has_more) after = page.debts.back().peer;
  }
  go_on(turn);
  return true;
}

void NettingRounds::add(PeerId const& teller, DebtsAnswer const& answer) {
  auto& round = *round_;
  for (auto const& [peer, cents] : answer.debts) {
    if (peer == teller || cents == 0) continue;
    auto const key = cents > 0 ? std::pair{teller, peer} : std::pair{peer, teller};
    if (round.debts.size() >= options_.debt_count_max && !round.debts.contains(key)) continue;
    auto& told = round.debts[key];
    (cents > 0 ? told.by_creditor : told.by_debtor) = cents > 0 ? cents : -cents;
    if (round.seen.size() < options_.peer_count_max && round.seen.insert(peer).second) {
      round.to_ask.emplace_back(peer, std::nullopt);
    }
  }
}

void NettingRounds::go_on(Turn& turn) {
  auto& round = *round_;
  while (!round.to_ask.empty() && round.calls.size() < options_.call_count_max) {
    auto const [peer, after] = std::move(round.to_ask.front());
    round.to_ask.pop_front();
    auto const endpoints = peers_.endpoints_of(peer);
    if (endpoints.empty()) continue;
    round.calls.emplace(++last_call_, Asked{peer});
    turn.call({Part::netting, last_call_}, endpoints.front(),
              to_json(GetDebtsMessage{self_.header(CreatorType::client, turn.now.wall), after}));
  }
  if (!round.to_ask.empty() || (!round.is_planned && !round.calls.empty())) return;
  if (!round.is_planned) plan();
  std::size_t running = 0;
  bool is_done = true;
  for (std::size_t i = 0; i < round.cycles.size() && running < options_.call_count_max; ++i) {
    auto& cycle = round.cycles[i];
    if (cycle.state == TransitState::committed || cycle.state == TransitState::aborted) continue;
    is_done = false;
    ++running;
    if (!cycle.is_begun) start(i, turn);
    // Some end at once.
    if (cycle.state == TransitState::committed || cycle.state == TransitState::aborted) --running;
  }
  auto const is_decided = [](Cycle const& cycle) {
    return cycle.state == TransitState::committed || cycle.state == TransitState::aborted;
  };
  if (is_done || std::ranges::all_of(round.cycles, is_decided)) finish(turn);
}

void NettingRounds::plan() {
  auto& round = *round_;
  round.is_planned = true;
  std::vector<PeerId> peers;
  std::map<PeerId, std::uint32_t> numbers;
  auto const number_of = [&](PeerId const& peer) {
    auto const [found, is_new] = numbers.emplace(peer, static_cast<std::uint32_t>(peers.size()));
    if (is_new) peers.push_back(peer);
    return found->second;
  };
  std::vector<Debt> debts;
  std::int64_t sum = 0;
  for (auto const& [key, told] : round.debts) {
    if (!told.by_creditor || !told.by_debtor) continue;
    auto const cents = std::min(*told.by_creditor, *told.by_debtor);
    if (cents > UsdCents::kMax - sum) continue;
    sum += cents;
    debts.push_back({number_of(key.second), number_of(key.first), cents});
  }
  round.done.debt_count = debts.size();
  auto const planned = plan_netting(debts, options_.limits);
  if (!planned) return;
  for (auto const& found : planned->cycles) {
    // Each creditor pays its debtor, so the path goes against the order of the debts.
    Cycle cycle;
    cycle.amount = UsdCents{found.cents};
    for (auto it = found.debts.rbegin(); it != found.debts.rend(); ++it) {
      cycle.path.push_back(peers[debts[*it].debtor]);
    }
    auto first = std::ranges::find(cycle.path, self_.id);
    if (first == cycle.path.end()) {
      first = std::ranges::find_if(cycle.path,
                                   [&](auto const& peer) { return !peers_.endpoints_of(peer).empty(); });
    }
    if (first == cycle.path.end()) continue;
    std::rotate(cycle.path.begin(), first + 1, cycle.path.end());
    round.cycles.push_back(std::move(cycle));
  }
}

void NettingRounds::start(std::size_t index, Turn& turn) {
  auto& cycle = round_->cycles[index];
  if (!cycle.is_begun) cycle.id = make_uuid(turn.random);
  bool const is_first = !std::exchange(cycle.is_begun, true);
  auto const& starter = cycle.path.back();
  if (starter == self_.id) {
    if (is_first && !transits_.net(cycle.id, cycle.path, cycle.amount, turn))
      ended(cycle, TransitState::aborted);
    return;
  }
  auto const endpoints = peers_.endpoints_of(starter);
  if (endpoints.empty()) return;
  round_->calls.emplace(++last_call_, Asked{starter, index});
  StartNettingMessage const message{self_.header(CreatorType::client, turn.now.wall), cycle.id, cycle.amount,
                                    cycle.path};
  turn.call({Part::netting, last_call_}, endpoints.front(), to_json(message));
}

void NettingRounds::ended(Cycle& cycle, TransitState state) {
  cycle.state = state;
  cycle.next_try = TimePoint::max();
  auto& done = round_->done;
  if (state == TransitState::aborted) {
    ++done.failed_count;
  } else {
    ++done.cycle_count;
    done.removed =
        done.removed + UsdCents{cycle.amount.units() * static_cast<std::int64_t>(cycle.path.size())};
  }
}

void NettingRounds::on_answered(std::uint64_t call, CallAnswer const& answer, Turn& turn) {
  if (!round_) return;
  auto const found = round_->calls.extract(call);
  if (found.empty()) return;
  auto const& asked = found.mapped();
  if (!asked.cycle) {
    auto const debts = answer.error.empty() ? parse_debts(read_answer(answer.result))
                                            : Result<DebtsAnswer>{MessageErrc::bad_answer};
    if (debts) {
      ++round_->done.peer_count;
      add(asked.peer, *debts);
      bool const goes_on =
          debts->has_more && !debts->debts.empty() && round_->debts.size() < options_.debt_count_max;
      if (goes_on) round_->to_ask.emplace_back(asked.peer, debts->debts.back().peer);
    }
    return go_on(turn);
  }
  auto& cycle = round_->cycles[*asked.cycle];
  auto const started = answer.error.empty() ? parse_netting(read_answer(answer.result))
                                            : Result<NettingAnswer>{MessageErrc::bad_answer};
  if (started && started->id == cycle.id && started->state != TransitState::pending) {
    ended(cycle, started->state);
  } else {
    cycle.next_try = later_by(turn.now.steady, options_.retry);
  }
  go_on(turn);
}

void NettingRounds::on_outcome(Transits::Outcome const& outcome, Turn& turn) {
  if (!round_) return;
  auto const found = std::ranges::find(round_->cycles, outcome.id, &Cycle::id);
  if (found == round_->cycles.end() || found->state) return;
  ended(*found, outcome.state);
  go_on(turn);
}

void NettingRounds::expire(Turn& turn) {
  if (!round_) return;
  if (round_->deadline <= turn.now.steady) return finish(turn);
  for (std::size_t i = 0; i < round_->cycles.size(); ++i) {
    if (round_->cycles[i].next_try > turn.now.steady) continue;
    round_->cycles[i].next_try = TimePoint::max();
    start(i, turn);
  }
}

TimePoint NettingRounds::next_expiry() const {
  if (!round_) return TimePoint::max();
  auto out = round_->deadline;
  for (auto const& cycle : round_->cycles) out = std::min(out, cycle.next_try);
  return out;
}

void NettingRounds::finish(Turn& turn) {
  auto const round = *std::exchange(round_, {});
  auto done = round.done;
  for (auto const& cycle : round.cycles) done.undecided_count += cycle.is_begun && !cycle.state ? 1U : 0U;
  turn.answer(round.command, done);
}

}  // namespace grenache::exchange
