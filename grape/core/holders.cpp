#include "grape/core/holders.hpp"

#include <algorithm>

#include <grenache/base/check.hpp>

namespace grenache::grape {

void Holders::add(Service const& service, std::vector<Lookup::Target> const& targets) {
  if (targets.empty() || options_.service_count_max == 0) return;
  auto& entry = services_[service];
  order_.erase(entry.sequence);
  entry.sequence = ++next_;
  order_.emplace(entry.sequence, service);
  for (Lookup::Target const& target : targets) {
    std::erase_if(entry.targets, [&](Lookup::Target const& known) { return known.node == target.node; });
    entry.targets.push_back(target);
  }
  if (entry.targets.size() > options_.holder_count_max) {
    auto const surplus = static_cast<std::ptrdiff_t>(entry.targets.size() - options_.holder_count_max);
    entry.targets.erase(entry.targets.begin(), entry.targets.begin() + surplus);
  }
  if (services_.size() <= options_.service_count_max) return;
  services_.erase(order_.begin()->second);
  order_.erase(order_.begin());
}

std::vector<Lookup::Target> Holders::take(Service const& service) {
  auto node = services_.extract(service);
  if (!node) return {};
  order_.erase(node.mapped().sequence);
  return std::move(node.mapped().targets);
}

void Holders::check() const {
  GRN_CHECK(services_.size() == order_.size() && services_.size() <= options_.service_count_max);
  for (auto const& [service, entry] : services_) {
    GRN_CHECK(!entry.targets.empty() && entry.targets.size() <= options_.holder_count_max);
  }
}

}  // namespace grenache::grape
