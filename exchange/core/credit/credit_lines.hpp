// The credit lines of this peer: their rows, and what is sent to the other sides.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "exchange/core/credit/credit_line.hpp"
#include "exchange/core/network/peers.hpp"
#include "exchange/core/self.hpp"
#include "exchange/core/turn.hpp"

namespace grenache::exchange {

/// Holds a CreditLine for each peer, signs what the lines send, verifies what they receive, and stores them.
///
/// Messages travel in requests to an endpoint where the other side has proved who it is, and in the answers;
/// one request of ours is under way for each line. Losing one costs a delay: what has no answer is sent again
/// after retry_min, then less and less often up to retry_max, and at once when the other side is met.
///
/// Memory: line_count_max lines; of these at most proposal_count_max on which nothing was ever signed by both
/// and nothing proposed by us, which strangers can fill. A stranger must have proved that it answers at an
/// endpoint before it can propose.
class CreditLines {
 public:
  struct Options {
    std::size_t line_count_max = 1'000;
    std::size_t proposal_count_max = 100;
    Duration retry_min = std::chrono::seconds{1};
    Duration retry_max = std::chrono::minutes{1};
    Duration fresh = std::chrono::milliseconds{500};  // after an answer the other side counts as reachable
  };
  /// What became of a line; in order.
  struct Outcome {
    enum class Kind : std::uint8_t {
      notice,     // of the line
      reached,    // the other side has answered
      unreached,  // a request had no answer
    };
    PeerId peer;
    Kind kind{};
    CreditNotice notice{};
  };

  /// `self` and `peers` must outlive this object.
  CreditLines(Options options, Self const& self, Peers const& peers)
      : options_{options}, self_{self}, peers_{peers} {}
  CreditLines(CreditLines const&) = delete;
  CreditLines& operator=(CreditLines const&) = delete;

  struct Entry {
    CreditLine line;
    std::string name{};     // of the other side, as it was shown when the line was made
    bool is_saved = false;  // has a row
    // Delivery
    std::vector<std::string> endpoints{};  // of the other side, as they were when a request failed last
    std::vector<CreditMessage> outbox{};
    bool has_settled = false;  // tells the other side to look at the ledger
    bool is_calling = false;
    TimePoint heard = TimePoint::min();
    TimePoint next_retry = TimePoint::max();
    Duration delay{};
    std::size_t failures = 0;  // since the last answer; selects the endpoint
  };

  /// Null if there is none.
  [[nodiscard]] CreditLine const* find(PeerId const& peer) const;
  [[nodiscard]] std::map<PeerId, Entry> const& all() const { return entries_; }
  [[nodiscard]] bool has_room_for_another() const { return entries_.size() < options_.line_count_max; }
  /// The other side has answered within Options::fresh.
  [[nodiscard]] bool is_fresh(PeerId const& peer, TimePoint now) const;
  /// An endpoint is known where `peer` has proved that it answers.
  [[nodiscard]] bool is_known(PeerId const& peer) const { return !peers_.endpoints_of(peer).empty(); }

  /// Makes a blank line, unless there is one. Errors: own_peer, too_many.
  [[nodiscard]] Result<void> create(PeerId const& peer, std::string name);
  /// Calls `action`, a function from CreditLine& to Result<CreditStep>, with the line to `peer`, and does
  /// what it returns. Errors: not_open if there is no line, and those of `action`.
  template <class Action>
  Result<void> act(PeerId const& peer, Turn& turn, Action action) {
    auto const found = entries_.find(peer);
    if (found == entries_.end()) return make_error_code(CreditErrc::not_open);
    Result<CreditStep> step = action(found->second.line);
    if (!step) return step.error();
    apply(peer, found->second, std::move(*step), turn);
    flush(peer, found->second, turn);
    return {};
  }

  /// Holds room on the line to `peer` for a payment of ours or of the peer, see CreditLine::hold(). Errors:
  /// those, and not_open if there is no line.
  [[nodiscard]] Result<void> hold(PeerId const& peer, bool is_ours, std::string const& id, UsdCents amount,
                                  CreditLine::HoldKind kind);
  void set_hold(PeerId const& peer, bool is_ours, std::string const& id, UsdCents amount);
  void release(PeerId const& peer, bool is_ours, std::string const& id);
  /// The other side shows that it has signed a version of our record.
  void learn(PeerId const& peer, SignedCreditRecord const& record, Turn& turn);

  /// Handles a request of another peer. True if it has brought something that this peer has signed.
  bool handle(RequestId request, PayloadForm form, CreditMessages const& message, Turn& turn);
  void on_answered(std::uint64_t key, CallAnswer const& answer, Turn& turn);
  /// A peer has proved that it answers at an endpoint, after it did not or for the first time.
  void met(PeerId const& peer, Turn& turn);
  /// Asks the other side for its state; an outcome says whether it has answered.
  void probe(PeerId const& peer, Turn& turn);
  /// Tells the other side that it was paid on the ledger.
  void tell_settled(PeerId const& peer, Turn& turn);
  void expire(Turn& turn);
  [[nodiscard]] TimePoint next_expiry(Now now) const;

  /// Removes and returns the outcomes so far.
  [[nodiscard]] std::vector<Outcome> take_outcomes() { return std::exchange(outcomes_, {}); }

  /// Rows of entries must be restored before those of the lines. False if one is malformed.
  [[nodiscard]] bool restore(Row const& row);
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "credit";
  static constexpr char const* kEntryRowKind = "creditEntry";

 private:
  static CreditSide owner_of(CreditLine const& line, bool is_ours) {
    return is_ours ? line.side() : other_side(line.side());
  }
  void apply(PeerId const& peer, Entry& entry, CreditStep step, Turn& turn);
  /// True if one of them is genuine.
  bool receive(PeerId const& peer, Entry& entry, std::vector<CreditMessage> const& messages, Turn& turn);
  /// Sends what is in the outbox, unless a request is under way.
  void flush(PeerId const& peer, Entry& entry, Turn& turn);
  void send(Entry& entry, std::vector<CreditMessage> messages) const;
  [[nodiscard]] CreditMessages envelope(Entry& entry, CreatorType creator, WallTime now) const;
  /// Nothing was ever signed by both, and we have never wanted a line.
  [[nodiscard]] static bool is_blank(Entry const& entry);
  /// Removes a blank line whose proposal was answered. False if there is none.
  bool forget_one(Turn& turn);
  void schedule(Entry& entry, TimePoint now) const;

  Options options_;
  Self const& self_;
  Peers const& peers_;
  std::map<PeerId, Entry> entries_;
  std::map<std::uint64_t, PeerId> calls_;
  std::uint64_t last_call_ = 0;
  std::vector<Outcome> outcomes_;
  std::map<std::string, std::map<std::string, std::string>> restoring_;  // entries, by peer and key
};

}  // namespace grenache::exchange
