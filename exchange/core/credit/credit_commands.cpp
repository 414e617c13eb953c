// The commands about credit lines.
#include <algorithm>
#include <cctype>

#include "exchange/core/credit/credit.hpp"

namespace grenache::exchange {
namespace {

using result::CreditLineView;
using result::Failure;
using result::FailureCode;

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

Failure failure_of(Error const& error) {
  if (error == CreditErrc::not_open) {
    return {FailureCode::refused, "there is no open credit line with this peer", "see: propose"};
  }
  if (error == CreditErrc::no_proposal) {
    return {FailureCode::not_found, "this peer has proposed nothing that waits for an answer",
            "see: balance"};
  }
  if (error == CreditErrc::bad_limit) {
    return {FailureCode::refused, "the limit is not allowed, or the proposal has changed", "see: balance"};
  }
  if (error == CreditErrc::disputed) {
    return {FailureCode::refused, "the two sides of this credit line disagree", "see: balance, then: reset"};
  }
  return {FailureCode::refused, error.message(), {}};
}

}  // namespace

std::optional<Failure> Credit::why_disabled() const {
  if (options_.is_enabled) return std::nullopt;
  return Failure{FailureCode::refused,
                 "credit lines belong to one process, and other processes may share this identity",
                 "run the peer without --redis"};
}

Credit::OrFailure<PeerId> Credit::find_peer(std::string const& text) const {
  if (auto const id = PeerId::from_hex(text)) {
    if (*id == self_.id) return Failure{FailureCode::invalid, "this is our own identity", {}};
    return *id;
  }
  if (text.empty()) return only_line();
  std::set<PeerId> named_lines;
  std::set<PeerId> named;
  std::set<PeerId> begun;
  bool const may_be_id = text.size() >= kIdPrefixSizeMin && is_hex(text);
  for (auto const& [peer, entry] : lines_.all()) {
    if (entry.name == text) (entry.line.is_wanted() ? named_lines : named).insert(peer);
    if (may_be_id && peer.hex().starts_with(text)) begun.insert(peer);
  }
  for (auto const& [endpoint, contact] : peers_.all()) {
    if (!contact.peer || !contact.is_proven || contact.is_self || *contact.peer == self_.id) continue;
    if (contact.name == text) named.insert(*contact.peer);
    if (may_be_id && contact.peer->hex().starts_with(text)) begun.insert(*contact.peer);
  }
  auto& found = named_lines.empty() ? named : named_lines;
  found.merge(begun);
  if (found.size() == 1) return *found.begin();
  if (found.size() > 1) {
    return Failure{FailureCode::ambiguous, "several peers match '" + text + "'",
                   "give the peer's id, see: peers"};
  }
  if (text == self_.name) return Failure{FailureCode::invalid, "this is our own name", "see: peers"};
  return Failure{FailureCode::not_found, "no peer is known as '" + text + "'", "see: peers"};
}

/// The only peer with a waiting proposal that this names; null if there is none, or several.
PeerId const* Credit::find_proposer(std::string const& text) const {
  PeerId const* found = nullptr;
  for (auto const& [peer, entry] : lines_.all()) {
    bool const is_named = !text.empty() && entry.name == text;
    if (!entry.line.proposal() || !is_named) continue;
    if (found) return nullptr;
    found = &peer;
  }
  return found;
}

/// The peer of the only open line.
Credit::OrFailure<PeerId> Credit::only_line() const {
  std::optional<PeerId> found;
  for (auto const& [peer, entry] : lines_.all()) {
    if (!entry.line.view().is_open) continue;
    if (found) return Failure{FailureCode::ambiguous, "there are several credit lines", "name the peer"};
    found = peer;
  }
  if (found) return *found;
  return Failure{FailureCode::refused, "there is no open credit line", "see: propose"};
}

CreditLineView Credit::view(PeerId const& peer, CreditLine const& line) const {
  auto const view = line.view();
  CreditLineView out;
  out.peer = peer;
  out.name = name_of(peer);
  out.balance = view.balance;
  out.pending = view.pending;
  out.room = view.room;
  out.limit = view.our_limit;
  out.their_limit = view.their_limit;
  out.is_open = view.is_open;
  out.is_frozen = view.is_frozen;
  out.is_proposed = !view.is_open && line.is_wanted();
  if (auto const* const proposal = line.proposal()) {
    out.proposal = CreditLineView::Proposal{proposal->limit, proposal->wish};
  }
  if (line.our_terms()) out.our_terms = line.our_terms()->balance(line.side());
  if (line.their_terms()) out.their_terms = line.their_terms()->balance(line.side());
  auto const sums = dues_.sums(peer);
  out.due_to_us = sums.to_us;
  out.due_to_them = sums.to_them;
  out.settling = settlements_.under_way(peer);
  auto const policy = transits_.policy(peer);
  out.forwards = policy.forwards;
  out.fee = policy.fee_fixed;
  out.fee_ppm = policy.fee_ppm;
  out.nets = policy.nets;
  return out;
}

result::CreditPayment Credit::payment_view(std::string const& id, Waiting const& waiting,
                                           result::CreditPaymentState state) const {
  auto const* const line = lines_.find(waiting.peer);
  return {id, waiting.peer, name_of(waiting.peer), waiting.amount, state, line ? line->view().balance : 0};
}

template <class Action>
void Credit::change(CommandId id, std::string const& text, Turn& turn, Action action) {
  if (auto failure = why_disabled()) return turn.answer(id, *std::move(failure));
  auto const found = find_peer(text);
  if (auto const* const failure = std::get_if<Failure>(&found)) return turn.answer(id, *failure);
  auto const& peer = std::get<PeerId>(found);
  if (auto const done = lines_.act(peer, turn, action); !done) {
    return turn.answer(id, failure_of(done.error()));
  }
  retry_postponed(peer, turn);
  turn.answer(id, view(peer, *lines_.find(peer)));
}

void Credit::run(CommandId id, command::ProposeCredit const& wanted, Turn& turn) {
  if (auto failure = why_disabled()) return turn.answer(id, *std::move(failure));
  auto const found = find_peer(wanted.peer);
  if (auto const* const failure = std::get_if<Failure>(&found)) return turn.answer(id, *failure);
  auto const& peer = std::get<PeerId>(found);
  if (!lines_.find(peer) && !lines_.is_known(peer)) {
    return turn.answer(id, Failure{FailureCode::not_found, "this peer does not answer", "see: peers"});
  }
  if (auto const created = lines_.create(peer, peers_.name_of(peer)); !created) {
    return turn.answer(id, Failure{FailureCode::refused, "there are too many credit lines", {}});
  }
  change(id, peer.hex(), turn,
         [&](CreditLine& line) { return line.propose(wanted.limit, wanted.wish, turn.now.wall); });
}

void Credit::run(CommandId id, command::AnswerProposal const& wanted, Turn& turn) {
  auto text = wanted.peer;
  if (auto const* const proposer = find_proposer(text)) text = proposer->hex();
  if (text.empty()) {
    std::erase_if(proposals_, [this](PeerId const& peer) {
      auto const* const line = lines_.find(peer);
      return !line || !line->proposal();
    });
    // After a restart the order is not known.
    for (auto const& [peer, entry] : lines_.all()) {
      if (proposals_.empty() && entry.line.proposal()) proposals_.push_back(peer);
    }
    if (proposals_.empty()) return turn.answer(id, failure_of(CreditErrc::no_proposal));
    text = proposals_.front().hex();
  }
  change(id, text, turn, [&](CreditLine& line) -> Result<CreditStep> {
    auto const* const asked = line.proposal();
    bool const has_changed = asked && ((wanted.limit && asked->limit != *wanted.limit) ||
                                       (wanted.wish && asked->wish != *wanted.wish));
    if (has_changed) return make_error_code(CreditErrc::bad_limit);
    return wanted.accept ? line.accept(turn.now.wall) : line.reject();
  });
}

void Credit::run(CommandId id, command::PayCredit const& wanted, Turn& turn) {
  if (auto failure = why_disabled()) return turn.answer(id, *std::move(failure));
  auto const found = find_peer(wanted.peer);
  if (auto const* const failure = std::get_if<Failure>(&found)) return turn.answer(id, *failure);
  auto const& peer = std::get<PeerId>(found);
  if (wanted.dry_run) {
    auto const tell = [this, id, peer, amount = wanted.amount](Turn& later) {
      later.answer(id, forecast(peer, amount));
    };
    return settlements_.is_enabled() ? settlements_.ask_balance(tell, turn) : tell(turn);
  }
  if (is_over_others(peer)) return pay_over_others(id, peer, wanted, turn);
  if (auto const why_not = why_not_paid(peer)) return turn.answer(id, *why_not);
  auto const view = lines_.find(peer)->view();
  if (wanted.amount > view.room && !settlements_.is_enabled()) return turn.answer(id, no_room(view));
  if (waiting_.size() + probing_.size() + plans_.size() >= options_.waiting_count_max) {
    return turn.answer(id, Failure{FailureCode::unavailable, "too many payments are under way", "try again"});
  }
  Waiting waiting{id, peer, wanted.amount, turn.now.steady + options_.answer_limit};
  if (lines_.is_fresh(peer, turn.now.steady)) return pay(std::move(waiting), turn);
  probing_.emplace(peer, std::move(waiting));
  lines_.probe(peer, turn);
}

void Credit::run(CommandId id, command::LimitCredit const& wanted, Turn& turn) {
  change(id, wanted.peer, turn, [&](CreditLine& line) {
    bool const is_raise = wanted.limit > line.wanted_limit();
    return is_raise ? line.raise(wanted.limit, turn.now.wall) : line.lower(wanted.limit, turn.now.wall);
  });
}

void Credit::run(CommandId id, command::AskCredit const& wanted, Turn& turn) {
  change(id, wanted.peer, turn, [&](CreditLine& line) { return line.ask(wanted.wish, turn.now.wall); });
}

void Credit::run(CommandId id, command::FreezeCredit const& wanted, Turn& turn) {
  change(id, wanted.peer, turn, [&](CreditLine& line) { return line.freeze(wanted.freeze, turn.now.wall); });
}

void Credit::run(CommandId id, command::CloseCredit const& wanted, Turn& turn) {
  auto const found = find_peer(wanted.peer);
  auto const* const peer = std::get_if<PeerId>(&found);
  if (peer && settlements_.under_way(*peer).units() > 0) {
    return turn.answer(id,
                       Failure{FailureCode::refused, "a debt to this peer is being settled", "see: balance"});
  }
  change(id, wanted.peer, turn, [&](CreditLine& line) { return line.close(turn.now.wall); });
}

void Credit::run(CommandId id, command::ResetCredit const& wanted, Turn& turn) {
  change(id, wanted.peer, turn, [](CreditLine& line) { return line.accept_reset(); });
}

void Credit::run(CommandId id, command::ShowBalance const&, Turn& turn) {
  auto const tell = [this, id](Turn& later) {
    result::CreditBalance out;
    for (auto const& [peer, entry] : lines_.all()) {
      auto shown = view(peer, entry.line);
      bool const is_shown = entry.line.is_wanted() || shown.is_open || shown.proposal || shown.our_terms ||
                            shown.balance != 0 || shown.due_to_them.units() > 0;
      if (!is_shown) continue;
      out.total += shown.balance;
      out.lines.push_back(std::move(shown));
    }
    out.has_ledger = settlements_.is_enabled();
    out.account = settlements_.account_name();
    out.on_ledger = settlements_.balance();
    later.answer(id, std::move(out));
  };
  if (settlements_.is_enabled()) return settlements_.ask_balance(tell, turn);
  tell(turn);
}

}  // namespace grenache::exchange
