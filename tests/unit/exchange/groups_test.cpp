// One-cancels-other groups.
#include <gtest/gtest.h>

#include "tests/support/trade_watch.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using test::TraderNetwork;
using test::TradeWatch;

command::AddOrder grouped(Side side, std::int64_t satoshi, std::int64_t cents, std::string group) {
  command::AddOrder out;
  out.side = side;
  out.price = PriceCents{cents};
  out.amount = Satoshi{satoshi};
  out.group = std::move(group);
  return out;
}

command::AcceptOrder accept(OrderRecord const& order, std::int64_t satoshi, bool pay = false) {
  command::AcceptOrder out;
  out.id = order.id;
  out.amount = Satoshi{satoshi};
  out.pay = pay;
  return out;
}

struct GroupsTest : testing::Test {
  GroupsTest() { network.look_up(); }

  OrderRecord publish(Side side, std::int64_t satoshi, std::int64_t cents, std::string group = "exit") {
    auto const result = network.execute(bob, grouped(side, satoshi, cents, std::move(group)));
    auto const* const placed = std::get_if<result::Placed>(&result);
    EXPECT_TRUE(placed);
    return placed ? placed->order.order : OrderRecord{};
  }
  static std::string failure_of(CommandResult const& result) {
    auto const* const failure = std::get_if<result::Failure>(&result);
    return failure ? failure->text : "";
  }
  result::PurchaseView take(TraderNetwork::Node& taker, command::AcceptOrder const& wanted) {
    auto const result = network.execute(taker, wanted);
    auto const* const view = std::get_if<result::PurchaseView>(&result);
    EXPECT_TRUE(view) << failure_of(result);
    return view ? *view : result::PurchaseView{};
  }
  OrderStatus status_at(TraderNetwork::Node const& node, OrderRecord const& order) const {
    auto const* const found = node.trader->book().find(key_of(order));
    return found ? found->status : OrderStatus::expired;
  }

  TraderNetwork network;
  TraderNetwork::Node& alice = network.add("Alice", 1);
  TraderNetwork::Node& bob = network.add("Bob", 2);
  TraderNetwork::Node& carol = network.add("Carol", 3);
};

TEST_F(GroupsTest, aFilledOrderClosesTheOthersInTheSameTransaction) {
  auto const profit = publish(Side::sell, 100, 7'000'000);
  auto const loss = publish(Side::sell, 100, 5'000'000);
  auto const other = publish(Side::sell, 100, 6'000'000, "another group");
  std::size_t together_count = 0;
  network.on_durable = [&](TraderNetwork::Node const& node, Batch const& batch) {
    std::set<std::string> keys;
    for (auto const& change : batch.changes) keys.insert(change.key);
    if (&node == &bob && keys.contains(profit.id)) together_count += keys.contains(loss.id) ? 1u : 100u;
  };
  EXPECT_EQ(take(alice, accept(profit, 100, true)).state, result::PurchaseState::settled);
  EXPECT_EQ(together_count, 1u);
  for (auto const* const node : {&alice, &bob, &carol}) {
    EXPECT_EQ(status_at(*node, profit), OrderStatus::filled) << node->at;
    EXPECT_EQ(status_at(*node, loss), OrderStatus::cancelled) << node->at;
    EXPECT_EQ(status_at(*node, other), OrderStatus::open) << node->at;
  }
}

TEST_F(GroupsTest, aPartialFillClosesTheOthersAndKeepsItsRest) {
  auto const profit = publish(Side::sell, 100, 7'000'000);
  auto const loss = publish(Side::sell, 100, 5'000'000);
  take(alice, accept(loss, 30, true));
  EXPECT_EQ(status_at(carol, profit), OrderStatus::cancelled);
  EXPECT_EQ(status_at(carol, loss), OrderStatus::open);
  EXPECT_EQ(take(carol, accept(loss, 70, true)).state, result::PurchaseState::settled);
}

TEST_F(GroupsTest, whileOneIsReservedTheOthersAreRefusedWithTheTimeToRetry) {
  auto const profit = publish(Side::sell, 100, 7'000'000);
  auto const loss = publish(Side::sell, 100, 5'000'000);
  take(alice, accept(profit, 10));
  auto const failure = failure_of(network.execute(carol, accept(loss, 10)));
  EXPECT_NE(failure.find("(reserved)"), std::string::npos) << failure;
  EXPECT_NE(failure.find("900 s"), std::string::npos) << failure;
  EXPECT_EQ(take(carol, accept(profit, 10)).state, result::PurchaseState::invoiced)
      << "the reserved order has more";
  network.wait(901s);
  EXPECT_EQ(take(carol, accept(loss, 10)).state, result::PurchaseState::invoiced) << "unpaid: free again";
}

TEST_F(GroupsTest, anOrderThatTakesBlocksItsGroupAndThenClosesIt) {
  auto const buy = publish(Side::buy, 100, 5'000'000);
  auto const high = publish(Side::buy, 100, 6'000'000);
  auto offer = grouped(Side::sell, 100, 5'000'000, {});
  auto const sell = std::get<result::Placed>(network.execute(alice, offer)).order.order;
  auto wanted = accept(sell, 60);
  wanted.for_order = buy.id;
  auto const invoiced = take(bob, wanted);
  EXPECT_NE(failure_of(network.execute(carol, accept(high, 10))), "");
  network.execute(bob, command::Pay{invoiced.take_id});
  EXPECT_EQ(status_at(carol, high), OrderStatus::cancelled);
  EXPECT_EQ(status_at(carol, buy), OrderStatus::open);
}

