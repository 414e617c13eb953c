#include "tests/sim/fault_scenarios.hpp"

#include <array>

#include "tests/sim/run.hpp"

namespace grenache::sim {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

Report churn(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, kLossy};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  std::size_t const owners = nodes / 5;  // nodes 0 to this one stay
  Duration const duration = minutes{6};
  // Link announces every 60 to 180 s.
  for (std::size_t i = 1; i <= owners; ++i) {
    Duration at = milliseconds{50} * static_cast<std::int64_t>(i);
    for (; at < duration; at += seconds{60 + static_cast<std::int64_t>(run.random.below(121))}) {
      net.post(at, [&run, i] { announce(run, i, true); });
    }
  }
  std::vector<TimePoint> born(nodes, net.now());
  Duration const between = Duration{minutes{1}} * 5 / static_cast<std::int64_t>(nodes);
  for (Duration at = seconds{10}; at < duration; at += between) {
    net.post(at, [&] {
      std::size_t victim = 0;
      do {
        victim = owners + 1 + below(run.random, net.size() - owners - 1);
      } while (!net.is_up(victim));
      net.crash(victim);
      net.add_node(first_node());
      born.push_back(net.now());
    });
  }
  Lookups lookups{run};
  for (Duration at = seconds{30}; at < duration; at += milliseconds{100}) {
    net.post(at, [&] {
      std::size_t asker = 0;
      do {
        asker = below(run.random, net.size());
      } while (!net.is_up(asker) || net.now() - born[asker] < seconds{5});
      lookups.look(asker, 1 + below(run.random, owners));
    });
  }
  net.run_for(duration);
  lookups.settle();
  run.expect(lookups.succeeded(), lookups.text());
  run.expect(lookups.done() > 3000, "too few lookups: " + lookups.text());
  run.note = lookups.text();
  return run.finish();
}

Report unannounce(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, Faults{}};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  std::size_t const owners = nodes / 2;
  for (std::size_t i = 1; i < owners; ++i) announce(run, i, i % 4 < 2);
  net.run_for(seconds{100});  // kept services are re-announced, possibly to other nodes
  for (std::size_t i = 0; i < nodes / 5; ++i) net.add_node(first_node());
  net.run_for(seconds{20});
  Lookups before{run};
  for (std::size_t i = 1; i < owners; ++i) before.look(below(run.random, net.size()), i);
  before.settle_all();
  run.expect(before.found() == owners - 1, "before: " + before.text());

  Lookups at_once{run};
  std::size_t removed_nowhere = 0;
  for (std::size_t i = 1; i < owners; i += 2) {
    net.unannounce(i, run.name_of(i), 1337, [&, i](std::size_t removed) {
      removed_nowhere += removed == 0 ? 1 : 0;
      for (int k = 0; k < 5; ++k) at_once.look(below(run.random, net.size()), i);
    });
  }
  net.run_for(seconds{10});
  at_once.settle_all();
  run.expect(at_once.done() >= 5 * (owners / 2) && at_once.found() == 0, "unannounced: " + at_once.text());
  run.expect(removed_nowhere == 0, "some were unannounced at no node");

  for (std::size_t i = 2; i < owners; i += 2) net.crash(i);
  net.run_for(seconds{241});
  Lookups aged{run};
  for (std::size_t i = 2; i < owners; i += 2) aged.look(owners + below(run.random, net.size() - owners), i);
  aged.settle_all();
  run.expect(aged.done() > 0 && aged.found() == 0, "stopped: " + aged.text());
  return run.finish();
}

Report restart_storm(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, kLossy};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  for (std::size_t i = 0; i < nodes; ++i) announce(run, i, true);
  net.run_for(seconds{20});
  for (std::size_t i = 0; i < nodes; ++i) net.restart_with_state(i);
  std::uint64_t const delivered = net.delivered_count();
  run.expect(net.run_until_ready(seconds{30}), "not all nodes got ready after the restart");
  // Kept services are re-announced within their period, without their owners.
  net.run_for(seconds{90});
  Lookups lookups{run};
  for (std::size_t i = 0; i < nodes; ++i) lookups.look(below(run.random, nodes), i);
  lookups.settle_all();
  run.expect(lookups.succeeded() && lookups.done() == nodes, lookups.text());
  std::uint64_t const per_node_second = (net.delivered_count() - delivered) / nodes / 90;
  run.expect(per_node_second < 50, "a storm: " + std::to_string(per_node_second) + " datagrams per second");
  run.note = std::to_string(per_node_second) + " datagrams a second and node after the restart";
  return run.finish();
}

namespace {

// A node that names nonexistent nodes next to the target, and nonexistent peers.
class Poisoner {
 public:
  Poisoner(Run& run, std::size_t index, std::size_t nodes) : run_{run}, index_{index}, nodes_{nodes} {}

