// Addresses of this host.
#pragma once

#include <grenache/base/endpoint.hpp>

namespace grenache::net {

/// Whether this host has the address. Asks the system, which lets only addresses of the host be bound.
[[nodiscard]] bool is_of_this_host(IpAddress const& address);

/// The address to bind for all addresses of the host: `::`, which accepts IPv4 too, or 0.0.0.0 where the
/// system has no IPv6.
[[nodiscard]] IpAddress all_addresses();

}  // namespace grenache::net
