// A settlement ledger without a journal, indices or limits: what the real one must answer.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "exchange/messages/ledger_answer.hpp"

namespace grenache::exchange::test {

class NaiveLedger {
 public:
  struct Account {
    std::string name;
    UsdCents start;
    UsdCents balance;
    std::string endpoint;
    WallTime opened;
    std::int64_t opened_seq;
  };
  struct Paid {
    Transfer transfer;
    TransferPaid paid;
  };

  NaiveLedger(PeerId const& op, UsdCents start_max) : operator_{op}, start_max_{start_max} {}

  /// `actual` is what the ledger has answered; it is looked at where a ledger may answer in two ways.
  LedgerAnswer::Body answer(LedgerRequest const& request, WallTime now, LedgerAnswer::Body const& actual) {
    digest_ = request_digest(request);
    return std::visit([&](auto const& body) { return answer(body, now, actual); }, request.body);
  }

  [[nodiscard]] std::vector<IncomingTransfer> incoming(PeerId const& key, std::int64_t after) const {
    std::vector<IncomingTransfer> out;
    for (auto const& [transfer, paid] : paid_) {
      if (transfer.to != key || paid.seq <= after) continue;
      out.push_back({paid.seq, transfer.id, transfer.from, transfer.amount, paid.at});
    }
    return out;
  }
  [[nodiscard]] std::vector<Paid> const& paid() const { return paid_; }
  [[nodiscard]] std::map<PeerId, Account> const& accounts() const { return accounts_; }

 private:
  using Body = LedgerAnswer::Body;

  [[nodiscard]] LedgerAccount shown(PeerId const& key) const {
    auto const& account = accounts_.at(key);
    return {account.name, key, account.balance, account.endpoint};
  }
  [[nodiscard]] std::vector<LedgerAccount> by_name() const {
    std::vector<LedgerAccount> out;
    for (auto const& [key, account] : accounts_) out.push_back(shown(key));
    std::ranges::sort(out, {}, &LedgerAccount::name);
    return out;
  }

