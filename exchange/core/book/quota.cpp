#include "exchange/core/book/quota.hpp"

#include <iterator>

#include <grenache/base/check.hpp>

namespace grenache::exchange {

bool Quota::End::operator<(End const& other) const {
  // 2^bits / count, compared without a division: bits are at most 40, and counts below 2^20.
  auto const ours = static_cast<std::uint64_t>(other.count) << last.work.bits;
  auto const others = static_cast<std::uint64_t>(count) << other.last.work.bits;
  if (ours != others) return ours < others;
  return std::tie(other.last.work.rest, other.last.key->id, other.last.key->maker) <
         std::tie(last.work.rest, last.key->id, last.key->maker);
}

std::size_t Quota::maker_max(std::optional<PeerId> const& maker) const {
  return maker ? options_.maker_count_max : options_.unsigned_count_max;
}

bool Quota::is_exempt(std::optional<PeerId> const& maker) const { return maker && exempt_.contains(*maker); }

std::set<Quota::Place> const* Quota::row_of(std::optional<PeerId> const& maker) const {
  auto const found = rows_.find(maker);
  return found == rows_.end() ? nullptr : &found->second;
}

std::size_t Quota::count_of(std::optional<PeerId> const& maker) const {
  auto const* const row = row_of(maker);
  return row ? row->size() : 0;
}

Quota::Verdict Quota::judge(Place const& place) const {
  auto const& maker = place.key->maker;
  if (is_exempt(maker)) return Verdict::fits;
  auto const* const row = row_of(maker);
  auto const count = row ? row->size() : 0;
  bool const is_last = !row || !maker || *row->rbegin() < place;
  if (count >= maker_max(maker)) return is_last ? Verdict::maker_full : Verdict::fits;
  if (size_ < options_.count_max || !is_last) return Verdict::fits;
  auto other = ends_.begin();
  if (other != ends_.end() && other->last.key->maker == maker) ++other;
  bool const is_least = other == ends_.end() || End{place, count + 1} < *other;
  return is_least ? Verdict::full : Verdict::fits;
}

void Quota::add(Place const& place) {
  auto& row = rows_[place.key->maker];
  bool const has_end = !is_exempt(place.key->maker);
  if (has_end && !row.empty()) ends_.erase(End{*row.rbegin(), row.size()});
  GRN_CHECK(row.insert(place).second);
  if (has_end) ends_.insert(End{*row.rbegin(), row.size()});
  ++size_;
}

void Quota::remove(Place const& place) {
  auto const found = rows_.find(place.key->maker);
  GRN_CHECK(found != rows_.end());
  auto& row = found->second;
  bool const has_end = !is_exempt(place.key->maker);
  if (has_end) ends_.erase(End{*row.rbegin(), row.size()});
  GRN_CHECK(row.erase(place) == 1);
  --size_;
  if (row.empty()) {
    rows_.erase(found);
  } else if (has_end) {
    ends_.insert(End{*row.rbegin(), row.size()});
  }
}

OrderKey const* Quota::excess(std::optional<PeerId> const& added) const {
  auto const* const row = row_of(added);
  if (row && !is_exempt(added) && row->size() > maker_max(added)) return row->rbegin()->key;
  return size_ > options_.count_max && !ends_.empty() ? ends_.begin()->last.key : nullptr;
}

void Quota::exempt(PeerId const& maker) {
  if (!exempt_.insert(maker).second) return;
  if (auto const* const row = row_of(maker)) ends_.erase(End{*row->rbegin(), row->size()});
}

void Quota::check() const {
  std::size_t size = 0;
  std::size_t end_count = 0;
  for (auto const& [maker, row] : rows_) {
    GRN_CHECK(!row.empty());
    size += row.size();
    if (is_exempt(maker)) continue;
    ++end_count;
    GRN_CHECK(ends_.contains(End{*row.rbegin(), row.size()}));
    GRN_CHECK(row.size() <= maker_max(maker));
    for (auto const& place : row) GRN_CHECK(place.key->maker == maker);
  }
  GRN_CHECK(size == size_ && end_count == ends_.size());
  GRN_CHECK(size_ <= options_.count_max || !exempt_.empty());
}

}  // namespace grenache::exchange
