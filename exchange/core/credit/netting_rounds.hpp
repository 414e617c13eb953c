// Finds cycles of debts among the peers that allow it, and has them removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "exchange/core/credit/netting.hpp"
#include "exchange/core/credit/transits.hpp"

namespace grenache::exchange {

/// Runs one round of netting for a command: asks peers for their debts, breadth first from our own lines,
/// plans which cycles to remove, starts those through us, and asks a member of each other one to start it.
///
/// Nobody needs to trust what is told: a cycle is all or nothing, each member checks its own debts, and signs
/// its hop (see Transits). A debt counts if both sides have told it, with the smaller amount. What fails is
/// left as it is.
class NettingRounds {
 public:
  struct Options {
    std::size_t peer_count_max = 1'000;
    std::size_t debt_count_max = 10'000;
    std::size_t call_count_max = 8;  // at once; also cycles at once
    /// Steps of the plan: about a tenth of a second.
    NettingLimits limits{.work_max = 20'000'000, .cycle_size_max = kTransitPathMax};
    Duration limit = std::chrono::seconds{60};  // what is not decided by then is reported so
    Duration retry = std::chrono::seconds{1};
  };

  /// All must outlive this object.
  NettingRounds(Options options, Self const& self, Peers const& peers, Transits& transits)
      : options_{options}, self_{self}, peers_{peers}, transits_{transits} {}
  NettingRounds(NettingRounds const&) = delete;
  NettingRounds& operator=(NettingRounds const&) = delete;

  /// False if a round is under way. The command is answered at its end.
  [[nodiscard]] bool begin(CommandId command, Turn& turn);
  void on_answered(std::uint64_t call, CallAnswer const& answer, Turn& turn);
  /// A cycle through us has ended.
  void on_outcome(Transits::Outcome const& outcome, Turn& turn);
  void expire(Turn& turn);
  [[nodiscard]] TimePoint next_expiry() const;

 private:
  struct Cycle {
    std::string id;
    std::vector<PeerId> path;  // the last one starts it
    UsdCents amount;
    TimePoint next_try = TimePoint::max();
    bool is_begun = false;
    std::optional<TransitState> state{};  // nothing before it is known
  };
  /// What each side has told.
  struct Told {
    std::optional<std::int64_t> by_creditor{};
    std::optional<std::int64_t> by_debtor{};
  };
  struct Asked {
    PeerId peer;                         // whose debts were asked for
    std::optional<std::size_t> cycle{};  // or that was asked to start this cycle
  };
  struct Round {
    CommandId command = 0;
    TimePoint deadline{};
    std::set<PeerId> seen;
    std::deque<std::pair<PeerId, std::optional<PeerId>>> to_ask;  // and after whom
    std::map<std::pair<PeerId, PeerId>, Told> debts;              // by creditor and debtor
    std::map<std::uint64_t, Asked> calls;
    std::vector<Cycle> cycles;
    bool is_planned = false;
    result::NettingDone done{};
  };

  void add(PeerId const& teller, DebtsAnswer const& answer);
  void go_on(Turn& turn);
  void plan();
  void start(std::size_t index, Turn& turn);
  void ended(Cycle& cycle, TransitState state);
  void finish(Turn& turn);

  Options options_;
  Self const& self_;
  Peers const& peers_;
  Transits& transits_;
  std::optional<Round> round_;
  std::uint64_t last_call_ = 0;
};

}  // namespace grenache::exchange
