// One iterative lookup: which node to ask next, and when it is over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <grenache/base/ids.hpp>
#include <grenache/dht/compact.hpp>

namespace grenache::grape {

/// Walks towards a target by asking ever nearer nodes for nodes that are nearer still.
///
/// Each candidate is in one state: unqueried (named by another node), waiting (asked), slow (asked, and the
/// short timeout has passed), queried (it answered), unreachable. The lookup asks the nearest candidates
/// until the `k` nearest that are neither slow nor unreachable have answered. A slow node does not hold up
/// the others; it is waited for, and asked again as its datagram may be lost, only when there are fewer than
/// k others.
///
/// Pure bookkeeping: whoever drives it sends the queries. At most `candidate_count_max` candidates; each
/// operation costs at most linear time in that.
class Lookup {
 public:
  struct Options {
    std::size_t k = 20;
    std::size_t branch_max = 10;            // queries in flight that are not slow
    std::size_t candidate_count_max = 200;  // the nearest are kept
    std::size_t query_count_max = 250;      // a hostile network could lead us on for ever
    std::uint32_t try_count_max = 3;        // of one node; two losses in a row are common on bad links
    /// One candidate of a /24 (/64): whoever has a network could surround a target with its nodes.
    bool one_per_network = false;
    /// Nodes whose ids do not fit their addresses (BEP 42) are asked, but do not count among the k, as long
    /// as there are not 2 k in all; they are stored at only when there are too few others.
    bool prefer_fitting_ids = false;
  };

  enum class Outcome : std::uint8_t {
    running,
    completed,  // the k nearest have answered
    starved,    // all that could be reached have answered, fewer than k
    exhausted,  // query_count_max queries were not enough
  };

  /// A node that answered with a token, as get_peers replies have it.
  struct Target {
    dht::Contact node;
    std::string token;
  };

  /// `own` is never a candidate.
  Lookup(NodeId const& target, NodeId const& own, Options options)
      : target_{target}, own_{own}, options_{options} {}

  /// Hears of a node. Known ids are ignored, and so is a third id at one endpoint, as long as the first two
  /// are not found to be false, and a fifth in any case. Of those not asked yet the nearest stay.
  ///
  /// `from` is the candidate that named it, or null. Who names many nodes that do not answer, and few that
  /// do, is not believed any more, and what else it named is forgotten.
  void add(dht::Contact const& node, dht::Contact const* from = nullptr);
  /// The node to ask now, which then is waiting; nothing when enough are waiting or none is worth it.
  [[nodiscard]] std::optional<dht::Contact> next();
  /// A waiting or slow node answered. The nodes that it named come through add().
  void answered(dht::Contact const& node, std::optional<std::string_view> token);
  /// The short timeout of a waiting node has passed.
  void slow(dht::Contact const& node);
  /// A query to a node timed out for good.
  void timed_out(dht::Contact const& node);
  /// A node answered, but not as itself or with an error, or is not worth waiting for.
  void failed(dht::Contact const& node);

  /// Judged by next(); never returns to running.
  [[nodiscard]] Outcome outcome() const { return outcome_; }
  [[nodiscard]] NodeId const& target() const { return target_; }
  [[nodiscard]] std::size_t answer_count() const;
  [[nodiscard]] std::size_t query_count() const { return query_count_; }
  /// The longest way to one of the k nearest nodes that answered, itself included.
  [[nodiscard]] std::uint32_t hops() const;
  /// The up to k nearest nodes that answered and gave a token, nearest first; preferred ones first.
  [[nodiscard]] std::vector<Target> store_targets() const;
  void check() const;

 private:
  enum class State : std::uint8_t { unqueried, waiting, slow, queried, unreachable };
  struct Candidate {
    dht::Contact node;
    State state = State::unqueried;
    std::uint32_t try_count = 0;
    std::uint32_t open_count = 0;   // queries that may still be answered
    std::uint32_t hops = 0;         // nodes that had to be asked, one after the other, to hear of it
    NodeId named_by;                // our own id for none
    std::uint32_t named_true = 0;   // nodes named by it that answered
    std::uint32_t named_false = 0;  // that did not, at least not soon
    std::optional<std::string> token;
  };
  /// Whether there is room for a node at this endpoint, and in this network.
  bool make_way(dht::Contact const& newcomer);
  bool make_way(dht::Contact const& newcomer, std::size_t limit, auto const& is_rival);
  [[nodiscard]] Candidate* find(dht::Contact const& node);
  [[nodiscard]] Candidate* find_id(NodeId const& id);
  [[nodiscard]] static bool is_distrusted(Candidate const& candidate);
  /// Credits or blames who named `candidate`.
  void credit(Candidate const& candidate, bool was_slow);
  void blame(Candidate const& candidate);
  void trim();
  [[nodiscard]] Candidate* nearest_heard();
  [[nodiscard]] Candidate* nearest_to_retry();
  void update_outcome();

  NodeId target_;
  NodeId own_;
  Options options_;
  std::vector<Candidate> candidates_;  // nearest first
  std::size_t waiting_count_ = 0;
  std::size_t query_count_ = 0;
  Outcome outcome_ = Outcome::running;
};

}  // namespace grenache::grape
