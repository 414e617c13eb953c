// Orders that are executed at once: immediate-or-cancel and fill-or-kill.
#include <gtest/gtest.h>

#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using test::events_of;
using test::TraderNetwork;

constexpr auto kIoc = TimeInForce::immediate_or_cancel;
constexpr auto kFok = TimeInForce::fill_or_kill;

command::AddOrder order_of(Side side, std::int64_t satoshi, std::int64_t cents, TimeInForce time_in_force) {
  command::AddOrder out;
  out.side = side;
  out.price = PriceCents{cents};
  out.amount = Satoshi{satoshi};
  out.time_in_force = time_in_force;
  return out;
}

struct ImmediateOrderTest : testing::Test {
  ImmediateOrderTest() { network.look_up(); }

  OrderRecord publish(TraderNetwork::Node& node, std::int64_t satoshi, std::int64_t cents,
                      std::int64_t least_take = 0) {
    auto wanted = order_of(Side::sell, satoshi, cents, TimeInForce::good_till_cancelled);
    wanted.least_take = Satoshi{least_take};
    auto const result = network.execute(node, wanted);
    auto const* const placed = std::get_if<result::Placed>(&result);
    EXPECT_TRUE(placed);
    return placed ? placed->order.order : OrderRecord{};
  }
  CommandResult buy(std::int64_t satoshi, std::int64_t cents, TimeInForce time_in_force) {
    return network.execute(alice, order_of(Side::buy, satoshi, cents, time_in_force));
  }
  /// An empty one after a failure.
  static result::Execution execution_of(CommandResult const& result) {
    auto const* const execution = std::get_if<result::Execution>(&result);
    return execution ? *execution : result::Execution{};
  }
  static result::Failure failure_of(CommandResult const& result) {
    auto const* const failure = std::get_if<result::Failure>(&result);
    return failure ? *failure : result::Failure{};
  }
  Satoshi remaining(OrderRecord const& order) const {
    return alice.trader->book().find(key_of(order))->remaining;
  }
  std::size_t trade_count(TraderNetwork::Node const& node) const {
    return node.rows.read({.kind = "trade"}).size();
  }
  Satoshi reserved(TraderNetwork::Node& node, OrderRecord const& order) {
    auto const result = network.execute(node, command::ListOrders{true});
    for (auto const& view : std::get<result::OrderList>(result).orders) {
      if (view.order.id == order.id) return view.reserved;
    }
    return {};
  }

  TraderNetwork network;
  TraderNetwork::Node& alice = network.add("Alice", 1);
  TraderNetwork::Node& bob = network.add("Bob", 2);
  TraderNetwork::Node& carol = network.add("Carol", 3);
  TraderNetwork::Node& dave = network.add("Dave", 4);
};

TEST_F(ImmediateOrderTest, anIocOrderTakesTheBestPricesFirstAndCancelsTheRest) {
  auto const dear = publish(bob, 50, 200);
  auto const cheap = publish(carol, 40, 100);
  auto const too_dear = publish(dave, 50, 300);
  auto const first = execution_of(buy(60, 200, kIoc));
  EXPECT_EQ(first.filled, Satoshi{60});
  ASSERT_EQ(first.takes.size(), 2u);
  EXPECT_EQ(first.takes[0].order_id, cheap.id);
  EXPECT_EQ(first.takes[1].order_id, dear.id);
  EXPECT_EQ(first.takes[1].amount, Satoshi{20});
  auto const second = execution_of(buy(100, 200, kIoc));
  EXPECT_EQ(second.filled, Satoshi{30}) << "what is left of the dear one; the rest is cancelled";
  EXPECT_EQ(remaining(too_dear), Satoshi{50});
  EXPECT_EQ(trade_count(alice), 3u);
  EXPECT_EQ(alice.trader->own_orders().all().size(), 0u) << "it is not published";
}

TEST_F(ImmediateOrderTest, theLastSatoshiIsTakenToo) {
  publish(bob, 50, 100);
  publish(carol, 1, 200);
  EXPECT_EQ(execution_of(buy(51, 200, kIoc)).filled, Satoshi{51});
}

TEST_F(ImmediateOrderTest, withoutAMatchNothingIsTraded) {
  publish(bob, 50, 200);
  for (auto const kind : {kIoc, kFok}) {
    auto const failure = failure_of(buy(10, 199, kind));
    EXPECT_EQ(failure.code, result::FailureCode::refused);
    EXPECT_NE(failure.text.find("no order of the book matches"), std::string::npos) << failure.text;
  }
  EXPECT_EQ(trade_count(alice), 0u);
}

