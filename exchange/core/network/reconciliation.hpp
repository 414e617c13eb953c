// The set of signed orders of a book, and how two peers find out in what their sets differ.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "exchange/core/order.hpp"
#include "exchange/messages/sync_message.hpp"

namespace grenache::exchange {

/// Makes the tags and fingerprints of one reconciliation from hashes.
///
/// A tag is 48 bits of a multilinear hash whose keys are derived from `salt`: two different hashes have the
/// same tag with a probability of 2^-48, over the choice of the salt. The salt is drawn by the peer that
/// asks, for each reconciliation anew, so nobody can prepare orders whose tags collide, and a difference that
/// was missed by chance is found by the next reconciliation.
class Tagger {
 public:
  explicit Tagger(std::uint64_t salt);
  /// Not 0.
  [[nodiscard]] ShortTag operator()(Sha256 const& hash) const;

 private:
  __extension__ using Wide = unsigned __int128;
  std::array<Wide, 5> keys_{};
};

/// The signed orders of a book, closed ones included, each with the digest of its version.
///
/// The orders stand in a tree by their position: a node with more than kLeafMax orders has up to 16 children.
/// The hash of a node is SHA-256 over its orders and their digests, or over the hashes of its children, so it
/// depends on nothing but the set: to make two different sets with one hash is to find a collision of
/// SHA-256. (A sum of hashes would be cheaper, but who may put 30,000 orders into a set solves a sum of 256
/// bits within 2^31 steps.) The hashes are computed when they are asked for: the first time 30 ms for 100,000
/// orders, after a change those of one path, 10 µs.
///
/// A change is logarithmic: it invalidates one path. Who computes keys or ids that share the beginning of
/// their position makes the path longer, by one node for 16 times the work, up to 12.
class OrderIndex {
 public:
  struct Item {
    OrderKey order;
    Sha256 digest;
    std::uint16_t rank = 0;
    WallTime expires{};
  };
  /// The SHA-256 of maker and id; its first 48 bits are the position.
  using Items = std::map<Sha256, Item>;

  OrderIndex();

  /// Adds an order, or replaces its version. Nothing if it is unsigned.
  void put(OrderRecord const& order);
  void erase(OrderKey const& key);
  /// Removes the orders that have expired.
  void expire(WallTime now);

  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] Item const* find(OrderKey const& key) const;
  /// The items under a prefix of `length` digits.
  [[nodiscard]] std::pair<Items::const_iterator, Items::const_iterator> under(OrderPosition prefix,
                                                                              std::size_t length) const;
  /// The item that has this id; null if there is none.
  [[nodiscard]] Item const* find(VersionId const& id) const;
  /// The number of items under a prefix.
  [[nodiscard]] std::size_t count(OrderPosition prefix, std::size_t length) const;
  /// The hash of the items under a prefix, nothing if there are none.
  [[nodiscard]] std::optional<Sha256> hash(OrderPosition prefix, std::size_t length) const;

  /// Aborts when the tree does not fit the items. Linear.
  void check() const;

 private:
  struct Node {
    std::size_t count = 0;
    mutable std::optional<Sha256> hash;
    std::unique_ptr<std::array<std::unique_ptr<Node>, 16>> children;  // null: a leaf
  };
  static constexpr std::size_t kLeafMax = 32;

  /// The node of a prefix; a leaf with a shorter prefix; null if nothing is there.
  std::pair<Node const*, std::size_t> node_at(OrderPosition prefix, std::size_t length) const;
  std::unique_ptr<Node> build(OrderPosition prefix, std::size_t length) const;
  void update(OrderPosition position, int change);
  Sha256 hash_of(Node const& node, OrderPosition prefix, std::size_t length) const;
  Sha256 hash_of_items(OrderPosition prefix, std::size_t length) const;
  void check(Node const& node, OrderPosition prefix, std::size_t length) const;

  Items items_;
  std::set<std::pair<WallTime, Sha256>> by_expiry_;
  std::unique_ptr<Node> root_;
};

/// The fingerprint of the items under a prefix; 0 if there are none.
[[nodiscard]] ShortTag fingerprint(OrderIndex const& index, Tagger const& tagger, OrderPosition prefix,
                                   std::size_t length);

/// Answers a request from the index alone. At most kPrefixesMax * kEntriesMax entries and kChildrenMax
/// fingerprints, about 1 ms.
[[nodiscard]] std::vector<ReconcileNode> reconcile(OrderIndex const& index, ReconcileMessage const& asked);

/// Finds out in what the set of another peer differs from ours, by asking it.
///
/// It asks for the whole, then for the children that differ, and so on until there are few enough orders for
/// their versions to be listed: 3 questions one after the other for sets of 100,000. Whatever the other
/// answers, at most prefix_count_max prefixes are asked for, and at most wanted_count_max positions found;
/// then it ends early, and another reconciliation finds more.
class Reconciliation {
 public:
  struct Limits {
    std::size_t prefix_count_max = 16'384;
    std::size_t wanted_count_max = 16'384;
    std::size_t ours_count_max = 16'384;
  };
  struct Wanted {
    OrderPosition position = 0;
    std::uint16_t rank = 0;
  };

  /// `index` must outlive the object.
  Reconciliation(OrderIndex const& index, std::uint64_t salt, Limits limits);

  /// The next request, without header and endpoint; nothing as long as answers are needed, and at the end.
  [[nodiscard]] std::optional<ReconcileMessage> next();
  void on_answer(ReconcileMessage const& asked, std::vector<ReconcileNode> const& nodes);
  /// The question got no answer; next() returns it again.
  void retry(ReconcileMessage const& asked);
  /// All is answered.
  [[nodiscard]] bool is_done() const { return open_count_ == 0 && todo_.empty(); }

  /// The sets were not equal.
  [[nodiscard]] bool has_difference() const { return has_difference_; }
  /// There is more, beyond the limits.
  [[nodiscard]] bool is_cut() const { return is_cut_; }
  /// The other has made us ask for more prefixes than any set of a million orders.
  [[nodiscard]] bool is_endless() const { return is_endless_; }
  /// Positions at which the other has what we lack, or a newer version; those found since the last call.
  [[nodiscard]] std::vector<Wanted> take_wanted() { return std::exchange(wanted_, {}); }
  /// Orders that the other lacks, or has an older version of.
  [[nodiscard]] std::vector<OrderKey> take_ours() { return std::exchange(ours_, {}); }

 private:
  struct Todo {
    std::size_t length = 0;
    OrderPosition prefix = 0;
    friend auto operator<=>(Todo const&, Todo const&) = default;
  };
  void on_children(ReconcileMessage const& asked, OrderPosition prefix,
                   std::vector<ShortTag> const& children);
  void on_entries(OrderPosition prefix, std::size_t length, std::vector<ReconcileEntry> const& entries);
  void add_todo(OrderPosition prefix, std::size_t length);
  void add_wanted(ReconcileEntry const& entry);
  void add_ours(OrderKey const& order);

  OrderIndex const& index_;
  std::uint64_t salt_;
  Tagger tagger_;
  Limits limits_;
  std::set<Todo> todo_;
  std::size_t open_count_ = 0;  // requests without an answer
  std::size_t prefix_count_ = 0;
  std::size_t wanted_count_ = 0;
  std::size_t ours_count_ = 0;
  bool has_difference_ = false;
  bool is_cut_ = false;
  bool is_endless_ = false;
  std::vector<Wanted> wanted_;
  std::vector<OrderKey> ours_;
};

}  // namespace grenache::exchange
