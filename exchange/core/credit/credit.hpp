// Payments and commands over all credit lines of this peer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "exchange/core/credit/credit_lines.hpp"
#include "exchange/core/credit/dues.hpp"
#include "exchange/core/credit/netting_rounds.hpp"
#include "exchange/core/credit/settlements.hpp"
#include "exchange/core/credit/transits.hpp"

namespace grenache::exchange {

/// Runs the commands about credit lines, moves the USD of trades over them, records what is paid, and tells
/// what has happened.
///
/// A payment is refused at once when the other side does not answer: it is asked before, unless it has
/// answered a moment ago. Once sent, a payment is pending until the other side has signed it or its time is
/// over; a command waits answer_limit for that.
class Credit {
 public:
  struct Options {
    /// False when other processes have this identity: they would not know what this one has signed.
    bool is_enabled = true;
    CreditLines::Options lines{};
    Dues::Options dues{};
    Settlements::Options settlements{};
    Transits::Options transits{};
    NettingRounds::Options netting{};
    std::chrono::milliseconds payment_life{600'000};
    Duration answer_limit = std::chrono::seconds{30};
    std::size_t waiting_count_max = 10'000;  // commands that wait for a payment
  };

  /// `self` and `peers` must outlive this object.
  Credit(Options options, Self const& self, Peers const& peers);
  Credit(Credit const&) = delete;
  Credit& operator=(Credit const&) = delete;

  void handle(RequestId request, PayloadForm form, CreditMessages const& message, Turn& turn);
  void on_answered(std::uint64_t key, CallAnswer const& answer, Turn& turn) {
    lines_.on_answered(key, answer, turn);
  }
  void on_ledger_answered(std::uint64_t key, CallAnswer const& answer, Turn& turn) {
    settlements_.on_answered(key, answer, turn);
  }
  template <class Message>
  requires requires(Transits& transits, RequestId request, PayloadForm form, Message const& message,
                    Turn& turn) {
    transits.handle(request, form, message, turn);
  }
  void handle_transit(RequestId request, PayloadForm form, Message const& message, Turn& turn) {
    if (!options_.is_enabled) return refuse(request, turn);
    transits_.handle(request, form, message, turn);
  }
  void on_transit_answered(std::uint64_t key, CallAnswer const& answer, Turn& turn) {
    transits_.on_answered(key, answer, turn);
  }
  void on_netting_answered(std::uint64_t key, CallAnswer const& answer, Turn& turn) {
    netting_.on_answered(key, answer, turn);
  }
  /// After the rows were restored.
  void start(Turn& turn);
  void met(PeerId const& peer, Turn& turn) {
    if (options_.is_enabled) lines_.met(peer, turn), transits_.met(peer, turn);
  }

  void run(CommandId id, command::ProposeCredit const& wanted, Turn& turn);
  void run(CommandId id, command::AnswerProposal const& wanted, Turn& turn);
  void run(CommandId id, command::PayCredit const& wanted, Turn& turn);
  void run(CommandId id, command::LimitCredit const& wanted, Turn& turn);
  void run(CommandId id, command::AskCredit const& wanted, Turn& turn);
  void run(CommandId id, command::ForwardCredit const& wanted, Turn& turn);
  void run(CommandId id, command::AllowNetting const& wanted, Turn& turn);
  void run(CommandId id, command::NetDebts const& wanted, Turn& turn);
  void run(CommandId id, command::FreezeCredit const& wanted, Turn& turn);
  void run(CommandId id, command::CloseCredit const& wanted, Turn& turn);
  void run(CommandId id, command::ResetCredit const& wanted, Turn& turn);
  void run(CommandId id, command::ShowBalance const& wanted, Turn& turn);
  void run(CommandId id, command::SettleCredit const& wanted, Turn& turn);
  void run(CommandId id, command::ListUsers const& wanted, Turn& turn);
  void run(CommandId id, command::DeleteUsers const& wanted, Turn& turn);
  void run(CommandId id, command::LeaveCredit const& wanted, Turn& turn);

  /// Saves the row of a trade whose USD leg is `due`, and moves that over the line if there is room.
  void add_trade(Due due, Turn& turn);
  /// Does what follows from the outcomes of the lines. At the end of each turn.
  void process(Turn& turn);
  void expire(Turn& turn);
  [[nodiscard]] TimePoint next_expiry(Now now) const;

  /// The receipt of a payment, signed by both sides, from its row and that of its records. Nothing if they do
  /// not belong together.
  [[nodiscard]] std::optional<std::string> receipt_of(Row const& payment, Row const& version) const;

  [[nodiscard]] CreditLines const& lines() const { return lines_; }
  [[nodiscard]] Transits const& transits() const { return transits_; }
  [[nodiscard]] Settlements const& settlements() const { return settlements_; }

  [[nodiscard]] static std::vector<std::string_view> row_kinds();
  [[nodiscard]] bool restore(Row const& row);
  void dump(std::vector<Row>& out) const;
  /// Finished payments; the core does not read them.
  static constexpr char const* kPaymentKind = "payment";
  /// The two records of a line after payments, for their receipts.
  static constexpr char const* kVersionKind = "creditVersion";
  /// Payments in several steps.
  static constexpr char const* kPlanKind = "paymentPlan";

 private:
  template <class T>
  using OrFailure = std::variant<T, result::Failure>;

  /// A payment that waits for its peer to answer, or to sign it.
  struct Waiting {
    CommandId command = 0;
    PeerId peer;
    UsdCents amount;
    TimePoint deadline{};
  };

