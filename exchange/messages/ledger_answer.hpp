// What a settlement ledger answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "exchange/messages/ledger_message.hpp"

namespace grenache::exchange {

struct LedgerInfo {
  std::string name;  // for display; may be empty
  std::int64_t account_count = 0;
  UsdCents total;      // of all accounts
  UsdCents start_max;  // the greatest starting balance
  friend bool operator==(LedgerInfo const&, LedgerInfo const&) = default;
};

struct LedgerAccount {
  std::string name;
  PeerId key;
  UsdCents balance;
  std::string endpoint;  // host:port, a hint; may be empty
  friend bool operator==(LedgerAccount const&, LedgerAccount const&) = default;
};

struct LedgerAccounts {
  std::vector<LedgerAccount> accounts;  // fewer than asked for: there are no more
  friend bool operator==(LedgerAccounts const&, LedgerAccounts const&) = default;
};

/// The transfer was made.
struct TransferPaid {
  std::int64_t seq = 0;  // its number among all transfers of the ledger, from 1
  WallTime at{};
  friend bool operator==(TransferPaid const&, TransferPaid const&) = default;
};
/// The transfer was not made and never will be.
struct TransferRefused {
  LedgerErrc reason{};  // unknown_payee, own_account, insufficient or expired
  friend bool operator==(TransferRefused const&, TransferRefused const&) = default;
};

struct IncomingTransfer {
  std::int64_t seq = 0;
  std::string id;  // chosen by `from`
  PeerId from;
  UsdCents amount;
  WallTime at{};
  friend bool operator==(IncomingTransfer const&, IncomingTransfer const&) = default;
};
struct IncomingTransfers {
  std::vector<IncomingTransfer> transfers;  // fewer than asked for: there are no more
  friend bool operator==(IncomingTransfers const&, IncomingTransfers const&) = default;
};

struct LedgerStatement {
  UsdCents balance;
  std::int64_t seq = 0;  // of the account's last transfer until then; 0: there was none
  friend bool operator==(LedgerStatement const&, LedgerStatement const&) = default;
};

struct AccountsDeleted {
  std::int64_t count = 0;
  friend bool operator==(AccountsDeleted const&, AccountsDeleted const&) = default;
};

/// The ledger does not do what was asked. Of a transfer this is no outcome.
struct LedgerFailure {
  LedgerErrc code{};
  friend bool operator==(LedgerFailure const&, LedgerFailure const&) = default;
};

/// A ledger that cannot answer now (starting, busy, too many requests), or that cannot read a request,
/// answers with a Refusal in the envelope's error (refusal.hpp) instead. It is not signed and says nothing
/// about what becomes of a transfer.
struct LedgerAnswer {
  static constexpr std::string_view kType = "LedgerAnswerMessage";
  using Body = std::variant<LedgerInfo, LedgerAccount, LedgerAccounts, TransferPaid, TransferRefused,
                            IncomingTransfers, LedgerStatement, AccountsDeleted, LedgerFailure>;
  PeerId ledger;
  WallTime time{};  // the ledger's; does not go backwards
  Body body;
  Signature signature;  // of `ledger` over answer_digest()
  friend bool operator==(LedgerAnswer const&, LedgerAnswer const&) = default;
};

[[nodiscard]] json::Value to_json(LedgerAnswer const& answer);
/// Does not verify the signature. Errors: bad_answer.
[[nodiscard]] Result<LedgerAnswer> parse_ledger_answer(json::Value const& body);

/// SHA-256 of "grenache/exchange/ledger-answer/1:" and the bencoded dictionary of answer, the dictionary of
/// to_json() without `signature`, and request, the hex of its request_digest().
[[nodiscard]] Sha256 answer_digest(LedgerAnswer const& answer, Sha256 const& request);
/// Sets ledger and signature.
void sign(LedgerAnswer& answer, Sha256 const& request, SecretKey const& ledger);

/// Parses and verifies the answer of a request: of the ledger that it names, or of the one that the answer
/// names if it names none (GetLedger). Errors: bad_answer, wrong_ledger, bad_signature.
[[nodiscard]] Result<LedgerAnswer> read_ledger_answer(json::Value const& body, LedgerRequest const& request);

/// The content of a verified answer. Errors: the code of a LedgerFailure; bad_answer if it is something else.
template <class Body>
[[nodiscard]] Result<Body> body_of(LedgerAnswer const& answer) {
  if (auto const* const failure = std::get_if<LedgerFailure>(&answer.body)) {
    return make_error_code(failure->code);
  }
  auto const* const body = std::get_if<Body>(&answer.body);
  if (!body) return make_error_code(LedgerErrc::bad_answer);
  return *body;
}

using TransferOutcome = std::variant<TransferPaid, TransferRefused>;
/// The outcome in the verified answer to a Transfer, which is final. Errors: as body_of(); they are no
/// outcome.
[[nodiscard]] Result<TransferOutcome> outcome_of(LedgerAnswer const& answer);

}  // namespace grenache::exchange
