#include "grape/core/external_address.hpp"

#include <algorithm>

#include "grape/core/address_rules.hpp"

namespace grenache::grape {

std::optional<IpAddress> ExternalAddress::vote(IpAddress const& voter, IpAddress const& address) {
  IpAddress const network = network_of(voter);
  std::erase_if(votes_, [&](Vote const& vote) { return vote.network == network; });
  votes_.push_back({network, address});
  if (votes_.size() > options_.vote_count_max) votes_.pop_front();
  auto const agreeing = static_cast<std::size_t>(std::ranges::count(votes_, address, &Vote::address));
  if (votes_.size() < options_.vote_count_min || 3 * agreeing <= 2 * votes_.size()) return std::nullopt;
  if (address_ == address) return std::nullopt;
  address_ = address;
  return address;
}

}  // namespace grenache::grape
