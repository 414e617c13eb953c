#include "grenache/rpc/failover.hpp"

#include <algorithm>

#include <grenache/base/check.hpp>

namespace grenache::rpc {

std::size_t GrapeRota::pick(TimePoint now) const {
  GRN_CHECK(!free_from_.empty());
  auto const ready = std::ranges::find_if(free_from_, [&](TimePoint from) { return from <= now; });
  auto const chosen = ready != free_from_.end() ? ready : std::ranges::min_element(free_from_);
  return static_cast<std::size_t>(chosen - free_from_.begin());
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
