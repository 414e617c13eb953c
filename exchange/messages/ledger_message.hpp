// What clients ask of a settlement ledger. Its answers: ledger_answer.hpp.
//
// A ledger keeps accounts in USD and moves money between them. It has a key of its own. Every request has a
// random nonce and, but for GetLedger, the key of the ledger that it is meant for; the client's signature and
// the ledger's signature of the answer both cover all of the request. So a request for one ledger is worth
// nothing at another, and a client that knows the key of its ledger trusts nobody on the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "exchange/messages/message_header.hpp"
#include "exchange/messages/money.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>

namespace grenache::exchange {

/// Why a ledger refuses something, or a client does not accept what a ledger says.
enum class LedgerErrc {
  bad_message = 1,  // malformed
  bad_name,         // see is_account_name()
  bad_amount,       // zero, negative, or too large
  bad_id,           // not a UUID
  bad_answer,       // malformed, or not of the kind that was asked for
  bad_signature,    // not signed by whom it must be, or not for this request
  wrong_ledger,     // the request is for another ledger, or the answer is of another one
  name_taken,       // the name belongs to another key
  key_taken,        // the key has an account of another name
  other_start,      // the account was opened with another starting balance
  start_too_large,  // the ledger does not open accounts with so much
  full,             // no more accounts can be opened
  unknown_account,  // there is no such account
  unknown_payer,    // the payer has no account
  unknown_payee,    // the payee has no account
  own_account,      // payer and payee are the same
  insufficient,     // the payer has less than that
  expired,          // the transfer came after its end
  bad_expiry,       // the transfer could still be made in more than kTransferLifeMax
  id_reused,        // the payer has used the id for another transfer
  not_past,         // a statement was asked for a time that is not over
  before_opening,   // the account was opened later
  not_operator,     // the key is not the one of an operator
  stale,            // the time of a deletion is too far from the ledger's, or before the last deletion
};
[[nodiscard]] std::string_view describe(LedgerErrc code);
/// The code on the wire: "name-taken", …
[[nodiscard]] std::string_view to_text(LedgerErrc code);
[[nodiscard]] std::optional<LedgerErrc> parse_ledger_errc(std::string_view word);
constexpr char const* category_name(LedgerErrc) { return "grenache.ledger"; }
inline Error make_error_code(LedgerErrc code) { return make_enum_error(code); }

inline constexpr std::size_t kAccountNameSizeMax = 64;      // bytes
inline constexpr std::int64_t kLedgerPageMax = 100;         // accounts or transfers in an answer
inline constexpr std::chrono::hours kTransferLifeMax{24};   // of a transfer: valid_until - now
inline constexpr std::chrono::minutes kDeletionSkewMax{5};  // between the clocks of operator and ledger
inline constexpr std::int64_t kLedgerSeqMax = std::int64_t{1} << 53;

/// Random, chosen by the client for each request.
using LedgerNonce = FixedBytes<struct LedgerNonceTag, 16>;

/// True for a name that an account can have: 1 to kAccountNameSizeMax bytes of printable UTF-8, without a
/// space at either end. So it is never the hex of a key, which is longer.
[[nodiscard]] bool is_account_name(std::string_view text);

/// Asks who the ledger is: the answer, LedgerInfo, names the key that signed it. For trust on first use.
struct GetLedger {
  static constexpr std::string_view kType = "GetLedgerMessage";
  friend bool operator==(GetLedger const&, GetLedger const&) = default;
};

/// Opens the account of `key`, or finds it again under the same name: then the endpoint replaces the one
/// before. Names are unique, keys too. Answer: LedgerAccount. Errors: name_taken, key_taken, other_start,
/// start_too_large, full.
struct OpenAccount {
  static constexpr std::string_view kType = "OpenAccountMessage";
  std::string name;
  PeerId key;
  UsdCents start;        // the starting balance; 0 or more
  std::string endpoint;  // host:port of the owner, a hint; may be empty
  Signature signature;   // of `key`
  friend bool operator==(OpenAccount const&, OpenAccount const&) = default;
};

/// Asks for accounts in the order of the bytes of their names. Answer: LedgerAccounts.
struct GetAccounts {
  static constexpr std::string_view kType = "GetAccountsMessage";
  std::string after;                  // names greater than this
  std::int64_t max = kLedgerPageMax;  // 1 to kLedgerPageMax
  friend bool operator==(GetAccounts const&, GetAccounts const&) = default;
};

/// Answer: LedgerAccount. Errors: unknown_account.
struct GetAccount {
  static constexpr std::string_view kType = "GetAccountMessage";
  std::variant<PeerId, std::string> whom;  // key or name
  friend bool operator==(GetAccount const&, GetAccount const&) = default;
};

/// Moves money. Answer: TransferPaid or TransferRefused, which are final: the same transfer gets the same
/// answer for ever, whatever its nonce, but for a refusal after `valid_until`, whose reason may become
/// `expired`. Ids belong to their payer: another payer's transfer with the same id is another transfer.
///
/// Errors, after which the transfer may still be made when it is sent again: unknown_payer, bad_expiry,
/// id_reused, wrong_ledger, bad_signature.
struct Transfer {
  static constexpr std::string_view kType = "TransferMessage";
  std::string id;  // UUID
  PeerId from;     // keys of accounts
  PeerId to;
  UsdCents amount;         // greater than 0
  WallTime valid_until{};  // it is not made at or after this time; at most kTransferLifeMax from now
  Signature signature;     // of `from`

