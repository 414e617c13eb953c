#include "grenache/net/local_address.hpp"

#include <cstring>
#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <ifaddrs.h>
#include <net/if.h>

#include <grenache/net/address.hpp>

namespace grenache::net {

bool is_of_this_host(IpAddress const& address) {
  boost::asio::io_context io{1};
  boost::asio::ip::udp::socket probe{io};
  auto const endpoint = to_asio<boost::asio::ip::udp>(Endpoint{address, 0});
  boost::system::error_code error;
  probe.open(endpoint.protocol(), error);
  if (!error) probe.bind(endpoint, error);
  return !error;
}

IpAddress all_addresses() {
  IpAddress const any6{IpAddress::V6{}};
  return is_of_this_host(any6) ? any6 : IpAddress{};
}

std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> addresses;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return addresses;
  std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> const all{first, ::freeifaddrs};
  for (ifaddrs const* each = first; each != nullptr; each = each->ifa_next) {
    bool const is_up = (each->ifa_flags & IFF_UP) != 0;
    if (!is_up || each->ifa_addr == nullptr) continue;
    boost::asio::ip::udp::endpoint endpoint;
    if (each->ifa_addr->sa_family == AF_INET) {
      endpoint = boost::asio::ip::udp::endpoint{boost::asio::ip::udp::v4(), 0};
    } else if (each->ifa_addr->sa_family == AF_INET6) {
      endpoint = boost::asio::ip::udp::endpoint{boost::asio::ip::udp::v6(), 0};
    } else {
      continue;
    }
    std::memcpy(endpoint.data(), each->ifa_addr, endpoint.size());
    addresses.push_back(from_asio(endpoint).address);
  }
  return addresses;
}

}  // namespace grenache::net
