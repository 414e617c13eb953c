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

Value to_json(CreditUpdate const& update) {
  return Value::object({{"record", to_json(update.record)}, {"entries", to_json(std::span{update.entries})}});
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

std::vector<CreditEntry> read_entries(RowFields& row, std::string_view name, std::size_t max) {
  auto entries = parse_credit_entries(row.value().find(name), max);
  if (!entries) row.fail();
  return entries ? std::move(*entries) : std::vector<CreditEntry>{};
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

std::string CreditLine::to_row() const {
  std::vector<CreditEntry> const queue(queue_.begin(), queue_.end());
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
                            {"queue", to_json(std::span{queue})},
                            {"lowCounted", to_json(std::span{memories_[0].entries()})},
                            {"lowHorizon", to_unix_ms(memories_[0].horizon())},
                            {"highCounted", to_json(std::span{memories_[1].entries()})},
                            {"highHorizon", to_unix_ms(memories_[1].horizon())}});
  if (in_flight_) out.set("inFlight", to_json(*in_flight_));
  if (refusal_) out.set("refusal", to_json(*refusal_));
  if (asked_) out.set("asked", to_json(*asked_));
  if (our_terms_) out.set("ourTerms", to_json(our_terms_));
  if (their_terms_) out.set("theirTerms", to_json(their_terms_));
  return json::to_text(out);
}

Result<CreditLine> CreditLine::from_row(std::string_view body, PeerId const& self, PeerId const& other) {
  auto created = create(self, other);
  if (!created) return created.error();
  auto& line = *created;
  RowFields row{body};
  line.records_[0] = read_record(row, row.value().find("low"));
  line.records_[1] = read_record(row, row.value().find("high"));
  line.wanted_ = {row.money<UsdCents>("limit"), row.money<UsdCents>("wish"), row.boolean("open"),
                  row.boolean("frozen")};
  line.last_counter_ = row.integer("lastCounter");
  line.refused_counter_ = row.integer("refusedCounter");
  line.decided_counter_ = row.integer("decidedCounter");
  line.told_until_ = row.time("toldUntil");
  auto const queue = read_entries(row, "queue", kPendingMax);
  line.queue_.assign(queue.begin(), queue.end());
  line.memories_[0].restore(read_entries(row, "lowCounted", CreditMemory::kSizeMax), row.time("lowHorizon"));
  line.memories_[1].restore(read_entries(row, "highCounted", CreditMemory::kSizeMax),
                            row.time("highHorizon"));
  line.in_flight_ = read_update(row, "inFlight");
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
  bool ok = is_pair({records_[0], records_[1]}) && memories_[0].is_valid() && memories_[1].is_valid();
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
  return pending_debt() <= theirs().record.limit.units() && their_debt <= ours().record.limit.units();
}

}  // namespace grenache::exchange
