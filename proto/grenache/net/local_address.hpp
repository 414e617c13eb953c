// Addresses of this host.
#pragma once

#include <vector>

#include <grenache/base/endpoint.hpp>

namespace grenache::net {

/// Returns whether this host has the address, by binding it. With the sysctl
/// ip_nonlocal_bind, which some load balancers set, every address counts as local.
[[nodiscard]] bool is_of_this_host(IpAddress const& address);

/// Returns the address to bind for all addresses of the host: `::`, which includes IPv4, or 0.0.0.0 if the
/// system has no IPv6.
[[nodiscard]] IpAddress all_addresses();

/// Returns the addresses of all network interfaces that are up; none if the system does not tell.
[[nodiscard]] std::vector<IpAddress> interface_addresses();

}  // namespace grenache::net
