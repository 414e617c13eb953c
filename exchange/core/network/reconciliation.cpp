#include "exchange/core/network/reconciliation.hpp"

#include <algorithm>
#include <string>

#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

constexpr std::string_view kSaltDomain = "grenache/exchange/salt/1:";
constexpr std::string_view kLeafMark = "\x01";
constexpr std::string_view kInnerMark = "\x02";

std::uint64_t word(Sha256 const& hash, std::size_t index) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 8; ++i) out = out << 8 | hash.array().at(8 * index + i);
  return out;
}

OrderPosition position_of(Sha256 const& key) { return word(key, 0) >> (64 - kPositionBits); }

std::size_t digit_of(OrderPosition position, std::size_t index) {
  return position >> (kPositionBits - 4 * (index + 1)) & 15;
}

OrderPosition child_of(OrderPosition prefix, std::size_t length, std::uint64_t digit) {
  return prefix | digit << (kPositionBits - 4 * (length + 1));
}

/// The lowest hash at or behind a position of at most 2^48.
std::optional<Sha256> first_at(OrderPosition position) {
  if (position >> kPositionBits != 0) return std::nullopt;
  Sha256 out;
  for (std::size_t i = 0; i < kPositionBits / 8; ++i) {
    out.array()[i] = static_cast<std::uint8_t>(position >> (kPositionBits - 8 * (i + 1)));
  }
  return out;
}

}  // namespace

Tagger::Tagger(std::uint64_t salt) {
  std::string text{kSaltDomain};
  for (std::size_t i = 0; i < 8; ++i) text += static_cast<char>(salt >> (8 * i) & 0xff);
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    auto const hash = sha256(text + static_cast<char>(i));
    keys_[i] = static_cast<Wide>(word(hash, 0)) << 64 | word(hash, 1);
  }
}

ShortTag Tagger::operator()(Sha256 const& hash) const {
  Wide sum = keys_[4];
  for (std::size_t i = 0; i < 4; ++i) sum += keys_[i] * word(hash, i);
  auto const tag = static_cast<ShortTag>(sum >> (128 - 48));
  return tag == 0 ? 1 : tag;
}

// The index

OrderIndex::OrderIndex() : root_{std::make_unique<Node>()} {}

void OrderIndex::put(OrderRecord const& order) {
  if (!order.maker) return;
  auto const key = position_hash(order.id, *order.maker);
  Item item{key_of(order), order_digest(order), version_rank(order), order.expires};
  auto const [entry, is_new] = items_.try_emplace(key);
  if (!is_new) {
    if (entry->second.digest == item.digest) return;
    by_expiry_.erase({entry->second.expires, key});
  }
  entry->second = std::move(item);
  by_expiry_.emplace(order.expires, key);
  update(position_of(key), is_new ? 1 : 0);
}

void OrderIndex::erase(OrderKey const& order) {
  if (!order.maker) return;
  auto const key = position_hash(order.id, *order.maker);
  auto const found = items_.find(key);
  if (found == items_.end()) return;
  by_expiry_.erase({found->second.expires, key});
  items_.erase(found);
  update(position_of(key), -1);
}

void OrderIndex::expire(WallTime now) {
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= now) {
    auto const key = by_expiry_.extract(by_expiry_.begin()).value().second;
    items_.erase(key);
    update(position_of(key), -1);
  }
}

OrderIndex::Item const* OrderIndex::find(OrderKey const& order) const {
  if (!order.maker) return nullptr;
  auto const found = items_.find(position_hash(order.id, *order.maker));
  return found == items_.end() ? nullptr : &found->second;
}

OrderIndex::Item const* OrderIndex::find(VersionId const& id) const {
  auto const [first, last] = under(id.position, kPositionDigits);
  for (auto it = first; it != last; ++it) {
    if (word(it->second.digest, 0) >> (64 - 48) == id.version) return &it->second;
  }
  return nullptr;
}

std::pair<OrderIndex::Items::const_iterator, OrderIndex::Items::const_iterator> OrderIndex::under(
    OrderPosition prefix, std::size_t length) const {
  auto const end = first_at(prefix + (OrderPosition{1} << (kPositionBits - 4 * length)));
  return {items_.lower_bound(*first_at(prefix)), end ? items_.lower_bound(*end) : items_.end()};
}

std::pair<OrderIndex::Node const*, std::size_t> OrderIndex::node_at(OrderPosition prefix,
                                                                    std::size_t length) const {
  auto const* node = root_.get();
  std::size_t at = 0;
  for (; at < length && node && node->children; ++at) node = node->children->at(digit_of(prefix, at)).get();
  return {node, at};
}

std::size_t OrderIndex::count(OrderPosition prefix, std::size_t length) const {
  auto const [node, at] = node_at(prefix, length);
  if (!node) return 0;
  if (at == length) return node->count;
  auto const [first, last] = under(prefix, length);
  return static_cast<std::size_t>(std::distance(first, last));
}

