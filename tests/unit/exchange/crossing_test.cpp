// Peers that take crossing orders by themselves.
#include <gtest/gtest.h>

#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using test::events_of;
using test::TraderNetwork;

class CrossingTest : public testing::Test {
 protected:
  CrossingTest() { network_.look_up(); }

  static Trader::Options automatic() {
    Trader::Options out;
    out.crossing.is_enabled = true;
    return out;
  }
  static command::AddOrder terms(Side side, std::int64_t satoshi, std::int64_t cents = 6'000'000) {
    command::AddOrder out;
    out.side = side;
    out.price = PriceCents{cents};
    out.amount = Satoshi{satoshi};
    return out;
  }
  OrderRecord publish(TraderNetwork::Node& node, command::AddOrder const& order) {
    auto const result = network_.execute(node, order);
    auto const* const placed = std::get_if<result::Placed>(&result);
    EXPECT_TRUE(placed);
    return placed ? placed->order.order : OrderRecord{};
  }
  OrderRecord known(TraderNetwork::Node const& node, OrderRecord const& order) const {
    auto const* const found = node.trader->book().find(key_of(order));
    return found ? *found : OrderRecord{};
  }
  CommandResult accept(TraderNetwork::Node& node, OrderRecord const& order) {
    command::AcceptOrder take;
    take.id = order.id;
    take.pay = true;
    return network_.execute(node, take);
  }
  static std::vector<event::TradeDone> trades(TraderNetwork::Node const& node) {
    return events_of<event::TradeDone>(node);
  }
  static Satoshi traded(TraderNetwork::Node const& node) {
    Satoshi out;
    for (auto const& trade : trades(node)) out = out + trade.amount;
    return out;
  }

  TraderNetwork network_;
  TraderNetwork::Node& alice_ = network_.add("Alice", 1, automatic());
  TraderNetwork::Node& bob_ = network_.add("Bob", 2, automatic());
  TraderNetwork::Node& carol_ = network_.add("Carol", 3);
};

TEST_F(CrossingTest, theLaterOrderTakesAndBothAreFilled) {
  auto const sell = publish(alice_, terms(Side::sell, 100));
  network_.advance(1s);
  auto const buy = publish(bob_, terms(Side::buy, 100, 6'100'000));
  network_.wait(2s);
  ASSERT_EQ(trades(bob_).size(), 1u);
  ASSERT_EQ(trades(alice_).size(), 1u);
  EXPECT_FALSE(trades(bob_)[0].as_maker);
  EXPECT_TRUE(trades(alice_)[0].as_maker);
  EXPECT_EQ(trades(bob_)[0].price, sell.price) << "the maker's price";
  for (auto* const node : {&alice_, &bob_, &carol_}) {
    EXPECT_EQ(known(*node, sell).status, OrderStatus::filled);
    EXPECT_EQ(known(*node, buy).status, OrderStatus::filled);
  }
}

TEST_F(CrossingTest, aLaterOrderThatMustBeTakenIsTakenAsSoonAsItIsHeardOf) {
  auto wanted = terms(Side::sell, 100);
  wanted.least_take = Satoshi{60};
  publish(alice_, wanted);
  network_.wait(6s);
  publish(carol_, terms(Side::buy, 50));
  EXPECT_EQ(trades(alice_).size(), 1u);
}

TEST_F(CrossingTest, theNextOrderIsTakenAtOnceWhenAMakerRefuses) {
  auto& dave = network_.add("Dave", 4);
  network_.look_up();
  auto const best = publish(carol_, terms(Side::sell, 50, 5'000'000));
  publish(carol_, terms(Side::sell, 50));
  command::AcceptOrder take;
  take.id = best.id;
  (void)network_.execute(dave, take);
  network_.wait(6s);
  publish(bob_, terms(Side::buy, 50));
  ASSERT_EQ(trades(bob_).size(), 1u);
  EXPECT_EQ(trades(bob_)[0].price, PriceCents{6'000'000});
}

TEST_F(CrossingTest, ordersPlacedAtTheSameMomentMakeOneTrade) {
  // Neither hears of the other's order before its own is placed.
  network_.unreachable = {alice_.at, bob_.at};
  auto const sell = publish(alice_, terms(Side::sell, 100));
  auto const buy = publish(bob_, terms(Side::buy, 100));
  ASSERT_EQ(sell.created, buy.created);
  network_.unreachable.clear();
  network_.wait(2min);
  EXPECT_EQ(traded(alice_), Satoshi{100});
  EXPECT_EQ(traded(bob_), Satoshi{100});
  EXPECT_EQ(trades(alice_).size(), 1u);
  EXPECT_EQ(trades(bob_).size(), 1u);
  EXPECT_NE(trades(alice_)[0].as_maker, trades(bob_)[0].as_maker);
  EXPECT_EQ(known(carol_, sell).status, OrderStatus::filled);
  EXPECT_EQ(known(carol_, buy).status, OrderStatus::filled);
}

