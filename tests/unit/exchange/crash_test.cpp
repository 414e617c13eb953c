// Peers that trade while everything fails: peers are killed, batches are lost, messages and answers of stores
// are lost, late or repeated, stores lose their data. In the end all promises were kept.
//
// CRASH_SEED=n runs one seed of the random form, CRASH_SEEDS=n that many.
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/support/trade_watch.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using samples::secret;
using test::TraderFaults;
using test::TraderNetwork;
using test::TradeWatch;
using Node = TraderNetwork::Node;

constexpr PriceCents kPrice{6'000'000};
constexpr std::size_t kSeedCount = 1'000;  // about 70 s
constexpr std::size_t kParts = 8;
constexpr int kStepCount = 40;

std::size_t number_from(char const* variable, std::size_t otherwise) {
  char const* const text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Seldom pings and reads books, which are not the matter here.
Trader::Options calm_options() {
  Trader::Options out;
  out.peers.ping_interval = 10min;
  out.sync.reread_interval = 25min;
  return out;
}

command::AddOrder order_of(Side side, std::int64_t satoshi) {
  command::AddOrder out;
  out.side = side;
  out.price = kPrice;
  out.amount = Satoshi{satoshi};
  return out;
}

/// Peers whose journals, stores and messages a test disturbs.
class CrashWorld {
 public:
  struct Kind {
    bool has_redis = false;  // its store outlives it
    bool is_store_shared = false;
  };

  explicit CrashWorld(std::uint64_t seed) : random{seed} {
    network.fault_random = random.fork();
    network.compares_dumps = true;
  }

  Node& add(std::uint64_t key, Kind kind) {
    auto options = calm_options();
    options.is_store_shared = kind.is_store_shared;
    options.is_store_in_process = !kind.has_redis;
    options.crossing.is_enabled = random.below(2) == 0;
    auto& node = network.add("peer", key, std::move(options));
    if (kind.has_redis) redis.insert(node.id);
    return node;
  }
  void meet() {
    for (auto& node : network.nodes) meet(*node);
  }

  std::optional<OrderRecord> publish(Node& node, command::AddOrder const& wanted) {
    auto const id = begin(node, wanted);
    auto const result = network.answer(node, id);
    auto const* const placed = std::get_if<result::Placed>(&result);
    if (!placed) return std::nullopt;
    watch.add_order(placed->order.order.id, placed->order.order.amount);
    return placed->order.order;
  }
  CommandId begin(Node& node, TraderCommand const& command) {
    auto const id = network.begin(node, command);
    begun.emplace_back(&node, node.run_count, id);
    return id;
  }

  void kill(Node& node, std::size_t kept) {
    network.kill(node, kept);
    if (!redis.contains(node.id)) network.end_store(node.id);
  }
  void start(Node& node) {
    if (node.trader) return;
    network.start(node);
    meet(node);
  }
  void meet(Node& node) {
    node.trader->endpoints_found(network.endpoints(), ContactSource::connect, network.now);
    network.run();
  }
  void flush(Node& node) {
    node.holds_batches = false;
    network.run();
  }

  /// Everything works again; waits until nothing is under way, then checks all promises.
  void heal_and_check() {
    network.faults = {};
    network.unreachable.clear();
    network.stores_down.clear();
    for (auto& node : network.nodes) flush(*node);
    for (auto& node : network.nodes) start(*node);
    for (int i = 0; i < 12 && (i < 3 || !is_quiet()); ++i) network.live(10min);
    if (!is_quiet()) watch.problems.push_back("something is still under way");
    for (auto const& [node, run_count, id] : begun) {
      if (node->run_count == run_count && !node->answers.contains(id)) {
        watch.problems.push_back(node->at + ": a command was not answered");
      }
    }
    check_executions();
    watch.check_quiet();
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

  TraderNetwork network;
  TradeWatch watch{network};
  Random random;
  std::set<PeerId> redis;
  std::size_t execution_count = 0;
  std::vector<std::tuple<Node*, int, CommandId>> begun;

 private:
  bool is_quiet() {
    return std::ranges::all_of(network.nodes, [&](auto const& node) {
      auto const status = std::get<result::StatusView>(network.execute(*node, command::ShowStatus{}));
      return status.purchase_count == 0 && status.sale_count == 0;
    });
  }
};

std::string joined(std::vector<std::string> const& lines) {
  std::string out;
  for (auto const& line : lines) out += line + "\n";
  return out;
}

// One take, cut at every batch

struct Cut {
  bool of_maker = false;
  std::size_t after = 0;  // batches that were durable, and whose outputs have left
  std::size_t kept = 0;   // further ones that were durable, of which the process did not hear
  bool has_redis = false;
  std::chrono::seconds down{};
  bool is_for_order = false;
};

/// Returns the problems, and whether there was a batch to cut after.
std::pair<std::vector<std::string>, bool> run_cut(Cut const& cut) {
  CrashWorld world{1};
  auto& network = world.network;
  auto& maker = world.add(1, {cut.has_redis, false});
  auto& taker = world.add(2, {cut.has_redis, false});
  world.meet();
  auto& victim = cut.of_maker ? maker : taker;
  victim.holds_batches = true;
  std::size_t made = 0;
  bool is_killed = false;
  // Makes batches durable one by one until the cut.
  auto const go_on = [&] {
    while (!is_killed && made < cut.after && !victim.batches.empty()) {
      network.make_durable(victim);
      ++made;
    }
    if (is_killed || made < cut.after || victim.batches.size() < cut.kept) return;
    if (victim.batches.empty()) return;
    is_killed = true;
    world.kill(victim, cut.kept);
    network.live(cut.down);
    victim.holds_batches = false;
    world.start(victim);
    network.live(1s);
  };
  auto const sell = order_of(Side::sell, 100);
  auto const placed = world.begin(maker, sell);
  go_on();
  auto result = network.answer(maker, placed);
  if (!std::holds_alternative<result::Placed>(result)) result = network.execute(maker, sell);
  auto const order = std::get<result::Placed>(result).order.order;
  world.watch.add_order(order.id, order.amount);
  command::AcceptOrder accept;
  accept.id = order.id;
  accept.amount = Satoshi{60};
  if (cut.is_for_order) {
    auto const buy = order_of(Side::buy, 80);
    auto const own = world.begin(taker, buy);
    go_on();
    auto bid = network.answer(taker, own);
    if (!std::holds_alternative<result::Placed>(bid)) bid = network.execute(taker, buy);
    accept.for_order = std::get<result::Placed>(bid).order.order.id;
    world.watch.add_order(accept.for_order, Satoshi{80});
  }
  auto const asked = world.begin(taker, accept);
  for (int i = 0; i < 5; ++i) {
    go_on();
    network.live(1s);
  }
  auto const accepted = network.answer(taker, asked);
  if (auto const* const view = std::get_if<result::PurchaseView>(&accepted)) {
    world.begin(taker, command::Pay{view->take_id});
    for (int i = 0; i < 5; ++i) {
      go_on();
      network.live(1s);
    }
  }
  world.heal_and_check();
  return {world.watch.problems, is_killed};
}

TEST(CutTest, aTakeCutAtAnyBatchIsSettledAtBothOrAtNeither) {
  int cut_count = 0;
  for (bool const of_maker : {false, true}) {
    for (bool const has_redis : {false, true}) {
      for (bool const is_for_order : {false, true}) {
        for (auto const down : {0s, 300s, 1200s}) {
          for (std::size_t const kept : {0u, 1u}) {
            for (std::size_t after = 0;; ++after) {
              auto const [problems, is_killed] =
                  run_cut({of_maker, after, kept, has_redis, down, is_for_order});
              EXPECT_TRUE(problems.empty())
                  << joined(problems) << "maker " << of_maker << " redis " << has_redis << " for order "
                  << is_for_order << " down " << down.count() << " s, kept " << kept << ", after " << after;
              if (!is_killed) break;
              ++cut_count;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(cut_count, 100);
  RecordProperty("cuts", cut_count);
}

// Everything at random

class Scenario {
 public:
  explicit Scenario(std::uint64_t seed) : world_{seed}, random_{world_.random} {
    world_.add(1, {});
    world_.add(2, {true, false});
    world_.add(3, {true, true});
    world_.add(3, {true, true});
    for (std::uint64_t key = 4; key < 8; ++key) world_.add(key, {key == 7, false});
    world_.meet();
    for (auto& node : network_.nodes) publish(*node);
  }

  std::vector<std::string> run() {
    for (int i = 0; i < kStepCount && world_.watch.problems.empty(); ++i) {
      step();
      world_.watch.check();
    }
    world_.heal_and_check();
    return world_.watch.problems;
  }
  [[nodiscard]] std::size_t trade_count() const { return world_.watch.trade_count(); }
  [[nodiscard]] std::size_t execution_count() const { return world_.execution_count; }
  [[nodiscard]] std::size_t filled_group_count() const { return world_.watch.filled_group_count(); }

 private:
  Node& any_node() { return *network_.nodes[random_.below(network_.nodes.size())]; }
  Node* any_up() {
    auto& node = any_node();
    return node.trader ? &node : nullptr;
  }
  std::int64_t up_to(std::int64_t most) {
    return 1 + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most)));
  }

  void publish(Node& node) {
    bool const sells = node.key < 4;
    auto wanted = order_of(sells ? Side::sell : Side::buy, up_to(1'000));
    if (random_.chance(1, 4)) wanted.least_take = Satoshi{up_to(wanted.amount.units())};
    if (random_.chance(1, 3)) wanted.life = 10min + random_.below(60) * 1min;
    if (random_.chance(1, 4) && wanted.life) wanted.time_in_force = TimeInForce::good_till_date;
    if (random_.chance(1, 3)) wanted.group = random_.chance(1, 2) ? "a" : "b";
    (void)world_.publish(node, wanted);
  }

  void execute_at_once(Node& node) {
    auto wanted = order_of(node.key < 4 ? Side::sell : Side::buy, up_to(1'500));
    wanted.time_in_force =
        random_.chance(1, 2) ? TimeInForce::immediate_or_cancel : TimeInForce::fill_or_kill;
    world_.begin(node, wanted);
  }

  /// A random live order that `node` knows.
  std::optional<OrderRecord> any_order(Node const& node, bool is_own) {
    auto orders = node.trader->book().live(network_.now.wall);
    std::erase_if(orders, [&](auto const& order) { return (order.maker == node.id) != is_own; });
    if (orders.empty()) return std::nullopt;
    return orders[random_.below(orders.size())];
  }

  void accept(Node& node) {
    auto const order = any_order(node, false);
    if (!order) return;
    command::AcceptOrder wanted;
    wanted.id = order->id;
    if (random_.chance(3, 4)) wanted.amount = Satoshi{up_to(order->remaining.units())};
    wanted.pay = random_.chance(1, 2);
    wanted.or_next = random_.chance(1, 4);
    if (random_.chance(1, 3)) {
      auto const own = any_order(node, true);
      if (own && own->side != order->side) wanted.for_order = own->id;
    }
    takes_.emplace_back(&node, world_.begin(node, wanted));
  }

  void pay() {
    if (takes_.empty()) return;
    auto const [node, id] = takes_[random_.below(takes_.size())];
    auto const result = network_.answer(*node, id);
    auto const* const view = std::get_if<result::PurchaseView>(&result);
    if (view && node->trader) world_.begin(*node, command::Pay{view->take_id});
  }

  void withdraw(Node& node) {
    auto const order = any_order(node, true);
    if (!order) return;
    if (random_.chance(1, 3)) {
      world_.begin(node, command::CancelOrder{order->id});
    } else {
      world_.begin(node, command::ReduceOrder{order->id, Satoshi{up_to(order->remaining.units())}});
    }
  }

  void kill(Node& node) {
    // Of a store that has lost its data all processes must tell what they know.
    if (network_.is_in_grace(node.id)) return;
    world_.kill(node, random_.below(node.batches.size() + 1));
    node.holds_batches = random_.chance(1, 2);
    if (random_.chance(1, 2)) return world_.start(node);
    restarts_[&node] = later_by(network_.now.steady, random_.below(20) * 1min);
  }

  void lose_store(Node& node) {
    bool const is_steady = !network_.is_in_grace(node.id) && !network_.stores_down.contains(node.id);
    if (!world_.redis.contains(node.id) || !is_steady) return;
    for (auto const& other : network_.nodes) {
      if (other->id == node.id && (!other->trader || !other->has_recovered)) return;
    }
    world_.watch.add_loss(node.id);
    network_.lose_store(node.id);
    for (auto& other : network_.nodes) {
      if (other->id == node.id) world_.flush(*other);
    }
  }

  void disturb() {
    auto const level = static_cast<int>(random_.below(3)) * 8;
    auto& faults = network_.faults;
    for (auto* const each :
         {&faults.call_lost, &faults.reply_lost, &faults.call_repeated, &faults.reply_late,
          &faults.answer_repeated, &faults.store_refused, &faults.store_unanswered, &faults.store_late}) {
      *each = random_.chance(1, 2) ? level : 0;
    }
  }

  template <class Set, class Value>
  void toggle(Set& set, Value const& value) {
    if (set.erase(value) == 0) set.insert(value);
  }

  void advance() {
    auto const kind = random_.below(10);
    std::chrono::milliseconds time = random_.below(2'000) * 1ms;
    if (kind >= 6) time = random_.below(60) * 1s;
    if (kind == 9) {
      time = std::min<std::chrono::milliseconds>(random_.below(20) * 1min, long_time_left_);
      long_time_left_ -= time;
    }
    // A disk is never that slow.
    if (time > 5s) {
      for (auto& node : network_.nodes) world_.flush(*node);
    }
    network_.live(time);
    for (auto& [node, at] : restarts_) {
      if (at <= network_.now.steady) world_.start(*node);
    }
  }

  void make_some_durable() {
    for (auto& node : network_.nodes) {
      auto count = random_.below(node->batches.size() + 1);
      for (; count > 0; --count) network_.make_durable(*node);
    }
  }

  void step() {
    make_some_durable();
    auto const choice = random_.below(100);
    auto* const node = any_up();
    if (choice < 25) return advance();
    if (choice < 30) return disturb();
    if (choice < 45) return pay();
    if (!node) return;
    if (choice < 65) return accept(*node);
    if (choice < 70) return execute_at_once(*node);
    if (choice < 75) return publish(*node);
    if (choice < 80) return withdraw(*node);
    if (choice < 86) return kill(*node);
    if (choice < 88) return lose_store(*node);
    if (choice < 91) {
      if (!network_.is_in_grace(node->id)) toggle(network_.stores_down, node->id);
      return;
    }
    if (choice < 94) return toggle(network_.unreachable, node->at);
    node->holds_batches = !node->holds_batches;
    network_.run();
  }

  CrashWorld world_;
  TraderNetwork& network_ = world_.network;
  Random& random_;
  std::vector<std::pair<Node*, CommandId>> takes_;
  std::map<Node*, TimePoint> restarts_;
  /// Less than Purchases::Options::pay_patience: after that a taker asks no more for what it has paid.
  std::chrono::milliseconds long_time_left_ = 45min;
};

/// A quarter of the seeds, so that tests run side by side.
class CrashTest : public testing::TestWithParam<std::size_t> {};

TEST_P(CrashTest, allPromisesAreKeptWhateverFails) {
  auto const count = std::getenv("CRASH_SEED") ? 1 : number_from("CRASH_SEEDS", kSeedCount) / kParts;
  auto const first = number_from("CRASH_SEED", 1) + GetParam() * count;
  std::size_t trade_count = 0;
  std::size_t execution_count = 0;
  std::size_t filled_group_count = 0;
  int failed_count = 0;
  for (auto seed = first; seed < first + count && failed_count < 5; ++seed) {
    Scenario scenario{seed};
    auto const problems = scenario.run();
    trade_count += scenario.trade_count();
    execution_count += scenario.execution_count();
    filled_group_count += scenario.filled_group_count();
    EXPECT_TRUE(problems.empty()) << joined(problems) << "CRASH_SEED=" << seed;
    if (!problems.empty()) ++failed_count;
  }
  if (count > 10) {
    EXPECT_GT(trade_count, count);
    EXPECT_GT(execution_count, count / 3);
    EXPECT_GT(filled_group_count, count / 2);
  }
  RecordProperty("trades", static_cast<int>(trade_count));
  RecordProperty("filled_groups", static_cast<int>(filled_group_count));
}

INSTANTIATE_TEST_SUITE_P(Seeds, CrashTest, testing::Range<std::size_t>(0, kParts));

}  // namespace
}  // namespace grenache::exchange
