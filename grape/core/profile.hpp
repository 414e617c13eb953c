// Presets of node options for a private cluster and for the public DHT.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "grape/core/node.hpp"

namespace grenache::grape {

enum class Profile : std::uint8_t {
  /// Grapes of one operator: many nodes on a host, private addresses, names of any length, services that live
  /// for minutes. Behaves as Grape; the default.
  cluster,
  /// The mainline DHT, with untrusted nodes. Limits are those of libtorrent: one node per address and per /24
  /// (/64) in a bucket and in a lookup, 5 queries per second from an address, martian addresses are dropped,
  /// nodes whose id fits their address (BEP 42) are preferred. Other nodes accept only names of 20 bytes.
  public_network,
};

/// "cluster" or "public".
[[nodiscard]] std::optional<Profile> parse_profile(std::string_view text);
[[nodiscard]] std::string_view to_string(Profile profile);
/// Returns the options of a profile, which the caller may adjust.
[[nodiscard]] NodeOptions options_of(Profile profile);

}  // namespace grenache::grape
