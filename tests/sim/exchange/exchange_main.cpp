// Runs simulated exchanges, to replay a failure or to test fresh seeds for a time:
//     exchange_sim --seed 7 [--peers 50] [--count 100]
//     exchange_sim --seconds 3600
#include <charconv>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <map>
#include <optional>
#include <string_view>

#include "tests/sim/exchange/exchange_world.hpp"
#include <grenache/base/random.hpp>

namespace grenache::exchange::test {
namespace {

int usage() {
  std::cerr << "usage: exchange_sim --seed N [--peers N] [--count N]\n"
               "       exchange_sim --seconds N [--peers N]\n"
               "  --count: that many seeds, counting from --seed; --seconds: fresh seeds until that time has "
               "passed\n";
  return 2;
}

/// Prints what failed; true if nothing did.
bool run(WorldOptions const& options, bool is_brief) {
  auto const report = run_world(options);
  if (!report.problems.empty()) {
    std::cout << "seed " << options.seed << ": FAILED\n" << describe_failure(options) << std::flush;
    return false;
  }
  if (is_brief) return true;
  std::cout << "seed " << options.seed << ": " << report.plan << ", " << report.peer_count << " in all, "
            << report.order_count << " orders, " << report.trade_count << " trades, equal after "
            << report.equal_after.count() << " s, " << report.messages_per_order
            << " messages per order and peer, digest " << std::hex << report.digest << std::dec << std::endl;
  return true;
}

int soak(std::chrono::seconds time, std::optional<std::size_t> peer_count) {
  auto random = Random::from_system();
  auto const begun = std::chrono::steady_clock::now();
  std::uint64_t count = 0;
  std::uint64_t failed_count = 0;
  while (std::chrono::steady_clock::now() - begun < time) {
    ++count;
    if (!run({.seed = random() >> 16, .peer_count = peer_count}, true)) ++failed_count;
  }
  std::cout << count - failed_count << " of " << count << " worlds passed" << std::endl;
  return failed_count == 0 ? 0 : 1;
}

int main_with(int count, char** arguments) {
  std::map<std::string_view, std::uint64_t> values;
  for (int i = 1; i < count; i += 2) {
    std::string_view const flag = arguments[i];
    if (i + 1 >= count) return usage();
    std::string_view const text = arguments[i + 1];
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), values[flag]);
    if (error != std::errc{} || end != text.data() + text.size()) return usage();
    if (flag != "--seed" && flag != "--peers" && flag != "--count" && flag != "--seconds") return usage();
  }
  std::optional<std::size_t> peer_count;
  if (values.contains("--peers")) peer_count = values["--peers"];
  if (peer_count && (*peer_count < 2 || *peer_count > 50)) return usage();
  if (values.contains("--seconds")) return soak(std::chrono::seconds{values["--seconds"]}, peer_count);
  if (!values.contains("--seed")) return usage();
  auto const seeds = values.contains("--count") ? values["--count"] : 1;
  bool all_well = true;
  for (std::uint64_t i = 0; i < seeds; ++i) {
    all_well &= run({.seed = values["--seed"] + i, .peer_count = peer_count}, false);
  }
  return all_well ? 0 : 1;
}

}  // namespace
}  // namespace grenache::exchange::test

int main(int count, char** arguments) { return grenache::exchange::test::main_with(count, arguments); }
