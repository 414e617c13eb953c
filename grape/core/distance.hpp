// The XOR metric of Kademlia.
#pragma once

#include <bit>
#include <cstddef>

#include "proto/base/ids.hpp"

namespace grenache::grape {

/// Leading bits that `a` and `b` share: 0 to 160.
[[nodiscard]] inline std::size_t common_prefix_bits(NodeId const& a, NodeId const& b) {
  for (std::size_t i = 0; i < NodeId::kSize; ++i) {
    auto const difference = static_cast<std::uint8_t>(a.array()[i] ^ b.array()[i]);
    if (difference != 0) return 8 * i + static_cast<std::size_t>(std::countl_zero(difference));
  }
  return 8 * NodeId::kSize;
}

/// True when `a` is nearer to `target` than `b`.
[[nodiscard]] inline bool is_closer(NodeId const& target, NodeId const& a, NodeId const& b) {
  for (std::size_t i = 0; i < NodeId::kSize; ++i) {
    if (a.array()[i] != b.array()[i]) {
      return (a.array()[i] ^ target.array()[i]) < (b.array()[i] ^ target.array()[i]);
    }
  }
  return false;
}

}  // namespace grenache::grape