TEST_F(ImmediateOrderTest, aFokOrderIsFilledWholeFromSeveralMakers) {
  publish(bob, 50, 200);
  publish(carol, 40, 100);
  auto const done = execution_of(buy(90, 200, kFok));
  EXPECT_EQ(done.filled, Satoshi{90});
  EXPECT_EQ(trade_count(alice), 2u);
  EXPECT_EQ(trade_count(bob), 1u);
  EXPECT_EQ(trade_count(carol), 1u);
}

TEST_F(ImmediateOrderTest, aFokOrderThatTheBookCannotFillAsksNobody) {
  auto const sell = publish(bob, 50, 200);
  auto const calls = network.call_count;
  auto const failure = failure_of(buy(51, 200, kFok));
  EXPECT_NE(failure.text.find("only 0.0000005 BTC"), std::string::npos) << failure.text;
  EXPECT_EQ(network.call_count, calls);
  EXPECT_EQ(reserved(bob, sell), Satoshi{});
}

TEST_F(ImmediateOrderTest, aFokOrderPaysNothingWhenOneMakerDoesNotGrant) {
  auto const sell = publish(bob, 50, 200);
  publish(carol, 40, 100);
  network.unreachable.insert(carol.at);
  auto const id = network.begin(alice, order_of(Side::buy, 90, 200, kFok));
  network.wait(30s);
  auto const failure = failure_of(network.answer(alice, id));
  EXPECT_EQ(failure.code, result::FailureCode::refused) << failure.text;
  EXPECT_EQ(trade_count(alice), 0u);
  EXPECT_EQ(reserved(bob, sell), Satoshi{50}) << "until the invoice expires";
  network.wait(900s);
  EXPECT_EQ(reserved(bob, sell), Satoshi{});
}

TEST_F(ImmediateOrderTest, aFokOrderAsksTheNextMakerForWhatOneDoesNotGrant) {
  publish(bob, 50, 100);
  auto const taken = publish(carol, 40, 100);
  publish(dave, 40, 200);
  command::AcceptOrder other;
  other.id = taken.id;
  ASSERT_TRUE(std::holds_alternative<result::PurchaseView>(network.execute(bob, other)));
  auto const done = execution_of(buy(90, 200, kFok));
  EXPECT_EQ(done.filled, Satoshi{90});
  EXPECT_EQ(trade_count(carol), 0u);
  EXPECT_EQ(trade_count(dave), 1u);
}

TEST_F(ImmediateOrderTest, anInvoiceOfAnEarlierAttemptIsUsed) {
  publish(bob, 50, 200);
  publish(carol, 40, 100);
  network.unreachable.insert(carol.at);
  auto const id = network.begin(alice, order_of(Side::buy, 90, 200, kFok));
  network.wait(30s);
  ASSERT_EQ(failure_of(network.answer(alice, id)).code, result::FailureCode::refused);
  network.unreachable.clear();
  auto const done = execution_of(buy(90, 200, kFok));
  EXPECT_EQ(done.filled, Satoshi{90}) << "a maker grants a taker one reservation of an order at a time";
  EXPECT_EQ(trade_count(bob), 1u);
}

TEST_F(ImmediateOrderTest, thePaymentOfAnEarlierInvoiceAnswersNoOtherCommand) {
  command::AcceptOrder accept;
  accept.id = publish(bob, 50, 100).id;
  ASSERT_TRUE(std::holds_alternative<result::PurchaseView>(network.execute(alice, accept)));
  EXPECT_EQ(execution_of(buy(50, 100, kIoc)).filled, Satoshi{50});
  EXPECT_EQ(trade_count(bob), 1u);
  EXPECT_EQ(alice.answers.size(), 2u);
}

TEST_F(ImmediateOrderTest, anAmountWhosePaymentMayHaveArrivedIsNotBoughtAgain) {
  publish(bob, 50, 100);
  auto const spare = publish(carol, 50, 200);
  bool is_cut = false;
  network.on_sent = [&](TraderNetwork::Node const& from, json::Value const&) {
    // Bob gives his invoice, and is heard no more.
    if (&from == &bob) is_cut = network.unreachable.insert(bob.at).second || is_cut;
  };
  auto const id = network.begin(alice, order_of(Side::buy, 50, 200, kIoc));
  network.wait(10s);
  ASSERT_TRUE(is_cut);
  auto const done = execution_of(network.answer(alice, id));
  ASSERT_EQ(done.takes.size(), 1u);
  EXPECT_EQ(done.takes[0].state, result::PurchaseState::paying);
  EXPECT_EQ(done.filled, Satoshi{});
  EXPECT_EQ(remaining(spare), Satoshi{50});
  network.on_sent = [](auto const&, auto const&) {};
  auto const paid = network.begin(alice, command::Pay{done.takes[0].take_id});
  network.unreachable.clear();
  network.wait(60s);
  EXPECT_TRUE(std::holds_alternative<result::PurchaseView>(network.answer(alice, paid)))
      << "a person may wait for it";
  EXPECT_EQ(trade_count(alice), 1u) << "the payment goes on";
  EXPECT_EQ(trade_count(bob), 1u);
}

