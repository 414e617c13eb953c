// Peers that pay over the credit lines of others and remove cycles of debts, while messages are lost,
// repeated and late and peers crash: in the end each payment was paid on all its hops or on none.
//
// TRANSIT_SEED=n runs one seed, TRANSIT_SEEDS=n that many.
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/transit_world.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using Node = test::TraderNetwork::Node;

constexpr std::uint64_t kSeedCount = 60;
constexpr int kStepCount = 120;

std::uint64_t number_from(char const* variable, std::uint64_t otherwise) {
  char const* const text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Counts over all seeds, to see that the interesting things happen.
struct Totals {
  int committed = 0, aborted = 0, netted = 0, kills = 0;
};

class Simulation : test::TransitWorld {
 public:
  Simulation(std::uint64_t seed, bool has_liar) : random_{seed}, has_liar_{has_liar} {
    network.fault_random = Random{seed + 1};
  }

  void run(Totals& totals) {
    build();
    disturb();
    for (int i = 0; i < kStepCount && !testing::Test::HasFailure(); ++i) step();
    heal();
    expect_settled(liars_);
    auto const [committed, aborted] = expect_atomic(liars_);
    EXPECT_TRUE(network.lost_rows.empty());
    EXPECT_EQ(network.wrong_dumps, std::vector<std::string>{});
    EXPECT_TRUE(network.busy.empty());
    for (auto const& [key, row] : rows) {
      if (row.is_netting && row.payer.empty() && row.state == "committed") ++totals.netted;
    }
    totals.committed += committed;
    totals.aborted += aborted;
    totals.kills += kills_;
  }

 private:
  Node& any() { return *network.nodes[random_.below(network.nodes.size())]; }
  int below(int number) { return static_cast<int>(random_.below(static_cast<std::uint64_t>(number))); }

  void build() {
    auto const count = 3 + random_.below(10);
    for (std::uint64_t i = 1; i <= count; ++i) (void)add(i);
    network.look_up();
    auto const& nodes = network.nodes;
    auto const connect = [&](std::size_t i, std::size_t j) {
      if (i == j || nodes[i]->trader->credit().lines().find(nodes[j]->id)) return;
      open(*nodes[i], *nodes[j], 500 + below(3'000));
      for (auto const& [from, to] : {std::pair{i, j}, std::pair{j, i}}) {
        if (random_.chance(4, 5)) forward(*nodes[from], *nodes[to], below(4), below(3) * 5'000);
      }
      if (random_.chance(4, 5)) allow_netting(*nodes[i], *nodes[j]);
    };
    for (std::size_t i = 1; i < count; ++i) connect(i, random_.below(i));
    for (std::size_t i = 0; i < count; ++i) connect(random_.below(count), random_.below(count));
    // A cycle of debts.
    auto const size = 3 + random_.below(count - 2);
    for (std::size_t i = 0; i < size; ++i) {
      auto& next = *nodes[(i + 1) % size];
      connect(i, (i + 1) % size);
      allow_netting(*nodes[i], next);
      (void)network.execute(*nodes[i], payment(next, 50 + below(400)));
    }
    network.compares_dumps = true;
  }

  void disturb() {
    auto const percent = [&] { return random_.chance(1, 2) ? below(20) : 0; };
    auto& faults = network.faults;
    faults.call_lost = percent();
    faults.call_late = percent();
    faults.reply_lost = percent();
    faults.reply_late = percent();
    faults.call_repeated = percent();
    faults.answer_repeated = percent();
    faults.delay_max = std::chrono::milliseconds{random_.chance(1, 2) ? 30'000 : 2'000};
    for (auto& node : network.nodes) node->holds_batches = random_.chance(1, 2);
    if (!has_liar_) return;
    auto const& liar = any();
    liars_.insert(liar.id.hex());
    network.alter_reply = [this, key = liar.key](Node const& node, json::Value& reply) {
      if (node.key == key && random_.chance(1, 2)) lie(key, reply);
    };
  }

  /// Answers a Prepare with another outcome, signed.
  void lie(std::uint64_t key, json::Value& reply) {
    auto outcome = parse_transit_outcome(read_answer(reply));
    if (!outcome) return;
    switch (random_.below(4)) {
      case 0:
        outcome->state = TransitState::aborted;
        outcome->reason = TransitReason::no_route;
        outcome->secret = {};
        outcome->claimed = {};
        break;
      case 1:
        outcome->state = TransitState::committed;
        outcome->secret = sha256("wrong");
        outcome->claimed = cents(5);
        break;
      case 2:
        outcome->claimed = cents(outcome->state == TransitState::committed ? below(10'000) : 0);
        break;
      default:
        reply = "nonsense";
        return;
    }
    outcome->signature = samples::secret(key).sign(outcome_digest(*outcome));
    reply = json::to_text(to_json(*outcome));
  }

  void step() {
    auto& node = any();
    auto const choice = random_.below(100);
    if (choice < 35) {
      pay(node);
    } else if (choice < 38) {
      if (node.trader) (void)network.begin(node, command::NetDebts{});
    } else if (choice < 50) {
      stop_or_start(node);
    } else if (choice < 53) {
      freeze(node);
    } else if (choice < 80) {
      for (auto& each : network.nodes) {
        if (each->trader && random_.chance(2, 3)) network.make_durable(*each);
      }
    } else {
      network.live(std::chrono::milliseconds{below(6'000)});
    }
    expect_within_limits();
  }

  void pay(Node& node) {
    auto const& payee = any();
    if (!node.trader || payee.id == node.id) return;
    (void)network.begin(node, payment(payee, 1 + below(900), cents(below(40))));
  }
  void stop_or_start(Node& node) {
    if (!node.trader) return network.start(node);
    ++kills_;
    network.kill(node, random_.below(3));
    if (random_.chance(1, 2)) network.start(node);
  }
  void freeze(Node& node) {
    if (!node.trader || node.trader->credit().lines().all().empty()) return;
    auto const& lines = node.trader->credit().lines().all();
    auto const at = std::next(lines.begin(), below(static_cast<int>(lines.size())));
    (void)network.begin(node, command::FreezeCredit{at->first.hex(), random_.chance(1, 3)});
  }

  void heal() {
    network.faults = {};
    network.alter_reply = [](auto&, auto&) {};
    for (auto& node : network.nodes) {
      node->holds_batches = false;
      if (!node->trader) network.start(*node);
    }
    network.run();
    network.look_up();
    network.live(2min);
    for (auto& node : network.nodes) {
      std::vector<PeerId> peers;
      for (auto const& [peer, entry] : node->trader->credit().lines().all()) peers.push_back(peer);
      for (auto const& peer : peers) (void)network.execute(*node, command::FreezeCredit{peer.hex(), false});
    }
    network.live(5min);
    (void)network.execute(any(), command::NetDebts{});
    network.live(2min);
    // Payments over one line.
    for (auto const& [key, amount] : counted) {
      if (!is_of_transit(key.second)) direct.insert(key.second);
    }
  }
  /// The entries of transits have UUIDs of version 8.
  static bool is_of_transit(std::string const& entry) { return entry[14] == '8'; }

  Random random_;
  bool has_liar_;
  std::set<std::string> liars_;
  int kills_ = 0;
};

void run(bool has_liar) {
  auto const only = number_from("TRANSIT_SEED", 0);
  auto const count = number_from("TRANSIT_SEEDS", kSeedCount);
  Totals totals;
  for (std::uint64_t seed = only ? only : 1; seed <= (only ? only : count); ++seed) {
    Simulation simulation{seed, has_liar};
    simulation.run(totals);
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "TRANSIT_SEED=" << seed;
      return;
    }
  }
  std::printf("committed %d, of these netted %d, aborted %d, kills %d\n", totals.committed, totals.netted,
              totals.aborted, totals.kills);
  if (only) return;
  for (auto const each : {totals.committed, totals.aborted, totals.netted, totals.kills}) EXPECT_GT(each, 0);
}

TEST(TransitPropertyTest, eachPaymentIsPaidOnAllItsHopsOrOnNone) { run(false); }

TEST(TransitPropertyTest, aLiarHarmsNobodyButItself) { run(true); }

}  // namespace
}  // namespace grenache::exchange
