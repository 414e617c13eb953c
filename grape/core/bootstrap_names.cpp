#include "grape/core/bootstrap_names.hpp"

#include <algorithm>
#include <utility>

#include <grenache/base/check.hpp>

namespace grenache::grape {

void BootstrapNames::add(HostPort name) {
  Name made;
  made.name = std::move(name);
  names_.push_back(std::move(made));
}

BootstrapNames::Change BootstrapNames::resolved(std::size_t number, std::vector<IpAddress> const& addresses,
                                                TimePoint now, Random& random) {
  Name& name = names_.at(number);
  GRN_CHECK(name.resolving);
  name.resolving = false;
  --resolving_count_;
  Duration delay = options_.delay_min;
  for (std::uint32_t i = 0; i < name.failures && delay < options_.delay_max; ++i) delay *= 2;
  delay = std::min(delay, options_.delay_max);
  ++name.failures;
  auto const half = static_cast<std::uint64_t>(delay.count() / 2);
  name.due = now + Duration{static_cast<std::int64_t>(half + random.below(half + 1))};
  Change change;
  if (addresses.empty()) return change;
  std::vector<Endpoint> const former = std::exchange(name.addresses, {});
  for (IpAddress const& address : addresses) {
    Endpoint const endpoint{address, name.name.port};
    if (name.addresses.size() >= options_.address_count_max) break;
    if (std::ranges::find(name.addresses, endpoint) == name.addresses.end()) {
      name.addresses.push_back(endpoint);
    }
  }
  change.addresses = name.addresses;
  std::ranges::copy_if(former, std::back_inserter(change.former),
                       [this](Endpoint const& address) { return !is_named(address); });
  return change;
}

bool BootstrapNames::is_named(Endpoint const& address) const {
  return std::ranges::any_of(names_, [&](Name const& name) {
    return std::ranges::find(name.addresses, address) != name.addresses.end();
  });
}

TimePoint BootstrapNames::next_deadline(TimePoint now) const {
  TimePoint next = TimePoint::max();
  for (Name const& name : names_) {
    if (!name.resolving && name.due > now) next = std::min(next, name.due);
  }
  return next;
}

}  // namespace grenache::grape