  std::optional<std::string> operator()(Endpoint const&, dht::Query const& query) {
    NodeId target = run_.net.node(index_).id();
    dht::ReplyFields fields;
    std::vector<Endpoint> values;
    if (auto const* find = std::get_if<dht::FindNode>(&query.body)) target = find->target;
    if (auto const* get = std::get_if<dht::GetPeers>(&query.body)) {
      target = dht::target_of(get->info_hash);
      for (int i = 0; i < 3; ++i) values.push_back(somewhere());
      fields.values = values;
      fields.token = "poison";
    }
    std::string nodes;
    if (!std::holds_alternative<dht::Ping>(query.body)) {
      for (int i = 0; i < 20; ++i) append_compact(nodes, dht::Contact{near(target), an_endpoint()});
    }
    fields.nodes = nodes;
    return dht::encode_reply(query.tid, run_.net.node(index_).id(), fields);
  }

 private:
  [[nodiscard]] NodeId near(NodeId id) {
    for (std::size_t i = 3; i < NodeId::kSize; ++i) {
      id.array()[i] = static_cast<std::uint8_t>(run_.random.below(256));
    }
    return id;
  }
  [[nodiscard]] Endpoint somewhere() {
    auto const byte = [this] { return static_cast<std::uint8_t>(1 + run_.random.below(250)); };
    return {IpAddress{10, 200, byte(), byte()}, 20001};
  }
  // A nonexistent endpoint, or that of a node, to be named under a false id.
  [[nodiscard]] Endpoint an_endpoint() {
    return run_.random.chance(1, 2) ? somewhere() : SimNetwork::endpoint_of(below(run_.random, nodes_));
  }

  Run& run_;
  std::size_t index_;
  std::size_t nodes_;
};

}  // namespace

Report hostile(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, Faults{}};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  std::vector<bool> honest(nodes, true);
  for (std::size_t i = 3; i < nodes; i += 5) {
    honest[i] = false;
    net.set_liar(i, Poisoner{run, i, nodes});
  }
  // They also send unsolicited replies to all nodes.
  for (Duration at{}; at < minutes{5}; at += milliseconds{20}) {
    net.post(at, [&run, &net, nodes] {
      std::size_t const liar = 3 + 5 * below(run.random, nodes / 5);
      Endpoint const from = SimNetwork::endpoint_of(std::min(liar, nodes - 1));
      Endpoint const to = SimNetwork::endpoint_of(below(run.random, nodes));
      std::string const lie = dht::encode_reply(run.random.bytes(2), NodeId::random(run.random), {});
      net.inject(from, to, lie);
    });
  }
  // New honest nodes join the poisoned network.
  for (std::size_t i = 0; i < nodes / 10; ++i) {
    net.add_node(first_node());
    honest.push_back(true);
    net.run_for(milliseconds{100});
  }
  net.run_for(minutes{2});
  net.check();
  for (std::size_t i = 0; i < net.size(); ++i) {
    if (honest[i]) announce(run, i, false);
    net.run_for(milliseconds{20});
  }
  net.run_for(seconds{20});
  Lookups lookups{run};
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < net.size(); ++i) {
      std::size_t const asker = below(run.random, net.size());
      if (honest[i] && honest[asker]) lookups.look(asker, i);
      net.run_for(milliseconds{20});
    }
  }
  lookups.settle_all();
  run.expect(lookups.succeeded() && lookups.done() > nodes, lookups.text());
  run.note = lookups.text();
  return run.finish();
}

Report alone(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, kLossy};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  net.crash(0);  // permanently: no bootstrap address answers any more
  net.set_group(1, 1);
  net.set_group(2, 2);
  net.run_for(minutes{20});
  run.expect(net.node(1).node_count() == 0 && net.node(2).node_count() == 0, "they are not alone");
  net.restart_with_state(2);
  std::uint64_t const sent = net.node(1).stats().datagrams_out;
  net.run_for(minutes{10});
  std::uint64_t const per_minute = (net.node(1).stats().datagrams_out - sent) / 10;
  run.expect(per_minute < 100, std::to_string(per_minute) + " datagrams a minute while alone");
  for (int const node : {1, 2}) net.set_group(static_cast<std::size_t>(node), 0);
  net.run_for(minutes{2});
  net.check();
  for (std::size_t i = 1; i < nodes; ++i) announce(run, i, false);
  net.run_for(seconds{20});
  Lookups lookups{run};
  for (std::size_t i = 1; i < nodes; ++i) {
    for (std::size_t const asker : {1u, 2u}) lookups.look(asker, i);
    if (i > 2) lookups.look(i, 1 + i % 2);
  }
  lookups.settle_all();
  run.expect(lookups.found() == 2 * (nodes - 1) + (nodes - 3), lookups.text());
  run.note = lookups.text() + ", " + std::to_string(per_minute) + " datagrams a minute while alone";
  return run.finish();
}

