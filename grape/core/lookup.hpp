// One iterative Kademlia lookup: selects the next node to query and decides when the lookup has ended.
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

/// Converges on a target by querying ever nearer nodes for nodes that are nearer still.
///
/// Each candidate is in one state: unqueried (named by another node), waiting (queried), slow (queried, and
/// the short timeout has passed), queried (answered), unreachable. The lookup queries the nearest candidates
/// until the `k` nearest that are neither slow nor unreachable have answered. A slow node does not block the
/// others; the lookup waits for it, and queries it again in case the datagram was lost, only when there are
/// fewer than k others.
///
/// Does no I/O: the caller sends the queries. Holds at most `candidate_count_max` candidates; each operation
/// is at most linear in that.
class Lookup {
 public:
  struct Options {
    std::size_t k = 20;
    std::size_t branch_max = 10;            // queries in flight that are not slow
    std::size_t candidate_count_max = 200;  // the nearest are kept
    std::size_t query_count_max = 250;      // bounds what a hostile network can make us send
    std::uint32_t try_count_max = 3;        // of one node; two losses in a row are common on bad links
    /// Accept one candidate per /24 (/64), since the owner of a network could otherwise surround a target
    /// with its nodes.
    bool one_per_network = false;
    /// Query nodes whose ids do not fit their addresses (BEP 42), but do not count them among the k until
    /// there are 2 k candidates in all; store at them only when there are too few others.
    bool prefer_fitting_ids = false;
  };

  enum class Outcome : std::uint8_t {
    running,
    completed,  // the k nearest have answered
    starved,    // all reachable nodes have answered, but fewer than k
    exhausted,  // query_count_max was reached
  };

  /// A node that answered with a write token.
  struct Target {
    dht::Contact node;
    std::string token;
  };

  /// `own` is never a candidate.
  Lookup(NodeId const& target, NodeId const& own, Options options)
      : target_{target}, own_{own}, options_{options} {}

  /// Adds a candidate. Ignores known ids. At most two live ids per endpoint, four including failed ones.
  /// Beyond candidate_count_max the farthest unreachable candidate is dropped, else the farthest unqueried or
  /// slow one.
  ///
  /// `from` is the candidate that named it, or null. A candidate that named many nodes that do not answer and
  /// few that do is distrusted: nodes it names are ignored, and unqueried ones it named are dropped.
  void add(dht::Contact const& node, dht::Contact const* from = nullptr);
  /// Returns the node to query now and marks it waiting; nothing when enough queries are in flight or no
  /// candidate is left.
  [[nodiscard]] std::optional<dht::Contact> next();
  /// Reports an answer of a waiting or slow node. Pass the nodes that it named to add().
  void answered(dht::Contact const& node, std::optional<std::string_view> token);
  /// Reports that the short timeout of a waiting node has passed.
  void slow(dht::Contact const& node);
  /// Reports that a query to a node timed out for good.
  void timed_out(dht::Contact const& node);
  /// Reports that a node answered under another id or with an error, could not be sent to, or is slow and
  /// failed before, so that waiting for it is not worthwhile.
  void failed(dht::Contact const& node);

  /// Updated by next(); never returns to running.
  [[nodiscard]] Outcome outcome() const { return outcome_; }
  [[nodiscard]] NodeId const& target() const { return target_; }
  [[nodiscard]] std::size_t answer_count() const;
  [[nodiscard]] std::size_t query_count() const { return query_count_; }
  /// The largest number of hops to one of the k nearest nodes that answered, that node included.
  [[nodiscard]] std::uint32_t hops() const;
  /// Up to k nearest nodes that answered with a token: nodes with fitting ids first if they are preferred,
  /// then nearest first.
  [[nodiscard]] std::vector<Target> store_targets() const;
  void check() const;

 private:
  enum class State : std::uint8_t { unqueried, waiting, slow, queried, unreachable };
  struct Candidate {
    dht::Contact node;
    State state = State::unqueried;
    std::uint32_t try_count = 0;
    std::uint32_t open_count = 0;   // queries that may still be answered
    std::uint32_t hops = 0;         // length of the chain of queries that led to it
    NodeId named_by;                // our own id if none
    std::uint32_t named_true = 0;   // nodes named by it that answered
    std::uint32_t named_false = 0;  // nodes named by it that did not, or only after the short timeout
    std::optional<std::string> token;
  };
  /// Returns whether the limits per endpoint and per network admit `newcomer`; drops a farther candidate for
  /// it if needed.
  bool admit(dht::Contact const& newcomer);
  bool admit(dht::Contact const& newcomer, std::size_t limit, auto const& is_rival);
  [[nodiscard]] Candidate* find(dht::Contact const& node);
  [[nodiscard]] Candidate* find_id(NodeId const& id);
  [[nodiscard]] static bool is_distrusted(Candidate const& candidate);
  /// Credits or blames the node that named `candidate`.
  void credit(Candidate const& candidate, bool was_slow);
  void blame(Candidate const& candidate);
  void trim();
  [[nodiscard]] Candidate* nearest_unqueried();
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
