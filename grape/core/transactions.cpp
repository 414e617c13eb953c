#include "grape/core/transactions.hpp"

#include <algorithm>

#include "proto/base/check.hpp"

namespace grenache::grape {

std::optional<std::string> Transactions::open(Query const& query, Random& random, TimePoint now) {
  if (open_.size() >= options_.count_max) return std::nullopt;
  std::uint16_t tid = 0;
  do {
    tid = static_cast<std::uint16_t>(random.below(65536));
  } while (open_.contains(tid));
  std::uint64_t const serial = next_serial_++;
  open_.emplace(tid, Entry{query, serial, false});
  soon_.push_back({now + options_.soon, serial, tid});
  late_.push_back({now + options_.late, serial, tid});
  if (counts(query)) ++brisk_count_;
  if (query.purpose == Purpose::verify) ++verify_count_;
  return std::string{static_cast<char>(tid >> 8), static_cast<char>(tid & 0xff)};
}

std::optional<Transactions::Query> Transactions::close(std::string_view tid, Endpoint const& from) {
  if (tid.size() != 2) return std::nullopt;
  auto const number =
      static_cast<std::uint16_t>(static_cast<std::uint8_t>(tid[0]) << 8 | static_cast<std::uint8_t>(tid[1]));
  auto const found = open_.find(number);
  if (found == open_.end() || found->second.query.to != from) return std::nullopt;
  Entry const entry = found->second;
  open_.erase(found);
  closed(entry);
  return entry.query;
}

void Transactions::closed(Entry const& entry) {
  if (counts(entry.query) && !entry.slow) --brisk_count_;
  if (entry.query.purpose == Purpose::verify) --verify_count_;
  drop_closed();
}

std::optional<Transactions::Timeout> Transactions::expire(TimePoint now) {
  drop_closed();
  if (!soon_.empty() && soon_.front().at <= now) {
    Entry& entry = open_.at(soon_.front().tid);
    entry.slow = true;
    if (counts(entry.query)) --brisk_count_;
    Timeout const timeout{entry.query, false};
    soon_.pop_front();
    drop_closed();
    return timeout;
  }
  if (!late_.empty() && late_.front().at <= now) {
    auto const found = open_.find(late_.front().tid);
    Entry const entry = found->second;
    open_.erase(found);
    closed(entry);
    return Timeout{entry.query, true};
  }
  return std::nullopt;
}

TimePoint Transactions::next_deadline() const {
  TimePoint next = TimePoint::max();
  if (!soon_.empty()) next = std::min(next, soon_.front().at);
  if (!late_.empty()) next = std::min(next, late_.front().at);
  return next;
}

bool Transactions::is_open(Deadline const& deadline) const {
  auto const found = open_.find(deadline.tid);
  return found != open_.end() && found->second.serial == deadline.serial;
}

void Transactions::drop_closed() {
  while (!soon_.empty() && !is_open(soon_.front())) soon_.pop_front();
  while (!late_.empty() && !is_open(late_.front())) late_.pop_front();
}

void Transactions::check() const {
  GRN_CHECK(open_.size() <= options_.count_max);
  GRN_CHECK(late_.size() >= open_.size());
  auto const brisk = std::count_if(open_.begin(), open_.end(), [](auto const& item) {
    return counts(item.second.query) && !item.second.slow;
  });
  GRN_CHECK(static_cast<std::size_t>(brisk) == brisk_count_);
}

}  // namespace grenache::grape
