// Network addresses as plain values, so that a core needs no socket library.
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

  /// Nothing unless `text` is a numeric address; names are never resolved here.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] constexpr bool is_v6() const { return is_v6_; }
  /// The 4 or 16 bytes; valid as long as this object is.
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<char const*>(bytes_.data()), is_v6_ ? 16u : 4u};
  }
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool is_loopback() const;
  /// Loopback, RFC 1918, link-local and unique local addresses: networks that an operator runs himself.
  [[nodiscard]] bool is_private() const;
  /// Multicast, broadcast and 240/4: nothing that a datagram can come from.
  [[nodiscard]] bool is_multicast_or_reserved() const;

  friend constexpr auto operator<=>(IpAddress const&, IpAddress const&) = default;

 private:
  V6 bytes_{};
  bool is_v6_ = false;
};

/// An address and a port, of UDP or TCP as the context says.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// `1.2.3.4:5` or `[::1]:5`; nothing for anything else, and nothing for port 0.
  [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;

  friend constexpr auto operator<=>(Endpoint const&, Endpoint const&) = default;
};

/// A host (a name or a numeric address) and a port as people type them.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;

  /// `host:port`, `1.2.3.4:5` or `[::1]:5` with a port from 1 to 65535; nothing for anything else. The host
  /// is made of ASCII letters, digits and `.-_:%` alone, so it can stand in a header line or a log.
  [[nodiscard]] static std::optional<HostPort> parse(std::string_view text);
};

}  // namespace grenache
