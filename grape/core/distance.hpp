// The XOR metric of Kademlia.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <grenache/base/ids.hpp>

namespace grenache::grape {

/// Leading bits that `a` and `b` share: 0 to 160.
[[nodiscard]] inline std::size_t common_prefix_bits(NodeId const& a, NodeId const& b) {
  for (std::size_t i = 0; i < NodeId::kSize; ++i) {
    auto const difference = static_cast<std::uint8_t>(a.array()[i] ^ b.array()[i]);
    if (difference != 0) return 8 * i + static_cast<std::size_t>(std::countl_zero(difference));
  }
  return 8 * NodeId::kSize;
}

/// The first 64 bits of `id` as a number. Compiles to one load.
[[nodiscard]] inline std::uint64_t leading_bits(NodeId const& id) {
  auto const byte = [&id](std::size_t i) { return std::uint64_t{id.array()[i]} << (56 - 8 * i); };
  return byte(0) | byte(1) | byte(2) | byte(3) | byte(4) | byte(5) | byte(6) | byte(7);
}

/// True when `a` is nearer to `target` than `b`.
[[nodiscard]] inline bool is_closer(NodeId const& target, NodeId const& a, NodeId const& b) {
  std::uint64_t const to_a = leading_bits(target) ^ leading_bits(a);
  std::uint64_t const to_b = leading_bits(target) ^ leading_bits(b);
  if (to_a != to_b) return to_a < to_b;
  for (std::size_t i = sizeof to_a; i < NodeId::kSize; ++i) {
    if (a.array()[i] != b.array()[i]) {
      return (a.array()[i] ^ target.array()[i]) < (b.array()[i] ^ target.array()[i]);
    }
  }
  return false;
}

}  // namespace grenache::grape
