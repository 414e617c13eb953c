// Converts addresses between our types and Asio's.
#pragma once

#include <string>

#include <boost/asio/ip/address.hpp>

#include <grenache/base/endpoint.hpp>

namespace grenache::net {

[[nodiscard]] inline boost::asio::ip::address to_asio(IpAddress const& address) {
  std::string_view const bytes = address.view();
  if (address.is_v6()) {
    boost::asio::ip::address_v6::bytes_type v6;
    std::copy(bytes.begin(), bytes.end(), v6.begin());
    return boost::asio::ip::address_v6{v6};
  }
  boost::asio::ip::address_v4::bytes_type v4;
  std::copy(bytes.begin(), bytes.end(), v4.begin());
  return boost::asio::ip::address_v4{v4};
}

/// Returns "host:port" or "[::1]:port", as in a Host header.
[[nodiscard]] inline std::string host_text(HostPort const& to) {
  bool const is_v6 = to.host.find(':') != std::string::npos;
  return (is_v6 ? '[' + to.host + ']' : to.host) + ':' + std::to_string(to.port);
}

/// `Protocol` is boost::asio::ip::tcp or udp.
template <class Protocol>
[[nodiscard]] typename Protocol::endpoint to_asio(Endpoint const& endpoint) {
  return {to_asio(endpoint.address), endpoint.port};
}

/// Converts an IPv4-mapped address of an IPv6 socket to IPv4.
template <class AsioEndpoint>
[[nodiscard]] Endpoint from_asio(AsioEndpoint const& endpoint) {
  auto const address = endpoint.address();
  if (address.is_v4()) return {IpAddress{IpAddress::V4{address.to_v4().to_bytes()}}, endpoint.port()};
  IpAddress::V6 const v6 = address.to_v6().to_bytes();
  if (address.to_v6().is_v4_mapped()) {
    return {IpAddress{v6[12], v6[13], v6[14], v6[15]}, endpoint.port()};
  }
  return {IpAddress{v6}, endpoint.port()};
}

}  // namespace grenache::net
