#include "tests/sim/scenarios.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <sstream>

#include "proto/base/random.hpp"
#include "tests/support/sim_network.hpp"

namespace grenache::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Faults kLossy{
    .delay_min = milliseconds{1}, .delay_max = milliseconds{60}, .loss_percent = 10, .repeat_percent = 2};

std::vector<Endpoint> first_node() { return {SimNetwork::endpoint_of(0)}; }

class Run {
 public:
  Run(std::uint64_t seed, Faults faults) : net{seed, faults}, random{seed + 1} {}

  SimNetwork net;
  Random random;  // decides what is done to the network
  Report report;

  void expect(bool holds, std::string const& otherwise) {
    if (!holds) report.failures.push_back(otherwise);
  }

  // Nodes that start one after the other with node 0 as their bootstrap.
  void grow(std::size_t count, Duration between) {
    net.add_node({});
    while (net.size() < count) {
      net.run_for(between);
      net.add_node(first_node());
    }
    expect(net.run_until_ready(seconds{10}), "not all nodes got ready");
    // A node is ready after two seconds even if its first datagrams were lost; the others come soon after.
    net.run_for(seconds{15});
    net.check();
  }

  [[nodiscard]] static std::string name_of(std::size_t node) { return "service " + std::to_string(node); }
  [[nodiscard]] static Endpoint peer_of(std::size_t node) {
    return {SimNetwork::endpoint_of(node).address, 1337};
  }

  // Every node that is up announces a service of its own, `between` after the one before.
  void announce_all(Duration between) {
    auto const left = std::make_shared<std::size_t>(0);
    for (std::size_t i = 0; i < net.size(); ++i) {
      ++*left;
      net.post(between * static_cast<std::int64_t>(i), [this, i, left] {
        if (!net.is_up(i)) {
          --*left;
          return;
        }
        net.announce(i, name_of(i), 1337, [this, i, left](std::size_t stored) {
          --*left;
          if (stored == 0) report.failures.push_back(name_of(i) + " is stored nowhere");
          stored_total += stored;
        });
      });
    }
    net.run_until([left] { return *left == 0; },
                  between * static_cast<std::int64_t>(net.size()) + seconds{30});
  }

  // Each node that is up looks for the service of another node. `wanted` says whose must be found.
  void lookup_all(Duration between, std::vector<bool> const& wanted) {
    auto const left = std::make_shared<std::size_t>(0);
    for (std::size_t i = 0; i < net.size(); ++i) {
      std::size_t const other = static_cast<std::size_t>(random.below(net.size()));
      if (!wanted[other]) continue;
      ++*left;
      net.post(between * static_cast<std::int64_t>(i), [this, i, other, left] {
        if (!net.is_up(i)) {
          --*left;
          return;
        }
        ++lookups;
        TimePoint const begin = net.now();
        net.lookup(i, name_of(other), [this, i, other, left, begin](std::vector<Endpoint> const& peers) {
          --*left;
          slowest = std::max(slowest, net.now() - begin);
          if (std::ranges::find(peers, peer_of(other)) == peers.end()) {
            report.failures.push_back("node " + std::to_string(i) + " does not find " + name_of(other));
          }
        });
      });
    }
    net.run_until([left] { return *left == 0; },
                  between * static_cast<std::int64_t>(net.size()) + seconds{30});
  }

  Report finish() {
    net.check();
    report.digest = net.digest();
    report.delivered = net.delivered_count();
    std::ostringstream text;
    text << net.size() << " nodes, " << report.delivered << " datagrams, " << lookups << " lookups, slowest "
         << std::chrono::duration_cast<milliseconds>(slowest).count() << " ms, "
         << static_cast<double>(net.now().time_since_epoch().count()) / 1e9 << " s of virtual time";
    report.summary = text.str();
    return report;
  }

  std::size_t lookups = 0;
  std::size_t stored_total = 0;
  Duration slowest{};
};

Report everywhere(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, kLossy};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  // Churn from here on: again and again a node goes, and one that went comes back.
  std::vector<bool> steady(nodes, true);
  for (std::size_t i = 0; i < nodes / 20; ++i) {
    std::size_t const victim = 1 + static_cast<std::size_t>(run.random.below(nodes - 1));
    steady[victim] = false;
    net.post(milliseconds{200} * static_cast<std::int64_t>(i), [&net, victim] { net.crash(victim); });
    net.post(milliseconds{200} * static_cast<std::int64_t>(i) + seconds{4},
             [&net, victim] { net.restart(victim); });
  }
  run.announce_all(milliseconds{5});
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
  run.announce_all(milliseconds{5});
  for (std::size_t i = 0; i < nodes; ++i) net.set_group(i, 0);
  // The half without the bootstrap node tries it every 30 s at least.
  net.run_for(minutes{2});
  // The twenty nodes nearest to a name are of both halves now, so what one half announced is found by both.
  run.lookup_all(milliseconds{5}, std::vector<bool>(nodes, true));
  return run.finish();
}

Report restart_all(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, kLossy};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  run.announce_all(milliseconds{5});
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
  run.announce_all(milliseconds{5});
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
  run.announce_all(milliseconds{5});
  run.lookup_all(milliseconds{5}, {true, true});
  return run.finish();
}

}  // namespace

std::vector<Scenario> const& scenarios() {
  static std::vector<Scenario> const all{
      {"everywhere", "under loss and churn each node finds what any other announced", 1000, everywhere},
      {"partition", "after a long partition the network grows together again", 100, partition},
      {"restart_all", "after a restart of all nodes the network works again", 200, restart_all},
      {"pair", "two nodes find each other whoever starts first", 2, pair},
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
