// Two kinds of networks that a node lives in.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "grape/core/node.hpp"

namespace grenache::grape {

enum class Profile : std::uint8_t {
  /// Grapes of one operator: many nodes on a host, private addresses, names of any length, services that come
  /// and go within minutes. What Grape expects; the default.
  cluster,
  /// The mainline DHT: strangers. Limits as libtorrent has them: one node per address and per /24 (/64) in a
  /// bucket and in a lookup, 5 queries a second from an address, addresses that cannot be are dropped, nodes
  /// whose id fits their address (BEP 42) are preferred. Names have to be 20 bytes long for others to take
  /// them.
  public_network,
};

/// "cluster" or "public".
[[nodiscard]] std::optional<Profile> parse_profile(std::string_view text);
[[nodiscard]] std::string_view to_string(Profile profile);
/// The options to start from.
[[nodiscard]] NodeOptions options_of(Profile profile);

}  // namespace grenache::grape
