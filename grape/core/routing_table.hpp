// The nodes that this node knows, in buckets by distance from itself (Kademlia, BEP 5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <grenache/base/ids.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>
#include <grenache/dht/compact.hpp>

namespace grenache::grape {

/// Bucket i holds the nodes that share exactly i leading bits with our id; the last one also all nearer
/// nodes, and splits when it is full.
///
/// Deviations from the paper and from Grape:
///  - Only nodes that answered a query of ours, from the endpoint we asked and under the id we expected,
///    enter the buckets. Who merely asks us, or answers unasked, waits among the replacements until a ping
///    has verified it. (Grape adds anybody who sends anything.)
///  - k is 20, as Grape has it, not 8.
///  - A node under a known id but from another endpoint is ignored while the known one is well, so that a
///    contact cannot be hijacked; it moves once the old endpoint has failed.
///  - One endpoint is one node: another id at the same endpoint replaces the former.
///
/// Invariants, verified by check(): at most bucket_size nodes and replacement_count_max replacements in a
/// bucket, each in its right bucket, no id and no endpoint twice, never our own id. At most 161 buckets.
class RoutingTable {
 public:
  struct Options {
    std::size_t bucket_size = 20;
    std::size_t replacement_count_max = 20;
    /// Failures in a row that remove a node: 3 losses are rare even where one datagram in ten gets lost.
    std::uint32_t failure_count_max = 3;
    Duration failure_gap = std::chrono::seconds{1};       // failures nearer to each other count as one
    Duration liveness = std::chrono::minutes{5};          // Grape: dht_nodeLiveness; then a ping is due
    Duration retry = std::chrono::seconds{5};             // between pings of a node that failed
    Duration candidate_retry = std::chrono::seconds{10};  // between pings of a replacement
    Duration refresh = std::chrono::minutes{15};          // BEP 5: of a bucket where nothing happened
    /// The first refresh of a bucket with few nodes; each later one waits twice as long. Without it
    /// the far buckets of a newcomer hold little more than the bootstrap node.
    Duration sparse_refresh = std::chrono::seconds{5};
    /// One node of an address in the table, and one of a /24 (/64) in a bucket.
    bool one_per_network = false;
    /// In a full bucket a node whose id fits its address (BEP 42) replaces one whose id does not.
    bool prefer_fitting_ids = false;
  };

  RoutingTable(NodeId const& own, Options options) : own_{own}, options_{options} {}

  /// `node` answered a query of ours and is who we meant. True when it is new in the table.
  bool answered(dht::Contact const& node, TimePoint now);
  /// A query came from `node`. True when it is worth a ping, since there is room for it; not again before
  /// candidate_retry.
  [[nodiscard]] bool on_query_from(dht::Contact const& node, TimePoint now);
  /// A query to `node` got no answer. True when that removed it.
  bool failed(dht::Contact const& node, TimePoint now);
  /// Another node answered at the endpoint of `node`.
  void evict(dht::Contact const& node);

  /// Appends up to `count` nodes, the nearest to `target` first. Nodes that failed last time come only when
  /// there are not enough others.
  void closest(NodeId const& target, std::size_t count, std::vector<dht::Contact>& out) const;
  /// True when `node` is in the table and its last query failed.
  [[nodiscard]] bool is_failing(dht::Contact const& node) const;
  /// True when a node at `endpoint` answered within the liveness.
  [[nodiscard]] bool is_fresh(Endpoint const& endpoint, TimePoint now) const;

  /// Up to `count_max` nodes to ping now: silent or failing ones, and replacements for which there is room.
  /// Each counts as pinged.
  [[nodiscard]] std::vector<dht::Contact> due(std::size_t count_max, TimePoint now);
  /// Notes a lookup for `target`, which refreshes its bucket.
  void touch(NodeId const& target, TimePoint now);
  /// A random id in a bucket to refresh now, as nothing touched it for long; nothing when all are fresh.
  [[nodiscard]] std::optional<NodeId> stale_bucket(TimePoint now, Random& random);

  /// Appends all nodes, except those that failed last time.
  void all_well(std::vector<dht::Contact>& out) const;
  [[nodiscard]] NodeId const& own() const { return own_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t replacement_count() const;
  void check() const;

 private:
  struct Node {
    dht::Contact contact;
    TimePoint answered_at;
    TimePoint pinged_at;
    std::uint32_t failures = 0;
  };
  struct Replacement {
    dht::Contact contact;
    TimePoint heard_at;
    TimePoint pinged_at;
  };
  struct Bucket {
    std::vector<Node> nodes;
    std::vector<Replacement> replacements;  // the one heard of longest ago first
    TimePoint touched_at = TimePoint::min();
    Duration sparse_wait{};  // before the next refresh while it has few nodes
  };

  [[nodiscard]] std::size_t index_of(NodeId const& id) const;
  [[nodiscard]] Bucket make_bucket(TimePoint now) const;
  [[nodiscard]] NodeId random_id_in(std::size_t index, Random& random) const;
  Bucket& bucket_of(NodeId const& id, TimePoint now);
  [[nodiscard]] Node const* find(dht::Contact const& node) const;
  [[nodiscard]] bool has_room(Bucket const& bucket) const;
  [[nodiscard]] bool is_crowded(Bucket const& bucket, dht::Contact const& newcomer) const;
  /// The node that `newcomer` replaces in a full bucket; null for none.
  [[nodiscard]] Node* worse_than(Bucket& bucket, dht::Contact const& newcomer) const;
  bool insert(dht::Contact const& node, TimePoint now);
  void split_last(TimePoint now);
  void remove_endpoint(Endpoint const& endpoint);
  void add_replacement(Bucket& bucket, dht::Contact const& node, TimePoint now, TimePoint pinged_at);
  void gather(Bucket const& bucket, bool failing, std::vector<dht::Contact>& out) const;
  void closest(NodeId const& target, std::size_t size_max, bool failing,
               std::vector<dht::Contact>& out) const;

  NodeId own_;
  Options options_;
  std::vector<Bucket> buckets_;
  std::size_t size_ = 0;
};

}  // namespace grenache::grape
