// The common steps of scenarios: growing a network, announcing and looking up.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/sim/scenarios.hpp"
#include "tests/support/sim_network.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/base/random.hpp>

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
  Random random;  // drives the scenario
  Report report;

  void expect(bool holds, std::string const& otherwise) {
    if (!holds) report.failures.push_back(otherwise);
  }

  /// Starts nodes one after the other, with node 0 as their bootstrap.
  void grow(std::size_t count, Duration between) {
    net.add_node({});
    while (net.size() < count) {
      net.run_for(between);
      net.add_node(first_node());
    }
    expect(net.run_until_ready(std::chrono::seconds{10}), "not all nodes got ready");
    // A node is ready after two seconds even if its first datagrams were lost, and finds the others soon
    // after.
    net.run_for(std::chrono::seconds{15});
    net.check();
  }

  /// The service name of `node`. A name is mapped to the id space by its first bytes: these names have a
  /// common prefix and are stored at the same nodes, unless they are hashes.
  [[nodiscard]] std::string name_of(std::size_t node) const {
    std::string name = "service " + std::to_string(node);
    return names_are_hashes ? std::string{sha1(name).view()} : name;
  }
  /// Returns whether a lookup found the service of `node`, at one of its addresses.
  [[nodiscard]] bool is_found(std::size_t node, std::vector<Endpoint> const& peers) const {
    return std::ranges::any_of(net.endpoints(node), [&](Endpoint const& endpoint) {
      return std::ranges::find(peers, Endpoint{endpoint.address, 1337}) != peers.end();
    });
  }

  // Every running node announces a service of its own, in intervals of `between`. Those that are not `steady`
  // may crash meanwhile.
  void announce_all(Duration between, std::vector<bool> const& steady) {
    auto const open = std::make_shared<std::set<std::size_t>>();
    for (std::size_t i = 0; i < net.size(); ++i) {
      open->insert(i);
      net.post(between * static_cast<std::int64_t>(i), [this, i, open] {
        if (!net.is_up(i)) {
          open->erase(i);
          return;
        }
        net.announce(i, name_of(i), 1337, [this, i, open](std::size_t stored) {
          open->erase(i);
          if (stored == 0) report.failures.push_back(name_of(i) + " is stored nowhere");
          stored_total += stored;
        });
      });
    }
    run_until_none(*open, between);
    for (std::size_t const i : *open)
      expect(!steady[i], "the announcement of " + name_of(i) + " does not end");
  }

  // Each running node looks up the service of another one; those of `wanted` nodes must be found. The others
  // may crash meanwhile.
  void lookup_all(Duration between, std::vector<bool> const& wanted) {
    auto const open = std::make_shared<std::set<std::size_t>>();
    for (std::size_t i = 0; i < net.size(); ++i) {
      std::size_t const other = static_cast<std::size_t>(random.below(net.size()));
      if (!wanted[other]) continue;
      open->insert(i);
      net.post(between * static_cast<std::int64_t>(i), [this, i, other, open] {
        if (!net.is_up(i)) {
          open->erase(i);
          return;
        }
        ++lookups;
        TimePoint const begin = net.now();
        net.lookup(i, name_of(other), [this, i, other, open, begin](std::vector<Endpoint> const& peers) {
          open->erase(i);
          slowest = std::max(slowest, net.now() - begin);
          if (!is_found(other, peers)) {
            report.failures.push_back("node " + std::to_string(i) + " does not find " + name_of(other));
          }
        });
      });
    }
    run_until_none(*open, between);
    for (std::size_t const i : *open) {
      expect(!wanted[i], "the lookup of node " + std::to_string(i) + " does not end");
    }
    expect(lookups > 0, "nobody looks up anything");
  }
  // Runs until each node has ended what it began, one after the other in intervals of `between`.
  void run_until_none(std::set<std::size_t> const& open, Duration between) {
    net.run_until([&open] { return open.empty(); },
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

  bool names_are_hashes = false;
  std::string note;  // additional information for the summary
  std::size_t lookups = 0;
  std::size_t stored_total = 0;
  Duration slowest{};
};

inline std::size_t below(Random& random, std::size_t bound) {
  return static_cast<std::size_t>(random.below(bound));
}

/// Runs lookups of services by other nodes, and counts those that found their peer.
class Lookups {
 public:
  explicit Lookups(Run& run) : run_{run} {}

  void look(std::size_t asker, std::size_t owner) {
    ++started_;
    run_.net.lookup(asker, run_.name_of(owner), [this, owner](std::vector<Endpoint> const& peers) {
      ++done_;
      if (run_.is_found(owner, peers)) ++found_;
    });
  }
  /// Runs until all lookups are done, except those of crashed nodes.
  void settle() {
    run_.net.run_until([this] { return done_ == started_; }, std::chrono::seconds{15});
  }
  /// The same where no node has crashed.
  void settle_all() {
    settle();
    run_.expect(started_ > 0 && done_ == started_, std::to_string(started_ - done_) + " lookups do not end");
  }
  [[nodiscard]] std::size_t done() const { return done_; }
  [[nodiscard]] std::size_t found() const { return found_; }
  /// True when at least 999 of 1000 lookups succeeded.
  [[nodiscard]] bool succeeded() const { return done_ > 0 && 1000 * found_ >= 999 * done_; }
  /// Expects 99 of 100 lookups to succeed and reports the counts, for runs that are too short for
  /// succeeded().
  void report() {
    run_.expect(done_ > 0 && 100 * found_ >= 99 * done_, text());
    run_.report.lookups = done_;
    run_.report.misses = done_ - found_;
    run_.note = text();
  }
  [[nodiscard]] std::string text() const {
    return std::to_string(found_) + " of " + std::to_string(done_) + " lookups found it";
  }

 private:
  Run& run_;
  std::size_t started_ = 0;
  std::size_t done_ = 0;
  std::size_t found_ = 0;
};

/// `node` announces its service.
inline void announce(Run& run, std::size_t node, bool keep) {
  run.net.announce(
      node, run.name_of(node), 1337, [](std::size_t) {}, keep);
}

}  // namespace grenache::sim
