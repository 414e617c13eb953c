#include "grenache/rpc/lookup_cache.hpp"

#include <utility>

namespace grenache::rpc {

std::vector<std::string> const* LookupCache::find(std::string_view name, TimePoint now) {
  auto const found = by_name_.find(name);
  if (found == by_name_.end()) return nullptr;
  if (now - found->second->stored > options_.age_max) {
    forget(name);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return &entries_.front().destinations;
}

void LookupCache::store(std::string_view name, std::vector<std::string> destinations, TimePoint now) {
  forget(name);
  if (by_name_.size() >= options_.entry_count_max && !entries_.empty()) {
    by_name_.erase(entries_.back().name);
    entries_.pop_back();
  }
  entries_.push_front({std::string{name}, std::move(destinations), now});
  by_name_.emplace(std::string{name}, entries_.begin());
}

void LookupCache::forget(std::string_view name) {
  auto const found = by_name_.find(name);
  if (found == by_name_.end()) return;
  entries_.erase(found->second);
  by_name_.erase(found);
}

}  // namespace grenache::rpc
