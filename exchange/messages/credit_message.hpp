// What the two sides of a credit line send to each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "exchange/messages/credit_state.hpp"
#include "exchange/messages/message_header.hpp"

namespace grenache::exchange {

/// Proposes the next version of the sender's record, which adds `entries`.
struct CreditUpdate {
  SignedCreditRecord record;  // signed by the sender
  std::vector<CreditEntry> entries;
};

/// The sender has signed a version of the receiver's record.
struct CreditAccepted {
  SignedCreditRecord record;  // signed by the sender
};

/// Why an update was refused: because of one of its entries, or of its terms if the id is empty.
struct CreditFault {
  std::string id;
  CreditErrc code = CreditErrc::bad_message;
  friend bool operator==(CreditFault const&, CreditFault const&) = default;
};
/// The sender will never sign this version of the receiver's record.
struct CreditRefused {
  std::int64_t counter = 0;         // of the version
  Sha256 digest;                    // credit_digest() of the version
  std::vector<CreditFault> faults;  // 1 to kCreditEntriesMax + 1
  Signature signature;              // of the sender over refusal_digest()
  friend bool operator==(CreditRefused const&, CreditRefused const&) = default;
};
/// SHA-256 of "grenache/exchange/credit-refusal/1:" and the digest of the refused version.
[[nodiscard]] Sha256 refusal_digest(CreditRefused const& refused);

/// The newest versions that the sender knows to be signed by both.
struct CreditSync {
  SignedCreditRecord low;
  SignedCreditRecord high;
};

/// The sender disagrees about the line, and would go on from these versions, signed by the sender.
struct CreditReset {
  SignedCreditRecord low;
  SignedCreditRecord high;
};

struct CreditMessage {
  static constexpr std::string_view kType = "CreditMessage";
  Sha256 line;
  /// The newest version of the receiver's record that the sender has signed: an update may rely on it, while
  /// the CreditAccepted that said so was lost or late.
  std::optional<SignedCreditRecord> answer;
  std::variant<CreditUpdate, CreditAccepted, CreditRefused, CreditSync, CreditReset> body;
};

/// Carries messages about the line between its sender and its receiver, in a request and in its answer.
struct CreditMessages {
  static constexpr std::string_view kType = "CreditMessages";
  MessageHeader header;
  PeerId sender;         // claimed: what matters in the messages is signed
  std::string endpoint;  // host:port of the sender, a hint; empty if it names none
  std::vector<CreditMessage> messages;
  bool has_settled = false;  // the sender has paid the receiver on the ledger, a hint to look there
};
inline constexpr std::size_t kCreditMessagesMax = 8;
[[nodiscard]] json::Value to_json(CreditMessages const& messages);
/// Errors: as parse_request().
[[nodiscard]] Result<CreditMessages> parse_credit_messages(json::Value const& body);

/// Higher counters are not accepted from a peer, so ours never overflow.
inline constexpr std::int64_t kCreditCounterMax = std::int64_t{1} << 53;

/// Without a header.
[[nodiscard]] json::Value to_json(CreditMessage const& message);
/// Signatures are not verified. Errors: bad_message.
[[nodiscard]] Result<CreditMessage> parse_credit_message(json::Value const& body);
[[nodiscard]] json::Value to_json(CreditRefused const& refused);
[[nodiscard]] Result<CreditRefused> parse_credit_refused(json::Value const& body);

/// Adds the signatures of the sender.
void sign(CreditMessage& message, CreditSide sender, SecretKey const& key);
/// True if the message belongs to this line and every signature it needs is valid. `known` is the counter of
/// the newest version of the receiver's own record that both have signed: an `answer` up to it is not
/// verified, since the receiver ignores it.
[[nodiscard]] bool is_genuine(CreditMessage const& message, CreditParties const& parties, CreditSide sender,
                              std::int64_t known);

}  // namespace grenache::exchange
