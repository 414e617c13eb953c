// Determines this node's external address from what other nodes report.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include <grenache/base/endpoint.hpp>

namespace grenache::grape {

/// Counts the addresses that other nodes report for us in their replies (`ip`, BEP 42). Each network (/24 or
/// /64) has one vote, its latest, so an attacker has one vote per network, however many addresses it controls
/// there.
class ExternalAddress {
 public:
  struct Options {
    std::size_t vote_count_max = 50;  // the oldest votes are dropped beyond this
    std::size_t vote_count_min = 10;  // no decision with fewer votes
  };

  explicit ExternalAddress(Options options) : options_{options} {}

  /// Records a vote. Returns the address that more than two thirds agree on when it differs from the previous
  /// one.
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