Report clock_jumps(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, Faults{}};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  auto const all_are_found = [&](std::string const& when) {
    for (std::size_t i = 0; i < nodes; ++i) announce(run, i, true);
    net.run_for(seconds{20});
    Lookups lookups{run};
    for (std::size_t i = 0; i < nodes; ++i) lookups.look(below(run.random, nodes), i);
    lookups.settle_all();
    net.check();
    run.expect(lookups.found() == nodes, when + ": " + lookups.text());
  };
  all_are_found("before");
  for (std::size_t i = 0; i < nodes; i += 10) net.advance_clock(i, hours{1});
  net.run_for(seconds{10});
  all_are_found("after the suspension of some");
  for (std::size_t i = 0; i < nodes; ++i) net.advance_clock(i, hours{24 * 30});
  net.run_for(seconds{10});
  all_are_found("after the suspension of all");
  return run.finish();
}

Report items(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, kLossy};
  SimNetwork& net = run.net;
  run.grow(nodes, milliseconds{10});
  auto const key = Ed25519SecretKey::generate(run.random);
  std::size_t const count = 20;
  std::vector<dht::Item> fixed;
  std::vector<dht::Item> changing;
  for (std::size_t i = 0; i < count; ++i) {
    std::string const value = 'i' + std::to_string(i) + 'e';
    fixed.push_back(*dht::Item::immutable(value));
    changing.push_back(*dht::Item::sign(key, value, 1, value));
    net.put(i, fixed.back(), [](std::size_t) {});
    net.put(i, changing.back(), [](std::size_t) {});
  }
  net.run_for(seconds{20});
  for (std::size_t i = 0; i < count; ++i) {
    net.put(i, *dht::Item::sign(key, changing[i].value(), 2, "3:new"), [](std::size_t) {});
  }
  // All other nodes are replaced, one after the other; the owners republish within the hour.
  for (std::size_t i = count; i < nodes; ++i) {
    net.crash(i);
    net.add_node(first_node());
    net.run_for(Duration{minutes{70}} / static_cast<std::int64_t>(nodes - count));
  }
  net.run_for(minutes{1});
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    auto const asker = [&] { return nodes + below(run.random, nodes - count); };
    net.get(asker(), fixed[i].target(), "",
            [&](std::optional<dht::Item> const& item) { found += item ? 1u : 0u; });
    net.get(asker(), changing[i].target(), changing[i].owner()->salt,
            [&](std::optional<dht::Item> const& item) { found += item && item->seq() == 2 ? 1u : 0u; });
  }
  net.run_for(seconds{20});
  run.expect(found == 2 * count, std::to_string(found) + " of " + std::to_string(2 * count) + " items found");
  return run.finish();
}

Report growth(std::uint64_t seed, std::size_t nodes) {
  Run run{seed, Faults{}};
  SimNetwork& net = run.net;
  grape::NodeOptions options;
  options.rate.bucket_count = 64;  // ten thousand nodes must fit into memory
  net.add_node({}, options);
  while (net.size() < nodes) {
    net.run_for(milliseconds{5});
    net.add_node(first_node(), options);
  }
  run.expect(net.run_until_ready(minutes{1}), "not all nodes got ready");
  std::size_t const services = std::min<std::size_t>(nodes, 200);
  for (std::size_t i = 0; i < services; ++i) {
    announce(run, i, false);
    net.run_for(milliseconds{20});
  }
  net.run_for(seconds{5});
  auto const effort = [&] {
    std::array<std::uint64_t, 3> sums{};
    for (std::size_t i = 0; i < nodes; ++i) {
      auto const stats = net.node(i).stats();
      sums[0] += stats.searches_done;
      sums[1] += stats.search_queries;
      sums[2] += stats.search_hops;
    }
    return sums;
  };
  auto const before = effort();
  Lookups lookups{run};
  for (int i = 0; i < 500; ++i) {
    lookups.look(below(run.random, nodes), below(run.random, services));
    net.run_for(milliseconds{20});
  }
  lookups.settle_all();
  run.expect(lookups.found() == lookups.done(), lookups.text());
  auto const after = effort();
  auto const searches = static_cast<double>(after[0] - before[0]);
  std::ostringstream text;
  text.precision(3);
  text << "a lookup needs " << static_cast<double>(after[1] - before[1]) / searches << " queries and "
       << static_cast<double>(after[2] - before[2]) / searches << " hops";
  run.note = text.str();
  return run.finish();
}

}  // namespace grenache::sim
