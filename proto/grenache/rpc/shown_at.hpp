// Where the DHT shows a service of this process, and whether callers reach it there.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/rpc/grape_url.hpp>

namespace grenache::rpc {

/// Destinations of a lookup that have the port of a service of ours.
struct ShownAt {
  /// Where the service is reached; a loopback address only when there is no other.
  std::optional<Endpoint> here;
  /// Where nothing of this host listens. The DHT shows a service at the address of the grape that announces
  /// it, so a grape on another host announces a wrong address. Or it is another service with this port, or a
  /// router that forwards the port.
  std::vector<Endpoint> elsewhere;
};

/// `local` is what the service listens on, `is_of_this_host` as net::is_of_this_host(). A grape shows
/// loopback addresses to its own users, whichever host they are on: these count as elsewhere unless
/// `grape_is_here`.
[[nodiscard]] ShownAt shown_at(std::vector<std::string> const& destinations, Endpoint const& local,
                               bool grape_is_here,
                               std::function<bool(IpAddress const&)> const& is_of_this_host);

/// Whether one of the grapes may be on this host. Names are not resolved: each may be.
[[nodiscard]] bool may_be_here(std::vector<GrapeUrl> const& grapes,
                               std::function<bool(IpAddress const&)> const& is_of_this_host);

}  // namespace grenache::rpc
