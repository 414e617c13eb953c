#include "exchange/core/credit/credit_line.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {
namespace {

bool is_limit(UsdCents limit) { return limit.units() >= 0 && limit.units() <= UsdCents::kMax; }

std::int64_t sum_of(auto const& entries) {
  std::int64_t out = 0;
  for (auto const& entry : entries) out += entry.amount.units();
  return out;
}

}  // namespace

CreditLine::CreditLine(CreditParties const& parties, CreditSide side)
    : parties_{parties}, line_{parties.line()}, side_{side} {
  for (auto const each : {CreditSide::low, CreditSide::high}) {
    auto& record = records_[index(each)].record;
    record.line = line_;
    record.side = each;
  }
}

Result<CreditLine> CreditLine::create(PeerId const& self, PeerId const& other) {
  auto const parties = CreditParties::of(self, other);
  if (!parties) return parties.error();
  return CreditLine{*parties, self == parties->low ? CreditSide::low : CreditSide::high};
}

// What is pending

CreditLine::Terms CreditLine::terms_of(CreditRecord const& record) {
  return {record.limit, record.wish, record.open, record.frozen};
}

std::int64_t CreditLine::pending_sum() const {
  return sum_of(queue_) + (in_flight_ ? sum_of(in_flight_->entries) : 0);
}

std::int64_t CreditLine::pending_debt() const {
  return debt_of(side_, record(CreditSide::low).record, record(CreditSide::high).record) + pending_sum() +
         held_sum(side_);
}

std::int64_t CreditLine::total_of(CreditKind kind) const {
  auto out = (kind == CreditKind::pay ? ours().record.paid : ours().record.settled).units();
  auto const add = [&](CreditEntry const& entry) { out += entry.kind == kind ? entry.amount.units() : 0; };
  std::ranges::for_each(queue_, add);
  if (in_flight_) std::ranges::for_each(in_flight_->entries, add);
  return out;
}

CreditEntry const* CreditLine::find_pending(std::string_view id) const {
  auto const find = [&](auto const& entries) -> CreditEntry const* {
    auto const found = std::ranges::find(entries, id, &CreditEntry::id);
    return found != entries.end() ? &*found : nullptr;
  };
  auto const* const sent = in_flight_ ? find(in_flight_->entries) : nullptr;
  return sent ? sent : find(queue_);
}

std::optional<CreditErrc> CreditLine::why_not_changed() const {
  if (is_disputed()) return CreditErrc::disputed;
  if (!is_open() || !wanted_.open) return CreditErrc::not_open;
  return std::nullopt;
}

void CreditLine::requeue() {
  if (!in_flight_) return;
  auto const& entries = in_flight_->entries;
  queue_.insert(queue_.begin(), entries.begin(), entries.end());
  in_flight_.reset();
}

void CreditLine::fail_pending(CreditErrc error, CreditStep& step) {
  requeue();
  for (auto& entry : std::exchange(queue_, {})) fail(std::move(entry), error, step);
}

void CreditLine::fail(CreditEntry entry, CreditErrc error, CreditStep& step) {
  step.save = true;
  auto& holds = holds_[index(side_)];
  if (auto const hold = holds.find(entry.id); hold != holds.end()) hold->second.is_given = false;
  step.rows.push_back({row_key(entry.id, side_), {}});
  step.tell.push_back({Kind::failed, std::move(entry), error});
}

CreditView CreditLine::view() const {
  CreditView out;
  out.balance = -debt_of(side_, record(CreditSide::low).record, record(CreditSide::high).record);
  out.pending = UsdCents{pending_sum()};
  out.held = UsdCents{held_sum(side_)};
  out.held_by_them = UsdCents{held_sum(other_side(side_))};
  out.our_limit = ours().record.limit;
  out.their_limit = theirs().record.limit;
  out.is_open = is_open();
  out.is_frozen = wanted_.frozen || theirs().record.frozen;
  out.is_disputed = is_disputed();
  out.pending_count = queue_.size() + (in_flight_ ? in_flight_->entries.size() : 0);
  bool const can_give = !why_not_changed() && !out.is_frozen && out.pending_count < kPendingMax;
  if (can_give) out.room = UsdCents{std::max<std::int64_t>(0, out.their_limit.units() - pending_debt())};
  return out;
}

// Messages

