// What scenarios have in common: a network that grows, announces and looks up.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "proto/base/random.hpp"
#include "tests/sim/scenarios.hpp"
#include "tests/support/sim_network.hpp"

namespace grenache::sim {

inline constexpr Faults kLossy{.delay_min = std::chrono::milliseconds{1},
                               .delay_max = std::chrono::milliseconds{60},
                               .loss_percent = 10,
                               .repeat_percent = 2};

inline std::vector<Endpoint> first_node() { return {SimNetwork::endpoint_of(0)}; }

class Run {
 public:
  Run(std::uint64_t seed, Faults faults) : net{seed, faults}, random{seed + 1} {}

  SimNetwork net;
  Random random;  // decides what is done to the network
  Report report;

  void expect(bool holds, std::string const& otherwise) {
    if (!holds) report.failures.push_back(otherwise);
  }

  /// Nodes that start one after the other with node 0 as their bootstrap.
  void grow(std::size_t count, Duration between) {
    net.add_node({});
    while (net.size() < count) {
      net.run_for(between);
      net.add_node(first_node());
    }
    expect(net.run_until_ready(std::chrono::seconds{10}), "not all nodes got ready");
    // A node is ready after two seconds even if its first datagrams were lost; the others come soon after.
    net.run_for(std::chrono::seconds{15});
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
                  between * static_cast<std::int64_t>(net.size()) + std::chrono::seconds{30});
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
                  between * static_cast<std::int64_t>(net.size()) + std::chrono::seconds{30});
  }

  Report finish() {
    net.check();
    report.digest = net.digest();
    report.delivered = net.delivered_count();
    std::ostringstream text;
    text << net.size() << " nodes, " << report.delivered << " datagrams, " << lookups << " lookups, slowest "
         << std::chrono::duration_cast<std::chrono::milliseconds>(slowest).count() << " ms, "
         << static_cast<double>(net.now().time_since_epoch().count()) / 1e9 << " s of virtual time";
    if (!note.empty()) text << ", " << note;
    report.summary = text.str();
    return report;
  }

  std::string note;  // what else people want to know
  std::size_t lookups = 0;
  std::size_t stored_total = 0;
  Duration slowest{};
};

}  // namespace grenache::sim
