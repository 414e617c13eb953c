#include "grape/core/transactions.hpp"

#include <algorithm>

#include <grenache/base/check.hpp>

namespace grenache::grape {

std::optional<std::string> Transactions::open(Query const& query, Random& random, TimePoint now) {
  if (open_.size() >= options_.count_max) return std::nullopt;
  std::uint16_t tid = 0;
  do {
    tid = static_cast<std::uint16_t>(random.below(65536));
  } while (open_.contains(tid));
  TimePoint const soon = now + std::clamp(4 * round_trip_, options_.soon_min, options_.soon_max);
  open_.emplace(tid, Entry{query, now, soon, false});
  deadlines_.insert({soon, tid});
  if (counts(query)) ++brisk_count_;
  if (query.purpose == Purpose::verify) ++verify_count_;
  return std::string{static_cast<char>(tid >> 8), static_cast<char>(tid & 0xff)};
}

std::optional<Transactions::Query> Transactions::close(std::string_view tid, Endpoint const& from,
                                                       TimePoint now) {
  if (tid.size() != 2) return std::nullopt;
  auto const number =
      static_cast<std::uint16_t>(static_cast<std::uint8_t>(tid[0]) << 8 | static_cast<std::uint8_t>(tid[1]));
  auto const found = open_.find(number);
  if (found == open_.end() || found->second.query.to != from) return std::nullopt;
  round_trip_ += (now - found->second.sent - round_trip_) / 8;
  return remove(found);
}

Transactions::Query Transactions::remove(Open::iterator entry) {
  Entry const closed = entry->second;
  deadlines_.erase({closed.next, entry->first});
  open_.erase(entry);
  if (counts(closed.query) && !closed.slow) --brisk_count_;
  if (closed.query.purpose == Purpose::verify) --verify_count_;
  return closed.query;
}

std::optional<Transactions::Timeout> Transactions::expire(TimePoint now) {
  if (deadlines_.empty() || deadlines_.begin()->at > now) return std::nullopt;
  auto const found = open_.find(deadlines_.begin()->tid);
  Entry& entry = found->second;
  if (entry.slow) return Timeout{remove(found), true};
  entry.slow = true;
  if (counts(entry.query)) --brisk_count_;
  deadlines_.erase(deadlines_.begin());
  entry.next = entry.sent + options_.late;
  deadlines_.insert({entry.next, found->first});
  return Timeout{entry.query, false};
}

TimePoint Transactions::next_deadline() const {
  return deadlines_.empty() ? TimePoint::max() : deadlines_.begin()->at;
}

void Transactions::check() const {
  GRN_CHECK(open_.size() <= options_.count_max);
  GRN_CHECK(deadlines_.size() == open_.size());
  std::size_t brisk = 0;
  std::size_t verify = 0;
  for (auto const& [tid, entry] : open_) {
    GRN_CHECK(deadlines_.contains({entry.next, tid}));
    if (counts(entry.query) && !entry.slow) ++brisk;
    if (entry.query.purpose == Purpose::verify) ++verify;
  }
  GRN_CHECK(brisk == brisk_count_ && verify == verify_count_);
}

}  // namespace grenache::grape
