#include "exchange/ledger/accounts.hpp"

#include <utility>

#include "exchange/core/row_fields.hpp"
#include <grenache/base/check.hpp>

namespace grenache::exchange {

LedgerAccount shown(Account const& account) {
  return {account.name, account.key, account.balance, account.endpoint};
}

Row to_row(Account const& account) {
  auto const body = json::Value::object({{"name", account.name},
                                         {"start", account.start.to_text()},
                                         {"balance", account.balance.to_text()},
                                         {"endpoint", account.endpoint},
                                         {"opened", to_unix_ms(account.opened)},
                                         {"openedSeq", account.opened_seq}});
  return {std::string{Accounts::kRowKind}, account.key.hex(), json::to_text(body)};
}

std::optional<Account> account_from_row(Row const& row) {
  RowFields fields{row.body};
  auto const key = PeerId::from_hex(row.key);
  Account out{fields.text("name"),
              key.value_or(PeerId{}),
              fields.money<UsdCents>("start"),
              fields.money<UsdCents>("balance"),
              fields.text("endpoint"),
              fields.time("opened"),
              fields.integer("openedSeq")};
  if (!key || !fields.ok() || !is_account_name(out.name) || out.opened_seq < 0) return std::nullopt;
  return out;
}

std::optional<LedgerErrc> Accounts::check_new(Account const& account) const {
  if (by_key_.contains(account.key)) return LedgerErrc::key_taken;
  if (by_name_.contains(account.name)) return LedgerErrc::name_taken;
  bool const has_room =
      by_key_.size() < count_max_ && account.balance.units() <= UsdCents::kMax - total_.units();
  return has_room ? std::nullopt : std::optional{LedgerErrc::full};
}

Account const& Accounts::add(Account account) {
  GRN_CHECK(!check_new(account) && account.balance.units() >= 0);
  total_ = total_ + account.balance;
  auto const key = account.key;
  auto& added = by_key_.emplace(key, std::move(account)).first->second;
  by_name_.emplace(added.name, &added);
  return added;
}

Account const* Accounts::find(PeerId const& key) const {
  auto const found = by_key_.find(key);
  return found != by_key_.end() ? &found->second : nullptr;
}

Account const* Accounts::find(std::string_view name) const {
  auto const found = by_name_.find(name);
  return found != by_name_.end() ? found->second : nullptr;
}

std::vector<Account const*> Accounts::page(std::string_view after, std::size_t count) const {
  std::vector<Account const*> out;
  for (auto it = by_name_.upper_bound(after); it != by_name_.end() && out.size() < count; ++it) {
    out.push_back(it->second);
  }
  return out;
}

std::vector<PeerId> Accounts::keys() const {
  std::vector<PeerId> out;
  out.reserve(by_key_.size());
  for (auto const& [key, account] : by_key_) out.push_back(key);
  return out;
}

Account const& Accounts::set_endpoint(PeerId const& key, std::string endpoint) {
  auto& account = by_key_.at(key);
  account.endpoint = std::move(endpoint);
  return account;
}

std::optional<LedgerErrc> Accounts::transfer(PeerId const& from, PeerId const& to, UsdCents amount) {
  GRN_CHECK(amount.units() > 0);
  if (from == to) return LedgerErrc::own_account;
  auto const payer = by_key_.find(from);
  if (payer == by_key_.end()) return LedgerErrc::unknown_payer;
  auto const payee = by_key_.find(to);
  if (payee == by_key_.end()) return LedgerErrc::unknown_payee;
  if (payer->second.balance < amount) return LedgerErrc::insufficient;
  payer->second.balance = payer->second.balance - amount;
  payee->second.balance = payee->second.balance + amount;
  return std::nullopt;
}

void Accounts::clear() {
  by_name_.clear();
  by_key_.clear();
  total_ = {};
}

bool Accounts::check() const {
  std::int64_t balances = 0;
  std::int64_t starts = 0;
  for (auto const& [key, account] : by_key_) {
    if (account.key != key || account.balance.units() < 0 || find(account.name) != &account) return false;
    balances += account.balance.units();
    starts += account.start.units();
  }
  return balances == total_.units() && starts == balances && by_name_.size() == by_key_.size() &&
         by_key_.size() <= count_max_ && balances <= UsdCents::kMax;
}

}  // namespace grenache::exchange