TEST_F(CrossingTest, theBestOrdersAreTakenFirst) {
  publish(carol_, terms(Side::sell, 100, 6'000'000));
  network_.advance(1s);
  publish(carol_, terms(Side::sell, 100, 5'900'000));
  network_.advance(1s);
  auto const buy = publish(bob_, terms(Side::buy, 150));
  network_.wait(2s);
  auto const done = trades(bob_);
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[0].price, PriceCents{5'900'000});
  EXPECT_EQ(done[0].amount, Satoshi{100});
  EXPECT_EQ(done[1].amount, Satoshi{50});
  EXPECT_EQ(known(carol_, buy).status, OrderStatus::filled);
}

TEST_F(CrossingTest, anEarlierOrderWaitsForTheOtherSide) {
  auto const sell = publish(alice_, terms(Side::sell, 100));
  network_.advance(1s);
  publish(carol_, terms(Side::buy, 100));
  network_.wait(1min);
  EXPECT_TRUE(trades(alice_).empty()) << "Carol's order is the later one, and nobody takes for her";
  EXPECT_EQ(known(carol_, sell).status, OrderStatus::open);
}

TEST_F(CrossingTest, ownOrdersDoNotTradeWithEachOther) {
  publish(alice_, terms(Side::sell, 100));
  network_.advance(1s);
  publish(alice_, terms(Side::buy, 100));
  network_.wait(1min);
  EXPECT_TRUE(trades(alice_).empty());
}

TEST_F(CrossingTest, aMakerThatRefusesIsLeftOutForLongerAndLonger) {
  // An order that its maker does not know any more.
  auto const sell = publish(carol_, terms(Side::sell, 100));
  network_.kill(carol_);
  std::size_t take_count = 0;
  network_.strangers[carol_.at] = [&](json::Value const& payload) -> CallAnswer {
    auto const request = read_payload(payload);
    auto const* const type = request->body.find_string("type");
    if (*type == ExecuteOrderMessage::kType) ++take_count;
    return {{}, to_error_text({RefusalCode::filled, "nothing is left", {}})};
  };
  network_.advance(1s);
  publish(bob_, terms(Side::buy, 100));
  network_.wait(30min);
  EXPECT_GE(take_count, 5u);
  EXPECT_LE(take_count, 16u);
  EXPECT_EQ(known(alice_, sell).status, OrderStatus::open);
  EXPECT_TRUE(bob_.rows.read({.kind = Purchases::kEndedRowKind}).empty()) << "nobody has asked for these";
}

TEST_F(CrossingTest, aMakerThatDoesNotAnswerIsLeftOutWithAllItsOrders) {
  for (int i = 0; i < 10; ++i) publish(carol_, terms(Side::sell, 10, 5'900'000 + i));
  auto const sell = publish(alice_, terms(Side::sell, 100));
  network_.hanging.insert(carol_.at);
  network_.advance(1s);
  publish(bob_, terms(Side::buy, 100));
  network_.wait(90s);
  EXPECT_GE(traded(bob_), Satoshi{90});
  EXPECT_GE(Satoshi{10}, known(alice_, sell).remaining);
}

TEST_F(CrossingTest, anInvoiceThatComesTooLateFreesTheOwnOrder) {
  publish(alice_, terms(Side::sell, 100));
  network_.hanging.insert(alice_.at);
  network_.advance(1s);
  auto const buy = publish(bob_, terms(Side::buy, 100));
  network_.wait(90s);
  network_.answer_hanging();
  EXPECT_TRUE(std::holds_alternative<result::PurchaseView>(accept(carol_, buy)));
  EXPECT_EQ(traded(bob_), Satoshi{100});
}

TEST_F(CrossingTest, whatTheStoreHoldsOfATakeThatIsTooLateIsFreeAgain) {
  publish(alice_, terms(Side::sell, 100));
  network_.advance(1s);
  network_.faults.store_late = 100;
  auto const buy = publish(bob_, terms(Side::buy, 100));
  network_.kill(bob_);  // the store has granted what he does not know
  network_.faults.store_late = 0;
  network_.kill(alice_);
  network_.wait(2min);
  network_.start(bob_);
  network_.wait(10s);
  auto const taken = accept(carol_, buy);
  auto const* const failure = std::get_if<result::Failure>(&taken);
  EXPECT_FALSE(failure) << (failure ? failure->text : "");
}

TEST_F(CrossingTest, aPostOnlyOrderDoesNotTake) {
  network_.unreachable = {alice_.at, bob_.at};
  publish(alice_, terms(Side::sell, 100));
  network_.advance(1s);
  auto order = terms(Side::buy, 100);
  order.post_only = true;
  publish(bob_, order);
  network_.unreachable.clear();
  network_.wait(2min);
  EXPECT_TRUE(trades(bob_).empty());
  network_.kill(bob_);
  network_.start(bob_);
  network_.wait(1min);
  EXPECT_TRUE(trades(bob_).empty());
}

