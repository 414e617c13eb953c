// Checks whether the addresses in the DHT for a service of this process reach it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/rpc/grape_url.hpp>

namespace grenache::rpc {

/// The destinations of a lookup that have the port of our service.
struct ShownAt {
  /// The address at which the service is reached; a loopback address only if there is no other.
  std::optional<Endpoint> here;
  /// Addresses that are not of this host. The DHT stores a service with the address of the grape that
  /// announces it, so a grape on another host announces a wrong address. Alternatively it is another service
  /// with this port, or a router that forwards the port.
  std::vector<Endpoint> elsewhere;
};

/// `local` is the address that the service listens on, `is_of_this_host` as net::is_of_this_host(). A grape
/// returns loopback addresses to its own users on any host, so these are treated as another host's unless
/// `grape_is_here`.
[[nodiscard]] ShownAt shown_at(std::vector<std::string> const& destinations, Endpoint const& local,
                               bool grape_is_here,
                               std::function<bool(IpAddress const&)> const& is_of_this_host);

/// Returns whether one of the grapes may be on this host. Names are not resolved, so each may be.
[[nodiscard]] bool may_be_here(std::vector<GrapeUrl> const& grapes,
                               std::function<bool(IpAddress const&)> const& is_of_this_host);

}  // namespace grenache::rpc
