// One credit line between this peer and another one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/core/credit/credit_memory.hpp"
#include "exchange/messages/credit_message.hpp"

namespace grenache::exchange {

/// Something the user, or the part above, should know.
struct CreditNotice {
  enum class Kind : std::uint8_t {
    proposal,     // the other side proposes a line: accept() or reject()
    opened,       // both sides have agreed
    refused,      // ours: `error` says why a change of limit, or our proposal or closing, was refused
    limits,       // a limit or wish has changed
    counted,      // our `entry` is counted on both sides; with a receipt
    received,     // an `entry` of the other side is counted; with a receipt
    failed,       // our `entry` is not counted: `error`
    overdue,      // our `entry` has expired, but the other side may have counted it before: it decides
    frozen,       // by the other side
    thawed,       // by the other side
    closed,       // by one of the sides
    disputed,     // the two sides disagree: accept_reset(), here or there, ends it
    reset_terms,  // the other side's terms for that have come
    reset,        // the dispute has ended
  };
  Kind kind{};
  CreditEntry entry{};
  std::optional<CreditErrc> error{};
  std::optional<CreditReceipt> receipt{};  // lacks our signatures: sign() adds them
};

/// A changed row of an entry: pending, or counted and remembered.
struct CreditRowChange {
  std::string key;   // at most kCreditEntryKeyMax bytes
  std::string body;  // JSON; empty: the row is erased
};
inline constexpr std::size_t kCreditEntryKeyMax = 38;
/// The row of an entry that is not counted yet.
[[nodiscard]] std::string pending_row(CreditEntry const& entry);

/// What handling one input does. First save the line's row if `save` is set, and those of `rows`, in one
/// transaction; then send and tell.
struct CreditStep {
  bool save = false;
  std::vector<CreditRowChange> rows{};  // in order
  /// To the other side, in order; they lack our signatures: sign() adds them.
  std::vector<CreditMessage> send{};
  std::vector<CreditNotice> tell{};
};

/// What a user sees of a line.
struct CreditView {
  std::int64_t balance = 0;  // cents: what we are owed, negative if we owe; without pending amounts
  UsdCents pending;          // what we have given and is not yet counted
  UsdCents held;             // what we hold for payments that are not given yet
  UsdCents held_by_them;     // the same of the other side, as far as we have promised room for it
  UsdCents room;             // how much we can still give
  UsdCents our_limit;        // how much the other side may owe us
  UsdCents their_limit;      // how much we may owe
  bool is_open = false;
  bool is_frozen = false;
  bool is_disputed = false;
  std::size_t pending_count = 0;
};

/// A pure state machine without clock, randomness, keys or I/O: signatures of what it receives must have been
/// verified (is_genuine()), and what it sends is signed afterwards (sign()). Times are this peer's wall
/// clock.
///
/// How the two sides stay equal. The state is two records, one per side; only its owner proposes the next
/// version, one at a time, and all that was asked for meanwhile goes into the one after it. The other side
/// checks a version once, decides to sign or to refuse it, saves the decision, and repeats it whenever the
/// same version comes again; so lost, repeated and reordered messages change nothing. A proposal says which
/// signed version it follows, sums in records only grow, and counters are never used twice, so a version that
/// both have signed is final and the one with the highest counter wins. The two sides' proposals never
/// conflict when they cross: a payment uses only the payer's own room, and what the other side does at the
/// same time adds to that room, except for a lower limit, which its receiver refuses if the payments that it
/// has under way would not fit, and closing, which it refuses if anything is owed or pending. On reconnection
/// both sides send both records (connect()), each takes over the higher ones, and proposals are repeated.
///
/// Pending amounts count against the payer's limit from give() on, so the other side never refuses a payment
/// of an honest peer for lack of room. Expiry: the payer drops what it has not sent yet; of what it has sent
/// the receiver's first decision counts, by the receiver's clock, and stays. So an expired payment may still
/// be counted if the other side signed it in time; until its answer arrives the amount stays reserved.
///
/// Ids: see CreditMemory. Each side refuses what it has counted for the other side already.
///
/// Holds: room for a payment that may be given later. The payer's hold counts like a pending amount, so the
/// payment never lacks room; that of the payee keeps the payer from using the room for something else. The
/// payer holds first and releases last; the payee may hold less, and the payer then pays exactly that. A hold
/// ends when the payment of its id is counted. It has no row: whoever has asked for it sets it again after
/// from_rows(). Lowering a limit and closing respect holds.
///
/// Disagreement: two versions of one record with the same counter and both signatures, a proposal that does
/// not follow from the version it names, a refusal without a valid reason, or both a refusal and a signature
/// of one version. Then nothing is paid any more; each side shows the versions it would go on from, and once
/// one side has accepted the other side's, these are valid like any others. Terms of the two sides have
/// different counters (odd and even), so accepting both at once ends with the higher ones.
///
/// Promises: after any loss, repetition, reordering and crash both sides become equal, count each payment
/// once or not at all, as its payer is told, and stay within the limits
/// (CreditLinePropertyTest.bothSidesBecomeEqualAndCountEachPaymentOnce); no peer breaks a line or owes more
/// than we allow (CreditHostileTest.noPeerBreaksALineOrExceedsItsLimit).
///
/// Functions leave the line unchanged when they return an error. All memory is bounded.
class CreditLine {
 public:
  static constexpr std::size_t kPendingMax = 1024;               // our entries that are not counted yet
  static constexpr auto kLifeMax = std::chrono::hours{24 * 31};  // of a payment
  static constexpr std::size_t kHoldsMax = 256;                  // on each side
  struct ResetTerms {
    SignedCreditRecord low;
    SignedCreditRecord high;
    [[nodiscard]] std::int64_t balance(CreditSide side) const {
      return -debt_of(side, low.record, high.record);
    }
  };