CreditMessage CreditLine::message(decltype(CreditMessage::body) body) const {
  CreditMessage out{line_, std::nullopt, std::move(body)};
  if (std::holds_alternative<CreditUpdate>(out.body) && theirs().record.counter != 0) out.answer = theirs();
  return out;
}

CreditMessage CreditLine::sync() const { return message(CreditSync{records_[0], records_[1]}); }

std::vector<CreditMessage> CreditLine::resend() const {
  if (our_terms_) return {message(CreditReset{our_terms_->low, our_terms_->high})};
  if (in_flight_) return {message(*in_flight_)};
  return {};
}

std::vector<CreditMessage> CreditLine::connect() const {
  std::vector<CreditMessage> out{sync()};
  for (auto& each : resend()) out.push_back(std::move(each));
  return out;
}

void CreditLine::advance(WallTime now, CreditStep& step) {
  if (in_flight_ || is_disputed()) return;
  CreditUpdate next;
  auto& record = next.record.record;
  record = ours().record;
  std::tie(record.limit, record.wish, record.open, record.frozen) =
      std::tie(wanted_.limit, wanted_.wish, wanted_.open, wanted_.frozen);
  bool const can_give = is_open() && wanted_.open && !wanted_.frozen && !theirs().record.frozen;
  auto room = theirs().record.limit.units() - (pending_debt() - pending_sum());
  while (can_give && !queue_.empty() && next.entries.size() < kCreditEntriesMax) {
    auto entry = std::move(queue_.front());
    queue_.pop_front();
    step.save = true;
    bool const is_expired = entry.kind == CreditKind::pay && entry.expires <= now;
    auto& sum = entry.kind == CreditKind::pay ? record.paid : record.settled;
    // There is no room only after a record was taken over that this peer had lost.
    if (is_expired || entry.amount.units() > room || (sum + entry.amount).units() > UsdCents::kMax) {
      auto const error = is_expired ? CreditErrc::expired : CreditErrc::over_limit;
      fail(std::move(entry), error, step);
      continue;
    }
    room -= entry.amount.units();
    sum = sum + entry.amount;
    next.entries.push_back(std::move(entry));
  }
  if (next.entries.empty() && wanted_ == terms_of(ours().record)) return;
  record.previous = record.counter;
  record.counter = ++last_counter_;
  record.root = entries_root(next.entries);
  in_flight_ = std::move(next);
  step.save = true;
  step.send.push_back(message(*in_flight_));
}

// Requests of the user

Result<CreditStep> CreditLine::propose(UsdCents limit, UsdCents wish, WallTime now) {
  if (is_disputed()) return CreditErrc::disputed;
  if (wanted_.open || ours().record.open || theirs().record.open) return CreditErrc::already_open;
  if (!is_limit(limit) || !is_limit(wish)) return CreditErrc::bad_limit;
  CreditStep step;
  if (asked_) {
    auto const record = std::exchange(asked_, {})->record.record;
    refuse_theirs(record, {{"", CreditErrc::rejected}}, step);
  }
  wanted_ = {limit, wish, true, false};
  step.save = true;
  advance(now, step);
  return step;
}

Result<CreditStep> CreditLine::accept(WallTime now) {
  if (!asked_ || is_disputed()) return CreditErrc::no_proposal;
  CreditStep step;
  auto const update = *std::exchange(asked_, {});
  auto const& record = update.record.record;
  wanted_ = {record.wish, record.limit, true, false};
  sign_theirs(update, now, step);
  return step;
}

Result<CreditStep> CreditLine::reject() {
  if (!asked_ || is_disputed()) return CreditErrc::no_proposal;
  CreditStep step;
  auto const record = std::exchange(asked_, {})->record.record;
  refuse_theirs(record, {{"", CreditErrc::rejected}}, step);
  return step;
}

