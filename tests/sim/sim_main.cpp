// Runs one scenario of the simulated DHT, to replay a failure or to test more seeds:
//     sim --scenario everywhere --seed 7 --nodes 1000
#include <charconv>
#include <cstdint>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tests/sim/scenarios.hpp"

namespace grenache::sim {
namespace {

int usage() {
  std::cerr << "usage: sim --scenario NAME [--seed N] [--nodes N] [--runs N]\n"
               "  --runs: that many seeds, counting from --seed\n  growth without --nodes: 100, 1000 and "
               "10000\nscenarios:\n";
  for (Scenario const& scenario : scenarios()) {
    std::cerr << "  " << scenario.name << ": " << scenario.promise << " (" << scenario.default_nodes
              << " nodes)\n";
  }
  return 2;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool run(Scenario const& scenario, std::uint64_t seed, std::size_t nodes) {
  Report const report = scenario.run(seed, nodes);
  std::cout << "seed " << seed << ": " << report.summary << ", digest " << std::hex << report.digest
            << std::dec << (report.failures.empty() ? "" : ", FAILED") << '\n';
  for (std::string const& failure : report.failures) std::cout << "  " << failure << '\n';
  if (!report.failures.empty()) std::cout << "  " << replay_line(scenario.name, seed, nodes) << '\n';
  return report.failures.empty();
}

int main_with(int count, char** arguments) {
  Scenario const* scenario = nullptr;
  std::map<std::string_view, std::uint64_t> values;
  for (int i = 1; i < count; i += 2) {
    std::string_view const flag = arguments[i];
    if (i + 1 >= count) return usage();
    if (flag == "--scenario") {
      scenario = find_scenario(arguments[i + 1]);
      continue;
    }
    auto const value = number(arguments[i + 1]);
    if (!value || (flag != "--seed" && flag != "--nodes" && flag != "--runs")) return usage();
    values[flag] = *value;
  }
  if (scenario == nullptr) return usage();
  std::uint64_t const seed = values.contains("--seed") ? values["--seed"] : 1;
  std::size_t const nodes = values.contains("--nodes") ? values["--nodes"] : scenario->default_nodes;
  std::uint64_t const runs = values.contains("--runs") ? values["--runs"] : 1;
  if (nodes < 2) return usage();
  bool all_well = true;
  if (scenario->name == "growth" && !values.contains("--nodes")) {
    for (std::size_t const size : {100u, 1000u, 10000u}) all_well &= run(*scenario, seed, size);
    return all_well ? 0 : 1;
  }
  for (std::uint64_t i = 0; i < runs; ++i) all_well &= run(*scenario, seed + i, nodes);
  return all_well ? 0 : 1;
}

}  // namespace
}  // namespace grenache::sim

int main(int count, char** arguments) { return grenache::sim::main_with(count, arguments); }
