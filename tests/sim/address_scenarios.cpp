#include "tests/sim/address_scenarios.hpp"

#include <set>

#include "grape/core/address_rules.hpp"
#include "grape/core/profile.hpp"
#include "tests/sim/run.hpp"

namespace grenache::sim {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

Endpoint endpoint6(std::size_t index) {
  auto const byte = [](std::size_t value) { return static_cast<std::uint8_t>(value); };
  return {
      IpAddress{IpAddress::V6{0xfd, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, byte(index >> 8), byte(index)}},
      20001};
}

enum class Stack { v4, v6, both };

// Of every four nodes one has IPv4, one IPv6, two both; the first node has both.
Stack stack_of(std::size_t node) {
  if (node % 4 == 1) return Stack::v4;
  return node % 4 == 3 ? Stack::v6 : Stack::both;
}

SimNetwork::Site site_of(std::size_t node) {
  SimNetwork::Site site;
  if (stack_of(node) != Stack::v6) site.endpoints.push_back(SimNetwork::endpoint_of(node));
  if (stack_of(node) != Stack::v4) site.endpoints.push_back(endpoint6(node));
  return site;
}

bool can_meet(std::size_t a, std::size_t b) {
  return stack_of(a) == stack_of(b) || stack_of(a) == Stack::both || stack_of(b) == Stack::both;
}

// Assigns addresses of the public internet.
class Internet {
 public:
  explicit Internet(Random& random) : random_{random} {}

  // An address in a new network.
  Endpoint elsewhere() {
    for (;;) {
      IpAddress const address{byte(1, 223), byte(0, 255), byte(0, 255), byte(1, 254)};
      if (address.is_private() || grape::is_martian(address)) continue;
      if (networks_.insert(grape::network_of(address)).second) return {address, 6881};
    }
  }
  // An endpoint at the same address, as behind one NAT.
  static Endpoint beside(Endpoint const& other) {
    return {other.address, static_cast<std::uint16_t>(other.port + 1)};
  }
  // An address in the same /24.
  static Endpoint next_to(Endpoint const& other) {
    auto const bytes = other.address.view();
    auto const part = [bytes](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
    return {IpAddress{part(0), part(1), part(2), static_cast<std::uint8_t>(part(3) ^ 1)}, 6881};
  }

 private:
  std::uint8_t byte(std::uint64_t from, std::uint64_t to) {
    return static_cast<std::uint8_t>(from + random_.below(to - from + 1));
  }
  Random& random_;
  std::set<IpAddress> networks_;
};

// A network with the public profile. Of every ten nodes one shares the address of another and one its /24;
// one in three knows its address, the others learn it from the network.
class Public {
 public:
  explicit Public(Run& run) : run_{run}, internet_{run.random} {}

  void grow(std::size_t count, Duration between) {
    while (run_.net.size() < count) {
      add();
      run_.net.run_for(between);
    }
    run_.expect(run_.net.run_until_ready(seconds{10}), "not all nodes got ready");
    run_.net.run_for(minutes{2});
    run_.net.check();
  }
  std::size_t add() {
    std::size_t const index = run_.net.size();
    SimNetwork::Site site;
    site.knows_addresses = index % 3 == 0;
    Endpoint const last = index == 0 ? Endpoint{} : run_.net.endpoints(index - 1).at(0);
    site.endpoints.push_back(index % 10 == 7   ? Internet::beside(last)
                             : index % 10 == 5 ? Internet::next_to(last)
                                               : internet_.elsewhere());
    return run_.net.add_node_at(site, first(), grape::options_of(grape::Profile::public_network));
  }
  [[nodiscard]] std::vector<Endpoint> first() const {
    return run_.net.size() == 0 ? std::vector<Endpoint>{} : run_.net.endpoints(0);
  }
  Endpoint elsewhere() { return internet_.elsewhere(); }

 private:
  Run& run_;
  Internet internet_;
};

}  // namespace

Report ipv6(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, kLossy};
  SimNetwork& net = run.net;
  while (net.size() < nodes) {
    std::size_t const index = net.size();
    std::vector<Endpoint> const bootstrap = index == 0 ? std::vector<Endpoint>{} : net.endpoints(0);
    net.add_node_at(site_of(index), bootstrap);
    net.run_for(milliseconds{10});
  }
  run.expect(net.run_until_ready(seconds{10}), "not all nodes got ready");
  net.run_for(seconds{15});
  for (std::size_t i = 0; i < nodes; ++i) announce(run, i, true);
  net.run_for(seconds{20});
  // A quarter of the nodes is replaced meanwhile.
  for (std::size_t i = nodes / 2; i < nodes / 2 + nodes / 4; ++i) {
    net.restart(i);
    net.run_for(milliseconds{200});
  }
  net.run_for(seconds{60});
  Lookups lookups{run};
  for (std::size_t i = 0; i < 10 * nodes; ++i) {
    std::size_t const owner = below(run.random, nodes / 2);
    std::size_t const asker = below(run.random, nodes);
    if (can_meet(asker, owner)) lookups.look(asker, owner);
    net.run_for(milliseconds{10});
  }
  lookups.settle_all();
  run.expect(lookups.succeeded(), lookups.text());
  run.note = lookups.text();
  return run.finish();
}

