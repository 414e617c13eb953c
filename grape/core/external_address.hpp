// How others see this node.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include <grenache/base/endpoint.hpp>

namespace grenache::grape {

/// Counts what nodes that we asked say our address is (the `ip` of their replies, BEP 42). Each network (/24
/// or /64) has one vote, its latest, so that one liar has one vote however many addresses it has.
class ExternalAddress {
 public:
  struct Options {
    std::size_t vote_count_max = 50;  // the latest count
    std::size_t vote_count_min = 10;  // fewer decide nothing
  };

  explicit ExternalAddress(Options options) : options_{options} {}

  /// Notes a vote. The address that more than two thirds agree on, when that is news.
  [[nodiscard]] std::optional<IpAddress> vote(IpAddress const& voter, IpAddress const& address);
  [[nodiscard]] std::optional<IpAddress> const& address() const { return address_; }

 private:
  struct Vote {
    IpAddress network;
    IpAddress address;
  };
  Options options_;
  std::deque<Vote> votes_;  // the oldest first
  std::optional<IpAddress> address_;
};

}  // namespace grenache::grape
