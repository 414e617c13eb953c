#include "exchange/ledger/ledger.hpp"

#include <algorithm>

#include "exchange/core/row_fields.hpp"
#include "exchange/messages/refusal.hpp"
#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kStateKey = "state";
constexpr Guard::Units kLeastCost = 2;
constexpr Guard::Units kBytesPerUnit = 1'000;
constexpr Guard::Units kSigned = 15;  // a signature is verified, and another one made
constexpr Guard::Units kRows = 10;
constexpr Guard::Units kOpening = 2'000;
constexpr milliseconds kRetry = std::chrono::seconds{1};

}  // namespace

Ledger::Ledger(Options options, SecretKey const& key)
    : options_{std::move(options)},
      key_{key},
      id_{key.public_key()},
      guard_{options_.guard},
      accounts_{options_.account_count_max},
      refusals_{options_.refusals},
      position_{options_.position} {}

// Rows

std::vector<std::string_view> Ledger::row_kinds() {
  return {kStateKind, Accounts::kRowKind, Refusals::kRowKind};
}

Row Ledger::state_row() const {
  auto const body = json::Value::object({{"time", to_unix_ms(saved_time_)},
                                         {"seq", state_.seq},
                                         {"deletion", state_.deletion.hex()},
                                         {"deletionAt", to_unix_ms(state_.deletion_at)},
                                         {"deletedCount", state_.deleted_count}});
  return {std::string{kStateKind}, std::string{kStateKey}, json::to_text(body)};
}

bool Ledger::restore(Row const& row) {
  if (row.kind == Refusals::kRowKind) return refusals_.restore(row);
  if (row.kind == Accounts::kRowKind) {
    auto account = account_from_row(row);
    if (!account || accounts_.check_new(*account)) return false;
    accounts_.add(std::move(*account));
    return true;
  }
  RowFields fields{row.body};
  state_ = {fields.time("time"), fields.integer("seq"),
            fields.parsed("deletion", [](std::string_view text) { return Sha256::from_hex(text); }),
            fields.time("deletionAt"), fields.integer("deletedCount")};
  saved_time_ = state_.time;
  return fields.ok() && row.kind == kStateKind && row.key == kStateKey && state_.seq >= 0;
}

std::vector<Row> Ledger::dump() const {
  std::vector<Row> out;
  for (auto const& key : accounts_.keys()) out.push_back(to_row(*accounts_.find(key)));
  if (saved_time_ != WallTime{}) out.push_back(state_row());
  for (auto& row : refusals_.dump()) out.push_back(std::move(row));
  return out;
}

// Turns

void Ledger::begin(Now now) {
  state_.time = std::max(state_.time, now.wall);
  now_ = now.steady;
  relied_on_ = {};
  is_state_changed_ = false;
}

void Ledger::end() {
  if (!changes_.empty() || is_state_changed_ || relied_on_ > saved_time_) {
    saved_time_ = state_.time;
    save(state_row());
    out_.emplace_back(output::Save{{++position_, std::exchange(changes_, {})}});
  }
  for (auto& each : outputs_) {
    auto* const reply = std::get_if<output::Reply>(&each);
    if (reply && reply->error.empty()) reply->after = position_;
    if (auto* const notice = std::get_if<LedgerNotice>(&each)) notice->after = position_;
    out_.push_back(std::move(each));
  }
  outputs_.clear();
}

std::optional<LedgerOutput> Ledger::poll_output() {
  if (out_.empty()) return std::nullopt;
  auto out = std::move(out_.front());
  out_.pop_front();
  return out;
}

void Ledger::answer(Question const& question, LedgerAnswer::Body body) {
  LedgerAnswer answer{{}, state_.time, std::move(body), {}};
  sign(answer, question.digest, key_);
  outputs_.emplace_back(
      output::Reply{0, question.request, write_payload(to_json(answer), question.form), {}});
}

void Ledger::refuse_now(RequestId request, RefusalCode code, std::string reason, milliseconds retry_after) {
  outputs_.emplace_back(output::Reply{0, request, {}, to_error_text({code, std::move(reason), retry_after})});
}

