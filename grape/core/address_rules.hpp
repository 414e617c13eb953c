// Classifies node addresses: martian or public, same network or host, and the ids that fit an address (BEP
// 42).
#pragma once

#include <grenache/base/endpoint.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/random.hpp>

namespace grenache::grape {

/// True for addresses that cannot be the source of a datagram from the public internet: loopback, 0/8,
/// multicast, reserved, link-local and IPv4-mapped IPv6 addresses.
[[nodiscard]] bool is_martian(IpAddress const& address);

/// Returns the /24 (IPv4) or /64 (IPv6) network of `address`; one operator often controls all of its
/// addresses.
[[nodiscard]] IpAddress network_of(IpAddress const& address);

/// Returns the key by which addresses are counted as one host: an IPv4 address, or an IPv6 /64, since one
/// IPv6 host may own the whole /64.
[[nodiscard]] IpAddress host_of(IpAddress const& address);

/// Returns whether BEP 42 allows `id` at `address`. Private addresses may have any id.
[[nodiscard]] bool id_fits(NodeId const& id, IpAddress const& address);
/// Returns a random id that id_fits() accepts for `address`.
[[nodiscard]] NodeId fitting_id(IpAddress const& address, Random& random);

}  // namespace grenache::grape
