// The grapes of simulated trading peers: one on the host of each peer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/support/sim_network.hpp"
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>

namespace grenache::exchange::test {

/// Announces and looks up. A host is a number, and host i is at 10.0.0.(i + 1), as the nodes of SimNetwork.
class Grapes {
 public:
  /// Endpoints that a lookup has found.
  using OnFound = std::function<void(std::vector<std::string> const&)>;

  Grapes() = default;
  Grapes(Grapes const&) = delete;
  Grapes& operator=(Grapes const&) = delete;
  virtual ~Grapes() = default;

  [[nodiscard]] static std::string address_of(std::size_t host);

  /// Starts a grape on the next host.
  virtual void add() = 0;
  /// A grape that is down does not answer its peer.
  virtual void set_down(std::size_t host, bool is_down) = 0;
  /// Grapes of different islands do not reach each other.
  virtual void set_island(std::size_t host, std::uint64_t island) = 0;
  /// The peer of `host` listens at its `port`.
  virtual void announce(std::size_t host, std::uint16_t port) = 0;
  /// `on_found` is called by this or a later run(), or never.
  virtual void look_up(std::size_t host, OnFound on_found) = 0;
  /// Runs until `now`.
  virtual void run(TimePoint now) = 0;
};

/// Without datagrams: an announcement is stored by all grapes that its grape reaches, and forgotten after
/// 80 s, as by a Node.js grape. A lookup returns what the grapes within reach store, at most 100 endpoints.
class ModelGrapes final : public Grapes {
 public:
  explicit ModelGrapes(Random random) : random_{std::move(random)} {}

  void add() override { grapes_.emplace_back(); }
  void set_down(std::size_t host, bool is_down) override;
  void set_island(std::size_t host, std::uint64_t island) override { grapes_.at(host).island = island; }
  void announce(std::size_t host, std::uint16_t port) override;
  void look_up(std::size_t host, OnFound on_found) override;
  void run(TimePoint now) override { now_ = now; }

 private:
  struct Grape {
    bool is_down = false;
    std::uint64_t island = 0;
    std::map<std::string, TimePoint> stored;  // endpoint to its end
  };
  [[nodiscard]] bool is_reached(Grape const& from, Grape const& to) const {
    return !from.is_down && !to.is_down && from.island == to.island;
  }

  Random random_;
  TimePoint now_{};
  std::vector<Grape> grapes_;
};

/// Real cores of grapes in a simulated network.
class CoreGrapes final : public Grapes {
 public:
  explicit CoreGrapes(std::uint64_t seed) : net_{seed} {}

  void add() override;
  void set_down(std::size_t host, bool is_down) override;
  void set_island(std::size_t host, std::uint64_t island) override {
    net_.set_group(host, static_cast<int>(island));
  }
  void announce(std::size_t host, std::uint16_t port) override;
  void look_up(std::size_t host, OnFound on_found) override;
  void run(TimePoint now) override;

 private:
  sim::SimNetwork net_;
  std::optional<Duration> ahead_;  // by which the time of run() is ahead of the network's
  std::vector<std::function<void()>> found_;
};

}  // namespace grenache::exchange::test
