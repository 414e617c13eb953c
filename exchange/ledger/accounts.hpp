// The accounts of a settlement ledger.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/journal/rows.hpp"
#include "exchange/messages/ledger_answer.hpp"

namespace grenache::exchange {

struct Account {
  std::string name;
  PeerId key;
  UsdCents start;
  UsdCents balance;
  std::string endpoint;         // a hint; may be empty
  WallTime opened{};            // the ledger's time then
  std::int64_t opened_seq = 0;  // of the last transfer before it was opened
  friend bool operator==(Account const&, Account const&) = default;
};
[[nodiscard]] LedgerAccount shown(Account const& account);

/// The row of an account, with its key as key.
[[nodiscard]] Row to_row(Account const& account);
/// Nothing if the row is malformed.
[[nodiscard]] std::optional<Account> account_from_row(Row const& row);

/// Accounts, each with a name and a key of its own. No balance is negative, and their sum, which is the sum
/// of the starting balances, is at most UsdCents::kMax: so no addition overflows. Operations are logarithmic.
class Accounts {
 public:
  static constexpr std::string_view kRowKind = "account";

  explicit Accounts(std::size_t count_max) : count_max_{count_max} {}
  Accounts(Accounts const&) = delete;
  Accounts& operator=(Accounts const&) = delete;

  /// Why `account` cannot be opened: name_taken, key_taken, or full, also if the sum would be too large.
  [[nodiscard]] std::optional<LedgerErrc> check_new(Account const& account) const;
  /// Precondition: check_new() has no objection.
  Account const& add(Account account);
  /// Nothing if there is no such account.
  [[nodiscard]] Account const* find(PeerId const& key) const;
  [[nodiscard]] Account const* find(std::string_view name) const;
  /// Up to `count` accounts with names greater than `after`, in the order of their bytes.
  [[nodiscard]] std::vector<Account const*> page(std::string_view after, std::size_t count) const;
  /// The keys of all accounts, in order.
  [[nodiscard]] std::vector<PeerId> keys() const;

  /// Precondition: the account exists.
  Account const& set_endpoint(PeerId const& key, std::string endpoint);

  /// Moves `amount`, which is greater than 0. If it cannot, nothing changes and it returns why: own_account,
  /// unknown_payer, unknown_payee or insufficient.
  [[nodiscard]] std::optional<LedgerErrc> transfer(PeerId const& from, PeerId const& to, UsdCents amount);
  void clear();

  [[nodiscard]] std::size_t size() const { return by_key_.size(); }
  /// The sum of all balances.
  [[nodiscard]] UsdCents total() const { return total_; }
  /// Whether everything that is said above holds. Linear.
  [[nodiscard]] bool check() const;

 private:
  std::size_t count_max_;
  std::map<PeerId, Account> by_key_;
  std::map<std::string, Account*, std::less<>> by_name_;
  UsdCents total_;
};

}  // namespace grenache::exchange