TEST_F(GroupsTest, cancellingOneOrderLeavesTheOthers) {
  auto const profit = publish(Side::sell, 100, 7'000'000);
  auto const loss = publish(Side::sell, 100, 5'000'000);
  network.execute(bob, command::CancelOrder{profit.id});
  EXPECT_EQ(status_at(carol, loss), OrderStatus::open);
}

TEST_F(GroupsTest, noOrderJoinsAGroupThatWasFilledOrIsFull) {
  take(alice, accept(publish(Side::sell, 100, 7'000'000), 30, true));
  auto const late = grouped(Side::sell, 100, 5'000'000, "exit");
  EXPECT_NE(failure_of(network.execute(bob, late)).find("filled"), std::string::npos);
  for (int i = 0; i < 16; ++i) publish(Side::sell, 100, 5'000'000, "full");
  EXPECT_NE(failure_of(network.execute(bob, grouped(Side::sell, 1, 1, "full"))).find("16"),
            std::string::npos);
}

TEST_F(GroupsTest, aGroupSurvivesARestart) {
  auto const profit = publish(Side::sell, 100, 7'000'000);
  auto const loss = publish(Side::sell, 100, 5'000'000);
  auto const invoiced = take(alice, accept(profit, 10));
  network.kill(bob);
  network.start(bob);
  network.look_up();
  EXPECT_NE(failure_of(network.execute(carol, accept(loss, 10))), "");
  network.execute(alice, command::Pay{invoiced.take_id});
  EXPECT_EQ(status_at(carol, loss), OrderStatus::cancelled);
}

TEST_F(GroupsTest, aSharedStoreKnowsNoGroups) {
  Trader::Options options;
  options.is_store_shared = true;
  auto& dave = network.add("Dave", 4, options);
  auto const failure = failure_of(network.execute(dave, grouped(Side::sell, 1, 1, "exit")));
  EXPECT_NE(failure.find("other processes"), std::string::npos) << failure;
  EXPECT_FALSE(dave.trader->needs_unshared_store(network.now.wall));
  publish(Side::sell, 100, 7'000'000);
  EXPECT_TRUE(bob.trader->needs_unshared_store(network.now.wall));
}

TEST_F(GroupsTest, peersAreNotToldTheGroup) {
  bool is_told = false;
  network.on_sent = [&](TraderNetwork::Node const&, json::Value const& sent) {
    is_told |= json::to_text(sent).find("secret plan") != std::string::npos;
  };
  publish(Side::sell, 100, 7'000'000, "secret plan");
  EXPECT_FALSE(is_told);
}

// One sale of a group, cut at every batch of the maker

struct Cut {
  std::size_t after = 0;  // batches that were durable, and whose outputs have left
  std::size_t kept = 0;   // further ones on the disk, of which the process did not hear
  bool is_store_in_process = false;
};

/// Returns the problems, and whether there was a batch to cut after.
std::pair<std::vector<std::string>, bool> run_cut(Cut const& cut) {
  TraderNetwork network;
  network.compares_dumps = true;
  TradeWatch watch{network};
  Trader::Options options;
  options.is_store_in_process = cut.is_store_in_process;
  auto& maker = network.add("Maker", 1, options);
  auto& alice = network.add("Alice", 2);
  auto& bob = network.add("Bob", 3);
  network.look_up();
  std::vector<OrderRecord> orders;
  for (auto const cents : {7'000'000, 5'000'000}) {
    auto const placed = network.execute(maker, grouped(Side::sell, 100, cents, "exit"));
    orders.push_back(std::get<result::Placed>(placed).order.order);
    watch.add_order(orders.back().id, Satoshi{100});
  }
  maker.holds_batches = true;
  std::size_t made = 0;
  bool is_killed = false;
  auto const go_on = [&] {
    for (int i = 0; i < 5; ++i) {
      while (!is_killed && made < cut.after && !maker.batches.empty()) {
        network.make_durable(maker);
        ++made;
      }
      bool const is_due = !is_killed && made == cut.after && maker.batches.size() > cut.kept;
      if (is_due) {
        is_killed = true;
        network.kill(maker, cut.kept);
        if (cut.is_store_in_process) network.end_store(maker.id);
        maker.holds_batches = false;
        network.start(maker);
        network.look_up();
      }
      network.live(1s);
    }
  };
  // Both orders are wanted at the same time, and both are paid for.
  network.begin(alice, accept(orders[0], 60, true));
  network.begin(bob, accept(orders[1], 60, true));
  go_on();
  network.begin(bob, accept(orders[1], 60, true));
  go_on();
  maker.holds_batches = false;
  network.run();
  for (int i = 0; i < 4; ++i) network.live(10min);
  watch.check_quiet();
  if (watch.trade_count() == 0) watch.problems.push_back("nothing was traded");
  if (watch.trade_count() > 1) watch.problems.push_back("two orders of the group were sold");
  return {watch.problems, is_killed};
}

TEST(GroupsCutTest, aGroupSellsOnceWhereverItsMakerIsCut) {
  int cut_count = 0;
  for (bool const is_store_in_process : {false, true}) {
    for (std::size_t const kept : {0u, 1u, 2u}) {
      for (std::size_t after = 0;; ++after) {
        auto const [problems, is_killed] = run_cut({after, kept, is_store_in_process});
        EXPECT_TRUE(problems.empty()) << problems.front() << "; in process " << is_store_in_process
                                      << ", kept " << kept << ", after " << after;
        if (!is_killed) break;
        ++cut_count;
      }
    }
  }
  EXPECT_GT(cut_count, 10);
}

}  // namespace
}  // namespace grenache::exchange
