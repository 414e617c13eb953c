// Peers that owe each other and settle on a ledger while everything fails: they are killed and lose what is
// not durable, calls and answers are lost, late or repeated, the ledger is away or crashes. In the end
// nothing was made or lost.
//
// CREDIT_WORLD_SEED=n runs one seed, CREDIT_WORLD_SEEDS=n that many.
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "tests/support/credit_peers.hpp"
#include "tests/support/ledger_host.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace test;

constexpr char const* kLedger = "exchange:ledger";
constexpr std::uint64_t kSeedCount = 60;
constexpr int kStepCount = 120;
constexpr std::size_t kPeerCount = 4;
constexpr std::int64_t kStart = 100'000;  // cents

std::uint64_t number_from(char const* variable, std::uint64_t otherwise) {
  char const* const text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Counts over all seeds, to see that the interesting things happen.
struct Totals {
  std::size_t payments = 0, settlements = 0, kills = 0, crashes = 0, opened = 0, uncredited = 0;
};

class CreditWorld {
 public:
  explicit CreditWorld(std::uint64_t seed) : random_{seed} {
    network.fault_random = Random{seed + 1'000'000};
    network.compares_dumps = true;
    network.strangers[kLedger] = [this](json::Value const& payload) { return ask_ledger(payload); };
    for (std::size_t i = 0; i < kPeerCount; ++i) {
      Trader::Options options;
      options.credit.settlements.ledger.service = kLedger;
      options.credit.settlements.ledger.key = ledger_.id();
      options.credit.settlements.start = UsdCents{kStart};
      options.credit.payment_life = std::chrono::milliseconds{60'000};
      options.peers.ping_interval = 10min;
      options.sync.reread_interval = 25min;
      network.add("Peer" + std::to_string(i), 10 + i, std::move(options));
    }
    network.look_up();
    network.wait(2s);
  }

  void run(Totals& totals) {
    for (std::size_t i = 1; i < kPeerCount; ++i) open(i, i - 1);
    open(0, kPeerCount - 1);
    for (auto const& node : network.nodes) node->holds_batches = random_.chance(1, 2);
    auto& faults = network.faults;
    faults.call_lost = faults.reply_lost = static_cast<int>(random_.below(25));
    faults.call_late = faults.reply_late = static_cast<int>(random_.below(25));
    faults.call_repeated = faults.answer_repeated = static_cast<int>(random_.below(15));
    for (int i = 0; i < kStepCount; ++i) step();
    heal();
    check(totals);
  }

  TraderNetwork network;

 private:
  Node& node(std::size_t i) { return *network.nodes[i]; }

  CallAnswer ask_ledger(json::Value const& payload) {
    auto const request = parse_ledger_request(payload);
    if (!request || is_ledger_down_) return {{}, "ERR_TIMEOUT"};
    ledger_.set_wall(network.now.wall);
    if (random_.chance(1, 60) && is_failing_) {
      // Dies with what was asked for, before it is durable or before it has answered.
      ledger_.send(*request);
      ledger_.flush(random_.below(2));
      ledger_.crash();
      ++crash_count_;
      return {{}, "ERR_TIMEOUT"};
    }
    auto const reply = ledger_.ask(*request);
    return reply.answer ? CallAnswer{to_json(*reply.answer), {}} : CallAnswer{{}, "ERR_BUSY"};
  }

  void open(std::size_t a, std::size_t b) {
    UsdCents const limit{static_cast<std::int64_t>(2'000 + random_.below(10'000))};
    network.execute(node(a), command::ProposeCredit{node(b).id.hex(), limit, limit});
    network.execute(node(b), command::AnswerProposal{node(a).id.hex(), true});
  }

  void flush(Node& each) {
    if (each.trader && each.holds_batches) network.make_durable(each);
  }

  void step() {
    auto& self = node(random_.below(kPeerCount));
    auto& other = node(random_.below(kPeerCount));
    auto const choice = random_.below(100);
    if (!self.trader) {
      network.start(self);
      network.look_up();
    } else if (choice < 40) {
      UsdCents const amount{static_cast<std::int64_t>(1 + random_.below(choice < 3 ? 30'000 : 4'000))};
      network.begin(self, command::PayCredit{other.id.hex(), amount});
    } else if (choice < 50) {
      network.begin(self, command::SettleCredit{other.id.hex(), {}});
    } else if (choice < 52) {
      network.begin(self, command::LeaveCredit{});
    } else if (choice < 55) {
      UsdCents const limit{static_cast<std::int64_t>(random_.below(12'000))};
      network.begin(self, command::LimitCredit{other.id.hex(), limit});
    } else if (choice < 57) {
      network.begin(self, command::FreezeCredit{other.id.hex(), random_.chance(1, 2)});
    } else if (choice < 60) {
      is_ledger_down_ = !is_ledger_down_;
    } else if (choice < 66) {
      network.kill(self, random_.below(3));
      ++kill_count_;
    } else if (choice < 80) {
      for (auto& each : network.nodes) flush(*each);
    } else {
      network.advance(std::chrono::milliseconds{random_.below(20'000)});
    }
    for (auto const& each : network.nodes) {
      if (!each->trader) continue;
      for (auto const& [peer, entry] : each->trader->credit().lines().all()) {
        EXPECT_TRUE(entry.line.check());
        EXPECT_FALSE(entry.line.is_disputed());
      }
    }
  }

  void heal() {
    is_ledger_down_ = is_failing_ = false;
    network.faults = {};
    for (auto& each : network.nodes) {
      while (each->trader && !each->batches.empty()) network.make_durable(*each);
      each->holds_batches = false;
    }
    network.run();
    for (auto& each : network.nodes) {
      if (!each->trader) network.start(*each);
    }
    network.look_up();
    network.wait(200s);
    for (auto& each : network.nodes) {
      for (auto const& [peer, entry] : each->trader->credit().lines().all()) {
        network.begin(*each, command::FreezeCredit{peer.hex(), false});
      }
    }
    network.wait(200s);
  }

  /// The sum of the payments of a peer to another one, from the rows of the payer or of the payee.
  static std::map<PeerId, std::int64_t> sums(Node const& self, bool by_us, std::set<std::string>& ids) {
    std::map<PeerId, std::int64_t> out;
    for (auto const& row : self.rows.read({.kind = Credit::kPaymentKind, .count_max = 1'000'000})) {
      auto const body = *json::parse(row.body);
      if (*body.find("byUs")->as_bool() != by_us || *body.find_string("kind") != "pay") continue;
      auto const peer = *PeerId::from_hex(*body.find_string("peer"));
      EXPECT_TRUE(ids.insert(peer.hex() + *body.find_string("id")).second) << "recorded twice";
      out[peer] += UsdCents::from_json(*body.find("amount"))->units();
    }
    return out;
  }

  Node& find(PeerId const& id) {
    return **std::ranges::find(network.nodes, id, [](auto const& each) { return each->id; });
  }

  void check(Totals& totals) {
    std::int64_t all_lines = 0;
    std::int64_t all_accounts = 0;
    for (auto const& each : network.nodes) {
      auto const& credit = each->trader->credit();
      std::set<std::string> ids;
      auto const paid = sums(*each, true, ids);
      ids.clear();
      auto const received = sums(*each, false, ids);
      std::int64_t wealth = ledger_.get<LedgerAccount>(secret(99), GetAccount{each->id}).balance.units();
      all_accounts += wealth;
      for (auto const& [peer, entry] : credit.lines().all()) {
        auto const view = entry.line.view();
        auto const* const theirs = find(peer).trader->credit().lines().find(each->id);
        ASSERT_TRUE(theirs);
        for (auto const side : {CreditSide::low, CreditSide::high}) {
          EXPECT_EQ(entry.line.record(side).record, theirs->record(side).record);
        }
        EXPECT_EQ(view.balance, -theirs->view().balance);
        EXPECT_EQ(view.pending_count, 0U);
        EXPECT_TRUE(entry.line.is_within_limits());
        all_lines += view.balance;
        wealth += view.balance;
        totals.opened += view.is_open ? 1 : 0;
      }
      // A transfer is not credited only while the creditor would owe more than it may.
      for (auto const& [id, settlement] : credit.settlements().all()) {
        auto const& creditor = find(settlement.peer);
        auto const room = creditor.trader->credit().lines().find(each->id)->view().room;
        EXPECT_EQ(settlement.state, Settlements::State::paid);
        EXPECT_LT(room, settlement.amount);
        EXPECT_EQ(creditor.trader->credit().settlements().uncredited(each->id),
                  credit.settlements().under_way(settlement.peer));
        wealth += settlement.amount.units();
        ++totals.uncredited;
      }
      for (auto const& [peer, entry] : credit.lines().all()) {
        wealth -= credit.settlements().uncredited(peer).units();
      }
      // Settling makes nobody richer or poorer.
      std::int64_t expected = kStart;
      for (auto const& [peer, sum] : received) expected += sum;
      for (auto const& [peer, sum] : paid) expected -= sum;
      EXPECT_EQ(wealth, expected);
      totals.payments += ids.size();
      for (auto const& [peer, sum] : paid) {
        std::set<std::string> seen;
        EXPECT_EQ(sums(find(peer), false, seen)[each->id], sum) << "what is paid is received";
      }
    }
    EXPECT_EQ(all_lines, 0);
    EXPECT_EQ(all_accounts, static_cast<std::int64_t>(kPeerCount) * kStart);
    EXPECT_TRUE(network.lost_rows.empty());
    EXPECT_EQ(network.wrong_dumps, std::vector<std::string>{});
    totals.settlements += static_cast<std::size_t>(ledger_.core().seq());
    totals.kills += kill_count_;
    totals.crashes += crash_count_;
  }

  Random random_;
  LedgerHost ledger_;
  bool is_ledger_down_ = false;
  bool is_failing_ = true;
  std::size_t kill_count_ = 0;
  std::size_t crash_count_ = 0;
};

TEST(CreditWorldTest, nothingIsMadeOrLost) {
  auto const only = number_from("CREDIT_WORLD_SEED", 0);
  auto const count = number_from("CREDIT_WORLD_SEEDS", kSeedCount);
  Totals totals;
  for (std::uint64_t seed = only ? only : 1; seed <= (only ? only : count); ++seed) {
    CreditWorld world{seed};
    world.run(totals);
    if (HasFailure()) {
      ADD_FAILURE() << "CREDIT_WORLD_SEED=" << seed;
      return;
    }
  }
  if (only) return;
  for (auto const each : {totals.payments, totals.settlements, totals.kills, totals.crashes, totals.opened}) {
    EXPECT_GT(each, 0U);
  }
  std::printf(
      "payments %zu, settlements %zu, kills %zu, crashes of the ledger %zu, open lines %zu, "
      "not credited %zu\n",
      totals.payments, totals.settlements, totals.kills, totals.crashes, totals.opened, totals.uncredited);
}

}  // namespace
}  // namespace grenache::exchange