TEST_F(ImmediateOrderTest, aMakerThatHangsDoesNotKeepTheOthersFromBeingAsked) {
  for (auto const kind : {kIoc, kFok}) {
    publish(bob, 50, 100);
    publish(carol, 50, 200);
    network.hanging.insert(bob.at);
    auto const id = network.begin(alice, order_of(Side::buy, 50, 200, kind));
    network.wait(6s);
    auto const done = execution_of(network.answer(alice, id));
    EXPECT_EQ(done.filled, Satoshi{50});
    network.end_hanging();
    network.wait(60s);
    EXPECT_EQ(trade_count(bob), 0u);
  }
  EXPECT_EQ(trade_count(carol), 2u);
}

TEST_F(ImmediateOrderTest, anInvoiceThatComesTooLateIsNotPaid) {
  publish(bob, 50, 100);
  network.faults.reply_late = 100;
  network.faults.delay_max = 20s;
  std::vector<CommandId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(network.begin(alice, order_of(Side::buy, 10, 100, kIoc)));
  network.live(60s);
  std::size_t filled_count = 0;
  for (auto const id : ids) filled_count += execution_of(network.answer(alice, id)).takes.size();
  EXPECT_EQ(trade_count(alice), filled_count) << "what was told to be cancelled stays so";
}