std::unique_ptr<OrderIndex::Node> OrderIndex::build(OrderPosition prefix, std::size_t length) const {
  auto out = std::make_unique<Node>();
  auto const [first, last] = under(prefix, length);
  out->count = static_cast<std::size_t>(std::distance(first, last));
  if (out->count <= kLeafMax || length >= kPositionDigits) return out;
  out->children = std::make_unique<std::array<std::unique_ptr<Node>, 16>>();
  for (std::size_t digit = 0; digit < 16; ++digit) {
    auto child = build(child_of(prefix, length, digit), length + 1);
    if (child->count > 0) out->children->at(digit) = std::move(child);
  }
  return out;
}

void OrderIndex::update(OrderPosition position, int change) {
  auto* slot = &root_;
  OrderPosition prefix = 0;
  for (std::size_t length = 0;; ++length) {
    if (!*slot) *slot = std::make_unique<Node>();
    auto& node = **slot;
    node.count += static_cast<std::size_t>(change);
    node.hash.reset();
    if (node.count == 0 && length > 0) {
      slot->reset();
      return;
    }
    if (node.count <= kLeafMax) {
      node.children.reset();
      return;
    }
    if (length >= kPositionDigits) return;
    if (!node.children) {
      *slot = build(prefix, length);
      return;
    }
    auto const digit = digit_of(position, length);
    prefix = child_of(prefix, length, digit);
    slot = &node.children->at(digit);
  }
}

Sha256 OrderIndex::hash_of_items(OrderPosition prefix, std::size_t length) const {
  std::string text{kLeafMark};
  auto const [first, last] = under(prefix, length);
  for (auto it = first; it != last; ++it) {
    text += it->first.view();
    text += it->second.digest.view();
  }
  return sha256(text);
}

Sha256 OrderIndex::hash_of(Node const& node, OrderPosition prefix, std::size_t length) const {
  if (node.hash) return *node.hash;
  if (!node.children) {
    node.hash = hash_of_items(prefix, length);
    return *node.hash;
  }
  std::string text{kInnerMark};
  for (std::size_t digit = 0; digit < 16; ++digit) {
    auto const& child = node.children->at(digit);
    auto const hash = child ? hash_of(*child, child_of(prefix, length, digit), length + 1) : Sha256{};
    text += hash.view();
  }
  node.hash = sha256(text);
  return *node.hash;
}

std::optional<Sha256> OrderIndex::hash(OrderPosition prefix, std::size_t length) const {
  auto const [node, at] = node_at(prefix, length);
  if (!node || node->count == 0) return std::nullopt;
  if (at == length) return hash_of(*node, prefix, length);
  // A part of a leaf is a leaf.
  auto const [first, last] = under(prefix, length);
  return first == last ? std::nullopt : std::optional{hash_of_items(prefix, length)};
}

void OrderIndex::check(Node const& node, OrderPosition prefix, std::size_t length) const {
  auto const [first, last] = under(prefix, length);
  GRN_CHECK(node.count == static_cast<std::size_t>(std::distance(first, last)));
  GRN_CHECK((node.children != nullptr) == (node.count > kLeafMax && length < kPositionDigits));
  for (std::size_t digit = 0; node.children && digit < 16; ++digit) {
    auto const& child = node.children->at(digit);
    auto const at = child_of(prefix, length, digit);
    auto const [begin, end] = under(at, length + 1);
    GRN_CHECK((child != nullptr) == (begin != end));
    if (child) check(*child, at, length + 1);
  }
}

void OrderIndex::check() const {
  GRN_CHECK(by_expiry_.size() == items_.size());
  for (auto const& [key, item] : items_) {
    GRN_CHECK(item.order.maker && key == position_hash(item.order.id, *item.order.maker));
    GRN_CHECK(by_expiry_.contains({item.expires, key}));
  }
  check(*root_, 0, 0);
}

// Answering

ShortTag fingerprint(OrderIndex const& index, Tagger const& tagger, OrderPosition prefix,
                     std::size_t length) {
  auto const hash = index.hash(prefix, length);
  return hash ? tagger(*hash) : 0;
}

std::vector<ReconcileNode> reconcile(OrderIndex const& index, ReconcileMessage const& asked) {
  Tagger const tagger{asked.salt};
  std::vector<ReconcileNode> out;
  out.reserve(asked.prefixes.size());
  for (auto const prefix : asked.prefixes) {
    auto& node = out.emplace_back();
    if (asked.fingerprint && *asked.fingerprint == fingerprint(index, tagger, prefix, asked.length)) continue;
    bool const is_deep = asked.length + asked.expand > kPositionDigits;
    if (is_deep || index.count(prefix, asked.length) <= kEntriesMax) {
      node.kind = ReconcileNode::Kind::entries;
      auto const [first, last] = index.under(prefix, asked.length);
      for (auto it = first; it != last && node.entries.size() < kEntriesMax; ++it) {
        node.entries.push_back({position_of(it->first), it->second.rank, tagger(it->second.digest)});
      }
      continue;
    }
    node.kind = ReconcileNode::Kind::children;
    auto const count = std::uint64_t{1} << (4 * asked.expand);
    auto const shift = kPositionBits - 4 * (asked.length + asked.expand);
    for (std::uint64_t child = 0; child < count; ++child) {
      node.children.push_back(
          fingerprint(index, tagger, prefix | child << shift, asked.length + asked.expand));
    }
  }
  return out;
}

