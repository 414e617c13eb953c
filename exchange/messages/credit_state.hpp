// The signed records of a credit line between two peers, and receipts of what was paid over it.
//
// Each side of a line has a record of its own: what it has given to the other side so far, and how much the
// other side may owe it. Only its owner proposes the next version, and both sides sign each version. The
// state of the line is the pair of newest records, so it never depends on the order of the two sides'
// changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/messages/money.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/time.hpp>

namespace grenache::exchange {

/// Why something is refused on a credit line.
enum class CreditErrc {
  own_peer = 1,     // a line with oneself
  bad_message,      // malformed
  bad_receipt,      // malformed, or its parts do not belong together
  bad_signature,    // not signed by whom it must be
  bad_row,          // a row of the journal is malformed or contradicts itself
  bad_id,           // not a UUID
  bad_amount,       // zero, negative, or too large
  bad_limit,        // negative, too large, or not a raise or lowering
  not_open,         // there is no open line
  already_open,     // the line is open, being closed, or proposed already
  no_proposal,      // nothing waits for acceptance
  rejected,         // the other side rejected the proposal
  over_limit,       // the debt and all pending amounts would exceed the limit
  below_debt,       // the new limit is less than the debt and all pending amounts
  not_zero,         // something is owed
  pending,          // something is pending
  frozen,           // one side has frozen the line
  disputed,         // the two sides disagree; a reset is needed
  no_reset,         // there are no reset terms of the other side
  line_reset,       // the line was reset while the payment was pending
  expired,          // the payment has expired
  bad_expiry,       // the payment would expire too late
  already_pending,  // this payment is pending already
  already_counted,  // this payment is counted already
  id_reused,        // the same id with another kind, amount or expiry
  stale,            // ids of this age are no longer remembered
  too_many,         // too many pending payments
};
[[nodiscard]] std::string_view describe(CreditErrc code);
/// The code on the wire: "over-limit", …
[[nodiscard]] std::string_view to_text(CreditErrc code);
[[nodiscard]] std::optional<CreditErrc> parse_credit_errc(std::string_view word);
constexpr char const* category_name(CreditErrc) { return "grenache.credit"; }
inline Error make_error_code(CreditErrc code) { return make_enum_error(code); }

/// Which of the two peer ids is smaller.
enum class CreditSide : std::uint8_t { low, high };
[[nodiscard]] constexpr CreditSide other_side(CreditSide side) {
  return side == CreditSide::low ? CreditSide::high : CreditSide::low;
}

/// The two peers of a line.
struct CreditParties {
  PeerId low;
  PeerId high;

  /// Errors: own_peer.
  [[nodiscard]] static Result<CreditParties> of(PeerId const& one, PeerId const& other);
  [[nodiscard]] PeerId const& key(CreditSide side) const { return side == CreditSide::low ? low : high; }
  /// SHA-256 of "grenache/exchange/credit-line/1:" and both keys, the lower one first.
  [[nodiscard]] Sha256 line() const;
  friend bool operator==(CreditParties const&, CreditParties const&) = default;
};

/// `pay`: the owner of the record owes more, or is owed less. `settle`: the same, because the other side has
/// paid that much elsewhere.
enum class CreditKind : std::uint8_t { pay, settle };
[[nodiscard]] std::string_view to_text(CreditKind kind);

/// One amount that a side gives to the other one.
struct CreditEntry {
  CreditKind kind = CreditKind::pay;
  std::string id;  // UUID; counts once on its side of the line
  UsdCents amount;
  WallTime expires{};
  friend bool operator==(CreditEntry const&, CreditEntry const&) = default;
};

/// At most so many entries are in one update.
inline constexpr std::size_t kCreditEntriesMax = 256;

/// One side of a line. The version with the highest counter that both sides have signed is valid.
struct CreditRecord {
  Sha256 line{};
  CreditSide side = CreditSide::low;  // the owner: the only one who proposes versions of this record
  std::int64_t counter = 0;           // of the owner's proposals; 0: nothing was ever signed
  std::int64_t previous = 0;          // the counter of the version this one follows
  UsdCents limit{};                   // how much the other side may owe the owner
  UsdCents wish{};                    // how much the owner would like to be allowed to owe
  UsdCents paid{};                    // the sum of all payments by the owner
  UsdCents settled{};                 // the sum of all settlements that the owner has credited
  bool open = false;                  // the line is open when both records are
  bool frozen = false;                // no payments in either direction
  Sha256 root{};                      // entries_root() of the entries that this version adds