  /// True if the other one is the same transfer, apart from its signature.
  [[nodiscard]] bool is_same(Transfer const& other) const {
    return id == other.id && from == other.from && to == other.to && amount == other.amount &&
           valid_until == other.valid_until;
  }
  friend bool operator==(Transfer const&, Transfer const&) = default;
};

/// Asks for the transfers to `key` in the order of their seq. Seqs only grow, so a creditor that asks again
/// after the greatest seq it has seen gets each transfer once, and none is left out. Transfers stay when
/// accounts are deleted. Answer: IncomingTransfers.
struct GetTransfers {
  static constexpr std::string_view kType = "GetTransfersMessage";
  PeerId key;
  std::int64_t after = 0;             // seqs greater than this
  std::int64_t max = kLedgerPageMax;  // 1 to kLedgerPageMax
  friend bool operator==(GetTransfers const&, GetTransfers const&) = default;
};

/// Asks what the account of `key` had at a time. Answer: LedgerStatement. Errors: unknown_account, not_past,
/// before_opening.
struct GetStatement {
  static constexpr std::string_view kType = "GetStatementMessage";
  PeerId key;
  WallTime at{};
  friend bool operator==(GetStatement const&, GetStatement const&) = default;
};

/// Removes all accounts with what they hold. The same request again deletes nothing and gets the same answer;
/// an earlier one is stale. Answer: AccountsDeleted. Errors: not_operator, stale.
struct DeleteAccounts {
  static constexpr std::string_view kType = "DeleteAccountsMessage";
  PeerId by;            // an operator
  WallTime at{};        // at most kDeletionSkewMax from the ledger's time, and later than the last deletion's
  Signature signature;  // of `by`
  friend bool operator==(DeleteAccounts const&, DeleteAccounts const&) = default;
};

struct LedgerRequest {
  using Body = std::variant<GetLedger, OpenAccount, GetAccounts, GetAccount, Transfer, GetTransfers,
                            GetStatement, DeleteAccounts>;
  LedgerNonce nonce;
  std::optional<PeerId> ledger;  // whom it is for; none with GetLedger
  Body body;
  friend bool operator==(LedgerRequest const&, LedgerRequest const&) = default;
};

[[nodiscard]] json::Value to_json(LedgerRequest const& request);
/// Checks types, sizes and ranges; does not verify signatures. Errors: bad_message, bad_name, bad_amount,
/// bad_id.
[[nodiscard]] Result<LedgerRequest> parse_ledger_request(json::Value const& body);

/// SHA-256 of "grenache/exchange/ledger-request/1:" and the bencoding of to_json() without `signature`: a
/// dictionary of strings and integers; money is its shortest decimal text ("0.5"), keys and nonce are hex.
[[nodiscard]] Sha256 request_digest(LedgerRequest const& request);

/// A request with a new nonce. `body` needs no signature yet; sign() adds it.
[[nodiscard]] LedgerRequest make_ledger_request(LedgerRequest::Body body, PeerId const& ledger,
                                                Random& random);
[[nodiscard]] LedgerRequest make_get_ledger(Random& random);
/// Sets the signer (`key`, `from` or `by`) and the signature of a request that has them.
void sign(LedgerRequest& request, SecretKey const& key);
/// True if the request, whose request_digest() is `digest`, needs no signature, or is signed by whom it
/// names.
[[nodiscard]] bool is_signed(LedgerRequest const& request, Sha256 const& digest);
[[nodiscard]] inline bool is_signed(LedgerRequest const& request) {
  return is_signed(request, request_digest(request));
}

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::LedgerErrc);
