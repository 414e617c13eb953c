// Messages of payments that go over the credit lines of others, and of netting.
//
// A payment over others ("transit") is made by two-phase commit along a path of credit lines. The payee alone
// decides, and proves with a secret that it has committed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/messages/credit_message.hpp"

namespace grenache::exchange {

/// Hops of a path that a Prepare names: the longest cycle of netting.
inline constexpr std::size_t kTransitPathMax = 32;
inline constexpr int kTransitHopsMax = 32;
/// Debts in an answer to GetDebtsMessage.
inline constexpr std::size_t kDebtsPageMax = 200;

/// Asks a payee for an invoice over an amount.
struct TransitInvoiceMessage {
  static constexpr std::string_view kType = "TransitInvoiceMessage";
  MessageHeader header;
  std::string id;   // UUID, of the payment
  UsdCents amount;  // > 0
};
[[nodiscard]] json::Value to_json(TransitInvoiceMessage const& message);

/// The payee promises to take `amount`, and to give the secret for it.
struct TransitInvoice {
  static constexpr std::string_view kType = "TransitInvoice";
  MessageHeader header;
  std::string id;
  UsdCents amount;
  Sha256 hash;  // of the secret
  PeerId payee;
  Signature signature;  // of the payee over invoice_digest()
};
/// SHA-256 of "grenache/exchange/transit-invoice/1:" and the bencoded dictionary of amount, hash, id, payee.
[[nodiscard]] Sha256 invoice_digest(TransitInvoice const& invoice);
[[nodiscard]] json::Value to_json(TransitInvoice const& invoice);
/// The signature is not verified.
[[nodiscard]] Result<TransitInvoice> parse_transit_invoice(json::Value const& body);
/// The secret of an invoice: HMAC-SHA256 with the payee's secret key over a domain, id and amount. Its
/// SHA-256 is the hash, so that the payee remembers nothing until it is paid.
[[nodiscard]] Sha256 transit_secret(std::string_view id, UsdCents amount, SecretKey const& payee);

/// The payer of one hop promises its receiver up to `amount` if the receiver proves that the payee was paid.
struct PrepareMessage {
  static constexpr std::string_view kType = "PrepareMessage";
  MessageHeader header;
  std::string id;  // UUID, of the payment
  Sha256 hash;     // of the payee's secret
  PeerId payee;
  UsdCents amount;           // > 0; at most this is paid on this hop
  UsdCents deliver;          // > 0, at most `amount`: what the payee gets
  int hops_left = 0;         // further hops that are allowed; at most kTransitHopsMax
  WallTime expires{};        // afterwards the receiver does not take part any more
  std::vector<PeerId> path;  // of netting: the receivers of the further hops; else empty
  bool is_netting = false;   // each hop only makes a debt smaller
  PeerId payer;              // of this hop
  Signature signature;       // of `payer` over prepare_digest()
  /// The newest version of the receiver's record of the line that the payer has signed: the promise may need
  /// room which the receiver does not know to be free.
  std::optional<SignedCreditRecord> record{};
};
/// SHA-256 of "grenache/exchange/transit-prepare/1:", and the bencoded dictionary of amount, deliver,
/// expires, hash, hops, id, netting, path, payee, payer, receiver (of this message).
[[nodiscard]] Sha256 prepare_digest(PrepareMessage const& message, PeerId const& receiver);
[[nodiscard]] json::Value to_json(PrepareMessage const& message);
/// The id of the entry that pays a hop: a UUID (version 8, RFC 9562) of SHA-256 of
/// "grenache/exchange/transit-entry/1:", the keys of payer and receiver, the id and hops_left.
[[nodiscard]] Sha256 transit_entry_hash(PeerId const& payer, PeerId const& receiver, std::string_view id,
                                        int hops_left);

enum class TransitState : std::uint8_t { pending, committed, aborted };
[[nodiscard]] std::string_view to_text(TransitState state);

/// Why a payment was aborted. Of several reasons on the way the last one of this list is told.
enum class TransitReason : std::uint8_t {
  none,
  no_route,         // nobody else can pass it on
  loop,             // this peer takes part already
  expired,          // too late
  no_line,          // no open credit line
  not_allowed,      // this peer does not pass it on
  no_debt,          // netting would make a debt larger
  no_room,          // not within the limit
  fee,              // more is asked for than was offered
  unknown_invoice,  // the payee has made no such invoice
  already_paid,     // the payee has been paid already
};
[[nodiscard]] std::string_view to_text(TransitReason reason);  // "no-route", …
[[nodiscard]] std::string_view describe(TransitReason reason);
[[nodiscard]] std::optional<TransitReason> parse_transit_reason(std::string_view text);

/// The answer to a Prepare. Once it is committed or aborted it never changes.
struct TransitOutcome {
  static constexpr std::string_view kType = "TransitOutcome";
  MessageHeader header;
  std::string id;
  int hops_left = 0;  // of the Prepare
  PeerId payer;       // of the Prepare
  PeerId receiver;    // of the Prepare, who answers
  TransitState state{};
  TransitReason reason{};  // of an abort
  Sha256 secret{};         // of a commit: its SHA-256 is the hash
  UsdCents claimed{};      // of a commit: what the payer owes for this hop
  Signature signature;     // of the receiver over outcome_digest()
};
/// SHA-256 of "grenache/exchange/transit-outcome/1:" and the bencoded dictionary of claimed, hops, id, payer,
/// reason, receiver, secret, state.
[[nodiscard]] Sha256 outcome_digest(TransitOutcome const& outcome);
[[nodiscard]] json::Value to_json(TransitOutcome const& outcome);
/// The signature is not verified.
[[nodiscard]] Result<TransitOutcome> parse_transit_outcome(json::Value const& body);

/// Asks a peer for the debts on its lines where it allows netting.
struct GetDebtsMessage {
  static constexpr std::string_view kType = "GetDebtsMessage";
  MessageHeader header;
  std::optional<PeerId> after;  // the last peer of the page before
};
[[nodiscard]] json::Value to_json(GetDebtsMessage const& message);
struct DebtsAnswer {
  static constexpr std::string_view kType = "DebtsAnswer";
  struct Debt {
    PeerId peer;
    std::int64_t cents = 0;  // what the peer owes the one who answers; negative: the other way round
  };
  MessageHeader header;
  std::vector<Debt> debts;  // by peer; at most kDebtsPageMax
  bool has_more = false;
};
[[nodiscard]] json::Value to_json(DebtsAnswer const& answer);
[[nodiscard]] Result<DebtsAnswer> parse_debts(json::Value const& body);

/// Asks a peer to remove a cycle of debts, of which it is a part. The same again asks how it went.
struct StartNettingMessage {
  static constexpr std::string_view kType = "StartNettingMessage";
  MessageHeader header;
  std::string id;            // UUID, of the payment
  UsdCents amount;           // > 0
  std::vector<PeerId> path;  // each owes the one before; the last one is the receiver
};
[[nodiscard]] json::Value to_json(StartNettingMessage const& message);
struct NettingAnswer {
  static constexpr std::string_view kType = "NettingAnswer";
  MessageHeader header;
  std::string id;
  TransitState state{};
};
[[nodiscard]] json::Value to_json(NettingAnswer const& answer);
[[nodiscard]] Result<NettingAnswer> parse_netting(json::Value const& body);

}  // namespace grenache::exchange