  Body answer(GetLedger const&, WallTime, Body const&) {
    UsdCents total;
    for (auto const& [key, account] : accounts_) total = total + account.balance;
    return LedgerInfo{"", static_cast<std::int64_t>(accounts_.size()), total, start_max_};
  }
  Body answer(OpenAccount const& wanted, WallTime now, Body const&) {
    auto const found = accounts_.find(wanted.key);
    if (found != accounts_.end()) {
      if (found->second.name != wanted.name) return LedgerFailure{LedgerErrc::key_taken};
      if (found->second.start != wanted.start) return LedgerFailure{LedgerErrc::other_start};
      found->second.endpoint = wanted.endpoint;
      return shown(wanted.key);
    }
    if (wanted.start > start_max_) return LedgerFailure{LedgerErrc::start_too_large};
    for (auto const& each : by_name()) {
      if (each.name == wanted.name) return LedgerFailure{LedgerErrc::name_taken};
    }
    auto const seq = static_cast<std::int64_t>(paid_.size());
    accounts_[wanted.key] = {wanted.name, wanted.start, wanted.start, wanted.endpoint, now, seq};
    return shown(wanted.key);
  }
  Body answer(GetAccounts const& wanted, WallTime, Body const&) {
    LedgerAccounts out;
    for (auto& each : by_name()) {
      bool const is_wanted = each.name > wanted.after && std::ssize(out.accounts) < wanted.max;
      if (is_wanted) out.accounts.push_back(std::move(each));
    }
    return out;
  }
  Body answer(GetAccount const& wanted, WallTime, Body const&) {
    for (auto const& each : by_name()) {
      auto const* const key = std::get_if<PeerId>(&wanted.whom);
      if (key ? each.key == *key : each.name == std::get<std::string>(wanted.whom)) return each;
    }
    return LedgerFailure{LedgerErrc::unknown_account};
  }
  Body answer(Transfer const& wanted, WallTime now, Body const& actual) {
    if (wanted.from == wanted.to) return TransferRefused{LedgerErrc::own_account};
    auto const has_id = [&](Transfer const& other) {
      return other.from == wanted.from && other.id == wanted.id;
    };
    for (auto const& [transfer, paid] : paid_) {
      if (!has_id(transfer)) continue;
      return transfer.is_same(wanted) ? Body{paid} : Body{LedgerFailure{LedgerErrc::id_reused}};
    }
    for (auto it = refused_.begin(); it != refused_.end(); ++it) {
      auto const& [transfer, reason] = *it;
      if (!has_id(transfer)) continue;
      Body const expected = transfer.is_same(wanted) ? Body{TransferRefused{reason}}
                                                     : Body{LedgerFailure{LedgerErrc::id_reused}};
      if (actual == expected || transfer.valid_until > now) return expected;
      refused_.erase(it);  // the ledger has forgotten it
      break;
    }
    if (wanted.valid_until <= now) return TransferRefused{LedgerErrc::expired};
    if (wanted.valid_until > now + kTransferLifeMax) return LedgerFailure{LedgerErrc::bad_expiry};
    if (!accounts_.contains(wanted.from)) return LedgerFailure{LedgerErrc::unknown_payer};
    if (!accounts_.contains(wanted.to)) return refuse(wanted, LedgerErrc::unknown_payee);
    auto& payer = accounts_.at(wanted.from);
    auto& payee = accounts_.at(wanted.to);
    if (payer.balance < wanted.amount) return refuse(wanted, LedgerErrc::insufficient);
    payer.balance = payer.balance - wanted.amount;
    payee.balance = payee.balance + wanted.amount;
    paid_.push_back({wanted, {std::ssize(paid_) + 1, now}});
    return paid_.back().paid;
  }
  Body refuse(Transfer const& wanted, LedgerErrc reason) {
    refused_.emplace_back(wanted, reason);
    return TransferRefused{reason};
  }
  Body answer(GetTransfers const& wanted, WallTime, Body const&) {
    auto out = incoming(wanted.key, wanted.after);
    if (std::ssize(out) > wanted.max) out.resize(static_cast<std::size_t>(wanted.max));
    return IncomingTransfers{std::move(out)};
  }
  Body answer(GetStatement const& wanted, WallTime now, Body const&) {
    auto const found = accounts_.find(wanted.key);
    if (found == accounts_.end()) return LedgerFailure{LedgerErrc::unknown_account};
    auto const& account = found->second;
    if (wanted.at >= now) return LedgerFailure{LedgerErrc::not_past};
    if (wanted.at < account.opened) return LedgerFailure{LedgerErrc::before_opening};
    LedgerStatement out{account.start, 0};
    for (auto const& [transfer, paid] : paid_) {
      if (paid.seq <= account.opened_seq || paid.at > wanted.at) continue;
      if (transfer.to == wanted.key) out = {out.balance + transfer.amount, paid.seq};
      if (transfer.from == wanted.key) out = {out.balance - transfer.amount, paid.seq};
    }
    return out;
  }
  Body answer(DeleteAccounts const& wanted, WallTime now, Body const&) {
    if (wanted.by != operator_) return LedgerFailure{LedgerErrc::not_operator};
    if (digest_ == deletion_) return AccountsDeleted{deleted_count_};
    bool const is_near = wanted.at >= now - kDeletionSkewMax && wanted.at <= now + kDeletionSkewMax;
    if (!is_near || wanted.at <= deletion_at_) return LedgerFailure{LedgerErrc::stale};
    deletion_ = digest_;
    deletion_at_ = wanted.at;
    deleted_count_ = std::ssize(accounts_);
    accounts_.clear();
    return AccountsDeleted{deleted_count_};
  }

  PeerId operator_;
  UsdCents start_max_;
  std::map<PeerId, Account> accounts_;
  std::vector<Paid> paid_;
  std::vector<std::pair<Transfer, LedgerErrc>> refused_;
  Sha256 digest_;
  Sha256 deletion_;
  WallTime deletion_at_{};
  std::int64_t deleted_count_ = 0;
};

}  // namespace grenache::exchange::test
