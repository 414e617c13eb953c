// Commands about credit lines, their answers, and what is told of them. Part of command.hpp and event.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exchange/messages/credit_state.hpp"

namespace grenache::exchange {

namespace command {

/// `peer` in these commands: a peer id, at least its first kIdPrefixSizeMin digits, or a display name. A name
/// means the only peer with whom we have, or want, a credit line that was made under it; else the only known
/// peer with it. What is also the beginning of another peer's id is ambiguous.

/// Proposes a credit line: the peer may owe us up to `limit`, and we wish to owe it up to `wish`. If the peer
/// has proposed one itself, this is the counter-proposal. Answer: CreditLineView.
struct ProposeCredit {
  std::string peer;
  UsdCents limit;
  UsdCents wish;
};
/// Accepts or rejects the proposal of a peer. Answer: CreditLineView.
struct AnswerProposal {
  std::string peer;  // empty: the peer whose proposal waits longest
  bool accept = false;
  /// The proposal must still say this; none: not looked at. See CreditLineView::Proposal.
  std::optional<UsdCents> limit{};
  std::optional<UsdCents> wish{};
};
/// Pays over the credit line. More than the line has room for fills it, settles the debt on the ledger, and
/// pays the rest, as often as needed; at most kPaymentRoundsMax times. Without an open line it goes over the
/// lines of others, for a fee. Answer: CreditPayment, or CreditForecast of a dry run.
struct PayCredit {
  std::string peer;
  UsdCents amount;  // > 0
  bool dry_run = false;
  std::optional<UsdCents> fee_max{};  // none: 1 % and a cent
};
/// Sets how much the peer may owe us. More is valid once the peer has agreed, less at once if its debt fits.
/// Answer: CreditLineView.
struct LimitCredit {
  std::string peer;
  UsdCents limit;
};
/// Asks the peer to let us owe up to `wish`. Answer: CreditLineView.
struct AskCredit {
  std::string peer;
  UsdCents wish;
};
/// Stops payments in both directions, or allows them again. Answer: CreditLineView.
struct FreezeCredit {
  std::string peer;
  bool freeze = true;
};
/// Closes a line on which nothing is owed, or withdraws our proposal. Answer: CreditLineView.
struct CloseCredit {
  std::string peer;
};
/// Lets payments of others go over the line, or not. Answer: CreditLineView.
struct ForwardCredit {
  std::string peer;
  bool forward = true;
  UsdCents fee;          // for each payment that goes to the peer,
  std::int64_t ppm = 0;  // and this share of it, in millionths; at most 1,000,000
};
/// Lets cycles of debts over the line be removed, and shows the debt to those who ask; or not. Answer:
/// CreditLineView.
struct AllowNetting {
  std::string peer;
  bool allow = true;
};
/// Looks for cycles of debts and removes them. Answer: NettingDone.
struct NetDebts {};
/// Goes on from the peer's terms after a disagreement. Answer: CreditLineView.
struct ResetCredit {
  std::string peer;
};
/// Pays a debt of the line on the settlement ledger. Answer: CreditSettlement.
struct SettleCredit {
  std::string peer;
  std::optional<UsdCents> amount{};  // none: all of it
};
/// Answer: CreditBalance.
struct ShowBalance {};
/// Lists the accounts of the settlement ledger. Answer: LedgerUsers.
struct ListUsers {};
/// Deletes all accounts of the settlement ledger; for its operator. Answer: LedgerDeleted.
struct DeleteUsers {};
/// Settles as many debts as the ledger account pays for, the smallest first. Answer: CreditLeave.
struct LeaveCredit {};
/// Lists the payments over credit lines, the newest first. Answer: History.
struct ListPayments {
  std::size_t count_max = 100;
};
/// The receipt of a payment, signed by both sides. Answer: Receipt.
struct ShowReceipt {
  std::string id;  // of the payment, or its first characters
};

}  // namespace command

inline constexpr std::int64_t kPaymentRoundsMax = 100;

namespace result {

/// Why a command about a credit line is refused, for those who say it in words of their own.
enum class CreditRefusal : std::uint8_t {
  none,               // another reason
  over_limit,         // `cents`: the limit
  not_accepted,       // the peer has not accepted the line yet
  nothing_to_settle,  // `cents`: the balance
  no_funds,           // on the ledger
};

/// What we and a peer owe each other.
struct CreditLineView {
  PeerId peer;
  std::string name;          // for display; may be empty
  std::int64_t balance = 0;  // cents: what we are owed, negative if we owe
  UsdCents pending;          // what we have paid and the peer has not signed yet
  UsdCents room;             // how much we can still pay
  UsdCents limit;            // how much the peer may owe us
  UsdCents their_limit;      // how much we may owe the peer
  bool is_open = false;
  bool is_frozen = false;
  bool is_proposed = false;  // by us, and not accepted yet
  /// A proposal of the peer, which waits for an answer: how much we may owe, and how much the peer wishes to
  /// owe.
  struct Proposal {
    UsdCents limit;
    UsdCents wish;
  };
  std::optional<Proposal> proposal{};
  /// While both sides disagree: the balance from which each would go on.
  std::optional<std::int64_t> our_terms{};
  std::optional<std::int64_t> their_terms{};
  UsdCents due_to_us{};  // of trades, not moved over the line yet
  UsdCents due_to_them{};
  UsdCents settling{};       // of our debt: is being paid on the ledger
  bool forwards = false;     // payments of others may go over it
  UsdCents fee{};            // for that,
  std::int64_t fee_ppm = 0;  // and this share, in millionths
  bool nets = false;         // cycles of debts over it may be removed
};
struct CreditBalance {
  std::vector<CreditLineView> lines;
  std::int64_t total = 0;  // cents, over all lines
  bool has_ledger = false;
  std::string account{};              // our name there
  std::optional<UsdCents> on_ledger;  // what our account has; none: the ledger does not answer
};
enum class CreditPaymentState : std::uint8_t { counted, pending };
[[nodiscard]] constexpr std::string_view to_text(CreditPaymentState state) {
  switch (state) {
    case CreditPaymentState::counted:
      return "counted";
    case CreditPaymentState::pending:
      return "pending";
  }
  return "";
}
struct CreditPayment {
  std::string id;
  PeerId peer;
  std::string name;
  UsdCents amount;
  CreditPaymentState state{};
  std::int64_t balance = 0;       // after it
  std::optional<UsdCents> fee{};  // of a payment over others; it was paid besides
  bool is_over_others = false;
};
/// What cycles of debts were removed.
struct NettingDone {
  std::size_t peer_count = 0;   // that have told their debts
  std::size_t debt_count = 0;   // that both sides have told
  std::size_t cycle_count = 0;  // that were removed
  std::size_t failed_count = 0;
  std::size_t undecided_count = 0;
  UsdCents removed{};  // of all debts together
};
/// What a payment would do.
struct CreditForecast {
  PeerId peer;
  std::string name;
  UsdCents amount;
  UsdCents room;
  bool is_possible = false;
  std::string text;      // why not; empty if it is possible
  UsdCents to_settle{};  // on the ledger, before the payment is complete
  /// With a ledger: all that we would owe afterwards, and what our account would have.
  UsdCents debts{};
  std::optional<UsdCents> on_ledger{};
};
enum class CreditSettlementState : std::uint8_t { pending, paid, credited };
[[nodiscard]] constexpr std::string_view to_text(CreditSettlementState state) {
  switch (state) {
    case CreditSettlementState::pending:
      return "pending";
    case CreditSettlementState::paid:
      return "paid";
    case CreditSettlementState::credited:
      return "credited";
  }
  return "";
}
struct CreditSettlement {
  std::string id;  // of the transfer
  PeerId peer;
  std::string name;
  UsdCents amount;
  CreditSettlementState state{};
  std::int64_t balance = 0;  // of the line, after it
};
struct LedgerUser {
  std::string name;
  PeerId peer;
  UsdCents balance;
  std::string endpoint;
};
struct LedgerUsers {
  std::vector<LedgerUser> users;  // at most Settlements::kUsersMax
};
struct LedgerDeleted {
  std::int64_t count = 0;
};
/// What could be settled before leaving, and what could not.
struct CreditLeave {
  UsdCents settled{};                // with what was under way before
  UsdCents unconfirmed{};            // of it, the ledger or the peer has not answered yet
  std::vector<CreditLineView> left;  // on which something is still owed, by either side
};
struct Receipt {
  std::string text;  // JSON, for `exchange verify-receipt`
};

}  // namespace result

namespace event {

/// A peer proposes a credit line: it lets us owe up to `limit`, and wishes to owe up to `wish`.
struct CreditProposed {
  PeerId peer;
  std::string name;
  UsdCents limit;
  UsdCents wish;
};
/// A peer has paid us.
struct CreditReceived {
  std::string id;
  PeerId peer;
  std::string name;
  CreditKind kind{};
  UsdCents amount;
  std::int64_t balance = 0;  // after it
};
/// A payment of ours is counted, or failed.
struct CreditPaid {
  std::string id;
  PeerId peer;
  std::string name;
  CreditKind kind{};
  UsdCents amount;
  std::int64_t balance = 0;
  std::string failure{};      // empty: counted
  bool is_undecided = false;  // has expired, but the peer may have counted it before
};
/// A debt of ours was paid on the ledger, credited by the peer, or could not be paid.
struct CreditSettled {
  std::string id;
  PeerId peer;
  std::string name;
  UsdCents amount;
  std::string what;     // "paid", "credited" or "refused"
  std::string failure;  // of a refusal
};
/// A payment over the lines of others: ours has ended, or one of others went over ours.
struct CreditTransit {
  std::string id;
  std::string what;  // "sent", "forwarded", "netted" or "failed"
  PeerId from;       // the neighbour that pays us; ourselves if it is ours
  std::string from_name;
  PeerId to;  // the neighbour that we pay; the payee if it is ours
  std::string to_name;
  UsdCents amount;
  UsdCents fee;      // paid by us, or earned
  std::string text;  // why it failed
};
/// Less than a tenth of what we may owe is left.
struct CreditLow {
  PeerId peer;
  std::string name;
  UsdCents room;
  UsdCents limit;
};
/// A line was opened, closed, …; `text` says it in words.
struct CreditLineChanged {
  PeerId peer;
  std::string name;
  std::string what;  // "opened", "refused", "limits", "frozen", "thawed", "closed", "disputed",
                     // "reset-terms", "reset"
  std::string text;
};

}  // namespace event

}  // namespace grenache::exchange
