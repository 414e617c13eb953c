#include "tests/sim/scenarios.hpp"

#include <algorithm>
#include <chrono>

#include "tests/sim/address_scenarios.hpp"
#include "tests/sim/fault_scenarios.hpp"
#include "tests/sim/run.hpp"

namespace grenache::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

Report everywhere(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, kLossy};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  // Churn from here on: nodes crash one after the other, and restart later.
  std::vector<bool> steady(nodes, true);
  for (std::size_t i = 0; i < nodes / 20; ++i) {
    std::size_t const victim = 1 + static_cast<std::size_t>(run.random.below(nodes - 1));
    steady[victim] = false;
    net.post(milliseconds{200} * static_cast<std::int64_t>(i), [&net, victim] { net.crash(victim); });
    net.post(milliseconds{200} * static_cast<std::int64_t>(i) + seconds{4},
             [&net, victim] { net.restart(victim); });
  }
  run.announce_all(milliseconds{5}, steady);
  net.check();
  run.lookup_all(milliseconds{5}, steady);
  return run.finish();
}

Report partition(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, Faults{}};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  for (std::size_t i = 1; i < nodes; i += 2) net.set_group(i, 1);
  // Long enough for each half to forget the other.
  net.run_for(minutes{20});
  net.check();
  run.announce_all(milliseconds{5}, std::vector<bool>(net.size(), true));
  for (std::size_t i = 0; i < nodes; ++i) net.set_group(i, 0);
  // The half without the bootstrap node tries it every 30 s at least.
  net.run_for(minutes{2});
  // The twenty nodes nearest to a name belong to both halves now, so services announced in one half are found
  // by both.
  run.lookup_all(milliseconds{5}, std::vector<bool>(nodes, true));
  return run.finish();
}

Report restart_all(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, kLossy};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  run.announce_all(milliseconds{5}, std::vector<bool>(net.size(), true));
  std::vector<std::size_t> order(nodes);
  for (std::size_t i = 0; i < nodes; ++i) order[i] = i;
  run.random.shuffle(order);
  for (std::size_t const i : order) {
    net.restart(i);
    net.run_for(milliseconds{20});
  }
  run.expect(net.run_until_ready(minutes{1}), "not all nodes got ready after the restart");
  net.run_for(minutes{1});
  net.check();
  run.announce_all(milliseconds{5}, std::vector<bool>(net.size(), true));
  run.lookup_all(milliseconds{5}, std::vector<bool>(nodes, true));
  return run.finish();
}

// Two nodes, each the other's bootstrap, started `gap` apart.
Report pair(std::uint64_t seed, std::size_t) {
  Run run{seed, Faults{}};
  SimNetwork& net = run.net;
  auto const a = SimNetwork::endpoint_of(0);
  auto const b = SimNetwork::endpoint_of(1);
  net.add_node_at(a, {b});
  auto const gap = Duration{static_cast<std::int64_t>(run.random.below(20'000'000'000))};
  net.run_for(gap);
  net.add_node_at(b, {a});
  bool const met = net.run_until(
      [&] { return net.node(0).node_count() == 1 && net.node(1).node_count() == 1; }, seconds{1});
  run.expect(met, "the two do not know each other after a second");
  run.announce_all(milliseconds{5}, std::vector<bool>(net.size(), true));
  run.lookup_all(milliseconds{5}, {true, true});
  return run.finish();
}

}  // namespace

std::vector<Scenario> const& scenarios() {
  static std::vector<Scenario> const all{
      {"everywhere", "under loss and churn each node finds what any other announced", 1000, everywhere},
      {"partition", "after a long partition the network heals", 100, partition},
      {"restart_all", "after a restart of all nodes lookups work again", 200, restart_all},
      {"churn", "while a fifth of the nodes is replaced every minute, lookups find live services", 200,
       churn},
      {"unannounce", "an unannounced service disappears at once, one that stops within its age", 100,
       unannounce},
      {"restart_storm", "all nodes restart at once with their saved state, and serve again", 200,
       restart_storm},
      {"hostile", "a fifth of the nodes is malicious, and lookups find the services of honest nodes", 200,
       hostile},
      {"alone", "a node that lost all others finds those that come back, without a bootstrap", 40, alone},
      {"clock_jumps", "machines are suspended for hours and the network keeps working", 100, clock_jumps},
      {"items", "items survive the nodes that hold them", 100, items},
      {"growth", "lookups stay short as the network grows", 1000, growth},
      {"ipv6", "nodes of one or both address families find all nodes that they can reach", 100, ipv6},
      {"public_profile", "on the public internet lookups find live services", 200, public_profile},
      {"sybil", "an attacker with few networks cannot hide a service, however many ids it creates", 200,
       sybil},
      {"pair", "two nodes find each other in either start order", 2, pair},
  };
  return all;
}

Scenario const* find_scenario(std::string_view name) {
  auto const found = std::ranges::find(scenarios(), name, &Scenario::name);
  return found == scenarios().end() ? nullptr : &*found;
}

std::string replay_line(std::string_view scenario, std::uint64_t seed, std::size_t nodes) {
  return "replay: bin/sim --scenario " + std::string{scenario} + " --seed " + std::to_string(seed) +
         " --nodes " + std::to_string(nodes);
}

}  // namespace grenache::sim
