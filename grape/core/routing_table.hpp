// Kademlia routing table (BEP 5): known nodes in buckets by distance from our id.
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

/// Bucket i holds the nodes that share exactly i leading bits with our id. The last bucket also holds all
/// nearer nodes, and splits when it is full.
///
/// Deviations from the paper and from Grape:
///  - Only nodes that answered a query of ours, from the endpoint we queried and under the id we expected,
///    enter the buckets. A node that only queried us is kept among the replacements until a ping has verified
///    it. (Grape adds the sender of any message.)
///  - k is 20, as in Grape, not 8.
///  - A node with a known id at another endpoint is ignored while the known endpoint answers, so that a
///    contact cannot be hijacked; it replaces the old endpoint once that has failed.
///  - An endpoint has one id: a node with another id at the same endpoint replaces the former one.
///
/// Invariants, verified by check(): at most bucket_size nodes and replacement_count_max replacements per
/// bucket, every node in the bucket of its id, no id and no endpoint twice, never our own id. At most 161
/// buckets.
class RoutingTable {
 public:
  struct Options {
    std::size_t bucket_size = 20;
    std::size_t replacement_count_max = 20;
    /// Consecutive failures that remove a node: 3 losses in a row are rare even where one datagram in ten is
    /// lost.
    std::uint32_t failure_count_max = 3;
    Duration failure_gap = std::chrono::seconds{1};  // failures within this time count as one
    /// Without an answer for this long, a ping is due (Grape: dht_nodeLiveness).
    Duration liveness = std::chrono::minutes{5};
    Duration retry = std::chrono::seconds{5};             // between pings of a failed node
    Duration candidate_retry = std::chrono::seconds{10};  // between pings of a replacement
    Duration refresh = std::chrono::minutes{15};          // BEP 5: of a bucket without changes or lookups
    /// Delay before the first refresh of a bucket with few nodes; doubles with each refresh. Without these
    /// the far buckets of a new node hold little more than the bootstrap node.
    Duration sparse_refresh = std::chrono::seconds{5};
    /// Accept one node per address in the table, and one per /24 (/64) in a bucket.
    bool one_per_network = false;
    /// In a full bucket, replace a node whose id does not fit its address (BEP 42) by one whose id does.
    bool prefer_fitting_ids = false;
  };

  RoutingTable(NodeId const& own, Options options) : own_{own}, options_{options} {}

  /// Reports that `node` answered our query under the id we expected. True when it is new in the table.
  bool answered(dht::Contact const& node, TimePoint now);
  /// Reports a query from `node`. True when the caller should ping it, because there is room for it; not
  /// again before candidate_retry.
  [[nodiscard]] bool on_query_from(dht::Contact const& node, TimePoint now);
  /// Reports that a query to `node` got no answer. True when that removed it.
  bool failed(dht::Contact const& node, TimePoint now);
  /// Removes `node`, since another node answered at its endpoint.
  void evict(dht::Contact const& node);

  /// Appends up to `count` nodes, the nearest to `target` first. Nodes whose last query failed are used only
  /// when there are not enough others.
  void closest(NodeId const& target, std::size_t count, std::vector<dht::Contact>& out) const;
  /// True when `node` is in the table and its last query failed.
  [[nodiscard]] bool is_failing(dht::Contact const& node) const;
  /// True when a node at `endpoint` answered within the liveness.
  [[nodiscard]] bool is_fresh(Endpoint const& endpoint, TimePoint now) const;

  /// Returns up to `count_max` nodes to ping now: silent or failing ones, and replacements for which there is
  /// room. Marks each as pinged.
  [[nodiscard]] std::vector<dht::Contact> due(std::size_t count_max, TimePoint now);
  /// Records a lookup for `target`, which refreshes its bucket.
  void touch(NodeId const& target, TimePoint now);
  /// Returns a random id in a bucket that is due for a refresh; nothing when all are fresh.
  [[nodiscard]] std::optional<NodeId> stale_bucket(TimePoint now, Random& random);

  /// Appends all nodes, except those whose last query failed.
  void all_responsive(std::vector<dht::Contact>& out) const;
  [[nodiscard]] NodeId const& own() const { return own_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t replacement_count() const;
  void check() const;

 private:
  struct Entry {
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
    std::vector<Entry> nodes;
    std::vector<Replacement> replacements;  // least recently heard of first
    TimePoint touched_at = TimePoint::min();
    Duration sparse_wait{};  // time until the next refresh while it has few nodes
  };

  [[nodiscard]] std::size_t index_of(NodeId const& id) const;
  [[nodiscard]] Bucket make_bucket(TimePoint now) const;
  [[nodiscard]] NodeId random_id_in(std::size_t index, Random& random) const;
  Bucket& bucket_of(NodeId const& id, TimePoint now);
  [[nodiscard]] Entry const* find(dht::Contact const& node) const;
  [[nodiscard]] bool has_room(Bucket const& bucket) const;
  [[nodiscard]] bool is_crowded(Bucket const& bucket, dht::Contact const& newcomer) const;
  /// The node that `newcomer` replaces in a full bucket; null if none.
  [[nodiscard]] Entry* worse_than(Bucket& bucket, dht::Contact const& newcomer) const;
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