Report public_profile(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, kLossy};
  run.names_are_hashes = true;
  SimNetwork& net = run.net;
  Public world{run};
  world.grow(nodes, milliseconds{100});
  std::size_t fitting = 0;
  for (std::size_t i = 0; i < nodes; ++i) {
    fitting += grape::id_fits(net.node(i).id(), net.endpoints(i)[0].address) ? 1u : 0u;
  }
  run.expect(100 * fitting >= 95 * nodes, std::to_string(fitting) + " ids fit");
  std::size_t const owners = nodes / 5;
  for (std::size_t i = 1; i <= owners; ++i) announce(run, i, true);
  net.run_for(seconds{30});
  // One in fifty nodes leaves every minute, for longer than the announcement interval.
  Lookups lookups{run};
  Duration const between = Duration{minutes{1}} * 50 / static_cast<std::int64_t>(nodes);
  std::vector<TimePoint> born(nodes, TimePoint{});
  for (TimePoint const end = net.now() + minutes{20}; net.now() < end; net.run_for(between / 4)) {
    for (int i = 0; i < 6; ++i) {
      std::size_t asker = 0;
      do {
        asker = below(run.random, net.size());
      } while (!net.is_up(asker) || net.now() - born[asker] < seconds{5});
      lookups.look(asker, 1 + below(run.random, owners));
    }
    if (!run.random.chance(1, 4)) continue;
    std::size_t const victim = owners + 1 + below(run.random, net.size() - owners - 1);
    if (!net.is_up(victim)) continue;
    net.crash(victim);
    world.add();
    born.push_back(net.now());
  }
  lookups.settle();
  lookups.report();
  return run.finish();
}

namespace {

// The nodes of an attacker around one name: they return only each other, store nothing, and name thousands of
// nonexistent peers.
class Sybils {
 public:
  Sybils(Run& run, Public& world, std::size_t owner)
      : run_{run}, world_{world}, target_{dht::target_of(run.name_of(owner))} {}

  // Adds an address with `count` ids that are nearer to the name than any honest node.
  void add_address(std::size_t count) {
    Endpoint endpoint = world_.elsewhere();
    for (std::size_t i = 0; i < count; ++i, ++endpoint.port) {
      auto options = grape::options_of(grape::Profile::public_network);
      options.id = near();
      options.rate.public_per_second = 0;
      SimNetwork::Site site;
      site.endpoints.push_back(endpoint);
      std::size_t const index = run_.net.add_node_at(site, world_.first(), options);
      run_.net.set_liar(
          index, [this, index](Endpoint const&, dht::Query const& query) { return lie(index, query); });
      contacts_.push_back({run_.net.node(index).id(), endpoint});
    }
  }

 private:
  NodeId near() {
    NodeId id = target_;
    for (std::size_t i = 12; i < NodeId::kSize; ++i)
      id.array()[i] = static_cast<std::uint8_t>(run_.random.below(256));
    return id;
  }
  std::optional<std::string> lie(std::size_t index, dht::Query const& query) {
    dht::ReplyFields fields;
    std::vector<Endpoint> values;
    std::string nodes;
    if (!std::holds_alternative<dht::Ping>(query.body)) {
      for (int i = 0; i < 20; ++i) append_compact(nodes, contacts_[below(run_.random, contacts_.size())]);
      fields.nodes = nodes;
    }
    if (std::holds_alternative<dht::GetPeers>(query.body)) {
      for (int i = 0; i < 1000; ++i) values.push_back(nobody());
      fields.values = values;
      fields.token = "sybil";
    }
    return dht::encode_reply(query.tid, run_.net.node(index).id(), fields);
  }
  Endpoint nobody() {
    auto const byte = [this] { return static_cast<std::uint8_t>(1 + run_.random.below(222)); };
    return {IpAddress{byte(), byte(), byte(), byte()}, 1337};
  }

  Run& run_;
  Public& world_;
  NodeId target_;
  std::vector<dht::Contact> contacts_;
};

}  // namespace

Report sybil(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, Faults{}};
  SimNetwork& net = run.net;
  Public world{run};
  world.grow(nodes, milliseconds{100});
  std::size_t const owner = 1;
  Sybils sybils{run, world, owner};
  std::size_t networks = 0;
  for (std::size_t const wanted : {8u, 16u, 32u}) {
    for (; networks < wanted; ++networks) sybils.add_address(4);
    net.run_for(minutes{2});
    announce(run, owner, false);
    net.run_for(seconds{10});
    Lookups lookups{run};
    for (std::size_t i = 0; i < 100; ++i) {
      std::size_t const asker = below(run.random, nodes);
      lookups.look(asker == owner ? 0 : asker, owner);
      net.run_for(milliseconds{50});
    }
    lookups.settle_all();
    std::string const text = std::to_string(networks) + " hostile networks: " + lookups.text();
    run.note += (run.note.empty() ? "" : "; ") + text;
    run.expect(lookups.succeeded(), text);
  }
  return run.finish();
}

}  // namespace grenache::sim
