#include "grenache/rpc/failover.hpp"

#include <algorithm>

namespace grenache::rpc {

std::optional<std::size_t> GrapeSelector::pick(TimePoint now, std::set<std::size_t> const& excluded) const {
  std::optional<std::size_t> best;
  for (std::size_t index = 0; index < free_from_.size(); ++index) {
    if (excluded.contains(index)) continue;
    if (free_from_[index] <= now) return index;
    if (!best || free_from_[index] < free_from_[*best]) best = index;
  }
  return best;
}

void DeadList::add(std::string_view destination, TimePoint now) {
  remove(destination);
  if (since_.size() >= options_.entry_count_max && !since_.empty()) {
    auto const by_time = [](auto const& a, auto const& b) { return a.second < b.second; };
    since_.erase(std::ranges::min_element(since_, by_time));
  }
  since_.emplace(std::string{destination}, now);
}

void DeadList::remove(std::string_view destination) {
  auto const found = since_.find(destination);
  if (found != since_.end()) since_.erase(found);
}

bool DeadList::contains(std::string_view destination, TimePoint now) const {
  auto const found = since_.find(destination);
  return found != since_.end() && now - found->second <= options_.age_max;
}

std::optional<std::string> choose_destination(std::vector<std::string> const& destinations,
                                              std::set<std::string> const& tried, DeadList const& dead,
                                              TimePoint now, Random& random) {
  std::vector<std::string const*> alive;
  std::vector<std::string const*> rest;
  for (std::string const& destination : destinations) {
    if (tried.contains(destination)) continue;
    (dead.contains(destination, now) ? rest : alive).push_back(&destination);
  }
  auto const& from = alive.empty() ? rest : alive;
  if (!from.empty()) return *from[static_cast<std::size_t>(random.below(from.size()))];
  if (destinations.size() == 1) return destinations.front();
  return std::nullopt;
}

}  // namespace grenache::rpc