Result<CreditStep> CreditLine::give(CreditEntry const& entry, WallTime now) {
  if (!is_uuid(entry.id)) return CreditErrc::bad_id;
  if (entry.amount.units() <= 0 || entry.amount.units() > UsdCents::kMax) return CreditErrc::bad_amount;
  if (auto const* const found = find_pending(entry.id)) {
    return *found == entry ? CreditErrc::already_pending : CreditErrc::id_reused;
  }
  auto const known = memories_[index(side_)].check(entry);
  if (known && *known != CreditErrc::stale) return *known;
  if (entry.kind == CreditKind::pay && entry.expires <= now) return CreditErrc::expired;
  if (known) return *known;
  if (entry.expires > now + kLifeMax) return CreditErrc::bad_expiry;
  if (auto const error = why_not_changed()) return *error;
  if (wanted_.frozen || theirs().record.frozen) return CreditErrc::frozen;
  if (view().pending_count >= kPendingMax) return CreditErrc::too_many;
  auto& holds = holds_[index(side_)];
  auto const hold = holds.find(entry.id);
  auto const held = hold == holds.end() ? 0 : hold->second.amount.units();
  // All terms are at most UsdCents::kMax, four of which do not overflow.
  if (pending_debt() - held + entry.amount.units() > theirs().record.limit.units() &&
      entry.amount.units() > held) {
    return CreditErrc::over_limit;
  }
  if (total_of(entry.kind) + entry.amount.units() > UsdCents::kMax) return CreditErrc::bad_amount;
  CreditStep step;
  step.save = true;
  step.rows.push_back({row_key(entry.id, side_), pending_row(entry)});
  // If it fails, as much as it needs is held again.
  if (hold != holds.end()) hold->second = {entry.amount, true};
  queue_.push_back(entry);
  advance(now, step);
  return step;
}

Result<CreditStep> CreditLine::change(Terms const& terms, WallTime now) {
  CreditStep step;
  step.save = wanted_ != terms;
  wanted_ = terms;
  advance(now, step);
  return step;
}

Result<CreditStep> CreditLine::raise(UsdCents limit, WallTime now) {
  if (auto const error = why_not_changed()) return *error;
  if (!is_limit(limit) || limit <= wanted_.limit) return CreditErrc::bad_limit;
  auto terms = wanted_;
  terms.limit = limit;
  return change(terms, now);
}

Result<CreditStep> CreditLine::lower(UsdCents limit, WallTime now) {
  if (auto const error = why_not_changed()) return *error;
  if (!is_limit(limit) || limit >= wanted_.limit) return CreditErrc::bad_limit;
  auto const their_debt = view().balance + held_sum(other_side(side_));
  if (limit.units() < their_debt) return CreditErrc::below_debt;
  auto terms = wanted_;
  terms.limit = limit;
  return change(terms, now);
}

Result<CreditStep> CreditLine::ask(UsdCents wish, WallTime now) {
  if (auto const error = why_not_changed()) return *error;
  if (!is_limit(wish) || wish == wanted_.wish) return CreditErrc::bad_limit;
  auto terms = wanted_;
  terms.wish = wish;
  return change(terms, now);
}

Result<CreditStep> CreditLine::freeze(bool is_frozen, WallTime now) {
  if (auto const error = why_not_changed()) return *error;
  auto terms = wanted_;
  terms.frozen = is_frozen;
  return change(terms, now);
}

Result<CreditStep> CreditLine::close(WallTime now) {
  if (!is_disputed() && wanted_.open && !ours().record.open) return change(terms_of(ours().record), now);
  if (auto const error = why_not_changed()) return *error;
  if (in_flight_ || !queue_.empty() || !holds_[0].empty() || !holds_[1].empty()) return CreditErrc::pending;
  if (view().balance != 0) return CreditErrc::not_zero;
  auto terms = wanted_;
  terms.open = false;
  return change(terms, now);
}

// Time

CreditStep CreditLine::expire(WallTime now) {
  CreditStep step;
  auto const is_expired = [&](CreditEntry const& entry) {
    return entry.kind == CreditKind::pay && entry.expires <= now;
  };
  for (auto const& entry : queue_) {
    if (is_expired(entry)) fail(entry, CreditErrc::expired, step);
  }
  std::erase_if(queue_, is_expired);
  if (in_flight_) {
    for (auto const& entry : in_flight_->entries) {
      if (is_expired(entry) && entry.expires > told_until_) step.tell.push_back({Kind::overdue, entry});
    }
  }
  if (step.tell.empty()) return step;
  told_until_ = std::max(told_until_, now);
  step.save = true;
  return step;
}

WallTime CreditLine::next_expiry() const {
  auto out = WallTime::max();
  auto const look = [&](CreditEntry const& entry) {
    if (entry.kind == CreditKind::pay) out = std::min(out, entry.expires);
  };
  std::ranges::for_each(queue_, look);
  if (!in_flight_) return out;
  for (auto const& entry : in_flight_->entries) {
    if (entry.expires > told_until_) look(entry);
  }
  return out;
}

}  // namespace grenache::exchange
