#include "grenache/rpc/shown_at.hpp"

#include <algorithm>

namespace grenache::rpc {
namespace {

bool reaches(IpAddress const& shown, IpAddress const& bind,
             std::function<bool(IpAddress const&)> const& is_of_this_host) {
  if (!bind.is_unspecified()) return shown == bind;
  if (shown.is_v6() && !bind.is_v6()) return false;
  return is_of_this_host(shown);
}

}  // namespace

ShownAt shown_at(std::vector<std::string> const& destinations, Endpoint const& local, bool grape_is_here,
                 std::function<bool(IpAddress const&)> const& is_of_this_host) {
  ShownAt out;
  for (std::string const& each : destinations) {
    auto const endpoint = Endpoint::parse(each);
    if (!endpoint || endpoint->port != local.port) continue;
    bool const is_loopback = endpoint->address.is_loopback();
    bool const is_here =
        (grape_is_here || !is_loopback) && reaches(endpoint->address, local.address, is_of_this_host);
    if (!is_here) {
      out.elsewhere.push_back(*endpoint);
    } else if (!out.here || (out.here->address.is_loopback() && !is_loopback)) {
      out.here = endpoint;
    }
  }
  return out;
}

bool may_be_here(std::vector<GrapeUrl> const& grapes,
                 std::function<bool(IpAddress const&)> const& is_of_this_host) {
  return std::ranges::any_of(grapes, [&](GrapeUrl const& grape) {
    auto const address = IpAddress::parse(grape.at.host);
    return !address || is_of_this_host(*address);
  });
}

}  // namespace grenache::rpc
