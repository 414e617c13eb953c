// An ordered map from 64-bit keys to 32-bit numbers, for the price levels of one side of a book.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "exchange/core/book/huge_pages.hpp"

namespace grenache::exchange {

/// A B+ tree in two arrays of nodes, with up to 31 keys in a leaf and 32 children in an inner node.
///
/// Search, insert and erase cost O(log n) for any keys, since every node except the root is at least a
/// quarter full: at most 2 inner levels for 750 keys, 6 for 1 M, usually 1 and 4. A search makes 5
/// comparisons in a node without a branch on the keys. begin() and next() are O(1). Memory: 13 to 60 bytes
/// per key; freed nodes are used again, and are returned to the system only by the destructor.
class PriceIndex {
 public:
  /// A position in the leaves; valid until the next change.
  struct Cursor {
    std::uint32_t leaf = 0;
    std::uint32_t at = 0;
  };

  PriceIndex() : leaves_(1) {}

  /// The first entry whose key is not less than `key`. If there is none, the place where it would be added.
  [[nodiscard]] Cursor lower_bound(std::int64_t key) const {
    auto node = root_;
    for (auto level = height_; level > 0; --level) {
      auto const& inner = inners_[node];
      node = inner.children[rank_of(inner.bounds, key)];
    }
    return {node, rank_of(leaves_[node].keys, key)};
  }
  /// True when there is an entry with `key` at its lower_bound().
  [[nodiscard]] bool is_at(Cursor cursor, std::int64_t key) const {
    auto const& leaf = leaves_[cursor.leaf];
    return cursor.at < leaf.count && leaf.keys[cursor.at] == key;
  }

  /// Adds `key`, which is not in the index, at its lower_bound().
  void insert(Cursor cursor, std::int64_t key, std::uint32_t value);
  void erase(Cursor cursor);

  /// The entry with the least key.
  [[nodiscard]] Cursor begin() const { return {}; }
  /// False at the end: begin() and next() are to be followed by this.
  [[nodiscard]] bool is_entry(Cursor cursor) const { return cursor.at < leaves_[cursor.leaf].count; }
  [[nodiscard]] Cursor next(Cursor cursor) const {
    auto const& leaf = leaves_[cursor.leaf];
    if (cursor.at + 1 < leaf.count || leaf.next == kNone) return {cursor.leaf, cursor.at + 1};
    return {leaf.next, 0};
  }
  [[nodiscard]] std::int64_t key(Cursor cursor) const { return leaves_[cursor.leaf].keys[cursor.at]; }
  [[nodiscard]] std::uint32_t value(Cursor cursor) const { return leaves_[cursor.leaf].values[cursor.at]; }

  [[nodiscard]] std::size_t size() const { return size_; }
  /// The number of inner levels.
  [[nodiscard]] std::uint32_t height() const { return height_; }

  /// Aborts when an invariant is broken. Linear; for tests.
  void check() const;

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::int64_t kPad = std::numeric_limits<std::int64_t>::max();
  static constexpr std::uint32_t kKeysMax = 31;
  static constexpr std::uint32_t kChildrenMax = 32;
  static constexpr std::uint32_t kCountMin = 8;    // of keys and of children, except in the root
  static constexpr std::uint32_t kHeightMax = 16;  // 8^16 children
  using Keys = std::array<std::int64_t, 32>;       // ascending, then kPad

  struct alignas(64) Leaf {
    Leaf() { keys.fill(kPad); }
    Keys keys;
    std::array<std::uint32_t, 32> values{};
    std::uint32_t count = 0;
    std::uint32_t next = kNone;
    std::uint32_t previous = kNone;
  };
  struct alignas(64) Inner {
    Inner() { bounds.fill(kPad); }
    /// No key below child i is greater than bounds[i], none below child i + 1 is less or equal; count - 1 of
    /// them. They are not tightened when a key is erased.
    Keys bounds;
    std::array<std::uint32_t, 32> children{};
    std::uint32_t count = 0;
  };
  /// The inner nodes on the way to a leaf, the root first, and the child that was taken in each.
  struct Path {
    struct Step {
      std::uint32_t node = 0;
      std::uint32_t child = 0;
    };
    std::array<Step, kHeightMax> steps{};
  };

  /// The number of keys that are less than `key`; 31 at most.
  static std::uint32_t rank_of(Keys const& keys, std::int64_t key) {
    std::uint32_t at = 0;
    at += static_cast<std::uint32_t>(keys[at + 15] < key) << 4;
    at += static_cast<std::uint32_t>(keys[at + 7] < key) << 3;
    at += static_cast<std::uint32_t>(keys[at + 3] < key) << 2;
    at += static_cast<std::uint32_t>(keys[at + 1] < key) << 1;
    at += static_cast<std::uint32_t>(keys[at] < key);
    return at;
  }

  Path path_to(std::int64_t key) const;
  Cursor split(Cursor cursor, std::int64_t key);
  void add_child(Path const& path, std::uint32_t depth, std::int64_t bound, std::uint32_t child);
  void join(Path const& path);
  bool join_leaves(std::uint32_t left, std::uint32_t right, std::int64_t& bound);
  bool join_inners(std::uint32_t left, std::uint32_t right, std::int64_t& bound);
  std::uint32_t new_leaf();
  std::uint32_t new_inner();
  std::size_t check_below(std::uint32_t node, std::uint32_t level, std::int64_t const* low,
                          std::int64_t const* high) const;

  std::vector<Leaf, HugePages<Leaf>> leaves_;  // the first is always that of the least keys
  std::vector<Inner, HugePages<Inner>> inners_;
  std::vector<std::uint32_t> free_leaves_;
  std::vector<std::uint32_t> free_inners_;
  std::uint32_t root_ = 0;
  std::uint32_t height_ = 0;  // 0: the root is a leaf
  std::size_t size_ = 0;
};

}  // namespace grenache::exchange
