// A credit line as a row of the journal.
#include <algorithm>
#include <span>
#include <utility>

#include "exchange/core/credit/credit_line.hpp"
#include "exchange/core/row_fields.hpp"

namespace grenache::exchange {
namespace {

using json::Value;

bool is_null(Value const* value) { return !value || value->is_null(); }

constexpr char const* kOurs = "o/";
constexpr char const* kTheirs = "t/";
constexpr char const* kPending = "pending";

Value to_json(CreditUpdate const& update) {
  return Value::object({{"record", to_json(update.record)}, {"entries", to_json(std::span{update.entries})}});
}

std::string entry_row(CreditEntry const& entry, bool is_pending) {
  auto out = to_json(entry);
  out.set(kPending, is_pending);
  return json::to_text(out);
}

/// Reads what may be missing; fails if it is there and malformed.
std::optional<CreditUpdate> read_update(RowFields& row, std::string_view name) {
  auto const* const body = row.value().find(name);
  if (is_null(body)) return std::nullopt;
  auto record = parse_credit_record(body->find("record"));
  auto entries = parse_credit_entries(body->find("entries"), kCreditEntriesMax);
  if (!record || !entries) {
    row.fail();
    return std::nullopt;
  }
  return CreditUpdate{std::move(*record), std::move(*entries)};
}

SignedCreditRecord read_record(RowFields& row, Value const* body) {
  auto record = parse_credit_record(body);
  if (!record) row.fail();
  return record ? std::move(*record) : SignedCreditRecord{};
}

Value to_json(std::optional<CreditLine::ResetTerms> const& terms) {
  if (!terms) return {};
  return Value::object({{"low", to_json(terms->low)}, {"high", to_json(terms->high)}});
}

std::optional<CreditLine::ResetTerms> read_terms(RowFields& row, std::string_view name) {
  auto const* const body = row.value().find(name);
  if (is_null(body)) return std::nullopt;
  return CreditLine::ResetTerms{read_record(row, body->find("low")), read_record(row, body->find("high"))};
}

bool is_money(UsdCents money) { return money.units() >= 0 && money.units() <= UsdCents::kMax; }

}  // namespace

std::string pending_row(CreditEntry const& entry) { return entry_row(entry, true); }

std::string CreditLine::row_key(std::string_view id, CreditSide owner) const {
  return std::string{owner == side_ ? kOurs : kTheirs}.append(id);
}

void CreditLine::remember(CreditEntry const& entry, CreditSide owner, CreditStep& step) {
  step.save = true;
  holds_[index(owner)].erase(entry.id);
  step.rows.push_back({row_key(entry.id, owner), entry_row(entry, false)});
  auto const forgotten = memories_[index(owner)].add(entry);
  if (!forgotten.empty()) step.rows.push_back({row_key(forgotten, owner), {}});
}

json::Value CreditLine::to_row() const {
  auto out = Value::object({{"low", to_json(records_[0])},
                            {"high", to_json(records_[1])},
                            {"limit", wanted_.limit.to_text()},
                            {"wish", wanted_.wish.to_text()},
                            {"open", wanted_.open},
                            {"frozen", wanted_.frozen},
                            {"lastCounter", last_counter_},
                            {"refusedCounter", refused_counter_},
                            {"decidedCounter", decided_counter_},
                            {"toldUntil", to_unix_ms(told_until_)},
                            {"lowHorizon", to_unix_ms(memories_[0].horizon())},
                            {"highHorizon", to_unix_ms(memories_[1].horizon())}});
  if (in_flight_) {
    Value::Array ids;
    for (auto const& entry : in_flight_->entries) ids.push_back(entry.id);
    out.set("inFlight", Value::object({{"record", to_json(in_flight_->record)}, {"ids", std::move(ids)}}));
  }
  if (refusal_) out.set("refusal", to_json(*refusal_));
  if (asked_) out.set("asked", to_json(*asked_));
  if (our_terms_) out.set("ourTerms", to_json(our_terms_));
  if (their_terms_) out.set("theirTerms", to_json(their_terms_));
  return out;
}

CreditLine::Rows CreditLine::rows() const {
  Rows out{json::to_text(to_row()), {}};
  auto const add = [&](CreditEntry const& entry) {
    out.entries.emplace(row_key(entry.id, side_), pending_row(entry));
  };
  std::ranges::for_each(queue_, add);
  if (in_flight_) std::ranges::for_each(in_flight_->entries, add);
  for (auto const owner : {CreditSide::low, CreditSide::high}) {
    for (auto const& [id, entry] : memories_[index(owner)].entries()) {
      out.entries.emplace(row_key(id, owner), entry_row(entry, false));
    }
  }
  return out;
}

/// Takes over the row of an entry. What is in flight is in the queue afterwards.
bool CreditLine::restore_entry(std::string_view key, std::string_view body) {
  bool const is_ours = key.starts_with(kOurs);
  auto const value = json::parse(body);
  auto const entry = value ? parse_credit_entry(*value) : Result<CreditEntry>{CreditErrc::bad_row};
  auto const* const pending = value ? value->find(kPending) : nullptr;
  auto const* const is_pending = pending ? pending->as_bool() : nullptr;
  if (!entry || !is_pending) return false;
  auto const owner = is_ours ? side_ : other_side(side_);
  if (key != row_key(entry->id, owner) || (*is_pending && !is_ours)) return false;
  if (*is_pending) {
    queue_.push_back(*entry);
    return queue_.size() <= kPendingMax;
  }
  // Beyond the limit something would be forgotten, which a row of ours never makes.
  return memories_[index(owner)].add(*entry).empty();
}

/// Takes the entries of the update in flight out of the queue.
std::optional<CreditUpdate> CreditLine::restore_in_flight(json::Value const& body) {
  auto record = parse_credit_record(body.find("record"));
  auto const* const ids = body.find("ids");
  auto const* const list = ids ? ids->as_array() : nullptr;
  if (!record || !list) return std::nullopt;
  CreditUpdate out{std::move(*record), {}};
  for (auto const& each : *list) {
    auto const* const id = each.as_string();
    auto const found = id ? std::ranges::find(queue_, *id, &CreditEntry::id) : queue_.end();
    if (found == queue_.end()) return std::nullopt;
    out.entries.push_back(std::move(*found));
    queue_.erase(found);
  }
  return out;
}

Result<CreditLine> CreditLine::from_rows(Rows const& rows, PeerId const& self, PeerId const& other) {
  auto created = create(self, other);
  if (!created) return created.error();
  auto& line = *created;
  RowFields row{rows.line};
  line.records_[0] = read_record(row, row.value().find("low"));
  line.records_[1] = read_record(row, row.value().find("high"));
  line.wanted_ = {row.money<UsdCents>("limit"), row.money<UsdCents>("wish"), row.boolean("open"),
                  row.boolean("frozen")};
  line.last_counter_ = row.integer("lastCounter");
  line.refused_counter_ = row.integer("refusedCounter");
  line.decided_counter_ = row.integer("decidedCounter");
  line.told_until_ = row.time("toldUntil");
  line.memories_[0].set_horizon(row.time("lowHorizon"));
  line.memories_[1].set_horizon(row.time("highHorizon"));
  for (auto const& [key, body] : rows.entries) {
    if (!line.restore_entry(key, body)) return CreditErrc::bad_row;
  }
  // The order of what waits is not kept.
  std::ranges::stable_sort(line.queue_, {}, &CreditEntry::expires);
  if (auto const* const body = row.value().find("inFlight"); !is_null(body)) {
    line.in_flight_ = line.restore_in_flight(*body);
    if (!line.in_flight_) return CreditErrc::bad_row;
  }
  line.asked_ = read_update(row, "asked");
  line.our_terms_ = read_terms(row, "ourTerms");
  line.their_terms_ = read_terms(row, "theirTerms");
  if (auto const* const refusal = row.value().find("refusal"); !is_null(refusal)) {
    auto parsed = parse_credit_refused(*refusal);
    if (!parsed) row.fail();
    if (parsed) line.refusal_ = std::move(*parsed);
  }
  if (!row.ok() || !line.check()) return CreditErrc::bad_row;
  return created;
}

bool CreditLine::check() const {
  auto const is_version = [&](CreditRecord const& record, CreditSide owner) {
    return record.line == line_ && record.side == owner && record.previous >= 0 &&
           (record.counter > record.previous || record.counter == 0) && is_money(record.limit) &&
           is_money(record.wish) && is_money(record.paid) && is_money(record.settled);
  };
  auto const is_pair = [&](ResetTerms const& terms) {
    return is_version(terms.low.record, CreditSide::low) && is_version(terms.high.record, CreditSide::high);
  };
  bool ok = is_pair({records_[0], records_[1]});
  ok = ok && last_counter_ >= ours().record.counter && decided_counter_ >= theirs().record.counter &&
       last_counter_ >= refused_counter_ && refused_counter_ >= 0;
  if (in_flight_) {
    auto const& record = in_flight_->record.record;
    ok = ok && is_version(record, side_) && record.counter == last_counter_ &&
         (is_disputed() || record.previous == ours().record.counter) &&
         record.root == entries_root(in_flight_->entries);
  }
  if (asked_) {
    auto const& record = asked_->record.record;
    ok = ok && is_version(record, other_side(side_)) && record.counter > decided_counter_;
  }
  ok = ok && (!refusal_ || refusal_->counter == decided_counter_);
  ok = ok && (!our_terms_ || is_pair(*our_terms_)) && (!their_terms_ || is_pair(*their_terms_)) &&
       (our_terms_ || !their_terms_);
  if (!ok) return false;

  // Ids are pending once, and nothing that is counted is pending.
  std::vector<std::string_view> ids;
  auto const look = [&](CreditEntry const& entry) {
    ids.push_back(entry.id);
    ok = ok && entry.amount.units() > 0 && is_money(entry.amount) && pending_sum() <= 2 * UsdCents::kMax;
    auto const known = memories_[index(side_)].check(entry);
    ok = ok && (!known || *known == CreditErrc::stale);
  };
  std::ranges::for_each(queue_, look);
  if (in_flight_) std::ranges::for_each(in_flight_->entries, look);
  std::ranges::sort(ids);
  ok = ok && ids.size() <= kPendingMax + kCreditEntriesMax && std::ranges::adjacent_find(ids) == ids.end();
  return ok;
}

bool CreditLine::is_within_limits() const {
  auto const their_debt = debt_of(other_side(side_), records_[0].record, records_[1].record);
  return pending_debt() <= theirs().record.limit.units() &&
         their_debt + held_sum(other_side(side_)) <= ours().record.limit.units();
}

}  // namespace grenache::exchange
