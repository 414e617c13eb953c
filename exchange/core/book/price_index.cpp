#include "exchange/core/book/price_index.hpp"

#include <algorithm>

#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

/// Makes room at `at` in an array of `count` elements.
template <class Array>
void shift_up(Array& array, std::uint32_t at, std::uint32_t count) {
  std::copy_backward(array.begin() + at, array.begin() + count, array.begin() + count + 1);
}

template <class Array>
void shift_down(Array& array, std::uint32_t at, std::uint32_t count) {
  std::copy(array.begin() + at + 1, array.begin() + count, array.begin() + at);
}

/// The entries of two neighbours, which are divided equally among them.
template <class T>
struct Joined {
  std::array<T, 64> items{};
  std::uint32_t count = 0;

  void append(auto const& from, std::uint32_t size) {
    std::copy_n(from.begin(), size, items.begin() + count);
    count += size;
  }
  void give(std::uint32_t first, std::uint32_t size, auto& to) const {
    std::copy_n(items.begin() + first, size, to.begin());
  }
};

}  // namespace

std::uint32_t PriceIndex::new_leaf() {
  if (free_leaves_.empty()) {
    leaves_.emplace_back();
    return static_cast<std::uint32_t>(leaves_.size() - 1);
  }
  auto const out = free_leaves_.back();
  free_leaves_.pop_back();
  leaves_[out] = Leaf{};
  return out;
}

std::uint32_t PriceIndex::new_inner() {
  if (free_inners_.empty()) {
    inners_.emplace_back();
    return static_cast<std::uint32_t>(inners_.size() - 1);
  }
  auto const out = free_inners_.back();
  free_inners_.pop_back();
  inners_[out] = Inner{};
  return out;
}

PriceIndex::Path PriceIndex::path_to(std::int64_t key) const {
  Path out;
  auto node = root_;
  for (std::uint32_t depth = 0; depth < height_; ++depth) {
    auto const& inner = inners_[node];
    auto const child = rank_of(inner.bounds, key);
    out.steps[depth] = {node, child};
    node = inner.children[child];
  }
  return out;
}

void PriceIndex::insert(Cursor cursor, std::int64_t key, std::uint32_t value) {
  if (leaves_[cursor.leaf].count == kKeysMax) cursor = split(cursor, key);
  auto& leaf = leaves_[cursor.leaf];
  shift_up(leaf.keys, cursor.at, leaf.count);
  shift_up(leaf.values, cursor.at, leaf.count);
  leaf.keys[cursor.at] = key;
  leaf.values[cursor.at] = value;
  ++leaf.count;
  ++size_;
}

PriceIndex::Cursor PriceIndex::split(Cursor cursor, std::int64_t key) {
  auto const path = path_to(key);
  auto const added = new_leaf();
  auto& left = leaves_[cursor.leaf];
  auto& right = leaves_[added];
  constexpr auto kLeft = kKeysMax / 2;
  right.count = kKeysMax - kLeft;
  std::copy_n(left.keys.begin() + kLeft, right.count, right.keys.begin());
  std::copy_n(left.values.begin() + kLeft, right.count, right.values.begin());
  std::fill(left.keys.begin() + kLeft, left.keys.end(), kPad);
  left.count = kLeft;
  right.previous = cursor.leaf;
  right.next = left.next;
  left.next = added;
  if (right.next != kNone) leaves_[right.next].previous = added;
  add_child(path, height_, left.keys[kLeft - 1], added);
  // At the boundary the right one: the bound of the left one is less than `key`.
  return cursor.at < kLeft ? cursor : Cursor{added, cursor.at - kLeft};
}

/// Adds `child` to the inner node above `depth`, behind the child of the path, all of whose keys are at most
/// `bound` now.
void PriceIndex::add_child(Path const& path, std::uint32_t depth, std::int64_t bound, std::uint32_t child) {
  if (depth == 0) {
    GRN_CHECK(height_ < kHeightMax);
    auto const old_root = root_;
    root_ = new_inner();
    auto& root = inners_[root_];
    root.bounds[0] = bound;
    root.children[0] = old_root;
    root.children[1] = child;
    root.count = 2;
    ++height_;
    return;
  }
  auto [node, at] = path.steps[depth - 1];
  if (inners_[node].count == kChildrenMax) {
    auto const added = new_inner();
    auto& left = inners_[node];
    auto& right = inners_[added];
    constexpr auto kLeft = kChildrenMax / 2;
    right.count = kChildrenMax - kLeft;
    auto const middle = left.bounds[kLeft - 1];
    std::copy_n(left.bounds.begin() + kLeft, right.count - 1, right.bounds.begin());
    std::copy_n(left.children.begin() + kLeft, right.count, right.children.begin());
    std::fill(left.bounds.begin() + kLeft - 1, left.bounds.end(), kPad);
    left.count = kLeft;
    add_child(path, depth - 1, middle, added);
    if (at >= kLeft) {
      node = added;
      at -= kLeft;
    }
  }
  auto& inner = inners_[node];
  shift_up(inner.bounds, at, inner.count - 1);
  shift_up(inner.children, at + 1, inner.count);
  inner.bounds[at] = bound;
  inner.children[at + 1] = child;
  ++inner.count;
}

void PriceIndex::erase(Cursor cursor) {
  auto& leaf = leaves_[cursor.leaf];
  auto const key = leaf.keys[cursor.at];
  shift_down(leaf.keys, cursor.at, leaf.count);
  shift_down(leaf.values, cursor.at, leaf.count);
  --leaf.count;
  leaf.keys[leaf.count] = kPad;
  --size_;
  if (leaf.count < kCountMin && height_ > 0) join(path_to(key));
}

