// Peers that trade at random while their journals, stores and messages are disturbed.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/support/trade_watch.hpp"

namespace grenache::exchange::test {

/// What the peers of a network do, and what is done to them, drawn from one seed. `watch` notes broken
/// promises.
class TradeWorld {
 public:
  using Node = TraderNetwork::Node;
  struct Kind {
    bool has_redis = false;  // its store outlives it
    bool is_store_shared = false;
  };

  explicit TradeWorld(std::uint64_t seed) : random{seed} {
    network.fault_random = random.fork();
    network.compares_dumps = true;
  }
  TradeWorld(TradeWorld const&) = delete;
  TradeWorld& operator=(TradeWorld const&) = delete;

  /// The options of a peer of a kind.
  static Trader::Options with_kind(Trader::Options options, Kind kind) {
    options.is_store_shared = kind.is_store_shared;
    options.is_store_in_process = !kind.has_redis;
    return options;
  }
  Node& joined(Node& node) {
    if (!node.options.is_store_in_process) redis.insert(node.id);
    return node;
  }

  // Draws

  [[nodiscard]] Node& any_node() { return *network.nodes[random.below(network.nodes.size())]; }
  /// A node, or null if the one that was drawn is down.
  [[nodiscard]] Node* any_up() {
    auto& node = any_node();
    return node.trader ? &node : nullptr;
  }
  [[nodiscard]] std::int64_t up_to(std::int64_t most) {
    return 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most)));
  }
  /// A random live order that `node` knows.
  [[nodiscard]] std::optional<OrderRecord> any_order(Node const& node, bool is_own) {
    auto orders = node.trader->book().live(network.now_of(node).wall);
    std::erase_if(orders, [&](auto const& order) { return (order.maker == node.id) != is_own; });
    if (orders.empty()) return std::nullopt;
    return orders[random.below(orders.size())];
  }

  // What peers do

  CommandId begin(Node& node, TraderCommand const& command) {
    auto const id = network.begin(node, command);
    begun.emplace_back(&node, node.run_count, id);
    return id;
  }
  std::optional<OrderRecord> publish(Node& node, command::AddOrder const& wanted) {
    return placed(node, begin(node, wanted));
  }
  /// The order that a command has placed, which is watched from then on.
  std::optional<OrderRecord> placed(Node const& node, CommandId id) {
    auto const result = network.answer(node, id);
    auto const* const placed = std::get_if<result::Placed>(&result);
    if (!placed) return std::nullopt;
    watch.add_order(placed->order.order.id, placed->order.order.amount);
    return placed->order.order;
  }
  /// Some orders have a least take, or a short life.
  void publish_some(Node& node, command::AddOrder wanted) {
    if (random.chance(1, 4)) wanted.least_take = Satoshi{up_to(wanted.amount.units())};
    if (random.chance(1, 3)) wanted.life = std::chrono::minutes{10 + random.below(60)};
    if (random.chance(1, 4) && wanted.life) wanted.time_in_force = TimeInForce::good_till_date;
    (void)publish(node, wanted);
  }
  void execute_at_once(Node& node, command::AddOrder wanted) {
    wanted.time_in_force = random.chance(1, 2) ? TimeInForce::immediate_or_cancel : TimeInForce::fill_or_kill;
    begin(node, wanted);
  }
  void accept(Node& node) {
    auto const order = any_order(node, false);
    if (!order) return;
    command::AcceptOrder wanted;
    wanted.id = order->id;
    if (random.chance(3, 4)) wanted.amount = Satoshi{up_to(order->remaining.units())};
    wanted.pay = random.chance(1, 2);
    wanted.or_next = random.chance(1, 4);
    if (random.chance(1, 3)) {
      auto const own = any_order(node, true);
      if (own && own->side != order->side) wanted.for_order = own->id;
    }
    takes.emplace_back(&node, begin(node, wanted));
  }
  /// Pays what an earlier accept() got.
  void pay() {
    if (takes.empty()) return;
    auto const [node, id] = takes[random.below(takes.size())];
    auto const result = network.answer(*node, id);
    auto const* const view = std::get_if<result::PurchaseView>(&result);
    if (view && node->trader) begin(*node, command::Pay{view->take_id});
  }
  void withdraw(Node& node) {
    auto const order = any_order(node, true);
    if (!order) return;
    if (random.chance(1, 3)) {
      begin(node, command::CancelOrder{order->id});
    } else {
      begin(node, command::ReduceOrder{order->id, Satoshi{up_to(order->remaining.units())}});
    }
  }

  // What is done to them

  void kill(Node& node, std::size_t kept) {
    network.kill(node, kept);
    if (!redis.contains(node.id)) network.end_store(node.id);
  }
  /// Kills a node in the middle of its batches. False if it has to tell a store what it knows.
  bool kill_somewhere(Node& node) {
    if (network.is_in_grace(node.id)) return false;
    kill(node, random.below(node.batches.size() + 1));
    node.holds_batches = random.chance(1, 2);
    return true;
  }
  void start(Node& node) {
    if (node.trader) return;
    network.start(node);
    on_start(node);
  }
  /// It knows all endpoints.
  void meet(Node& node) {
    node.trader->endpoints_found(network.endpoints(), ContactSource::connect, network.now_of(node));
    network.run();
  }
  void meet() {
    for (auto& node : network.nodes) meet(*node);
  }
  void flush(Node& node) {
    node.holds_batches = false;
    network.run();
  }
  void make_some_durable() {
    for (auto& node : network.nodes) {
      auto count = random.below(node->batches.size() + 1);
      for (; count > 0; --count) network.make_durable(*node);
    }
  }
  void toggle_holding(Node& node) {
    node.holds_batches = !node.holds_batches;
    network.run();
  }
  void lose_store(Node& node) {
    bool const is_steady = !network.is_in_grace(node.id) && !network.stores_down.contains(node.id);
    if (!redis.contains(node.id) || !is_steady) return;
    for (auto const& other : network.nodes) {
      if (other->id == node.id && (!other->trader || !other->has_recovered)) return;
    }
    watch.add_loss(node.id);
    network.lose_store(node.id);
    for (auto& other : network.nodes) {
      if (other->id == node.id) flush(*other);
    }
  }
  void toggle_store(Node const& node) {
    if (!network.is_in_grace(node.id)) toggle(network.stores_down, node.id);
  }
  void toggle_reachable(Node const& node) { toggle(network.unreachable, node.at); }
  /// Advances; a disk is never slower than a few seconds.
  void live(std::chrono::milliseconds time) {
    if (time > std::chrono::seconds{5}) {
      for (auto& node : network.nodes) flush(*node);
    }
    network.live(time);
  }

  // The end

  /// Everything works from now on; who is down stays down.
  void heal() {
    network.faults = {};
    network.unreachable.clear();
    network.stores_down.clear();
    for (auto& node : network.nodes) flush(*node);
  }
  /// Everything works again; waits until nothing is under way, then checks all promises.
  void heal_and_check() {
    heal();
    for (auto& node : network.nodes) start(*node);
    using std::chrono::minutes;
    for (int i = 0; i < 12 && (i < 3 || !is_quiet()); ++i) network.live(minutes{10});
    check_quiet();
  }
  void check_quiet() {
    if (!is_quiet()) watch.problems.push_back("something is still under way");
    if (auto const* const node = unanswered()) {
      watch.problems.push_back(node->at + ": a command was not answered");
    }
    check_executions();
    watch.check_quiet();
  }
  /// A node that has not answered a command; null if all have.
  [[nodiscard]] Node const* unanswered() const {
    for (auto const& [node, run_count, id] : begun) {
      if (node->run_count == run_count && !node->answers.contains(id)) return node;
    }
    return nullptr;
  }
  /// No take is under way.
  [[nodiscard]] bool is_quiet() {
    return std::ranges::all_of(network.nodes, [&](auto const& node) {
      auto const status = std::get<result::StatusView>(network.execute(*node, command::ShowStatus{}));
      return status.sale_count == 0 && status.purchase_count == endless_count(*node);
    });
  }

  TraderNetwork network;
  TradeWatch watch{network};
  Random random;
  std::set<PeerId> redis;
  std::size_t execution_count = 0;
  std::vector<std::tuple<Node*, int, CommandId>> begun;
  std::vector<std::pair<Node*, CommandId>> takes;
  /// Called for a node that has started again.
  std::function<void(Node&)> on_start = [this](Node& node) { meet(node); };
  /// Takes of a node that need not end, because strangers are their makers.
  std::function<std::size_t(Node const&)> endless_count = [](Node const&) { return 0; };

 private:
  template <class Set, class Value>
  static void toggle(Set& set, Value const& value) {
    if (set.erase(value) == 0) set.insert(value);
  }

  /// No order that was executed at once has taken more than it wanted.
  void check_executions() {
    for (auto const& [node, run_count, id] : begun) {
      auto const result = network.answer(*node, id);
      auto const* const execution = std::get_if<result::Execution>(&result);
      if (!execution) continue;
      ++execution_count;
      Satoshi taken;
      for (auto const& take : execution->takes) taken = taken + take.amount;
      if (taken > execution->wanted || execution->filled > taken) {
        watch.problems.push_back(node->at + ": an order was filled with more than it wanted");
      }
    }
  }
};

}  // namespace grenache::exchange::test
