#include "grape/core/bootstrap.hpp"

#include <algorithm>

namespace grenache::grape {
namespace {

// So that nodes that fail together do not retry together.
Duration jittered(Duration delay, Random& random) { return random.between(delay / 2, delay); }

}  // namespace

void Bootstrap::add(std::vector<Endpoint> const& addresses, TimePoint now) {
  for (Endpoint const& address : addresses) {
    if (entries_.size() >= options_.address_count_max) return;
    if (find(address) == nullptr) entries_.push_back({address, now, 0, false, false});
  }
}

void Bootstrap::forget(std::vector<Endpoint> const& addresses) {
  std::erase_if(entries_, [&](Entry const& entry) {
    return !entry.was_responsive && std::ranges::find(addresses, entry.address) != addresses.end();
  });
}

bool Bootstrap::contains(Endpoint const& address) const {
  return std::ranges::find(entries_, address, &Entry::address) != entries_.end();
}

bool Bootstrap::is_responsive(std::vector<Endpoint> const& addresses) const {
  return std::ranges::any_of(entries_, [&](Entry const& entry) {
    return entry.was_responsive && std::ranges::find(addresses, entry.address) != addresses.end();
  });
}

std::optional<Endpoint> Bootstrap::next(TimePoint now) {
  for (Entry& entry : entries_) {
    if (entry.waiting || entry.try_at > now) continue;
    entry.waiting = true;
    return entry.address;
  }
  return std::nullopt;
}

bool Bootstrap::answered(Endpoint const& address, TimePoint now, Random& random) {
  Entry* entry = find(address);
  if (entry == nullptr) return false;
  bool const is_news = !entry->was_responsive;
  *entry = {address, now + options_.recheck / 2 + jittered(options_.recheck, random) / 2, 0, false, true};
  return is_news;
}

void Bootstrap::failed(Endpoint const& address, TimePoint now, Random& random) {
  Entry* entry = find(address);
  if (entry == nullptr || !entry->waiting) return;
  Duration delay = options_.delay_min;
  for (std::uint32_t i = options_.quick_count; i < entry->failures && delay < options_.delay_max; ++i) {
    delay *= 2;
  }
  ++entry->failures;
  entry->waiting = false;
  entry->was_responsive = false;
  entry->try_at = now + jittered(std::min(delay, options_.delay_max), random);
}

void Bootstrap::hurry(TimePoint now) {
  for (Entry& entry : entries_) {
    entry.try_at = std::min(entry.try_at, now);
    entry.failures = 0;
    entry.was_responsive = false;
  }
}

TimePoint Bootstrap::next_deadline() const {
  TimePoint next = TimePoint::max();
  for (Entry const& entry : entries_) {
    if (!entry.waiting) next = std::min(next, entry.try_at);
  }
  return next;
}

void FormerNodes::add(dht::Contact const& node) {
  remove(node.endpoint);
  nodes_.push_back(node);
  if (nodes_.size() > count_max_) nodes_.pop_front();
}

void FormerNodes::remove(Endpoint const& endpoint) {
  std::erase_if(nodes_, [&](dht::Contact const& node) { return node.endpoint == endpoint; });
}

Bootstrap::Entry* Bootstrap::find(Endpoint const& address) {
  auto const found = std::ranges::find(entries_, address, &Entry::address);
  return found == entries_.end() ? nullptr : &*found;
}

}  // namespace grenache::grape