/// Fills the leaf at the end of the path, which has too few keys, from a neighbour, or joins the two; then
/// does the same with the inner nodes above it.
void PriceIndex::join(Path const& path) {
  for (auto depth = height_; depth > 0; --depth) {
    auto const [node, child] = path.steps[depth - 1];
    auto& parent = inners_[node];
    auto const at = child + 1 < parent.count ? child : child - 1;
    auto const left = parent.children[at];
    auto const right = parent.children[at + 1];
    bool const is_leaf = depth == height_;
    bool const is_joined =
        is_leaf ? join_leaves(left, right, parent.bounds[at]) : join_inners(left, right, parent.bounds[at]);
    if (!is_joined) return;
    shift_down(parent.bounds, at, parent.count - 1);
    shift_down(parent.children, at + 1, parent.count);
    --parent.count;
    parent.bounds[parent.count - 1] = kPad;
    if (depth == 1 || parent.count >= kCountMin) break;
  }
  if (inners_[root_].count == 1) {
    free_inners_.push_back(root_);
    root_ = inners_[root_].children[0];
    --height_;
  }
}

/// True when the right leaf is gone; else `bound` is the new one of the left leaf.
bool PriceIndex::join_leaves(std::uint32_t left_leaf, std::uint32_t right_leaf, std::int64_t& bound) {
  auto& left = leaves_[left_leaf];
  auto& right = leaves_[right_leaf];
  Joined<std::int64_t> keys;
  Joined<std::uint32_t> values;
  keys.append(left.keys, left.count), keys.append(right.keys, right.count);
  values.append(left.values, left.count), values.append(right.values, right.count);
  auto const count = keys.count;
  left.count = count <= kKeysMax ? count : count / 2;
  right.count = count - left.count;
  left.keys.fill(kPad), right.keys.fill(kPad);
  keys.give(0, left.count, left.keys), keys.give(left.count, right.count, right.keys);
  values.give(0, left.count, left.values), values.give(left.count, right.count, right.values);
  if (right.count > 0) {
    bound = left.keys[left.count - 1];
    return false;
  }
  left.next = right.next;
  if (right.next != kNone) leaves_[right.next].previous = left_leaf;
  free_leaves_.push_back(right_leaf);
  return true;
}

bool PriceIndex::join_inners(std::uint32_t left_inner, std::uint32_t right_inner, std::int64_t& bound) {
  auto& left = inners_[left_inner];
  auto& right = inners_[right_inner];
  Joined<std::int64_t> bounds;
  Joined<std::uint32_t> children;
  bounds.append(left.bounds, left.count - 1), bounds.append(std::array{bound}, 1);
  bounds.append(right.bounds, right.count - 1);
  children.append(left.children, left.count), children.append(right.children, right.count);
  auto const count = children.count;
  left.count = count <= kChildrenMax ? count : count / 2;
  right.count = count - left.count;
  left.bounds.fill(kPad), right.bounds.fill(kPad);
  bounds.give(0, left.count - 1, left.bounds);
  children.give(0, left.count, left.children), children.give(left.count, right.count, right.children);
  if (right.count == 0) {
    free_inners_.push_back(right_inner);
    return true;
  }
  bound = bounds.items[left.count - 1];
  bounds.give(left.count, right.count - 1, right.bounds);
  return false;
}

std::size_t PriceIndex::check_below(std::uint32_t node, std::uint32_t level, std::int64_t const* low,
                                    std::int64_t const* high) const {
  auto const check_keys = [&](Keys const& keys, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      GRN_CHECK(i == 0 || keys[i - 1] < keys[i]);
      GRN_CHECK((low == nullptr || *low < keys[i]) && (high == nullptr || keys[i] <= *high));
    }
    GRN_CHECK(std::all_of(keys.begin() + count, keys.end(), [](auto key) { return key == kPad; }));
  };
  if (level == 0) {
    auto const& leaf = leaves_[node];
    GRN_CHECK(leaf.count <= kKeysMax && (height_ == 0 || leaf.count >= kCountMin));
    check_keys(leaf.keys, leaf.count);
    return leaf.count;
  }
  auto const& inner = inners_[node];
  GRN_CHECK(inner.count <= kChildrenMax && inner.count >= (level == height_ ? 2 : kCountMin));
  check_keys(inner.bounds, inner.count - 1);
  std::size_t out = 0;
  for (std::uint32_t i = 0; i < inner.count; ++i) {
    out += check_below(inner.children[i], level - 1, i == 0 ? low : &inner.bounds[i - 1],
                       i + 1 == inner.count ? high : &inner.bounds[i]);
  }
  return out;
}

void PriceIndex::check() const {
  GRN_CHECK(check_below(root_, height_, nullptr, nullptr) == size_);
  std::size_t count = 0;
  auto previous = kNone;
  for (std::uint32_t leaf = 0; leaf != kNone; previous = leaf, leaf = leaves_[leaf].next) {
    GRN_CHECK(leaves_[leaf].previous == previous);
    GRN_CHECK(previous == kNone ||
              leaves_[previous].keys[leaves_[previous].count - 1] < leaves_[leaf].keys[0]);
    count += leaves_[leaf].count;
  }
  GRN_CHECK(count == size_);
}

}  // namespace grenache::exchange
