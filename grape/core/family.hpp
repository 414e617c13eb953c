// The two address families of the DHT: IPv4 and IPv6 are separate networks that share their keys (BEP 32), so
// a node holds one table of each.
#pragma once

#include <array>
#include <cstdint>

#include <grenache/base/endpoint.hpp>

namespace grenache::grape {

enum class Family : std::uint8_t { v4, v6 };
inline constexpr std::array<Family, 2> kFamilies{Family::v4, Family::v6};

[[nodiscard]] constexpr Family family_of(Endpoint const& endpoint) {
  return endpoint.address.is_v6() ? Family::v6 : Family::v4;
}

template <class T>
struct PerFamily {
  T v4;
  T v6;
  [[nodiscard]] constexpr T& operator[](Family family) { return family == Family::v4 ? v4 : v6; }
  [[nodiscard]] constexpr T const& operator[](Family family) const { return family == Family::v4 ? v4 : v6; }
};

}  // namespace grenache::grape
