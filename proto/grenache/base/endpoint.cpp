#include "grenache/base/endpoint.hpp"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>

namespace grenache {

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  // inet_pton would stop at a NUL and accept the text before it.
  if (text.size() > INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::string const copy{text};
  V4 v4;
  if (inet_pton(AF_INET, copy.c_str(), v4.data()) == 1) return IpAddress{v4};
  V6 v6;
  if (inet_pton(AF_INET6, copy.c_str(), v6.data()) == 1) return IpAddress{v6};
  return std::nullopt;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(is_v6_ ? AF_INET6 : AF_INET, bytes_.data(), text, sizeof text);
  return text;
}

bool IpAddress::is_unspecified() const { return bytes_ == V6{}; }

bool IpAddress::is_loopback() const {
  if (!is_v6_) return bytes_[0] == 127;
  V6 one{};
  one[15] = 1;
  return bytes_ == one;
}

bool IpAddress::is_private() const {
  if (is_loopback()) return true;
  if (is_v6_) return (bytes_[0] & 0xfe) == 0xfc || (bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80);
  return bytes_[0] == 10 || (bytes_[0] == 172 && (bytes_[1] & 0xf0) == 16) ||
         (bytes_[0] == 192 && bytes_[1] == 168) || (bytes_[0] == 169 && bytes_[1] == 254) ||
         (bytes_[0] == 100 && (bytes_[1] & 0xc0) == 64);
}

bool IpAddress::is_multicast_or_reserved() const { return is_v6_ ? bytes_[0] == 0xff : bytes_[0] >= 224; }

namespace {

// A character of a host name or a numeric address.
bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
         c == '_' || c == ':' || c == '%';
}

}  // namespace

std::optional<HostPort> HostPort::parse(std::string_view text) {
  auto const colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  std::string_view const digits = text.substr(colon + 1);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return std::nullopt;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;  // an IPv6 address without brackets: ambiguous
  }
  // Hosts may be received from untrusted peers, and are written to the Host header of requests.
  if (!std::ranges::all_of(host, is_host_character)) return std::nullopt;
  std::uint16_t port = 0;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) return std::nullopt;
  return HostPort{std::string{host}, port};
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  auto const parts = HostPort::parse(text);
  if (!parts) return std::nullopt;
  auto const address = IpAddress::parse(parts->host);
  if (!address || address->is_v6() != (text.front() == '[')) return std::nullopt;
  return Endpoint{*address, parts->port};
}

std::string Endpoint::to_string() const {
  std::string const host = address.to_string();
  return (address.is_v6() ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

}  // namespace grenache
