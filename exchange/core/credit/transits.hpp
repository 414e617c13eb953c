// Payments that go over the credit lines of others, and cycles of debts that are removed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exchange/core/credit/credit_lines.hpp"
#include "exchange/messages/transit_message.hpp"

namespace grenache::exchange {

/// What this peer does for others over one of its lines.
struct TransitPolicy {
  bool forwards = false;     // payments of others may come and go over it
  UsdCents fee_fixed{};      // for each that goes over it to the other side,
  std::int64_t fee_ppm = 0;  // and this share of it
  bool nets = false;         // cycles of debts with it may be removed, and its debt is shown to anyone
  friend bool operator==(TransitPolicy const&, TransitPolicy const&) = default;
};
inline constexpr std::int64_t kFeePpmMax = 1'000'000;
/// The fee for passing on `amount`: the share is rounded up to a cent.
[[nodiscard]] UsdCents fee_of(TransitPolicy const& policy, UsdCents amount);
/// The most that can be passed on of `amount`, such that it and its fee are at most that; may be negative.
[[nodiscard]] UsdCents before_fee(TransitPolicy const& policy, UsdCents amount);

/// Two-phase commit of payments along credit lines, without a coordinator.
///
/// The payer of a hop holds room on its line and promises its receiver (PrepareMessage) an amount, if the
/// receiver proves that the payee was paid. The receiver holds the same room, and does the same with one peer
/// after the other (depth first) until one of them has committed; if none does, it aborts. The payee decides
/// once. It has the secret whose hash is in the invoice, and everybody who commits passes it on; then each
/// payer pays the hop with a normal entry of its line, in the turn in which it saves the secret.
///
/// Atomic: a decision is saved before it is told, is final, and is repeated to whoever asks again. Whoever
/// has sent a Prepare asks until it knows the decision, for ever and also after a restart, and does not look
/// at the clock: so each hop is paid once if the payee has committed, and not at all else, whoever crashes,
/// loses messages or has a wrong clock (TransitTest). The price is that a peer which never answers blocks the
/// room of the hops before it. So it is asked first whether it answers at all. A peer that does not pay what
/// it has signed owes it: others lose at most what they let it owe.
///
/// Times: a Prepare has an end, which falls by hop_time on each hop. After it nobody begins to take part and
/// the payee does not commit, so decisions need to be remembered only until then. What has no decision at its
/// end stays pending until one comes.
///
/// No loops: a peer takes part in a payment at most once at a time, and again only with more hops left.
///
/// Fees: a peer claims what it has paid and its fee, at most what it was promised. So only the sender pays
/// fees, at most what it allowed, and the payee gets exactly the amount of its invoice.
///
/// Netting is a payment to oneself without fees along a cycle, in which each hop only makes a debt smaller.
/// Net positions do not change.
///
/// Memory: transit_count_max rows, of one payer per_payer_max, and netting_count_max that anyone can ask us
/// to start. Otherwise only a peer with a line gets a row.
class Transits {
 public:
  struct Options {
    int hop_max = 4;                // credit lines of a payment
    std::size_t try_count_max = 8;  // peers that one peer asks for one payment
    std::size_t transit_count_max = 20'000;
    std::size_t per_payer_max = 4'000;
    std::size_t netting_count_max = 256;      // that we have started, until they expire
    std::chrono::milliseconds life{120'000};  // of a payment of ours; a cycle gets hop_time more for each hop
    std::chrono::milliseconds hop_time{5'000};
    std::chrono::milliseconds life_max{3'600'000};
    std::chrono::milliseconds entry_life{600'000};
    Duration retry_min = std::chrono::seconds{1};
    Duration retry_max = std::chrono::minutes{1};
    Duration answer_wait = std::chrono::seconds{5};  // until a request gets `pending` as its answer
  };

  /// A payment at this peer, as it came from one payer with one number of hops.
  struct Transit {
    std::string id;
    Sha256 hash;
    PeerId payee;
    UsdCents amount;  // promised to us; of ours: the most we pay
    UsdCents deliver;
    int hops_left = 0;
    WallTime expires{};
    std::vector<PeerId> path;
    bool is_netting = false;
    std::optional<PeerId> payer;  // none: ours
    TransitState state{};
    TransitReason reason{};
    bool is_search = false;      // others were asked, or were to be asked
    std::optional<PeerId> next;  // has our Prepare, or has committed
    UsdCents passed{};           // promised to it; once it has committed: paid
    std::vector<PeerId> tried;   // have our Prepare, or have aborted
    Sha256 secret{};             // once committed
    UsdCents claimed{};          // by us, of the payer
    bool is_paid = false;        // our entry is counted, or there is none
    bool is_received = false;    // the payer's entry is counted, or there is none
    // Not saved
    std::set<PeerId> silent{};  // do not answer, or have no room
    std::optional<PeerId> probing{};
    bool is_calling = false;
    TimePoint next_try = TimePoint::max();
    Duration delay{};
    std::size_t failures = 0;
    struct Waiting {
      RequestId request = 0;
      PayloadForm form{};
      TimePoint deadline{};
      bool is_netting = false;  // of a StartNettingMessage
    };
    std::optional<Waiting> waiting{};
    TimePoint due = TimePoint::max();
  };
  /// A payment of ours has ended.
  struct Outcome {
    std::string id;
    PeerId payee;
    UsdCents amount;  // that the payee gets
    UsdCents fee{};
    bool is_netting = false;
    bool has_invoice = true;  // false: the payee does not answer
    TransitState state{};
    TransitReason reason{};
  };

  /// All must outlive this object.
  Transits(Options options, Self const& self, Peers const& peers, CreditLines& lines)
      : options_{options}, self_{self}, peers_{peers}, lines_{lines} {}
  Transits(Transits const&) = delete;
  Transits& operator=(Transits const&) = delete;

  /// After all rows were restored.
  void start(Turn& turn);
  void handle(RequestId request, PayloadForm form, TransitInvoiceMessage const& message, Turn& turn) const;
  void handle(RequestId request, PayloadForm form, PrepareMessage const& message, Turn& turn);
  void handle(RequestId request, PayloadForm form, GetDebtsMessage const& message, Turn& turn) const;
  void handle(RequestId request, PayloadForm form, StartNettingMessage const& message, Turn& turn);
  void on_answered(std::uint64_t call, CallAnswer const& answer, Turn& turn);
  /// True if the notice is about an entry of a payment here, and nobody else must act on it.
  bool on_notice(PeerId const& peer, CreditNotice const& notice, Turn& turn);
  /// A peer answers again: it is asked at once for the decisions that it owes.
  void met(PeerId const& peer, Turn& turn);
  /// A peer has answered or has not.
  void on_probed(PeerId const& peer, bool has_answered, Turn& turn);

  /// Begins a payment of ours; returns its id. An outcome follows.
  std::string pay(PeerId const& payee, UsdCents deliver, UsdCents fee_max, Turn& turn);
  /// Begins to remove a cycle of debts: see StartNettingMessage. An outcome follows. Errors: too_many, bad_id
  /// if the path is no cycle through us, or we do not allow it on both lines.
  [[nodiscard]] Result<void> net(std::string const& id, std::vector<PeerId> const& path, UsdCents amount,
                                 Turn& turn);
  [[nodiscard]] std::vector<Outcome> take_outcomes() { return std::exchange(outcomes_, {}); }

  [[nodiscard]] TransitPolicy policy(PeerId const& peer) const;
  void set_policy(PeerId const& peer, TransitPolicy const& policy, Turn& turn);
  [[nodiscard]] std::map<std::string, Transit> const& all() const { return transits_; }

  void expire(Turn& turn);
  [[nodiscard]] TimePoint next_expiry(Now now) const;

  [[nodiscard]] bool restore(Row const& row);
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "transit";
  static constexpr char const* kPolicyKind = "transitPolicy";

  /// The debts that a page of GetDebtsMessage shows: what can still be removed of each.
  [[nodiscard]] DebtsAnswer debts(std::optional<PeerId> const& after) const;

 private:
  struct Candidate {
    PeerId peer;
    UsdCents passed;
  };
  static std::string key_of(std::string const& id, std::optional<PeerId> const& payer, int hops_left);
  static std::string key_of(Transit const& transit) {
    return key_of(transit.id, transit.payer, transit.hops_left);
  }
  [[nodiscard]] std::string entry_to(Transit const& transit, PeerId const& receiver) const;
  [[nodiscard]] std::string entry_from(Transit const& transit) const;
  static CreditLine::HoldKind kind_of(Transit const& transit) {
    return transit.is_netting ? CreditLine::HoldKind::less : CreditLine::HoldKind::any;
  }

  // Receiving
  [[nodiscard]] std::optional<TransitReason> why_not(PrepareMessage const& message) const;
  [[nodiscard]] std::optional<TransitReason> hold_theirs(Transit const& transit);
  Transit& add(Transit transit);
  void wait_or_answer(Transit& transit, Transit::Waiting const& waiting, Turn& turn);
  void answer(Transit const& transit, Transit::Waiting const& waiting, Turn& turn) const;
  void answer_waiting(Transit& transit, Turn& turn);

  // Passing on
  [[nodiscard]] std::optional<Candidate> next_candidate(Transit& transit) const;
  [[nodiscard]] std::optional<Candidate> candidate(Transit& transit, PeerId const& peer,
                                                   CreditLine const& line) const;
  void try_next(Transit& transit, Turn& turn);
  bool ask(Transit& transit, Candidate const& candidate, Turn& turn);
  void send(Transit& transit, Turn& turn);
  void on_outcome(Transit& transit, TransitOutcome const& outcome, Turn& turn);
  void give(Transit& transit, Turn& turn);
  void paid(Transit& transit, Turn& turn);
  void commit(Transit& transit, Turn& turn);
  void abort(Transit& transit, TransitReason reason, Turn& turn);
  void decided(Transit& transit, Turn& turn);

  // Keeping
  void plan(Transit& transit, TimePoint at);
  void retry_later(Transit& transit, TimePoint now);
  void index(Transit const& transit);
  void save(Transit& transit, Turn& turn);
  void forget(std::string const& key, Turn& turn);
  [[nodiscard]] static Row row_of(Transit const& transit);
  [[nodiscard]] static Row row_of(PeerId const& peer, TransitPolicy const& policy);
  [[nodiscard]] bool restore_policy(Row const& row);

  /// An invoice that was asked for.
  struct AskedInvoice {
    std::string id;
    PeerId payee;
    UsdCents deliver;
    UsdCents fee_max;
  };
  void on_invoice(AskedInvoice const& asked, CallAnswer const& answer, Turn& turn);

  Options options_;
  Self const& self_;
  Peers const& peers_;
  CreditLines& lines_;
  std::map<std::string, Transit> transits_;  // by key_of()
  std::map<PeerId, TransitPolicy> policies_;
  std::map<PeerId, std::size_t> payer_counts_;
  using EntryKey = std::pair<PeerId, std::string>;
  std::map<EntryKey, std::string> given_;     // keys by receiver and entry
  std::map<EntryKey, std::string> received_;  // keys by payer and entry
  std::multimap<PeerId, std::string> probing_;
  std::set<std::pair<TimePoint, std::string>> due_;
  std::set<std::pair<WallTime, std::string>> finished_;  // are forgotten when they expire
  std::map<std::uint64_t, std::string> calls_;           // keys
  std::map<std::uint64_t, AskedInvoice> invoice_calls_;
  std::uint64_t last_call_ = 0;
  std::size_t started_count_ = 0;  // nettings of ours
  std::vector<Outcome> outcomes_;
};

}  // namespace grenache::exchange
