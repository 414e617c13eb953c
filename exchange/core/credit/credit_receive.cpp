// What the other side of a credit line sends.
#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "exchange/core/credit/credit_line.hpp"

namespace grenache::exchange {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

/// True if the update says what its entries add up to.
bool follows(CreditUpdate const& update, CreditRecord const& base) {
  auto const& record = update.record.record;
  std::int64_t paid = base.paid.units();
  std::int64_t settled = base.settled.units();
  for (auto const& entry : update.entries) {
    auto& sum = entry.kind == CreditKind::pay ? paid : settled;
    if (entry.amount.units() <= 0 || entry.amount.units() > UsdCents::kMax - sum) return false;
    sum += entry.amount.units();
  }
  return record.paid.units() == paid && record.settled.units() == settled &&
         record.root == entries_root(update.entries);
}

}  // namespace

CreditStep CreditLine::receive(CreditMessage const& message, WallTime now) {
  CreditStep step;
  if (message.line != line_) return step;
  bool const was_open = is_open();
  if (message.answer) on_accepted(*message.answer, now, step);
  std::visit(Overloaded{
                 [&](CreditUpdate const& update) { on_update(update, now, step); },
                 [&](CreditAccepted const& accepted) { on_accepted(accepted.record, now, step); },
                 [&](CreditRefused const& refused) { on_refused(refused, now, step); },
                 [&](CreditSync const& sync) { on_sync(sync, now, step); },
                 [&](CreditReset const& reset) { on_reset(reset, step); },
             },
             message.body);
  if (is_open() != was_open) step.tell.push_back({was_open ? Kind::closed : Kind::opened});
  return step;
}

// Their record

bool CreditLine::is_new_proposal(CreditRecord const& record) const {
  return record.open && !theirs().record.open;
}

bool CreditLine::is_agreed(CreditRecord const& record) const {
  return wanted_.open && record.limit == wanted_.wish && record.wish == wanted_.limit;
}

void CreditLine::on_update(CreditUpdate const& update, WallTime now, CreditStep& step) {
  if (is_disputed()) {
    step.send.push_back(resend().front());
    return;
  }
  auto const& record = update.record.record;
  if (record.counter <= decided_counter_) return repeat_decision(update, step);
  if (record.previous != theirs().record.counter) {
    step.send.push_back(sync());
    return;
  }
  if (!follows(update, theirs().record)) {
    if (!is_untouched()) dispute(record.counter, step);
    return;
  }
  // They have withdrawn what our update accepts. Once they have refused that, they repeat this.
  bool const is_opening = in_flight_ && in_flight_->record.record.open && !ours().record.open;
  if (theirs().record.open && !record.open && is_opening) return;
  if (auto faults = faults_of(update, now); !faults.empty()) {
    return refuse_theirs(record, std::move(faults), step);
  }
  if (!is_new_proposal(record) || is_agreed(record)) return sign_theirs(update, now, step);
  // Our proposal was withdrawn after it was sent, and this is its acceptance.
  if (ours().record.open && !wanted_.open) return refuse_theirs(record, {{"", CreditErrc::rejected}}, step);
  if (asked_ && asked_->record.record.counter >= record.counter) return;
  asked_ = update;
  step.save = true;
  step.tell.push_back({Kind::proposal});
}

void CreditLine::repeat_decision(CreditUpdate const& update, CreditStep& step) const {
  auto const& record = update.record.record;
  if (record == theirs().record) {
    step.send.push_back(message(CreditAccepted{theirs()}));
  } else if (refusal_ && refusal_->counter == record.counter && refusal_->digest == credit_digest(record)) {
    step.send.push_back(message(*refusal_));
  } else {
    step.send.push_back(sync());
  }
}