TEST_F(CrossingTest, anOrderTakesALaterOneThatIsTooSmallToTakeIt) {
  auto sell = terms(Side::sell, 100);
  sell.least_take = Satoshi{50};
  publish(alice_, sell);
  network_.advance(1s);
  auto const buy = publish(bob_, terms(Side::buy, 20));
  network_.wait(10s);
  EXPECT_EQ(traded(alice_), Satoshi{20});
  EXPECT_EQ(known(carol_, buy).status, OrderStatus::filled);
  ASSERT_EQ(trades(alice_).size(), 1u);
  EXPECT_FALSE(trades(alice_)[0].as_maker);
}

TEST_F(CrossingTest, theNextOrderIsTakenWhenAMakerIsGone) {
  publish(carol_, terms(Side::sell, 100, 5'900'000));
  network_.kill(carol_);
  auto const sell = publish(alice_, terms(Side::sell, 100));
  network_.advance(1s);
  publish(bob_, terms(Side::buy, 100));
  network_.wait(1min);
  EXPECT_EQ(traded(bob_), Satoshi{100});
  EXPECT_EQ(known(alice_, sell).status, OrderStatus::filled);
}

TEST_F(CrossingTest, anOrderThatIsTakenWhileItTakesTradesItsAmountOnce) {
  publish(alice_, terms(Side::sell, 100));
  network_.hanging.insert(alice_.at);
  network_.advance(1s);
  auto const buy = publish(bob_, terms(Side::buy, 100));
  // Bob waits for Alice, and his order is held.
  EXPECT_TRUE(std::holds_alternative<result::Failure>(accept(carol_, buy)));
  network_.end_hanging();
  network_.wait(2min);
  EXPECT_EQ(traded(bob_), Satoshi{100});
}

TEST_F(CrossingTest, whatOthersHaveReservedIsNotTaken) {
  auto const buy = publish(bob_, terms(Side::buy, 100));
  command::AcceptOrder take;
  take.id = buy.id;
  take.amount = Satoshi{60};
  ASSERT_TRUE(std::holds_alternative<result::PurchaseView>(network_.execute(carol_, take)));
  network_.now.wall -= 1min;
  publish(alice_, terms(Side::sell, 100));
  network_.now.wall += 1min;
  network_.wait(1min);
  EXPECT_EQ(traded(bob_), Satoshi{40});
  network_.wait(20min);
  EXPECT_EQ(traded(bob_), Satoshi{100}) << "when the invoice has expired";
}

TEST_F(CrossingTest, aTakeContinuesAfterARestartAndIsNotRepeated) {
  publish(alice_, terms(Side::sell, 100));
  network_.hanging.insert(alice_.at);
  network_.advance(1s);
  publish(bob_, terms(Side::buy, 100));
  network_.kill(bob_);
  network_.hanging.clear();
  network_.start(bob_);
  network_.wait(2min);
  EXPECT_EQ(traded(bob_), Satoshi{100});
  EXPECT_EQ(traded(alice_), Satoshi{100});
}

TEST_F(CrossingTest, ordersThatCannotBeTakenHideNoOther) {
  // Later than Bob's order, and at better prices.
  for (int i = 0; i < 150; ++i) {
    auto const dust = publish(carol_, terms(Side::sell, 1, 5'000'000));
    EXPECT_EQ(dust.status, OrderStatus::open);
  }
  network_.now.wall -= 1min;
  auto const sell = publish(alice_, terms(Side::sell, 100));
  network_.now.wall += 30s;
  publish(bob_, terms(Side::buy, 100));
  network_.now.wall += 30s;
  network_.wait(10s);
  EXPECT_EQ(known(alice_, sell).status, OrderStatus::filled);
}

TEST_F(CrossingTest, aPaymentThatIsNotConfirmedDoesNotStopTheRestOfTheOrder) {
  publish(carol_, terms(Side::sell, 1, 5'900'000));
  network_.on_sent = [&](TraderNetwork::Node const& from, json::Value const& sent) {
    bool const pays =
        &from == &bob_ && sent.as_string() && sent.as_string()->find(PayMessage::kType) != std::string::npos;
    if (pays && traded(bob_) == Satoshi{}) network_.unreachable.insert(carol_.at);
  };
  auto const sell = publish(alice_, terms(Side::sell, 99));
  network_.advance(1s);
  publish(bob_, terms(Side::buy, 100));
  network_.wait(30s);
  EXPECT_EQ(traded(bob_), Satoshi{99});
  EXPECT_EQ(known(alice_, sell).status, OrderStatus::filled);
  network_.unreachable.clear();
  network_.wait(2min);
  EXPECT_EQ(traded(bob_), Satoshi{100});
}

TEST_F(CrossingTest, withoutTheOptionNothingIsTaken) {
  publish(alice_, terms(Side::sell, 100));
  network_.advance(1s);
  publish(carol_, terms(Side::buy, 100));
  network_.wait(1min);
  EXPECT_TRUE(trades(carol_).empty());
}

}  // namespace
}  // namespace grenache::exchange