  [[nodiscard]] std::int64_t given() const { return paid.units() + settled.units(); }
  friend bool operator==(CreditRecord const&, CreditRecord const&) = default;
};

/// SHA-256 of "grenache/exchange/credit/1:" and the bencoded dictionary of counter, frozen, limit, line,
/// open, paid, previous, root, settled, side, wish (money in cents, flags as 0 or 1, side as "low" or "high",
/// hashes as raw bytes).
[[nodiscard]] Sha256 credit_digest(CreditRecord const& record);

/// The root of the Merkle tree over `entries`; zero if there are none. A leaf is SHA-256 of
/// "grenache/exchange/credit-entry/1:" and the bencoded dictionary of amount, expires, id, kind; a node is
/// SHA-256 of "grenache/exchange/credit-node/1:", left and right. The last node of an odd level moves up.
[[nodiscard]] Sha256 entries_root(std::span<CreditEntry const> entries);

/// A node beside the way from a leaf to the root.
struct MerkleStep {
  bool is_left = false;  // the node is the left one of the two
  Sha256 hash;
  friend bool operator==(MerkleStep const&, MerkleStep const&) = default;
};
/// For each entry the nodes beside its way to the root.
[[nodiscard]] std::vector<std::vector<MerkleStep>> entry_paths(std::span<CreditEntry const> entries);

/// A record with the signatures of the two sides; a missing one is zero.
struct SignedCreditRecord {
  CreditRecord record;
  Signature low;
  Signature high;

  [[nodiscard]] Signature const& by(CreditSide side) const { return side == CreditSide::low ? low : high; }
  [[nodiscard]] Signature& by(CreditSide side) { return side == CreditSide::low ? low : high; }
  friend bool operator==(SignedCreditRecord const&, SignedCreditRecord const&) = default;
};
/// Signs as `side`; the signature of the same record is always the same.
void sign(SignedCreditRecord& record, CreditSide side, SecretKey const& key);
[[nodiscard]] bool is_signed(SignedCreditRecord const& record, CreditParties const& parties, CreditSide by);

/// What `side` owes, in cents; negative if it is owed. `low` and `high` are the records of the two sides.
[[nodiscard]] std::int64_t debt_of(CreditSide side, CreditRecord const& low, CreditRecord const& high);

[[nodiscard]] json::Value to_json(CreditEntry const& entry);
[[nodiscard]] Result<CreditEntry> parse_credit_entry(json::Value const& body);
/// Errors if there are more than `max` entries or one is malformed.
[[nodiscard]] Result<std::vector<CreditEntry>> parse_credit_entries(json::Value const* items,
                                                                    std::size_t max);
[[nodiscard]] json::Value to_json(std::span<CreditEntry const> entries);
[[nodiscard]] json::Value to_json(SignedCreditRecord const& record);
/// Its signatures are not verified. Errors: bad_message.
[[nodiscard]] Result<SignedCreditRecord> parse_credit_record(json::Value const* body);

/// Proves that both sides have signed a payment, and what was owed after it.
struct CreditReceipt {
  CreditParties parties;
  CreditSide payer = CreditSide::low;
  CreditEntry entry;
  std::vector<MerkleStep> path;  // from the entry to the root of the payer's record
  SignedCreditRecord low;        // signed by both; not if its counter is 0
  SignedCreditRecord high;

  /// What `low` is owed after the payment, in cents; negative if it owes.
  [[nodiscard]] std::int64_t balance() const { return -debt_of(CreditSide::low, low.record, high.record); }
};
/// Adds the signatures of `side`.
void sign(CreditReceipt& receipt, CreditSide side, SecretKey const& key);
[[nodiscard]] std::string to_text(CreditReceipt const& receipt);
/// Reads and verifies a receipt with nothing but its text, of at most kCreditReceiptSizeMax bytes. The text
/// must be exactly that of to_text(), so a receipt with any changed byte is refused. Errors: bad_receipt,
/// bad_signature.
[[nodiscard]] Result<CreditReceipt> verify_receipt(std::string_view text);
inline constexpr std::size_t kCreditReceiptSizeMax = 16 * 1024;

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::CreditErrc);