TEST_F(ImmediateOrderTest, dustAndUnsignedOrdersDoNotHideTheBook) {
  for (int i = 0; i < 150; ++i) publish(bob, 1, 100);
  auto const sell = publish(carol, 5'000, 200);
  auto const done = execution_of(buy(5'000, 200, kFok));
  ASSERT_EQ(done.takes.size(), 1u);
  EXPECT_EQ(done.takes[0].order_id, sell.id);
}

TEST_F(ImmediateOrderTest, aMakerThatBreaksItsWordIsNotTradedWith) {
  auto const sell = publish(bob, 50, 200);
  command::AcceptOrder accept;
  accept.id = sell.id;
  accept.amount = Satoshi{50};
  ASSERT_TRUE(std::holds_alternative<result::PurchaseView>(network.execute(alice, accept)));
  // The same order, dearer.
  auto changed = *alice.trader->book().find(key_of(sell));
  changed.price = PriceCents{300};
  ++changed.seq;
  sign_order(changed, secret(2));
  (void)network.ask(alice, json::Value{json::to_text(to_json(changed))});
  EXPECT_FALSE(alice.trader->book().find(key_of(sell)));
  EXPECT_EQ(failure_of(buy(50, 300, kFok)).code, result::FailureCode::refused);
  EXPECT_EQ(trade_count(alice), 0u);
}

TEST_F(ImmediateOrderTest, nobodyElseTakesHoldOfATakeOfOne) {
  auto const sell = publish(bob, 50, 100);
  publish(carol, 40, 100);
  network.hanging.insert(carol.at);
  auto const id = network.begin(alice, order_of(Side::buy, 90, 100, kFok));
  auto const changes = events_of<event::PurchaseChanged>(alice);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(failure_of(network.execute(alice, command::Pay{changes[0].purchase.take_id})).code,
            result::FailureCode::refused);
  command::AcceptOrder accept;
  accept.id = sell.id;
  accept.pay = true;
  auto const other = network.begin(alice, accept);
  network.wait(5s);
  network.end_hanging();
  EXPECT_EQ(failure_of(network.answer(alice, id)).code, result::FailureCode::refused);
  EXPECT_EQ(failure_of(network.answer(alice, other)).code, result::FailureCode::refused);
  EXPECT_EQ(trade_count(alice), 0u);
  EXPECT_TRUE(std::holds_alternative<result::PurchaseView>(
      network.execute(alice, command::Pay{changes[0].purchase.take_id})))
      << "once it has been released, a person may pay it";
}

TEST_F(ImmediateOrderTest, aMakerThatFailsAfterItsInvoiceLeavesAFokOrderPartlyFilled) {
  publish(bob, 50, 100);
  publish(carol, 40, 100);
  network.on_sent = [&](TraderNetwork::Node const& from, json::Value const&) {
    if (&from == &carol) network.unreachable.insert(carol.at);
  };
  auto const id = network.begin(alice, order_of(Side::buy, 90, 100, kFok));
  network.wait(1s);
  auto const done = execution_of(network.answer(alice, id));
  EXPECT_EQ(done.filled, Satoshi{50});
  EXPECT_EQ(done.takes.size(), 2u);
}

TEST_F(ImmediateOrderTest, onlySoManyAreUnderWay) {
  publish(bob, 1'000, 100);
  network.hanging.insert(bob.at);
  CommandId last = 0;
  for (int i = 0; i < 17; ++i) last = network.begin(alice, order_of(Side::buy, 10, 100, kIoc));
  EXPECT_EQ(failure_of(network.answer(alice, last)).code, result::FailureCode::unavailable);
}

TEST_F(ImmediateOrderTest, aRestartSoonAfterwardsIsBoundByThePatienceOfATake) {
  publish(bob, 50, 100);
  network.hanging.insert(bob.at);
  network.begin(alice, order_of(Side::buy, 50, 100, kIoc));
  network.kill(alice);
  network.end_hanging();
  network.wait(3s);
  network.start(alice);
  network.look_up();
  network.wait(30s);
  EXPECT_EQ(trade_count(bob), 0u);
}

TEST_F(ImmediateOrderTest, ordersWithAGreaterLeastTakeAreLeftOut) {
  publish(bob, 50, 100, 30);
  publish(carol, 50, 200);
  auto const done = execution_of(buy(20, 200, kFok));
  ASSERT_EQ(done.takes.size(), 1u);
  EXPECT_EQ(done.takes[0].price, PriceCents{200});
  auto const failure = failure_of(buy(20, 100, kIoc));
  EXPECT_NE(failure.text.find("such an amount"), std::string::npos) << failure.text;
}

TEST_F(ImmediateOrderTest, whatASlowMakerIsAskedForEndsWithThePatience) {
  publish(bob, 50, 100);
  network.unreachable.insert(bob.at);
  auto const id = network.begin(alice, order_of(Side::buy, 50, 100, kIoc));
  network.wait(8s);
  EXPECT_EQ(failure_of(network.answer(alice, id)).code, result::FailureCode::refused);
  network.unreachable.clear();
  network.wait(60s);
  EXPECT_EQ(trade_count(bob), 0u) << "cancelled is cancelled";
}

TEST_F(ImmediateOrderTest, aRestartDoesNotBuyWhatWasNotGranted) {
  publish(bob, 50, 100);
  network.unreachable.insert(bob.at);
  network.begin(alice, order_of(Side::buy, 50, 100, kIoc));
  network.kill(alice);
  network.wait(60s);
  network.unreachable.clear();
  network.start(alice);
  network.look_up();
  network.wait(60s);
  EXPECT_EQ(trade_count(bob), 0u);
  EXPECT_EQ(network.lost_rows.size(), 0u);
}

TEST_F(ImmediateOrderTest, ownOrdersAreNotTaken) {
  auto const own = order_of(Side::sell, 50, 100, TimeInForce::good_till_cancelled);
  ASSERT_TRUE(std::holds_alternative<result::Placed>(network.execute(alice, own)));
  EXPECT_EQ(failure_of(buy(10, 100, kIoc)).code, result::FailureCode::refused);
}

TEST_F(ImmediateOrderTest, termsOfPublishedOrdersAreRefused) {
  publish(bob, 50, 100);
  auto wanted = order_of(Side::buy, 10, 100, kIoc);
  wanted.post_only = true;
  EXPECT_EQ(failure_of(network.execute(alice, wanted)).code, result::FailureCode::invalid);
  wanted = order_of(Side::buy, 10, 100, kFok);
  wanted.life = 1h;
  EXPECT_EQ(failure_of(network.execute(alice, wanted)).code, result::FailureCode::invalid);
  wanted = order_of(Side::buy, 10, 100, kFok);
  wanted.least_take = Satoshi{5};
  EXPECT_EQ(failure_of(network.execute(alice, wanted)).code, result::FailureCode::invalid);
  EXPECT_EQ(failure_of(network.execute(alice, order_of(Side::buy, 0, 100, kIoc))).code,
            result::FailureCode::invalid);
}

TEST_F(ImmediateOrderTest, manyMakersAreAskedAtOnce) {
  std::vector<OrderRecord> orders;
  for (auto* const node : {&bob, &carol, &dave}) {
    for (int i = 0; i < 10; ++i) orders.push_back(publish(*node, 10, 100 + i));
  }
  auto const done = execution_of(buy(295, 200, kFok));
  EXPECT_EQ(done.filled, Satoshi{295});
  EXPECT_EQ(done.takes.size(), 30u);
  EXPECT_EQ(trade_count(alice), 30u);
}

}  // namespace
}  // namespace grenache::exchange