void Ledger::busy(Question const& question, std::string reason) {
  refuse_now(question.request, RefusalCode::unavailable, std::move(reason), kRetry);
}

bool Ledger::may_cost(RequestId request, IpAddress const& from, Guard::Units units) {
  auto const verdict = guard_.admit(from, units, now_);
  if (verdict == Guard::Verdict::admitted) return true;
  bool const is_banned = verdict == Guard::Verdict::banned;
  auto const* const why = is_banned ? "this address has sent what no client sends, and is refused for a while"
                                    : "too many requests from this address";
  refuse_now(request, RefusalCode::limit, why, kRetry);
  return false;
}

Guard::Units Ledger::cost_of(LedgerRequest const& request) const {
  struct Cost {
    Accounts const& accounts;
    Guard::Units operator()(GetLedger const&) const { return kSigned; }
    Guard::Units operator()(OpenAccount const& wanted) const {
      return accounts.find(wanted.key) ? kSigned : kOpening;
    }
    Guard::Units operator()(GetAccounts const& wanted) const {
      return kSigned + static_cast<Guard::Units>(wanted.max) / 2;
    }
    Guard::Units operator()(GetAccount const&) const { return kSigned; }
    Guard::Units operator()(Transfer const&) const { return kSigned + kRows; }
    Guard::Units operator()(GetTransfers const& wanted) const {
      return kSigned + static_cast<Guard::Units>(wanted.max) / 2;
    }
    Guard::Units operator()(GetStatement const&) const { return kSigned; }
    Guard::Units operator()(DeleteAccounts const&) const { return kSigned; }
  };
  return std::visit(Cost{accounts_}, request.body);
}

// Requests

void Ledger::receive(RequestId request, IpAddress const& from, json::Value payload, Now now) {
  begin(now);
  auto const serve = [&] {
    auto const* const text = payload.as_string();
    auto const size = text ? text->size() : kRequestBytesMax;
    if (!may_cost(request, from, kLeastCost + static_cast<Guard::Units>(size) / kBytesPerUnit)) return;
    auto const malformed = [&](Error const& error) {
      guard_.blame(from, Guard::Fault::malformed, now_);
      refuse_now(request, RefusalCode::invalid, error.message());
    };
    auto const read = read_payload(std::move(payload));
    if (!read) return malformed(read.error());
    auto const parsed = parse_ledger_request(read->body);
    if (!parsed) return malformed(parsed.error());
    if (!may_cost(request, from, cost_of(*parsed))) return;
    Question const question{request, read->form, request_digest(*parsed)};
    if (parsed->ledger && *parsed->ledger != id_) return fail(question, LedgerErrc::wrong_ledger);
    if (!is_signed(*parsed, question.digest)) {
      guard_.blame(from, Guard::Fault::bad_signature, now_);
      return fail(question, LedgerErrc::bad_signature);
    }
    std::visit([&](auto const& body) { handle(question, body); }, parsed->body);
  };
  serve();
  end();
}

void Ledger::handle(Question const& question, GetLedger const&) {
  answer(question, LedgerInfo{options_.name, static_cast<std::int64_t>(accounts_.size()), accounts_.total(),
                              options_.start_max});
}

void Ledger::handle(Question const& question, OpenAccount const& wanted) {
  auto const* account = accounts_.find(wanted.key);
  if (account && account->name != wanted.name) return fail(question, LedgerErrc::key_taken);
  if (account && account->start != wanted.start) return fail(question, LedgerErrc::other_start);
  if (!account) {
    if (wanted.start > options_.start_max) return fail(question, LedgerErrc::start_too_large);
    Account opened{wanted.name,     wanted.key,  wanted.start, wanted.start,
                   wanted.endpoint, state_.time, state_.seq};
    if (auto const objection = accounts_.check_new(opened)) return fail(question, *objection);
    account = &accounts_.add(std::move(opened));
    save(to_row(*account));
    outputs_.emplace_back(LedgerNotice{0, shown(*account)});
  } else if (account->endpoint != wanted.endpoint) {
    account = &accounts_.set_endpoint(wanted.key, wanted.endpoint);
    save(to_row(*account));
  }
  answer(question, shown(*account));
}

