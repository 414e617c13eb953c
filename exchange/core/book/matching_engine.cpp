#include "exchange/core/book/matching_engine.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <grenache/base/check.hpp>

namespace grenache::exchange {

// Rank

bool MatchingEngine::is_before(Handle a, Handle b) const {
  ++steps_;
  auto const& left = details_[a];
  auto const& right = details_[b];
  return left.created != right.created ? left.created < right.created : is_tie_before(left, right);
}

bool MatchingEngine::is_tie_before(Details const& a, Details const& b) const {
  if (a.id != b.id) return a.id < b.id;
  return maker_order_ ? maker_order_(a.maker, b.maker) : a.maker < b.maker;
}

bool MatchingEngine::ByKey::is_before(ChunkKey const& a, ChunkKey const& b) const {
  ++engine->steps_;
  if (a.level != b.level) return a.level < b.level;
  if (a.created != b.created) return a.created < b.created;
  return engine->is_tie_before(engine->details_[a.first], engine->details_[b.first]);
}

// Slabs

void MatchingEngine::reserve(std::size_t order_count) {
  nodes_.reserve(order_count);
  details_.reserve(order_count);
}

/// The place of a price in recent_levels_, for both sides. The highest bits of the product: with them prices
/// that follow each other get different places.
std::uint32_t& MatchingEngine::recent_level(std::int64_t price) {
  constexpr auto kMultiplier = 0x9e37'79b9'7f4a'7c15;  // 2^64 / the golden ratio
  return recent_levels_[(static_cast<std::uint64_t>(price) * kMultiplier) >> recent_shift_];
}

/// Returns the level of a price. If there is none, adds one without orders.
std::uint32_t MatchingEngine::level_of(Side side, std::int64_t price) {
  auto const recent = recent_level(price);
  if (recent < levels_.size()) {
    auto const& level = levels_[recent];
    if (level.price == price && level.side == side && level.order_count > 0) return recent;
  }
  auto& index = index_of(side);
  auto const key = key_of(side, price);
  auto const at = index.lower_bound(key);
  if (index.is_at(at, key)) return recent_level(price) = index.value(at);
  auto const out = new_level(side, price);
  index.insert(at, key, out);
  return recent_level(price) = out;
}

std::uint32_t MatchingEngine::new_level(Side side, std::int64_t price) {
  if (free_levels_.empty()) {
    free_levels_.push_back(static_cast<std::uint32_t>(levels_.size()));
    levels_.emplace_back();
    if (levels_.size() > recent_levels_.size() / 2) {
      recent_levels_.assign(2 * recent_levels_.size(), kNone);
      --recent_shift_;
    }
  }
  auto const out = free_levels_.back();
  free_levels_.pop_back();
  auto& level = levels_[out];
  level = PriceLevel{};
  level.price = price;
  level.side = side;
  return out;
}

/// Adds a chunk behind `previous`, kNone if that is the first one of its level.
std::uint32_t MatchingEngine::add_chunk(std::uint32_t previous, Handle first, std::uint32_t size) {
  if (free_chunks_.empty()) {
    free_chunks_.push_back(static_cast<std::uint32_t>(chunks_.size()));
    chunks_.emplace_back();
    chunk_keys_.emplace_back();
    chunk_entries_.push_back(chunk_index_.end());
  }
  auto const out = free_chunks_.back();
  free_chunks_.pop_back();
  chunks_[out] = {first, size};
  chunk_keys_[out] = {nodes_[first].level, first, details_[first].created};
  chunk_entries_[out] = previous == kNone ? chunk_index_.insert(out).first
                                          : chunk_index_.insert(std::next(chunk_entries_[previous]), out);
  return out;
}

// Lists

/// Begins to load what moving an order to a price reads, which are several accesses to memory that depend on
/// each other. Changes nothing.
void MatchingEngine::fetch(Handle handle, std::int64_t price) {
  __builtin_prefetch(&details_[handle], 1);
  auto const level = recent_level(price);
  if (level >= levels_.size()) return;
  auto const tail = levels_[level].tail;
  __builtin_prefetch(&details_[tail]);
  __builtin_prefetch(&nodes_[tail], 1);
}

void MatchingEngine::link(Handle handle, Side side, std::int64_t price) {
  auto& order = nodes_[handle];
  order.level = level_of(side, price);
  auto& level = levels_[order.level];
  level.amount += details_[handle].amount;
  if (level.order_count++ == 0) {
    level.head = level.tail = handle;
    level.first_chunk_size = 1;
    order.previous = order.next = order.chunk = kNone;
  } else if (is_before(level.tail, handle)) {
    append(handle, level);
  } else {
    insert_before_tail(handle, level);
  }
}

void MatchingEngine::append(Handle handle, PriceLevel& level) {
  auto& order = nodes_[handle];
  auto& tail = nodes_[level.tail];
  order.previous = level.tail;
  order.next = kNone;
  tail.next = handle;
  level.tail = handle;
  auto& size = tail.chunk == kNone ? level.first_chunk_size : chunks_[tail.chunk].size;
  if (size < kChunkMax) {
    ++size;
    order.chunk = tail.chunk;
  } else {
    order.chunk = add_chunk(tail.chunk, handle, 1);
  }
}

void MatchingEngine::insert_before_tail(Handle handle, PriceLevel& level) {
  auto previous = nodes_[level.tail].previous;
  for (std::uint32_t i = 1; i < kTailStepsMax && previous != kNone && is_before(handle, previous); ++i) {
    previous = nodes_[previous].previous;
  }
  if (previous != kNone && is_before(handle, previous)) previous = search_chunks(handle, level);
  insert_after(previous, handle, level);
}

/// Returns the last order that ranks before `handle`; kNone if there is none.
MatchingEngine::Handle MatchingEngine::search_chunks(Handle handle, PriceLevel const& level) const {
  auto chunk = kNone;
  auto next = level.head;
  ChunkKey const probe{nodes_[handle].level, handle, details_[handle].created};
  auto const behind = chunk_index_.upper_bound(probe);
  if (behind != chunk_index_.begin()) {
    auto const candidate = *std::prev(behind);
    auto const& found = chunk_keys_[candidate];
    if (found.level == probe.level) chunk = candidate, next = found.first;
  }
  auto out = nodes_[next].previous;
  while (next != kNone && nodes_[next].chunk == chunk && is_before(next, handle)) {
    out = next;
    next = nodes_[next].next;
  }
  return out;
}

void MatchingEngine::insert_after(Handle previous, Handle handle, PriceLevel& level) {
  auto& order = nodes_[handle];
  auto& next = previous == kNone ? level.head : nodes_[previous].next;
  order.previous = previous;
  order.next = next;
  nodes_[order.next].previous = handle;  // there is one: this is not the end of the list
  next = handle;
  order.chunk = previous == kNone ? kNone : nodes_[previous].chunk;
  auto& size = order.chunk == kNone ? level.first_chunk_size : chunks_[order.chunk].size;
  if (++size > kChunkMax) divide(order.chunk, level);
}

/// Gives the second half of a chunk to a new one.
void MatchingEngine::divide(std::uint32_t chunk, PriceLevel& level) {
  auto& size = chunk == kNone ? level.first_chunk_size : chunks_[chunk].size;
  auto middle = chunk == kNone ? level.head : chunks_[chunk].first;
  auto const left = size / 2;
  auto const right = size - left;
  size = left;
  for (auto i = left; i > 0; --i) middle = nodes_[middle].next;
  auto const added = add_chunk(chunk, middle, right);
  auto at = middle;
  for (auto i = right; i > 0; --i) {
    nodes_[at].chunk = added;
    at = nodes_[at].next;
  }
  steps_ += left + right;
}

/// Takes an order that is still linked out of its chunk.
void MatchingEngine::leave_chunk(Handle handle, PriceLevel& level) {
  auto const& order = nodes_[handle];
  if (order.chunk == kNone) {
    --level.first_chunk_size;
    return;
  }
  auto& chunk = chunks_[order.chunk];
  if (--chunk.size == 0) {
    chunk_index_.erase(chunk_entries_[order.chunk]);
    free_chunks_.push_back(order.chunk);
  } else if (chunk.first == handle) {
    chunk.first = order.next;
    chunk_keys_[order.chunk] = {order.level, order.next, details_[order.next].created};
  }
}

void MatchingEngine::unlink(Handle handle) {
  auto const& order = nodes_[handle];
  auto& level = levels_[order.level];
  leave_chunk(handle, level);
  level.amount -= details_[handle].amount;
  if (--level.order_count == 0) {
    auto& index = index_of(level.side);
    index.erase(index.lower_bound(key_of(level.side, level.price)));
    free_levels_.push_back(order.level);
    return;
  }
  auto* const next = order.previous == kNone ? &level.head : &nodes_[order.previous].next;
  auto* const previous = order.next == kNone ? &level.tail : &nodes_[order.next].previous;
  *next = order.next;
  *previous = order.previous;
}

// Operations

MatchingEngine::Handle MatchingEngine::add(Order const& order) {
  GRN_CHECK(order.amount >= 0);
  auto handle = free_orders_;
  if (handle == kNone) {
    GRN_CHECK(nodes_.size() < kNone);
    handle = static_cast<Handle>(nodes_.size());
    nodes_.emplace_back();
    details_.emplace_back();
  } else {
    free_orders_ = nodes_[handle].next;
  }
  details_[handle] = {order.amount, order.created, order.expires, order.id, order.maker};
  link(handle, order.side, order.price);
  ++size_;
  return handle;
}

void MatchingEngine::remove(Handle handle) {
  GRN_CHECK(holds(handle));
  unlink(handle);
  nodes_[handle].level = kNone;
  nodes_[handle].next = std::exchange(free_orders_, handle);
  --size_;
}

void MatchingEngine::reduce(Handle handle, std::int64_t amount) {
  GRN_CHECK(holds(handle));
  auto& known = details_[handle].amount;
  GRN_CHECK(amount >= 0 && amount <= known);
  levels_[nodes_[handle].level].amount -= known - amount;
  known = amount;
}

void MatchingEngine::move(Handle handle, std::int64_t price, std::int64_t created) {
  fetch(handle, price);
  GRN_CHECK(holds(handle));
  auto const side = levels_[nodes_[handle].level].side;
  unlink(handle);
  details_[handle].created = created;
  link(handle, side, price);
}

MatchingEngine::Order MatchingEngine::order(Handle handle) const {
  GRN_CHECK(holds(handle));
  auto const& node = nodes_[handle];
  auto const& details = details_[handle];
  auto const& level = levels_[node.level];
  return {.side = level.side,
          .price = level.price,
          .created = details.created,
          .id = details.id,
          .maker = details.maker,
          .amount = details.amount,
          .expires = details.expires};
}

MatchingEngine::Level MatchingEngine::describe(PriceLevel const& level) const {
  auto const amount = std::min<Sum>(level.amount, std::numeric_limits<std::int64_t>::max());
  return {level.price, static_cast<std::int64_t>(amount), level.order_count, level.head};
}

std::optional<MatchingEngine::Level> MatchingEngine::best(Side side) const {
  auto const& index = index_of(side);
  if (index.size() == 0) return std::nullopt;
  return describe(levels_[index.value(index.begin())]);
}

std::vector<MatchingEngine::Level> MatchingEngine::depth(Side side, std::size_t count_max) const {
  std::vector<Level> out;
  auto const& index = index_of(side);
  for (auto at = index.begin(); index.is_entry(at) && out.size() < count_max; at = index.next(at)) {
    out.push_back(describe(levels_[index.value(at)]));
  }
  return out;
}

void MatchingEngine::apply(std::vector<Fill> const& fills) {
  for (auto const& fill : fills) {
    auto const left = details_[fill.order].amount - fill.amount;
    if (fill.amount == 0 || left == 0) {
      remove(fill.order);
    } else {
      reduce(fill.order, left);
    }
  }
}

MatchingEngine::Matched MatchingEngine::take(Taker const& taker, std::vector<Fill>& fills) {
  fills.clear();
  auto const out = match(taker, [&](Fill const& fill) {
    fills.push_back(fill);
    return true;
  });
  apply(fills);
  return out;
}

// Invariants

void MatchingEngine::check_level(std::uint32_t index, Side side) const {
  auto const& level = levels_[index];
  GRN_CHECK(level.side == side);
  Sum amount = 0;
  std::uint32_t count = 0;
  std::uint32_t chunk_size = 0;
  std::uint32_t first_chunk_size = 0;
  auto previous = kNone;
  for (auto at = level.head; at != kNone; previous = at, at = nodes_[at].next) {
    auto const& order = nodes_[at];
    GRN_CHECK(order.level == index && order.previous == previous);
    GRN_CHECK(previous == kNone || (is_before(previous, at) && !is_before(at, previous)));
    bool const begins_chunk = previous == kNone || nodes_[previous].chunk != order.chunk;
    bool const ends_chunk = order.next == kNone || nodes_[order.next].chunk != order.chunk;
    chunk_size = begins_chunk ? 1 : chunk_size + 1;
    GRN_CHECK(chunk_size <= kChunkMax);
    amount += details_[at].amount;
    ++count;
    if (order.chunk == kNone) {
      GRN_CHECK(++first_chunk_size == count);
      continue;
    }
    auto const& chunk = chunks_[order.chunk];
    GRN_CHECK(begins_chunk == (chunk.first == at) && (!ends_chunk || chunk_size == chunk.size));
    auto const& key = chunk_keys_[order.chunk];
    GRN_CHECK(key.level == index && key.first == chunk.first);
    GRN_CHECK(key.created == details_[key.first].created);
    GRN_CHECK(*chunk_entries_[order.chunk] == order.chunk);
  }
  GRN_CHECK(count > 0 && count == level.order_count && amount == level.amount);
  GRN_CHECK(first_chunk_size == level.first_chunk_size);
  GRN_CHECK(level.tail == previous);
}

void MatchingEngine::check() const {
  auto const steps = steps_;
  std::size_t level_count = 0;
  std::size_t order_count = 0;
  for (auto const side : {Side::buy, Side::sell}) {
    auto const& index = index_of(side);
    index.check();
    for (auto at = index.begin(); index.is_entry(at); at = index.next(at)) {
      auto const& level = levels_[index.value(at)];
      GRN_CHECK(index.key(at) == key_of(side, level.price));
      check_level(index.value(at), side);
      ++level_count;
      order_count += level.order_count;
    }
  }
  GRN_CHECK(order_count == size_);
  GRN_CHECK(level_count + free_levels_.size() == levels_.size());
  GRN_CHECK(chunk_index_.size() + free_chunks_.size() == chunks_.size());
  GRN_CHECK(std::is_sorted(chunk_index_.begin(), chunk_index_.end(), ByKey{this}));
  for (auto at = free_orders_; at != kNone; at = nodes_[at].next) {
    GRN_CHECK(!holds(at));
    ++order_count;
  }
  GRN_CHECK(order_count == nodes_.size());
  steps_ = steps;
}

}  // namespace grenache::exchange
