#include "tests/sim/exchange/grapes.hpp"

#include <algorithm>
#include <utility>

namespace grenache::exchange::test {
namespace {

constexpr char const* kService = "exchange";
constexpr std::chrono::seconds kStoredFor{80};
constexpr std::size_t kFoundMax = 100;

}  // namespace

std::string Grapes::address_of(std::size_t host) {
  return sim::SimNetwork::endpoint_of(host).address.to_string();
}

// Model

void ModelGrapes::set_down(std::size_t host, bool is_down) {
  grapes_.at(host).is_down = is_down;
  grapes_.at(host).stored.clear();
}

void ModelGrapes::announce(std::size_t host, std::uint16_t port) {
  auto const endpoint = address_of(host) + ":" + std::to_string(port);
  for (auto& grape : grapes_) {
    if (is_reached(grapes_.at(host), grape)) grape.stored[endpoint] = later_by(now_, kStoredFor);
  }
}

void ModelGrapes::look_up(std::size_t host, OnFound on_found) {
  std::set<std::string> found;
  for (auto& grape : grapes_) {
    if (!is_reached(grapes_.at(host), grape)) continue;
    std::erase_if(grape.stored, [this](auto const& each) { return each.second <= now_; });
    for (auto const& [endpoint, end] : grape.stored) found.insert(endpoint);
  }
  std::vector<std::string> out{found.begin(), found.end()};
  random_.shuffle(out);
  if (out.size() > kFoundMax) out.resize(kFoundMax);
  on_found(out);
}

// Cores

void CoreGrapes::add() {
  std::vector<Endpoint> bootstrap;
  for (std::size_t i = 0; i < std::min<std::size_t>(net_.size(), 2); ++i) {
    bootstrap.push_back(sim::SimNetwork::endpoint_of(i));
  }
  net_.add_node(std::move(bootstrap));
}

void CoreGrapes::set_down(std::size_t host, bool is_down) {
  if (is_down == !net_.is_up(host)) return;
  if (is_down) {
    net_.crash(host);
  } else {
    net_.restart(host);
  }
}

void CoreGrapes::announce(std::size_t host, std::uint16_t port) {
  if (net_.is_up(host)) net_.announce(host, kService, port, [](std::size_t) {});
}

void CoreGrapes::look_up(std::size_t host, OnFound on_found) {
  if (!net_.is_up(host)) return;
  net_.lookup(host, kService, [this, on_found = std::move(on_found)](std::vector<Endpoint> const& peers) {
    std::vector<std::string> endpoints;
    for (auto const& peer : peers) endpoints.push_back(peer.to_string());
    // Peers act between the runs of this network, not within one.
    found_.push_back([on_found, endpoints] { on_found(endpoints); });
  });
}

void CoreGrapes::run(TimePoint now) {
  if (!ahead_) ahead_ = now - net_.now();
  if (now - *ahead_ > net_.now()) net_.run_for(now - *ahead_ - net_.now());
  for (auto const& each : std::exchange(found_, {})) each();
}

}  // namespace grenache::exchange::test