  /// A payment above the room of its line, which fills the line, settles, and pays the rest.
  struct Plan {
    std::string id;
    PeerId peer;
    UsdCents amount;
    UsdCents left;            // not given yet
    std::string entry;        // that is not counted yet; empty: none
    std::string last{};       // that was counted; not saved
    std::string settlement;   // that is not credited yet; empty: none
    std::int64_t rounds = 0;  // settlements that were begun
    CommandId command = 0;    // that waits; 0: none
    TimePoint deadline{};
  };
  /// A command that waits for a settlement.
  struct WaitingSettlement {
    CommandId command = 0;
    PeerId peer;
    UsdCents amount;
    TimePoint deadline{};
  };
  /// The command that waits until everything is settled.
  struct Leaving {
    CommandId command = 0;
    std::set<std::string> settlements;  // that are not credited yet
    UsdCents settled;
    TimePoint deadline{};
  };

  static void refuse(RequestId request, Turn& turn);
  [[nodiscard]] std::optional<result::Failure> why_disabled() const;
  [[nodiscard]] std::optional<result::Failure> why_no_ledger() const;
  [[nodiscard]] OrFailure<PeerId> find_peer(std::string const& text) const;
  [[nodiscard]] OrFailure<PeerId> only_line() const;
  [[nodiscard]] PeerId const* find_proposer(std::string const& text) const;
  [[nodiscard]] std::string name_of(PeerId const& peer) const;
  [[nodiscard]] result::CreditLineView view(PeerId const& peer, CreditLine const& line) const;
  [[nodiscard]] result::CreditPayment payment_view(std::string const& id, Waiting const& waiting,
                                                   result::CreditPaymentState state) const;
  /// Does `action` on the line with the peer that `text` names, and answers with its view.
  template <class Action>
  void change(CommandId id, std::string const& text, Turn& turn, Action action);
  /// Without regard to the room.
  [[nodiscard]] std::optional<result::Failure> why_not_paid(PeerId const& peer) const;
  [[nodiscard]] static result::Failure no_room(CreditView const& view);
  /// Returns how much must be settled before `amount` can be paid; nullopt if that takes more than
  /// kPaymentRoundsMax rounds.
  [[nodiscard]] static std::optional<UsdCents> to_settle(CreditView const& view, UsdCents amount);
  [[nodiscard]] result::CreditForecast forecast(PeerId const& peer, UsdCents amount) const;
  void begin_plan(Waiting const& waiting, Turn& turn);
  void go_on(Plan& plan, Turn& turn);
  void end_plan(std::string const& id, std::optional<result::Failure> failure, Turn& turn);
  [[nodiscard]] Plan* find_plan(std::string const& entry_or_settlement);
  [[nodiscard]] static Row row_of(Plan const& plan);
  [[nodiscard]] bool restore_plan(Row const& row);
  void on_settled(Settlements::Outcome const& outcome, Turn& turn);
  void on_incoming(Settlements::Incoming incoming, Turn& turn);
  void credit(Settlements::Incoming incoming, Turn& turn);
  void postpone(Settlements::Incoming incoming, Turn& turn);
  void retry_postponed(PeerId const& peer, Turn& turn);
  void end_waiting_settlements(Turn& turn);
  void end_leaving(Turn& turn);
  /// Our debt to a peer, without the part that is being settled.
  [[nodiscard]] UsdCents debt_to(PeerId const& peer) const;
  void pay(Waiting waiting, Turn& turn);
  void on_notice(PeerId const& peer, CreditNotice const& notice, Turn& turn);
  void on_counted(PeerId const& peer, CreditNotice const& notice, Turn& turn);
  void on_failed(PeerId const& peer, CreditNotice const& notice, Turn& turn);
  void on_received(PeerId const& peer, CreditNotice const& notice, Turn& turn);
  void tell_change(PeerId const& peer, CreditNotice const& notice, Turn& turn);
  void record(PeerId const& peer, CreditNotice const& notice, bool is_ours, Turn& turn);
  void on_probed(PeerId const& peer, bool has_answered, Turn& turn);
  /// Answers the commands of payments for which nobody waits any longer.
  template <class Predicate>
  void end_waiting(Predicate is_ended, Turn& turn);
  /// There is no open line to `peer`, and one to somebody else.
  [[nodiscard]] bool is_over_others(PeerId const& peer) const;
  void pay_over_others(CommandId id, PeerId const& peer, command::PayCredit const& wanted, Turn& turn);
  void on_transit(Transits::Outcome const& outcome, Turn& turn);
  void end_waiting_transits(Turn& turn);
  void set_policy(CommandId id, PeerId const& peer, TransitPolicy const& policy, Turn& turn);
  void move_dues(PeerId const& peer, Turn& turn);
  void look_at_room(PeerId const& peer, Turn& turn);

  Options options_;
  Self const& self_;
  Peers const& peers_;
  CreditLines lines_;
  Dues dues_;
  Settlements settlements_;
  Transits transits_;
  NettingRounds netting_;
  std::map<std::string, Waiting> waiting_transits_;              // by id of the payment
  std::map<std::string, Plan> plans_;                            // by id
  std::map<std::string, WaitingSettlement> waiting_settlement_;  // by id
  std::optional<Leaving> leaving_;
  TimePoint next_credit_ = TimePoint::max();  // postponed transfers are tried again
  std::map<PeerId, TimePoint> due_retries_;   // a due was refused: not before
  std::map<std::string, Waiting> waiting_;    // for a signature; by id of the payment
  std::multimap<PeerId, Waiting> probing_;    // for an answer
  std::set<PeerId> low_;                      // told to be low
  std::string last_version_;                  // key of the last row of kVersionKind
  std::vector<PeerId> proposals_;             // peers whose proposals wait, the oldest first
};

}  // namespace grenache::exchange
