// Network addresses as plain values, so that the cores do not depend on a socket library.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace grenache {

/// An IPv4 or IPv6 address in network byte order.
class IpAddress {
 public:
  using V4 = std::array<std::uint8_t, 4>;
  using V6 = std::array<std::uint8_t, 16>;

  constexpr IpAddress() = default;  // 0.0.0.0
  constexpr explicit IpAddress(V4 const& bytes) { std::copy(bytes.begin(), bytes.end(), bytes_.begin()); }
  constexpr explicit IpAddress(V6 const& bytes) : bytes_{bytes}, is_v6_{true} {}
  constexpr IpAddress(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d)
      : IpAddress{V4{a, b, c, d}} {}

  /// Returns nothing unless `text` is a numeric address; does not resolve names.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] constexpr bool is_v6() const { return is_v6_; }
  /// The 4 or 16 bytes; valid as long as this object.
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<char const*>(bytes_.data()), is_v6_ ? 16u : 4u};
  }
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool is_loopback() const;
  /// True for loopback, RFC 1918, link-local and unique local addresses.
  [[nodiscard]] bool is_private() const;
  /// True for multicast, broadcast and 240/4, which cannot be the source of a datagram.
  [[nodiscard]] bool is_multicast_or_reserved() const;

  friend constexpr auto operator<=>(IpAddress const&, IpAddress const&) = default;

 private:
  V6 bytes_{};
  bool is_v6_ = false;
};

/// An address and a UDP or TCP port.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// Parses `1.2.3.4:5` or `[::1]:5`; nothing for any other text or port 0.
  [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;

  friend constexpr auto operator<=>(Endpoint const&, Endpoint const&) = default;
};

/// A host (a name or a numeric address) and a port, as in configuration.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;

  /// Parses `host:port`, `1.2.3.4:5` or `[::1]:5` with a port from 1 to 65535; nothing for any other text.
  /// The host holds only ASCII letters, digits and `.-_:%`, so it is safe in a header line or a log.
  [[nodiscard]] static std::optional<HostPort> parse(std::string_view text);
};

}  // namespace grenache
