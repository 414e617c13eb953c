#include "grape/core/transactions.hpp"

#include <algorithm>
#include <cstring>

#include <grenache/base/check.hpp>

namespace grenache::grape {
namespace {

// The bytes before our transaction id, for any order of the keys.
constexpr std::string_view kTidKey = "1:t2:";
constexpr std::size_t kFalseMax = 3;
constexpr int kKeysMax = 8;  // an answer has one, or few more by chance

}  // namespace

std::optional<std::string> Transactions::open(Query const& query, Random& random, TimePoint now) {
  if (open_.size() >= options_.count_max) return std::nullopt;
  std::uint16_t tid = 0;
  do {
    tid = static_cast<std::uint16_t>(random.below(65536));
  } while (open_.contains(tid));
  TimePoint const soon = now + std::clamp(4 * round_trip_, options_.soon_min, options_.soon_max);
  open_.emplace(tid, Entry{query, now, soon, false});
  deadlines_.insert({soon, tid});
  ++open_to_[query.to].open_count;
  if (counts(query)) ++prompt_count_;
  if (query.purpose == Purpose::verify) ++verify_count_;
  return std::string{static_cast<char>(tid >> 8), static_cast<char>(tid & 0xff)};
}

Transactions::Open::const_iterator Transactions::find(std::string_view tid) const {
  if (tid.size() != 2) return open_.end();
  auto const high = static_cast<std::uint8_t>(tid[0]);
  return open_.find(static_cast<std::uint16_t>(high << 8 | static_cast<std::uint8_t>(tid[1])));
}

bool Transactions::is_open(std::string_view tid) const { return find(tid) != open_.end(); }

bool Transactions::is_open(std::string_view tid, Endpoint const& from) const {
  auto const found = find(tid);
  return found != open_.end() && found->second.query.to == from;
}

bool Transactions::may_answer(std::string_view datagram, Endpoint const& from) const {
  auto const destination = open_to_.find(from);
  if (destination == open_to_.end() || destination->second.false_count >= kFalseMax) return false;
  for (int keys = 0; keys < kKeysMax; ++keys) {
    // Unlike string_view::find(), always linear.
    void const* const key = ::memmem(datagram.data(), datagram.size(), kTidKey.data(), kTidKey.size());
    if (key == nullptr) return false;
    auto const at = static_cast<std::size_t>(static_cast<char const*>(key) - datagram.data());
    datagram.remove_prefix(at + kTidKey.size());
    if (is_open(datagram.substr(0, 2), from)) return true;
  }
  return false;
}

void Transactions::was_no_answer(Endpoint const& from) {
  auto const destination = open_to_.find(from);
  if (destination != open_to_.end()) ++destination->second.false_count;
}

std::optional<Transactions::Query> Transactions::close(std::string_view tid, Endpoint const& from,
                                                       TimePoint now) {
  if (!is_open(tid, from)) return std::nullopt;
  auto const found = find(tid);
  round_trip_ += (now - found->second.sent - round_trip_) / 8;
  open_to_.at(from).false_count = 0;
  return remove(found);
}

Transactions::Query Transactions::remove(Open::const_iterator entry) {
  Entry const closed = entry->second;
  auto const to = open_to_.find(closed.query.to);
  if (--to->second.open_count == 0) open_to_.erase(to);
  deadlines_.erase({closed.next, entry->first});
  open_.erase(entry);
  if (counts(closed.query) && !closed.slow) --prompt_count_;
  if (closed.query.purpose == Purpose::verify) --verify_count_;
  return closed.query;
}

std::optional<Transactions::Timeout> Transactions::expire(TimePoint now) {
  if (deadlines_.empty() || deadlines_.begin()->at > now) return std::nullopt;
  auto const found = open_.find(deadlines_.begin()->tid);
  Entry& entry = found->second;
  if (entry.slow) return Timeout{remove(found), true};
  entry.slow = true;
  if (counts(entry.query)) --prompt_count_;
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
  std::size_t prompt = 0;
  std::size_t verify = 0;
  for (auto const& [tid, entry] : open_) {
    GRN_CHECK(deadlines_.contains({entry.next, tid}));
    if (counts(entry.query) && !entry.slow) ++prompt;
    if (entry.query.purpose == Purpose::verify) ++verify;
  }
  std::size_t to = 0;
  for (auto const& [endpoint, destination] : open_to_) to += destination.open_count;
  GRN_CHECK(to == open_.size());
  GRN_CHECK(prompt == prompt_count_ && verify == verify_count_);
}

}  // namespace grenache::grape
