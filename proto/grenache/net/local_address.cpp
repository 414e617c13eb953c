#include "grenache/net/local_address.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>

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

}  // namespace grenache::net
