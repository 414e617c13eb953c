// Scenarios with churn, attackers and clock changes; scenarios() describes them.
#pragma once

#include "tests/sim/scenarios.hpp"

namespace grenache::sim {

[[nodiscard]] Report churn(std::uint64_t seed, std::size_t nodes);
[[nodiscard]] Report unannounce(std::uint64_t seed, std::size_t nodes);
[[nodiscard]] Report restart_storm(std::uint64_t seed, std::size_t nodes);
[[nodiscard]] Report hostile(std::uint64_t seed, std::size_t nodes);
[[nodiscard]] Report alone(std::uint64_t seed, std::size_t nodes);
[[nodiscard]] Report clock_jumps(std::uint64_t seed, std::size_t nodes);
[[nodiscard]] Report items(std::uint64_t seed, std::size_t nodes);
[[nodiscard]] Report growth(std::uint64_t seed, std::size_t nodes);

}  // namespace grenache::sim