  /// A line on which nothing has happened. Errors: own_peer.
  [[nodiscard]] static Result<CreditLine> create(PeerId const& self, PeerId const& other);

  /// Proposes a line: the other side may owe us up to `limit`, and we wish to owe up to `wish`. Answers a
  /// proposal of the other side with a counter-proposal. Errors: already_open, bad_limit, disputed.
  [[nodiscard]] Result<CreditStep> propose(UsdCents limit, UsdCents wish, WallTime now);
  /// Accepts the proposal of the other side with both its limits. Errors: no_proposal.
  [[nodiscard]] Result<CreditStep> accept(WallTime now);
  /// Errors: no_proposal.
  [[nodiscard]] Result<CreditStep> reject();
  /// The other side's proposal, which waits for accept() or reject(): its limit is how much we may owe.
  [[nodiscard]] CreditRecord const* proposal() const { return asked_ ? &asked_->record.record : nullptr; }

  /// Gives an amount to the other side: `pay` makes our debt larger or theirs smaller; `settle` is for the
  /// side that was paid elsewhere, and credits the other one with it. Errors: bad_id, bad_amount, bad_expiry,
  /// expired, already_pending, already_counted, id_reused, stale, not_open, frozen, disputed, over_limit,
  /// too_many.
  [[nodiscard]] Result<CreditStep> give(CreditEntry const& entry, WallTime now);
  /// Lets the other side owe us more; valid once both have signed. Errors: bad_limit, not_open, disputed.
  [[nodiscard]] Result<CreditStep> raise(UsdCents limit, WallTime now);
  /// Lets the other side owe us less. It refuses only if its debt and pending payments would not fit. Errors:
  /// also below_debt.
  [[nodiscard]] Result<CreditStep> lower(UsdCents limit, WallTime now);
  /// Asks the other side to raise its limit to `wish`. Errors: as raise().
  [[nodiscard]] Result<CreditStep> ask(UsdCents wish, WallTime now);
  /// Stops payments in both directions. Errors: not_open, disputed.
  [[nodiscard]] Result<CreditStep> freeze(bool is_frozen, WallTime now);
  /// Also withdraws a proposal of ours: if the other side accepts it before it hears of that, the line is
  /// closed at once. Errors: not_open, disputed, not_zero, pending.
  [[nodiscard]] Result<CreditStep> close(WallTime now);

  /// `any`: within the limit; `less`: only as far as it makes a debt of the payee to the payer smaller.
  enum class HoldKind : std::uint8_t { any, less };
  /// Holds room for a payment of `owner`: we are to give it, or the other side is. Errors: bad_id,
  /// bad_amount, id_reused, not_open, frozen, disputed, over_limit, too_many.
  [[nodiscard]] Result<void> hold(CreditSide owner, std::string const& id, UsdCents amount, HoldKind kind);
  /// Sets a hold without looking at the room: again after from_rows(), or to a smaller amount.
  /// Nothing once the payment is counted.
  void set_hold(CreditSide owner, std::string const& id, UsdCents amount);
  /// Nothing if there is no such hold.
  void release(CreditSide owner, std::string_view id);

