// Peers that trade while everything fails: peers are killed, batches are lost, messages and answers of stores
// are lost, late or repeated, stores lose their data. In the end all promises were kept.
//
// CRASH_SEED=n runs one seed of the random form, CRASH_SEEDS=n that many.
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/support/trade_world.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using test::TraderNetwork;
using Node = TraderNetwork::Node;

constexpr PriceCents kPrice{6'000'000};
constexpr std::size_t kSeedCount = 1'000;  // about 70 s
constexpr std::size_t kParts = 8;
constexpr int kStepCount = 40;

std::size_t number_from(char const* variable, std::size_t otherwise) {
  char const* const text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

command::AddOrder order_of(Side side, std::int64_t satoshi) {
  command::AddOrder out;
  out.side = side;
  out.price = kPrice;
  out.amount = Satoshi{satoshi};
  return out;
}

/// Seldom pings and reads books, which are not the matter here.
class CrashWorld : public test::TradeWorld {
 public:
  using TradeWorld::TradeWorld;

  Node& add(std::uint64_t key, Kind kind) {
    auto options = with_kind({}, kind);
    options.peers.ping_interval = 10min;
    options.sync.reread_interval = 25min;
    options.reference_prices.publisher_counts = {{"index", 1}};
    options.work_bits = random.chance(1, 4) ? 2 : 0;
    options.crossing.is_enabled = random.below(2) == 0;
    return joined(network.add("peer", key, std::move(options)));
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
    tell_index();
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
  [[nodiscard]] std::size_t filled_peg_count() const { return world_.watch.filled_peg_count(); }
  [[nodiscard]] std::size_t filled_group_count() const { return world_.watch.filled_group_count(); }

 private:
  static Side side_of(Node const& node) { return node.key < 4 ? Side::sell : Side::buy; }

  /// Tells all peers the price of the index.
  void tell_index() {
    for (auto& node : network_.nodes) {
      if (!node->trader) continue;
      node->trader->index_updated({"index", 0, {index_, network_.now.wall}}, network_.now);
    }
    network_.run();
  }

  void publish(Node& node) {
    auto wanted = order_of(side_of(node), world_.up_to(1'000));
    bool const is_alone = !node.options.is_store_shared;
    if (is_alone && random_.chance(1, 4)) {
      bool const sells = wanted.side == Side::sell;
      wanted.peg = parse_peg(random_.chance(1, 2) ? "index+0%" : sells ? "index-0.1%" : "index+0.1%");
      if (random_.chance(1, 4)) wanted.least_take = Satoshi{world_.up_to(wanted.amount.units())};
      (void)world_.publish(node, wanted);
      return;
    }
    if (is_alone && random_.chance(1, 3)) wanted.group = random_.chance(1, 2) ? "a" : "b";
    world_.publish_some(node, wanted);
  }

  void kill(Node& node) {
    if (!world_.kill_somewhere(node)) return;
    if (random_.chance(1, 2)) return world_.start(node);
    restarts_[&node] = later_by(network_.now.steady, random_.below(20) * 1min);
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

  void advance() {
    auto const kind = random_.below(10);
    std::chrono::milliseconds time = random_.below(2'000) * 1ms;
    if (kind >= 6) time = random_.below(60) * 1s;
    if (kind == 9) {
      time = std::min<std::chrono::milliseconds>(random_.below(20) * 1min, long_time_left_);
      long_time_left_ -= time;
    }
    world_.live(time);
    if (random_.chance(1, 2)) {
      index_ = PriceCents{kPrice.units() + static_cast<std::int64_t>(random_.below(5)) * 10'000 - 20'000};
    }
    if (random_.chance(3, 4)) tell_index();
    for (auto& [node, at] : restarts_) {
      if (at <= network_.now.steady) world_.start(*node);
    }
  }

  void step() {
    world_.make_some_durable();
    auto const choice = random_.below(100);
    auto* const node = world_.any_up();
    if (choice < 25) return advance();
    if (choice < 30) return disturb();
    if (choice < 45) return world_.pay();
    if (!node) return;
    if (choice < 65) return world_.accept(*node);
    if (choice < 70) return world_.execute_at_once(*node, order_of(side_of(*node), world_.up_to(1'500)));
    if (choice < 75) return publish(*node);
    if (choice < 80) return world_.withdraw(*node);
    if (choice < 86) return kill(*node);
    if (choice < 88) return world_.lose_store(*node);
    if (choice < 91) return world_.toggle_store(*node);
    if (choice < 94) return world_.toggle_reachable(*node);
    world_.toggle_holding(*node);
  }

  CrashWorld world_;
  TraderNetwork& network_ = world_.network;
  Random& random_;
  std::map<Node*, TimePoint> restarts_;
  PriceCents index_ = kPrice;
  /// Less than Purchases::Options::pay_patience: after that a taker asks no more for what it has paid.
  std::chrono::milliseconds long_time_left_ = 45min;
};

/// A part of the seeds, so that tests run side by side.
class CrashTest : public testing::TestWithParam<std::size_t> {};

TEST_P(CrashTest, allPromisesAreKeptWhateverFails) {
  auto const count = std::getenv("CRASH_SEED") ? 1 : number_from("CRASH_SEEDS", kSeedCount) / kParts;
  auto const first = number_from("CRASH_SEED", 1) + GetParam() * count;
  std::size_t trade_count = 0;
  std::size_t execution_count = 0;
  std::size_t filled_group_count = 0;
  std::size_t filled_peg_count = 0;
  int failed_count = 0;
  for (auto seed = first; seed < first + count && failed_count < 5; ++seed) {
    Scenario scenario{seed};
    auto const problems = scenario.run();
    trade_count += scenario.trade_count();
    execution_count += scenario.execution_count();
    filled_group_count += scenario.filled_group_count();
    filled_peg_count += scenario.filled_peg_count();
    EXPECT_TRUE(problems.empty()) << joined(problems) << "CRASH_SEED=" << seed;
    if (!problems.empty()) ++failed_count;
  }
  if (count > 10) {
    EXPECT_GT(trade_count, count);
    EXPECT_GT(execution_count, count / 3);
    EXPECT_GT(filled_group_count, count / 2);
    EXPECT_GT(filled_peg_count, count / 4);
  }
  RecordProperty("trades", static_cast<int>(trade_count));
  RecordProperty("filled_groups", static_cast<int>(filled_group_count));
  RecordProperty("filled_pegs", static_cast<int>(filled_peg_count));
}

INSTANTIATE_TEST_SUITE_P(Seeds, CrashTest, testing::Range<std::size_t>(0, kParts));

}  // namespace
}  // namespace grenache::exchange