std::vector<CreditFault> CreditLine::faults_of(CreditUpdate const& update, WallTime now) const {
  std::vector<CreditFault> out;
  auto const& base = theirs().record;
  auto const& record = update.record.record;
  auto const under_way = pending_sum() + held_sum(side_);
  auto const our_debt = ours().record.given() + under_way - record.given();
  if (record.limit < base.limit && our_debt > record.limit.units()) {
    out.push_back({"", CreditErrc::below_debt});
  }
  if (!base.open && !record.open) out.push_back({"", CreditErrc::not_open});
  if (base.open && !record.open) {
    bool const is_pending = under_way != 0 || !holds_[1 - index(side_)].empty();
    if (is_pending) out.push_back({"", CreditErrc::pending});
    if (!is_pending && our_debt != 0) out.push_back({"", CreditErrc::not_zero});
  }
  bool const is_usable = base.open && record.open && ours().record.open;
  bool const is_frozen = record.frozen || wanted_.frozen;
  auto debt = base.given() - ours().record.given();
  auto held = held_sum(other_side(side_));
  auto const& holds = holds_[1 - index(side_)];
  std::set<std::string_view> ids;
  for (auto const& entry : update.entries) {
    auto fault = memories_[1 - index(side_)].check(entry);
    if (!ids.insert(entry.id).second) fault = CreditErrc::id_reused;
    if (!fault && !is_usable) fault = CreditErrc::not_open;
    if (!fault && is_frozen) fault = CreditErrc::frozen;
    if (!fault && entry.kind == CreditKind::pay && entry.expires <= now) fault = CreditErrc::expired;
    auto const hold = holds.find(entry.id);
    auto const promised = hold == holds.end() ? 0 : hold->second.amount.units();
    if (!fault && entry.amount.units() > promised &&
        debt + held - promised + entry.amount.units() > ours().record.limit.units()) {
      fault = CreditErrc::over_limit;
    }
    // Less than what was promised would end the hold all the same.
    if (!fault && entry.amount.units() < promised) fault = CreditErrc::bad_amount;
    if (fault) {
      out.push_back({entry.id, *fault});
    } else {
      debt += entry.amount.units();
      held -= promised;
    }
  }
  return out;
}

void CreditLine::sign_theirs(CreditUpdate const& update, WallTime now, CreditStep& step) {
  auto const before = theirs().record;
  theirs() = update.record;
  auto const& record = theirs().record;
  decided_counter_ = record.counter;
  refusal_.reset();
  asked_.reset();
  for (auto const& entry : update.entries) remember(entry, other_side(side_), step);
  step.save = true;
  step.send.push_back(message(CreditAccepted{theirs()}));
  tell_receipts(update.entries, other_side(side_), step);
  if (before.open && (before.limit != record.limit || before.wish != record.wish)) {
    step.tell.push_back({Kind::limits});
  }
  if (before.frozen != record.frozen) step.tell.push_back({record.frozen ? Kind::frozen : Kind::thawed});
  if (before.open && !record.open) wanted_.open = false;
  advance(now, step);
}

void CreditLine::refuse_theirs(CreditRecord const& record, std::vector<CreditFault> faults,
                               CreditStep& step) {
  decided_counter_ = record.counter;
  refusal_ = CreditRefused{record.counter, credit_digest(record), std::move(faults), {}};
  asked_.reset();
  step.save = true;
  step.send.push_back(message(*refusal_));
}

// Our record

void CreditLine::on_accepted(SignedCreditRecord const& record, WallTime now, CreditStep& step) {
  if (!is_disputed() && in_flight_ && in_flight_->record.record == record.record) complete(record, now, step);
}

void CreditLine::complete(SignedCreditRecord const& record, WallTime now, CreditStep& step) {
  auto const before = terms_of(ours().record);
  auto const entries = std::exchange(in_flight_, {})->entries;
  ours() = record;
  auto const after = terms_of(ours().record);
  for (auto const& entry : entries) remember(entry, side_, step);
  step.save = true;
  tell_receipts(entries, side_, step);
  if (before.open && (before.limit != after.limit || before.wish != after.wish)) {
    step.tell.push_back({Kind::limits});
  }
  // They have agreed to our proposal, so theirs is off unless it says the same.
  if (!before.open && after.open && asked_) {
    auto const update = *std::exchange(asked_, {});
    if (is_agreed(update.record.record)) return sign_theirs(update, now, step);
    refuse_theirs(update.record.record, {{"", CreditErrc::rejected}}, step);
  }
  advance(now, step);
}

void CreditLine::tell_receipts(std::vector<CreditEntry> const& entries, CreditSide payer,
                               CreditStep& step) const {
  if (entries.empty()) return;
  auto paths = entry_paths(entries);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    step.tell.push_back(
        {payer == side_ ? Kind::counted : Kind::received, entries[i], std::nullopt,
         CreditReceipt{parties_, payer, entries[i], std::move(paths[i]), records_[0], records_[1]}});
  }
}