  /// Goes on from the other side's terms. Errors: no_reset.
  [[nodiscard]] Result<CreditStep> accept_reset();
  [[nodiscard]] bool is_disputed() const { return our_terms_.has_value(); }
  /// Both sides' terms while they disagree.
  [[nodiscard]] std::optional<ResetTerms> const& our_terms() const { return our_terms_; }
  [[nodiscard]] std::optional<ResetTerms> const& their_terms() const { return their_terms_; }

  /// Handles a genuine message of the other side.
  [[nodiscard]] CreditStep receive(CreditMessage const& message, WallTime now);
  /// Drops what has expired and was not sent yet, and tells of what has expired and was sent.
  [[nodiscard]] CreditStep expire(WallTime now);
  /// When expire() has something to do; WallTime::max(): never.
  [[nodiscard]] WallTime next_expiry() const;
  /// What to send again while no answer has come; nothing if no answer is expected. Like all that is sent, it
  /// must wait until the row of every step before is saved.
  [[nodiscard]] std::vector<CreditMessage> resend() const;
  /// What to send after a reconnection.
  [[nodiscard]] std::vector<CreditMessage> connect() const;

  /// True if resend() returns something.
  [[nodiscard]] bool awaits_answer() const { return our_terms_ || in_flight_; }
  /// True if nothing was ever signed by both, and we have never proposed a line.
  [[nodiscard]] bool is_untouched() const {
    return records_[0].record.counter == 0 && records_[1].record.counter == 0 && last_counter_ == 0;
  }
  /// True if we have proposed a line, or agreed to one, and have not closed it.
  [[nodiscard]] bool is_wanted() const { return wanted_.open; }
  /// How much the other side may owe us, once it has signed what we want.
  [[nodiscard]] UsdCents wanted_limit() const { return wanted_.limit; }
  /// We have given this entry, and it is not counted yet.
  [[nodiscard]] bool is_pending(std::string_view id) const { return find_pending(id) != nullptr; }

  [[nodiscard]] CreditView view() const;
  [[nodiscard]] CreditParties const& parties() const { return parties_; }
  [[nodiscard]] CreditSide side() const { return side_; }
  /// The newest version that both sides have signed.
  [[nodiscard]] SignedCreditRecord const& record(CreditSide side) const { return records_[index(side)]; }
  /// A counted entry of the other side, as long as it is remembered; null: none.
  [[nodiscard]] CreditEntry const* find_received(std::string_view id) const {
    auto const& entries = memories_[1 - index(side_)].entries();
    auto const found = entries.find(id);
    return found == entries.end() ? nullptr : &found->second;
  }
  /// The counter for is_genuine().
  [[nodiscard]] std::int64_t known_counter() const { return ours().record.counter; }

  /// The line in the journal: a row of its own, whose size does not depend on what was paid, and one for each
  /// entry that is pending or remembered.
  struct Rows {
    std::string line;                            // of to_row(); other members are ignored
    std::map<std::string, std::string> entries;  // by key
    friend bool operator==(Rows const&, Rows const&) = default;
  };
  [[nodiscard]] json::Value to_row() const;
  [[nodiscard]] Rows rows() const;
  /// Errors: bad_row, also if the line contradicts itself. Limits are not checked, since a peer could sign a
  /// limit below its own debt.
  [[nodiscard]] static Result<CreditLine> from_rows(Rows const& rows, PeerId const& self,
                                                    PeerId const& other);
  /// True if all invariants hold that do not depend on the other side's honesty.
  [[nodiscard]] bool check() const;
  /// True if nobody owes more than the limit, pending amounts included; always, if both peers are honest.
  [[nodiscard]] bool is_within_limits() const;

 private:
  /// The part of our record that is set rather than summed up.
  struct Terms {
    UsdCents limit;
    UsdCents wish;
    bool open = false;
    bool frozen = false;
    friend bool operator==(Terms const&, Terms const&) = default;
  };
  using Kind = CreditNotice::Kind;

  CreditLine(CreditParties const& parties, CreditSide side);

