#include "exchange/core/credit/settlements.hpp"

#include <algorithm>

#include "exchange/core/credit/dues.hpp"
#include "exchange/core/row_fields.hpp"

namespace grenache::exchange {
namespace {

constexpr std::size_t kIdInName = 8;  // digits of the peer id that make a name unique

}  // namespace

std::string settlement_id(PeerId const& ledger, std::int64_t seq) {
  std::string text{"grenache/exchange/settlement/1:"};
  text.append(ledger.view()).append(std::to_string(seq));
  return uuid_of(sha256(text));
}

UsdCents Settlements::under_way(PeerId const& peer) const {
  UsdCents out;
  for (auto const& [id, each] : settlements_) {
    if (each.peer == peer) out = out + each.amount;
  }
  return out;
}

void Settlements::ask(Purpose purpose, LedgerRequest::Body body, Turn& turn) {
  auto const tag = ++last_tag_;
  purposes_.emplace(tag, std::move(purpose));
  client_.ask(tag, std::move(body), turn);
}

void Settlements::on_answered(std::uint64_t call, CallAnswer const& answer, Turn& turn) {
  for (auto const& [tag, each] : client_.on_answered(call, answer, turn)) {
    auto found = purposes_.extract(tag);
    if (found.empty()) continue;
    std::visit([&](auto& purpose) { on(purpose, each, turn); }, found.mapped());
  }
}

// Our account

void Settlements::start_up(Turn& turn) {
  if (!is_enabled()) return;
  account_name_ = options_.account.empty() ? self_.name : options_.account;
  if (account_name_.empty()) account_name_ = self_.id.hex().substr(0, kIdInName);
  look(turn);
  for (auto& [id, each] : settlements_) {
    if (!is_here(each)) {
      turn.log(event::Warning{"settlement " + id + " waits for another ledger, " + each.ledger.hex()});
    } else if (each.state == State::asking) {
      send(each, turn);
    }
  }
}

void Settlements::on(AskAccount&, std::optional<LedgerAnswer> const& answer, Turn& turn) {
  is_opening_ = false;
  if (!answer) return look_later(turn);
  auto const account = body_of<LedgerAccount>(*answer);
  if (account) return has_account(*account, turn);
  if (account.error() == LedgerErrc::unknown_account) open_account(turn);
}

void Settlements::look_later(Turn& turn) {
  look_delay_ = std::clamp(2 * look_delay_, options_.retry_min, options_.retry_max);
  next_look_ = later_by(turn.now.steady, look_delay_);
}

void Settlements::open_account(Turn& turn) {
  is_opening_ = true;
  OpenAccount wanted;
  wanted.name = account_name_;
  wanted.key = self_.id;
  wanted.start = options_.start;
  wanted.endpoint = self_.endpoint;
  ask(AskOpen{}, std::move(wanted), turn);
}

void Settlements::on(AskOpen&, std::optional<LedgerAnswer> const& answer, Turn& turn) {
  is_opening_ = false;
  if (!answer) return look_later(turn);
  auto const account = body_of<LedgerAccount>(*answer);
  if (account) return has_account(*account, turn);
  bool const is_name = account.error() == LedgerErrc::name_taken || account.error() == LedgerErrc::bad_name;
  if (is_name && !std::exchange(has_other_name_, true)) {
    auto const id = self_.id.hex().substr(0, kIdInName);
    auto const taken =
        std::exchange(account_name_, account_name_.substr(0, kAccountNameSizeMax - kIdInName - 1) + "-" + id);
    if (!is_account_name(account_name_)) account_name_ = id;
    turn.log(event::Warning{"the ledger has an account '" + taken + "' of somebody else; ours is '" +
                            account_name_ + "'"});
    return open_account(turn);
  }
  if (std::exchange(has_warned_, true)) return;
  turn.log(event::Warning{"the ledger opens no account: " + account.error().message()});
}

/// The operator has deleted it: opens it again.
void Settlements::lose_account(Turn& turn) {
  if (!std::exchange(has_account_, false)) return;
  next_look_ = turn.now.steady;
}

void Settlements::has_account(LedgerAccount const& account, Turn& turn) {
  account_name_ = account.name;
  balance_ = account.balance;
  look_delay_ = {};
  if (!std::exchange(has_account_, true)) read_more(turn);
}

void Settlements::ask_balance(std::function<void(Turn&)> done, Turn& turn) {
  ask(AskBalance{std::move(done)}, GetAccount{self_.id}, turn);
}

void Settlements::on(AskBalance& asked, std::optional<LedgerAnswer> const& answer, Turn& turn) {
  auto const account =
      answer ? body_of<LedgerAccount>(*answer) : Result<LedgerAccount>{LedgerErrc::bad_answer};
  balance_ = account ? std::optional{account->balance} : std::nullopt;
  if (!account && account.error() == LedgerErrc::unknown_account) lose_account(turn);
  asked.done(turn);
}

void Settlements::ask_users(std::function<void(std::optional<std::vector<LedgerAccount>>, Turn&)> done,
                            Turn& turn) {
  ask(AskUsers{{}, std::move(done)}, GetAccounts{}, turn);
}

void Settlements::on(AskUsers& asked, std::optional<LedgerAnswer> const& answer, Turn& turn) {
  auto page = answer ? body_of<LedgerAccounts>(*answer) : Result<LedgerAccounts>{LedgerErrc::bad_answer};
  if (!page) return asked.done(std::nullopt, turn);
  std::ranges::move(page->accounts, std::back_inserter(asked.found));
  bool const is_last = page->accounts.size() < static_cast<std::size_t>(kLedgerPageMax);
  if (is_last || asked.found.size() >= kUsersMax) return asked.done(std::move(asked.found), turn);
  GetAccounts next{asked.found.back().name, kLedgerPageMax};
  ask(std::move(asked), std::move(next), turn);
}

void Settlements::ask_delete(std::function<void(Result<AccountsDeleted>, Turn&)> done, Turn& turn) {
  ask(AskDelete{std::move(done)}, DeleteAccounts{self_.id, turn.now.wall, {}}, turn);
}

void Settlements::on(AskDelete& asked, std::optional<LedgerAnswer> const& answer, Turn& turn) {
  asked.done(answer ? body_of<AccountsDeleted>(*answer) : Result<AccountsDeleted>{LedgerErrc::bad_answer},
             turn);
}

// Paying

std::string Settlements::start(PeerId const& peer, UsdCents amount, Turn& turn) {
  Settlement settlement;
  settlement.id = make_uuid(turn.random);
  settlement.peer = peer;
  settlement.amount = amount;
  settlement.ledger = client_.key().value_or(PeerId{});
  settlement.valid_until = turn.now.wall + options_.transfer_life;
  turn.save(row_of(settlement));
  auto const id = settlement.id;
  send(settlements_.emplace(id, std::move(settlement)).first->second, turn);
  return id;
}

void Settlements::send(Settlement& settlement, Turn& turn) {
  settlement.is_asking = true;
  settlement.delay = std::clamp(2 * settlement.delay, options_.retry_min, options_.retry_max);
  settlement.next_try = later_by(turn.now.steady, settlement.delay);
  Transfer transfer;
  transfer.id = settlement.id;
  transfer.from = self_.id;
  transfer.to = settlement.peer;
  transfer.amount = settlement.amount;
  transfer.valid_until = settlement.valid_until;
  ask(AskTransfer{settlement.id}, std::move(transfer), turn);
}

void Settlements::on(AskTransfer& asked, std::optional<LedgerAnswer> const& answer, Turn& turn) {
  auto const found = settlements_.find(asked.id);
  if (found == settlements_.end()) return;
  auto& settlement = found->second;
  settlement.is_asking = false;
  settlement.next_try = later_by(turn.now.steady, settlement.delay);
  if (settlement.state != State::asking || !answer) return;
  auto const outcome = outcome_of(*answer);
  if (!outcome) {  // sent again
    if (outcome.error() == LedgerErrc::unknown_payer) lose_account(turn);
    return;
  }
  if (auto const* const refused = std::get_if<TransferRefused>(&*outcome)) {
    outcomes_.push_back({Outcome::Kind::refused, settlement, refused->reason});
    turn.erase(kRowKind, settlement.id);
    settlements_.erase(found);
    return;
  }
  settlement.state = State::paid;
  settlement.seq = std::get<TransferPaid>(*outcome).seq;
  turn.save(row_of(settlement));
  if (balance_) balance_ = *balance_ - settlement.amount;
  outcomes_.push_back({Outcome::Kind::paid, settlement, {}});
}

void Settlements::credited(PeerId const& peer, std::string const& id, UsdCents amount, Turn& turn) {
  auto const found = std::ranges::find_if(settlements_, [&](auto const& each) {
    auto const& settlement = each.second;
    return settlement.peer == peer && settlement.state == State::paid &&
           settlement_id(settlement.ledger, settlement.seq) == id;
  });
  if (found == settlements_.end()) return;
  if (found->second.amount != amount) {
    turn.log(event::Warning{"peer " + peer.hex() + " has credited " + amount.to_text() + " of the " +
                            found->second.amount.to_text() + " USD that were paid to it on the ledger"});
  }
  outcomes_.push_back({Outcome::Kind::credited, found->second, {}});
  turn.erase(kRowKind, found->first);
  settlements_.erase(found);
}

// Being paid

void Settlements::look(Turn& turn) {
  if (!is_enabled()) return;
  next_look_ = later_by(turn.now.steady, options_.poll_interval);
  if (has_account_) return read_more(turn);
  if (is_opening_) return;
  is_opening_ = true;
  ask(AskAccount{}, GetAccount{self_.id}, turn);
}

void Settlements::read_more(Turn& turn) {
  looks_again_ = is_reading_;
  if (is_reading_ || uncredited_.size() >= options_.uncredited_count_max) return;
  is_reading_ = true;
  ask(AskIncoming{}, GetTransfers{self_.id, cursor_, kLedgerPageMax}, turn);
}

void Settlements::on(AskIncoming&, std::optional<LedgerAnswer> const& answer, Turn& turn) {
  is_reading_ = false;
  auto const page =
      answer ? body_of<IncomingTransfers>(*answer) : Result<IncomingTransfers>{LedgerErrc::bad_answer};
  if (!page) return look_later(turn);
  look_delay_ = {};
  auto const before = cursor_;
  for (auto const& each : page->transfers) {
    if (each.seq <= cursor_) continue;
    cursor_ = each.seq;
    incoming_.push_back({settlement_id(*client_.key(), each.seq), each.from, each.amount});
    if (balance_) balance_ = *balance_ + each.amount;
  }
  if (cursor_ != before) turn.save(cursor_row());
  bool const has_more = page->transfers.size() >= static_cast<std::size_t>(kLedgerPageMax);
  if (has_more || std::exchange(looks_again_, false)) read_more(turn);
}

Row Settlements::row_of(Incoming const& incoming) {
  auto const body =
      json::Value::object({{"peer", incoming.peer.hex()}, {"amount", incoming.amount.to_text()}});
  return {kUncreditedKind, incoming.id, json::to_text(body)};
}

void Settlements::postpone(Incoming incoming, Turn& turn) {
  turn.save(row_of(incoming));
  auto const id = incoming.id;
  uncredited_.insert_or_assign(id, std::move(incoming));
}

std::vector<Settlements::Incoming> Settlements::take_postponed(PeerId const& peer, Turn& turn) {
  std::vector<Incoming> out;
  std::erase_if(uncredited_, [&](auto& each) {
    if (each.second.peer != peer) return false;
    turn.erase(kUncreditedKind, each.first);
    out.push_back(std::move(each.second));
    return true;
  });
  return out;
}

UsdCents Settlements::uncredited(PeerId const& peer) const {
  UsdCents out;
  for (auto const& [id, each] : uncredited_) {
    if (each.peer == peer) out = out + each.amount;
  }
  return out;
}

std::vector<PeerId> Settlements::postponed_peers() const {
  std::vector<PeerId> out;
  for (auto const& [id, each] : uncredited_) out.push_back(each.peer);
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// Time

void Settlements::expire(Turn& turn) {
  if (!is_enabled()) return;
  auto const now = turn.now.steady;
  for (auto& [id, each] : settlements_) {
    if (each.state == State::asking && is_here(each) && !each.is_asking && each.next_try <= now)
      send(each, turn);
  }
  if (next_look_ <= now) look(turn);
}

TimePoint Settlements::next_expiry() const {
  auto out = next_look_;
  for (auto const& [id, each] : settlements_) {
    if (each.state == State::asking && is_here(each) && !each.is_asking) out = std::min(out, each.next_try);
  }
  return out;
}

// Rows

std::vector<std::string_view> Settlements::row_kinds() {
  return {LedgerClient::kRowKind, kCursorKind, kUncreditedKind, kRowKind};
}

Row Settlements::row_of(Settlement const& settlement) {
  auto const body = json::Value::object({{"peer", settlement.peer.hex()},
                                         {"amount", settlement.amount.to_text()},
                                         {"ledger", settlement.ledger.hex()},
                                         {"validUntil", to_unix_ms(settlement.valid_until)},
                                         {"seq", settlement.seq}});
  return {kRowKind, settlement.id, json::to_text(body)};
}

Row Settlements::cursor_row() const {
  return {kCursorKind, client_.key()->hex(), json::to_text(json::Value::object({{"seq", cursor_}}))};
}

bool Settlements::restore(Row const& row) {
  if (row.kind == LedgerClient::kRowKind) return client_.restore(row);
  RowFields fields{row.body};
  if (row.kind == kCursorKind) {
    bool const is_ours = client_.key() && client_.key()->hex() == row.key;
    auto const seq = fields.integer("seq");
    if (is_ours) cursor_ = seq;
    return fields.ok();
  }
  auto const peer = fields.parsed("peer", [](std::string_view text) { return PeerId::from_hex(text); });
  auto const amount = fields.money<UsdCents>("amount");
  if (row.kind == kUncreditedKind) {
    return fields.ok() && uncredited_.emplace(row.key, Incoming{row.key, peer, amount}).second;
  }
  Settlement settlement;
  settlement.id = row.key;
  settlement.peer = peer;
  settlement.amount = amount;
  settlement.ledger = fields.parsed("ledger", [](std::string_view text) { return PeerId::from_hex(text); });
  settlement.valid_until = fields.time("validUntil");
  settlement.seq = fields.integer("seq");
  settlement.state = settlement.seq > 0 ? State::paid : State::asking;
  return fields.ok() && settlements_.emplace(row.key, std::move(settlement)).second;
}

void Settlements::dump(std::vector<Row>& out) const {
  client_.dump(out);
  if (cursor_ > 0) out.push_back(cursor_row());
  for (auto const& [id, each] : settlements_) out.push_back(row_of(each));
  for (auto const& [id, each] : uncredited_) out.push_back(row_of(each));
}

}  // namespace grenache::exchange