// Asking

Reconciliation::Reconciliation(OrderIndex const& index, std::uint64_t salt, Limits limits)
    : index_{index}, salt_{salt}, tagger_{salt}, limits_{limits} {
  todo_.insert({0, 0});
}

std::optional<ReconcileMessage> Reconciliation::next() {
  if (todo_.empty()) return std::nullopt;
  ReconcileMessage out;
  out.salt = salt_;
  out.length = todo_.begin()->length;
  // Two digits at once where that is one node; below, the fewest fingerprints for each difference.
  out.expand = out.length == 0 ? 2 : 1;
  if (out.length == 0) out.fingerprint = fingerprint(index_, tagger_, 0, 0);
  while (!todo_.empty() && todo_.begin()->length == out.length && out.prefixes.size() < kPrefixesMax) {
    out.prefixes.push_back(todo_.extract(todo_.begin()).value().prefix);
  }
  ++open_count_;
  return out;
}

void Reconciliation::retry(ReconcileMessage const& asked) {
  --open_count_;
  for (auto const prefix : asked.prefixes) todo_.insert({asked.length, prefix});
}

void Reconciliation::on_answer(ReconcileMessage const& asked, std::vector<ReconcileNode> const& nodes) {
  GRN_CHECK(open_count_ > 0 && nodes.size() == asked.prefixes.size());
  --open_count_;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    auto const& node = nodes[i];
    if (node.kind == ReconcileNode::Kind::equal) continue;
    has_difference_ = true;
    if (node.kind == ReconcileNode::Kind::children) {
      on_children(asked, asked.prefixes[i], node.children);
    } else {
      on_entries(asked.prefixes[i], asked.length, node.entries);
    }
  }
  if (is_cut_) todo_.clear();
}

void Reconciliation::on_children(ReconcileMessage const& asked, OrderPosition prefix,
                                 std::vector<ShortTag> const& children) {
  auto const length = asked.length + asked.expand;
  auto const shift = kPositionBits - 4 * length;
  for (std::size_t i = 0; i < children.size(); ++i) {
    auto const child = prefix | OrderPosition{i} << shift;
    if (children[i] == fingerprint(index_, tagger_, child, length)) continue;
    if (children[i] == 0) {
      on_entries(child, length, {});
    } else {
      add_todo(child, length);
    }
  }
}

void Reconciliation::on_entries(OrderPosition prefix, std::size_t length,
                                std::vector<ReconcileEntry> const& entries) {
  auto const [first, last] = index_.under(prefix, length);
  auto entry = entries.begin();
  // Both are in the order of their positions; what has one position is few.
  for (auto it = first; it != last || entry != entries.end();) {
    auto const ours_at = it != last ? position_of(it->first) : ~OrderPosition{0};
    auto const theirs_at = entry != entries.end() ? entry->position : ~OrderPosition{0};
    auto const at = std::min(ours_at, theirs_at);
    std::vector<OrderIndex::Item const*> ours;
    std::vector<ReconcileEntry> theirs;
    for (; it != last && position_of(it->first) == at; ++it) ours.push_back(&it->second);
    for (; entry != entries.end() && entry->position == at; ++entry) theirs.push_back(*entry);
    std::erase_if(ours, [&](OrderIndex::Item const* item) {
      auto const same = std::ranges::find(theirs, tagger_(item->digest), &ReconcileEntry::tag);
      if (same == theirs.end()) return false;
      theirs.erase(same);
      return true;
    });
    // Versions of one order, as far as can be seen: the newer one is transferred.
    bool const is_one = ours.size() == 1 && theirs.size() == 1;
    bool const is_ours_newer = is_one && is_newer_rank(ours[0]->rank, theirs[0].rank);
    bool const is_theirs_newer = is_one && is_newer_rank(theirs[0].rank, ours[0]->rank);
    if (!is_ours_newer) {
      for (auto const& each : theirs) add_wanted(each);
    }
    if (!is_theirs_newer) {
      for (auto const* const item : ours) add_ours(item->order);
    }
  }
}

void Reconciliation::add_todo(OrderPosition prefix, std::size_t length) {
  if (prefix_count_ >= limits_.prefix_count_max) {
    is_cut_ = is_endless_ = true;
    return;
  }
  ++prefix_count_;
  todo_.insert({length, prefix});
}

void Reconciliation::add_wanted(ReconcileEntry const& entry) {
  if (wanted_count_ >= limits_.wanted_count_max) {
    is_cut_ = true;
    return;
  }
  ++wanted_count_;
  wanted_.push_back({entry.position, entry.rank});
}

void Reconciliation::add_ours(OrderKey const& order) {
  if (ours_count_ >= limits_.ours_count_max) {
    is_cut_ = true;
    return;
  }
  ++ours_count_;
  ours_.push_back(order);
}

}  // namespace grenache::exchange
