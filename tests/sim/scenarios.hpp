// Scenarios of a simulated DHT, each reproducible from its seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace grenache::sim {

struct Report {
  /// Violated expectations; empty on success.
  std::vector<std::string> failures;
  std::uint64_t digest = 0;     // hash of all datagrams
  std::uint64_t delivered = 0;  // datagrams
  /// Ended lookups, and those that did not find a live service; only if the scenario counts them.
  std::size_t lookups = 0;
  std::size_t misses = 0;
  std::string summary;  // one line for the report
};

struct Scenario {
  std::string_view name;
  std::string_view promise;
  std::size_t default_nodes;
  Report (*run)(std::uint64_t seed, std::size_t nodes);
};

[[nodiscard]] std::vector<Scenario> const& scenarios();
/// Nothing when there is no such scenario.
[[nodiscard]] Scenario const* find_scenario(std::string_view name);

/// Returns the command that repeats a run.
[[nodiscard]] std::string replay_line(std::string_view scenario, std::uint64_t seed, std::size_t nodes);

}  // namespace grenache::sim