void CreditLine::on_refused(CreditRefused const& refused, WallTime now, CreditStep& step) {
  if (is_disputed() || !in_flight_ || in_flight_->record.record.counter != refused.counter ||
      credit_digest(in_flight_->record.record) != refused.digest) {
    return;
  }
  auto const terms = terms_of(in_flight_->record.record);
  auto const signed_terms = terms_of(ours().record);
  bool has_reason = false;
  for (auto const& [id, code] : refused.faults) {
    if (!id.empty()) {
      auto const found = std::ranges::find(in_flight_->entries, id, &CreditEntry::id);
      if (found == in_flight_->entries.end()) continue;
      has_reason = true;
      // Counted by a version that this peer had lost.
      bool const is_counted = code == CreditErrc::already_counted;
      if (is_counted) {
        remember(*found, side_, step);
        step.tell.push_back({Kind::counted, *found, code});
      } else {
        fail(*found, code, step);
      }
      in_flight_->entries.erase(found);
    } else if (terms.limit < signed_terms.limit && code == CreditErrc::below_debt) {
      has_reason = true;
      if (wanted_.limit == terms.limit) wanted_.limit = signed_terms.limit;
      step.tell.push_back({Kind::refused, {}, code});
    } else if (terms.open != signed_terms.open) {
      has_reason = true;
      // Another proposal may have been accepted meanwhile.
      if (wanted_ != terms) continue;
      wanted_ = signed_terms;
      step.tell.push_back({Kind::refused, {}, code});
    }
  }
  step.save = true;
  if (!has_reason) return dispute(refused.counter, step);
  refused_counter_ = refused.counter;
  requeue();
  advance(now, step);
}

// Both

void CreditLine::on_sync(CreditSync const& sync, WallTime now, CreditStep& step) {
  std::array const given{&sync.low, &sync.high};
  if (is_disputed()) {
    auto const is_newer = [&](CreditSide side) {
      return given[index(side)]->record.counter > record(side).record.counter;
    };
    if (is_newer(CreditSide::low) && is_newer(CreditSide::high)) end_dispute(sync.low, sync.high, step);
    return;
  }
  bool is_behind = false;  // the other side
  for (auto const side : {CreditSide::low, CreditSide::high}) {
    auto const& theirs = given[index(side)]->record;
    auto const& mine = record(side).record;
    is_behind = is_behind || theirs.counter < mine.counter;
    bool const is_contradiction =
        (theirs.counter == mine.counter && theirs != mine) ||
        (side == side_ && theirs.counter > mine.counter && theirs.counter <= refused_counter_);
    if (is_contradiction) return dispute(std::max(sync.low.record.counter, sync.high.record.counter), step);
  }
  auto const& our_record = *given[index(side_)];
  auto const& their_record = *given[1 - index(side_)];
  if (their_record.record.counter > theirs().record.counter) {
    theirs() = their_record;
    if (asked_ && asked_->record.record.counter <= their_record.record.counter) asked_.reset();
    if (their_record.record.counter > decided_counter_) refusal_.reset();
    decided_counter_ = std::max(decided_counter_, their_record.record.counter);
    step.save = true;
  }
  if (in_flight_ && in_flight_->record.record == our_record.record) {
    complete(our_record, now, step);
  } else if (our_record.record.counter > ours().record.counter) {
    ours() = our_record;
    wanted_ = terms_of(ours().record);
    last_counter_ = std::max(last_counter_, our_record.record.counter);
    requeue();
    trim_queue(step);
    step.save = true;
  }
  if (is_behind) step.send.push_back(this->sync());
  advance(now, step);
}

void CreditLine::trim_queue(CreditStep& step) {
  auto room = theirs().record.limit.units() - (pending_debt() - pending_sum());
  std::erase_if(queue_, [&](CreditEntry const& entry) {
    if (entry.amount.units() <= room) {
      room -= entry.amount.units();
      return false;
    }
    fail(entry, CreditErrc::over_limit, step);
    return true;
  });
}

}  // namespace grenache::exchange