  static constexpr std::size_t index(CreditSide side) { return side == CreditSide::low ? 0 : 1; }
  static Terms terms_of(CreditRecord const& record);
  [[nodiscard]] SignedCreditRecord& ours() { return records_[index(side_)]; }
  [[nodiscard]] SignedCreditRecord const& ours() const { return records_[index(side_)]; }
  [[nodiscard]] SignedCreditRecord& theirs() { return records_[1 - index(side_)]; }
  [[nodiscard]] SignedCreditRecord const& theirs() const { return records_[1 - index(side_)]; }
  [[nodiscard]] bool is_open() const { return ours().record.open && theirs().record.open; }
  [[nodiscard]] std::int64_t pending_sum() const;
  /// What is held for payments of `owner` that it has not given yet.
  [[nodiscard]] std::int64_t held_sum(CreditSide owner) const;
  /// What we would owe if everything pending and held were counted.
  [[nodiscard]] std::int64_t pending_debt() const;
  /// All that we have given in this way, pending amounts included.
  [[nodiscard]] std::int64_t total_of(CreditKind kind) const;
  [[nodiscard]] CreditEntry const* find_pending(std::string_view id) const;
  [[nodiscard]] std::optional<CreditErrc> why_not_changed() const;

  /// Proposes the next version of our record if there is something to propose and nothing is in flight.
  void advance(WallTime now, CreditStep& step);
  [[nodiscard]] Result<CreditStep> change(Terms const& terms, WallTime now);
  [[nodiscard]] CreditMessage message(decltype(CreditMessage::body) body) const;
  [[nodiscard]] CreditMessage sync() const;
  void tell_receipts(std::vector<CreditEntry> const& entries, CreditSide payer, CreditStep& step) const;
  void fail(CreditEntry entry, CreditErrc error, CreditStep& step);
  void fail_pending(CreditErrc error, CreditStep& step);
  void remember(CreditEntry const& entry, CreditSide owner, CreditStep& step);
  [[nodiscard]] bool restore_entry(std::string_view key, std::string_view body);
  [[nodiscard]] std::optional<CreditUpdate> restore_in_flight(json::Value const& body);
  [[nodiscard]] std::string row_key(std::string_view id, CreditSide owner) const;
  void requeue();
  /// Fails what is queued beyond our room. Nothing must be in flight.
  void trim_queue(CreditStep& step);

  void on_update(CreditUpdate const& update, WallTime now, CreditStep& step);
  void on_accepted(SignedCreditRecord const& record, WallTime now, CreditStep& step);
  void on_refused(CreditRefused const& refused, WallTime now, CreditStep& step);
  void on_sync(CreditSync const& sync, WallTime now, CreditStep& step);
  void on_reset(CreditReset const& reset, CreditStep& step);
  void repeat_decision(CreditUpdate const& update, CreditStep& step) const;
  [[nodiscard]] std::vector<CreditFault> faults_of(CreditUpdate const& update, WallTime now) const;
  [[nodiscard]] bool is_new_proposal(CreditRecord const& record) const;
  [[nodiscard]] bool is_agreed(CreditRecord const& record) const;
  void sign_theirs(CreditUpdate const& update, WallTime now, CreditStep& step);
  void refuse_theirs(CreditRecord const& record, std::vector<CreditFault> faults, CreditStep& step);
  void complete(SignedCreditRecord const& record, WallTime now, CreditStep& step);
  void dispute(std::int64_t counter_seen, CreditStep& step);
  void end_dispute(SignedCreditRecord const& low, SignedCreditRecord const& high, CreditStep& step);

  CreditParties parties_;
  Sha256 line_;
  CreditSide side_;
  SignedCreditRecord records_[2];     // the newest versions that both have signed; lack our own signatures
  Terms wanted_;                      // what our record should say
  std::int64_t last_counter_ = 0;     // the highest we have proposed
  std::int64_t refused_counter_ = 0;  // the highest of ours that was refused
  std::optional<CreditUpdate> in_flight_;  // proposed; its counter is last_counter_
  std::deque<CreditEntry> queue_;          // for later versions
  WallTime told_until_{};                  // what expired until then was told of
  std::int64_t decided_counter_ = 0;       // the highest of theirs that was signed or refused
  std::optional<CreditRefused> refusal_;   // if that one was refused
  std::optional<CreditUpdate> asked_;      // their proposal that waits for the user
  CreditMemory memories_[2];               // of each side's counted entries
  struct Hold {
    UsdCents amount;
    bool is_given = false;  // its payment is pending, and counts instead of it
  };
  std::map<std::string, Hold, std::less<>> holds_[2];  // of each side, by id
  std::optional<ResetTerms> our_terms_;                // set while there is a disagreement
  std::optional<ResetTerms> their_terms_;
};

}  // namespace grenache::exchange
