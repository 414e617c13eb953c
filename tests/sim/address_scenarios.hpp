// Scenarios with both address families and on the public internet; scenarios() describes them.
#pragma once

#include "tests/sim/scenarios.hpp"

namespace grenache::sim {

[[nodiscard]] Report ipv6(std::uint64_t seed, std::size_t nodes);
[[nodiscard]] Report public_profile(std::uint64_t seed, std::size_t nodes);
[[nodiscard]] Report sybil(std::uint64_t seed, std::size_t nodes);

}  // namespace grenache::sim