void Ledger::handle(Question const& question, GetAccounts const& wanted) {
  LedgerAccounts out;
  for (auto const* const account : accounts_.page(wanted.after, static_cast<std::size_t>(wanted.max))) {
    out.accounts.push_back(shown(*account));
  }
  answer(question, std::move(out));
}

void Ledger::handle(Question const& question, GetAccount const& wanted) {
  auto const* const account =
      std::visit([&](auto const& key_or_name) { return accounts_.find(key_or_name); }, wanted.whom);
  if (!account) return fail(question, LedgerErrc::unknown_account);
  answer(question, shown(*account));
}

void Ledger::handle(Question const& question, GetTransfers const& wanted) {
  look_up(question, IncomingLookup{question}, incoming_query(wanted.key, wanted.after, wanted.max));
}

void Ledger::handle(Question const& question, GetStatement const& wanted) {
  auto const* const account = accounts_.find(wanted.key);
  if (!account) return fail(question, LedgerErrc::unknown_account);
  if (wanted.at >= state_.time) return fail(question, LedgerErrc::not_past);
  if (wanted.at < account->opened) return fail(question, LedgerErrc::before_opening);
  // No later transfer may be made at or before that time.
  rely_on(wanted.at + milliseconds{1});
  look_up(question, StatementLookup{question, account->start, account->opened_seq},
          statement_query(wanted.key, wanted.at));
}

void Ledger::handle(Question const& question, DeleteAccounts const& wanted) {
  if (!options_.operators.contains(wanted.by)) return fail(question, LedgerErrc::not_operator);
  if (question.digest == state_.deletion) return answer(question, AccountsDeleted{state_.deleted_count});
  bool const is_near =
      wanted.at >= state_.time - kDeletionSkewMax && wanted.at <= state_.time + kDeletionSkewMax;
  if (!is_near || wanted.at <= state_.deletion_at) return fail(question, LedgerErrc::stale);
  for (auto const& key : accounts_.keys()) erase(Accounts::kRowKind, key.hex());
  state_.deletion = question.digest;
  state_.deletion_at = wanted.at;
  state_.deleted_count = static_cast<std::int64_t>(accounts_.size());
  accounts_.clear();
  is_state_changed_ = true;  // also if there were no accounts
  outputs_.emplace_back(LedgerNotice{0, AccountsDeleted{state_.deleted_count}});
  answer(question, AccountsDeleted{state_.deleted_count});
}

// Reads

bool Ledger::look_up(Question const& question, Lookup lookup, RowQuery query) {
  if (waiting_count_ >= options_.read_count_max) {
    busy(question, "too many requests are waiting");
    return false;
  }
  ++waiting_count_;
  lookups_.emplace(++last_read_, std::move(lookup));
  outputs_.emplace_back(LedgerRead{last_read_, std::move(query)});
  return true;
}

void Ledger::rows_read(std::uint64_t read, std::vector<Row> const& rows, Now now) {
  auto const lookup = lookups_.extract(read);
  GRN_CHECK(lookup);
  begin(now);
  std::visit([&](auto const& each) { finish(each, rows); }, lookup.mapped());
  end();
}

void Ledger::finish(IncomingLookup const& lookup, std::vector<Row> const& rows) {
  --waiting_count_;
  IncomingTransfers out;
  for (auto const& row : rows) {
    auto transfer = read_incoming_row(row);
    if (!transfer) return busy(lookup.question, "the journal has a row that cannot be read");
    out.transfers.push_back(std::move(*transfer));
  }
  answer(lookup.question, std::move(out));
}

void Ledger::finish(StatementLookup const& lookup, std::vector<Row> const& rows) {
  --waiting_count_;
  LedgerStatement out{lookup.start, 0};
  if (!rows.empty()) {
    auto const last = read_statement_row(rows.front());
    if (!last) return busy(lookup.question, "the journal has a row that cannot be read");
    // An earlier account of the same key ended with a deletion.
    if (last->seq > lookup.opened_seq) out = *last;
  }
  answer(lookup.question, out);
}

}  // namespace grenache::exchange
