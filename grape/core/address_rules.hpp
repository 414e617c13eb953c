// What an address says about a node: whether it can be one, whose neighbour it is, which ids fit it (BEP 42).
#pragma once

#include <grenache/base/endpoint.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/random.hpp>

namespace grenache::grape {

/// True for what no datagram from the public internet can come from: loopback, 0/8, multicast, reserved,
/// link-local and IPv4-mapped IPv6 addresses.
[[nodiscard]] bool is_martian(IpAddress const& address);

/// The /24 or /64 that `address` lies in: who has one address there often has them all.
[[nodiscard]] IpAddress network_of(IpAddress const& address);

/// What counts as one host: an IPv4 address, or an IPv6 /64, all of whose addresses one host may have.
[[nodiscard]] IpAddress host_of(IpAddress const& address);

/// Whether a node with this address may have this id by BEP 42. Private addresses may have any.
[[nodiscard]] bool id_fits(NodeId const& id, IpAddress const& address);
/// A random id that fits.
[[nodiscard]] NodeId fitting_id(IpAddress const& address, Random& random);

}  // namespace grenache::grape
