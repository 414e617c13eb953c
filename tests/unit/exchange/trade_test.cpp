// Takes from the request to the preimage, at both sides, with crashes.
#include <gtest/gtest.h>

#include "exchange/core/trade/invoice.hpp"
#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using test::events_of;
using test::TraderNetwork;

struct TradeTest : testing::Test {
  TradeTest() { network.look_up(); }

  OrderRecord publish(TraderNetwork::Node& node, Side side, std::int64_t satoshi = kSatoshiPerBtc,
                      std::int64_t cents = 6'000'000) {
    command::AddOrder order;
    order.side = side;
    order.price = PriceCents{cents};
    order.amount = Satoshi{satoshi};
    auto const result = network.execute(node, order);
    auto const* const placed = std::get_if<result::Placed>(&result);
    EXPECT_TRUE(placed);
    return placed ? placed->order.order : OrderRecord{};
  }
  static command::AcceptOrder accept(OrderRecord const& order, std::int64_t satoshi = 0, bool pay = false) {
    command::AcceptOrder out;
    out.id = order.id;
    if (satoshi != 0) out.amount = Satoshi{satoshi};
    out.pay = pay;
    return out;
  }
  /// The take, or a default one after a failure.
  static result::PurchaseView view_of(CommandResult const& result) {
    auto const* const view = std::get_if<result::PurchaseView>(&result);
    return view ? *view : result::PurchaseView{};
  }
  static std::string failure_of(CommandResult const& result) {
    auto const* const failure = std::get_if<result::Failure>(&result);
    return failure ? failure->text : "";
  }
  OrderRecord known(TraderNetwork::Node const& node, OrderRecord const& order) const {
    auto const* const found = node.trader->book().find(key_of(order));
    return found ? *found : OrderRecord{};
  }
  static std::vector<Row> trades(TraderNetwork::Node const& node) {
    return node.rows.read({.kind = "trade"});
  }

  TraderNetwork network;
  TraderNetwork::Node& alice = network.add("Alice", 1);
  TraderNetwork::Node& bob = network.add("Bob", 2);
  TraderNetwork::Node& carol = network.add("Carol", 3);
};

TEST_F(TradeTest, aPaidTakeIsSettledOnBothSidesAndLeavesEveryBook) {
  auto const sell = publish(bob, Side::sell);
  auto const invoiced = view_of(network.execute(alice, accept(sell)));
  EXPECT_EQ(invoiced.state, result::PurchaseState::invoiced);
  ASSERT_FALSE(invoiced.invoice.empty());
  EXPECT_EQ(known(carol, sell).status, OrderStatus::open) << "the order stays visible";
  auto const paid = view_of(network.execute(alice, command::Pay{invoiced.invoice}));
  EXPECT_EQ(paid.state, result::PurchaseState::settled);
  auto const invoice = bolt11::decode(invoiced.invoice);
  ASSERT_TRUE(invoice);
  auto const preimage = Sha256::from_hex(paid.preimage);
  ASSERT_TRUE(preimage);
  EXPECT_EQ(sha256(preimage->view()), invoice->payment_hash);
  for (auto const* const node : {&alice, &bob, &carol}) {
    EXPECT_EQ(known(*node, sell).status, OrderStatus::filled) << node->at;
  }
  EXPECT_EQ(trades(alice).size(), 1u);
  EXPECT_EQ(trades(bob).size(), 1u);
  EXPECT_EQ(events_of<event::TradeDone>(bob).at(0).cents, UsdCents{6'000'000});
}

TEST_F(TradeTest, partsOfAnOrderAreSoldOneAfterTheOther) {
  auto const sell = publish(bob, Side::sell, 100);
  EXPECT_EQ(view_of(network.execute(alice, accept(sell, 60, true))).state, result::PurchaseState::settled);
  EXPECT_EQ(known(carol, sell).remaining, Satoshi{40});
  EXPECT_EQ(known(carol, sell).status, OrderStatus::open);
  EXPECT_NE(failure_of(network.execute(carol, accept(sell, 41))), "");
  EXPECT_EQ(view_of(network.execute(carol, accept(sell, 40, true))).state, result::PurchaseState::settled);
  EXPECT_EQ(known(alice, sell).status, OrderStatus::filled);
}

TEST_F(TradeTest, aTakeIsPaidByTheBeginningOfItsId) {
  auto const sell = publish(bob, Side::sell);
  auto const take = view_of(network.execute(alice, accept(sell))).take_id;
  EXPECT_NE(failure_of(network.execute(alice, command::Pay{take.substr(0, 3)})), "") << "too short";
  auto const paid = view_of(network.execute(alice, command::Pay{take.substr(0, 8)}));
  EXPECT_EQ(paid.take_id, take);
  EXPECT_EQ(paid.state, result::PurchaseState::settled);
}

TEST_F(TradeTest, whatIsReservedIsNotWithdrawn) {
  auto const sell = publish(bob, Side::sell, 100);
  (void)network.execute(alice, accept(sell, 60));
  network.execute(bob, command::ReduceOrder{sell.id, Satoshi{70}});
  EXPECT_EQ(known(alice, sell).remaining, Satoshi{60}) << "what is free is withdrawn";
  EXPECT_NE(failure_of(network.execute(bob, command::ReduceOrder{sell.id, Satoshi{10}})), "");
  EXPECT_EQ(known(bob, sell).remaining, Satoshi{60});
}

TEST_F(TradeTest, theNextTakerHearsWhenToAskAgain) {
  auto const sell = publish(bob, Side::sell);
  view_of(network.execute(alice, accept(sell)));
  network.advance(28s);
  auto const failure = failure_of(network.execute(carol, accept(sell)));
  EXPECT_NE(failure.find("872 s"), std::string::npos) << failure;
  network.wait(872s);
  EXPECT_EQ(view_of(network.execute(carol, accept(sell))).state, result::PurchaseState::invoiced)
      << "not paid in time: free again";
  EXPECT_EQ(events_of<event::SaleExpired>(bob).size(), 1u);
}

TEST_F(TradeTest, aLatePaymentIsRefusedAndKeepsItsPreimage) {
  auto const sell = publish(bob, Side::sell);
  auto const invoiced = view_of(network.execute(alice, accept(sell)));
  network.unreachable.insert(bob.at);
  auto const id = network.begin(alice, command::Pay{invoiced.invoice});
  network.wait(901s);
  network.unreachable.clear();
  network.wait(60s);
  EXPECT_EQ(view_of(network.answer(alice, id)).state, result::PurchaseState::paying) << "answered, goes on";
  auto const changes = events_of<event::PurchaseChanged>(alice);
  ASSERT_FALSE(changes.empty());
  EXPECT_EQ(changes.back().purchase.state, result::PurchaseState::failed);
  EXPECT_EQ(changes.back().purchase.preimage, "");
  EXPECT_EQ(known(carol, sell).remaining, sell.amount);
  EXPECT_TRUE(trades(bob).empty());
}

TEST_F(TradeTest, oneTakeIsServedOnceHoweverOftenItIsAccepted) {
  auto const sell = publish(bob, Side::sell);
  auto const first = view_of(network.execute(alice, accept(sell)));
  auto const second = view_of(network.execute(alice, accept(sell)));
  EXPECT_EQ(first.take_id, second.take_id);
  EXPECT_EQ(first.invoice, second.invoice);
  network.execute(alice, command::Pay{first.take_id});
  network.execute(alice, command::Pay{first.invoice});
  EXPECT_EQ(trades(bob).size(), 1u);
  EXPECT_NE(failure_of(network.execute(alice, accept(sell))), "") << "it is filled";
}

TEST_F(TradeTest, acceptingAnInvoicedTakeAgainWithPaymentPaysIt) {
  auto const sell = publish(bob, Side::sell);
  auto const first = view_of(network.execute(alice, accept(sell)));
  auto const paid = view_of(network.execute(alice, accept(sell, 0, true)));
  EXPECT_EQ(paid.take_id, first.take_id);
  EXPECT_EQ(paid.state, result::PurchaseState::settled);
}

TEST_F(TradeTest, aTakeForAnOwnOrderThatOthersHaveReservedSaysSo) {
  auto const sell = publish(bob, Side::sell, 100);
  auto const buy = publish(alice, Side::buy, 100);
  view_of(network.execute(carol, accept(buy, 100)));
  auto wanted = accept(sell, 100);
  wanted.for_order = buy.id;
  auto const failure = failure_of(network.execute(alice, wanted));
  EXPECT_NE(failure.find("the own order has not that much to trade"), std::string::npos) << failure;
}

TEST_F(TradeTest, anUnreadableProofOfPaymentIsAskedForAgain) {
  auto const sell = publish(bob, Side::sell);
  auto const invoiced = view_of(network.execute(alice, accept(sell)));
  network.strangers[bob.at] = [](json::Value const&) { return CallAnswer{json::Value{"{}"}, {}}; };
  network.begin(alice, command::Pay{invoiced.take_id});
  network.wait(5s);
  EXPECT_TRUE(trades(alice).empty());
  network.strangers.clear();
  network.wait(60s);
  EXPECT_EQ(trades(alice).size(), 1u);
}

TEST_F(TradeTest, guardsOfATakeAreKept) {
  auto const sell = publish(bob, Side::sell);
  auto wanted = accept(sell);
  wanted.price = PriceCents{5'999'999};
  EXPECT_NE(failure_of(network.execute(alice, wanted)).find("60000"), std::string::npos);
  wanted = accept(sell);
  wanted.seq = 7;
  EXPECT_NE(failure_of(network.execute(alice, wanted)), "");
  EXPECT_NE(failure_of(network.execute(bob, accept(sell))).find("your own"), std::string::npos);
  EXPECT_EQ(network.stores[bob.trader->id()].reservation_count(), 0u);
}

TEST_F(TradeTest, aSmallerTakeThanTheLeastIsRefusedExceptTheRest) {
  command::AddOrder order;
  order.side = Side::sell;
  order.price = PriceCents{100};
  order.amount = Satoshi{100};
  order.least_take = Satoshi{60};
  auto const sell = std::get<result::Placed>(network.execute(bob, order)).order.order;
  EXPECT_NE(failure_of(network.execute(alice, accept(sell, 59))).find("at least"), std::string::npos);
  EXPECT_EQ(view_of(network.execute(alice, accept(sell, 60, true))).state, result::PurchaseState::settled);
  EXPECT_EQ(view_of(network.execute(alice, accept(sell, 40, true))).state, result::PurchaseState::settled);
}

TEST_F(TradeTest, aTakeOfACancelledOrderCanStillBePaid) {
  auto const sell = publish(bob, Side::sell, 100);
  auto const invoiced = view_of(network.execute(alice, accept(sell, 60)));
  network.execute(bob, command::CancelOrder{sell.id});
  EXPECT_NE(failure_of(network.execute(carol, accept(sell, 40))), "");
  auto const paid = view_of(network.execute(alice, command::Pay{invoiced.invoice}));
  EXPECT_EQ(paid.state, result::PurchaseState::settled);
  EXPECT_EQ(known(carol, sell).remaining, Satoshi{40});
  EXPECT_EQ(known(carol, sell).status, OrderStatus::cancelled);
}

TEST_F(TradeTest, theOwnOrderIsHeldWhileItTakes) {
  auto const sell = publish(bob, Side::sell, 100);
  auto const buy = publish(alice, Side::buy, 100);
  auto wanted = accept(sell, 100);
  wanted.for_order = buy.id;
  auto const invoiced = view_of(network.execute(alice, wanted));
  EXPECT_EQ(invoiced.state, result::PurchaseState::invoiced);
  EXPECT_NE(failure_of(network.execute(carol, accept(buy, 100))), "") << "held";
  EXPECT_EQ(view_of(network.execute(alice, command::Pay{invoiced.invoice})).state,
            result::PurchaseState::settled);
  EXPECT_EQ(known(carol, buy).status, OrderStatus::filled);
  EXPECT_EQ(known(carol, sell).status, OrderStatus::filled);
}

TEST_F(TradeTest, theHoldEndsWhenTheTakeFails) {
  auto const sell = publish(bob, Side::sell, 100);
  auto const buy = publish(alice, Side::buy, 100);
  view_of(network.execute(carol, accept(sell, 100)));
  auto wanted = accept(sell, 100);
  wanted.for_order = buy.id;
  EXPECT_NE(failure_of(network.execute(alice, wanted)).find("reserved"), std::string::npos);
  EXPECT_EQ(view_of(network.execute(carol, accept(buy, 100))).state, result::PurchaseState::invoiced);
}

TEST_F(TradeTest, aTakeFallsBackToTheNextOrderAtThePriceOrBetter) {
  auto const best = publish(bob, Side::sell, 100, 5'000'000);
  auto const worse = publish(carol, Side::sell, 100, 6'000'000);
  auto const same = publish(carol, Side::sell, 100, 5'000'000);
  network.kill(bob);
  auto wanted = accept(best, 100);
  wanted.or_next = true;
  auto const id = network.begin(alice, wanted);
  network.wait(30s);
  auto const view = view_of(network.answer(alice, id));
  EXPECT_EQ(view.state, result::PurchaseState::invoiced);
  EXPECT_EQ(view.order_id, same.id);
  EXPECT_EQ(known(alice, worse).remaining, Satoshi{100});
}

TEST_F(TradeTest, aTakerSaysWhenTheMakerIsGoneAndDoesNotAskForEver) {
  auto const sell = publish(bob, Side::sell);
  network.kill(bob);
  auto const id = network.begin(alice, accept(sell));
  network.wait(30s);
  EXPECT_NE(failure_of(network.answer(alice, id)).find("nobody there"), std::string::npos);
  network.call_count = 0;
  network.wait(30s);
  EXPECT_LE(network.call_count, 40u) << "pings alone";
}

// H3: claims cost nothing, and have no effect in any number. To be asked in the place of a maker, somebody
// needs its key, or its address.
TEST_F(TradeTest, whoOnlyClaimsToBeTheMakerIsNotAsked) {
  // Mallory answers with the pongs of Bob, to whom it passes Alice's pings on, and refuses every take.
  auto const sell = publish(bob, Side::sell);
  std::size_t take_count = 0;
  network.strangers["127.0.0.1:666"] = [&](json::Value const& payload) -> CallAnswer {
    auto const request = read_payload(payload);
    auto const* const type = request->body.find_string("type");
    if (*type == PingPongMessage::kType) {
      PingPongMessage pong{{1, CreatorType::server, network.now.wall}, true, {}, "b", "Bob", {}, {}};
      sign_pong(pong, *PingNonce::from_hex(*request->body.find_string("nonce")), bob.at, secret(bob.key));
      return {to_json(pong), {}};
    }
    if (*type == ExecuteOrderMessage::kType) ++take_count;
    return {{}, to_error_text({RefusalCode::filled, "nothing is left", {}})};
  };
  network.look_up();
  auto const* const mallory = alice.trader->peers().find("127.0.0.1:666");
  ASSERT_TRUE(mallory && mallory->is_met);
  EXPECT_EQ(mallory->peer, bob.id);
  EXPECT_FALSE(mallory->is_proven);
  network.unreachable.insert(bob.at);
  auto const id = network.begin(alice, accept(sell));
  network.wait(5s);
  network.unreachable.clear();
  network.wait(10s);
  EXPECT_EQ(view_of(network.answer(alice, id)).state, result::PurchaseState::invoiced);
  EXPECT_EQ(take_count, 0u);
}

TEST_F(TradeTest, aMakerThatHasMovedIsAskedWhereItProvesItself) {
  auto const sell = publish(bob, Side::sell);
  network.kill(bob);
  bob.at = "127.0.0.1:2999";
  network.start(bob);
  network.unreachable.insert(sell.endpoint);
  network.look_up();
  auto const result = network.execute(alice, accept(sell));
  EXPECT_EQ(view_of(result).state, result::PurchaseState::invoiced) << failure_of(result);
}

TEST_F(TradeTest, aRepeatedTakeGetsTheSameInvoiceAfterARestartOfTheMaker) {
  auto const sell = publish(bob, Side::sell, 100);
  TakeTerms take{uuid(7), Satoshi{60}, sell.price, {}, network.now.wall, {}};
  sign_take(take, sell.id, bob.trader->id(), secret(9));
  ExecuteOrderMessage const message{{1, CreatorType::client, network.now.wall}, sell.id, take};
  auto const first = network.ask(bob, to_json(message));
  EXPECT_EQ(first.error, "");
  network.kill(bob);
  network.stores.clear();  // the embedded store ends with its process
  network.start(bob);
  auto const invoice = parse_execute_response(first.result);
  auto const again = parse_execute_response(network.ask(bob, to_json(message)).result);
  ASSERT_TRUE(invoice && again);
  EXPECT_EQ(invoice->lightning_invoice, again->lightning_invoice);
  EXPECT_NE(failure_of(network.execute(carol, accept(sell, 41))), "") << "the reservation is known again";
  EXPECT_EQ(view_of(network.execute(carol, accept(sell, 40))).state, result::PurchaseState::invoiced);
}

TEST_F(TradeTest, aFilledOrderIsNotSoldAgainAfterARestart) {
  auto const sell = publish(bob, Side::sell);
  network.execute(alice, accept(sell, 0, true));
  network.kill(bob);
  network.stores.clear();
  network.start(bob);
  network.look_up();
  network.wait(2min);
  auto& dave = network.add("Dave", 4);
  network.look_up();
  EXPECT_EQ(known(dave, sell).status, OrderStatus::filled);
  TakeTerms take{uuid(7), sell.amount, sell.price, {}, network.now.wall, {}};
  sign_take(take, sell.id, bob.trader->id(), secret(9));
  auto const refusal = parse_refusal(
      network
          .ask(bob, to_json(ExecuteOrderMessage{{1, CreatorType::client, network.now.wall}, sell.id, take}))
          .error);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, RefusalCode::filled);
}

TEST_F(TradeTest, aReplayedTakeOfASettledOneReservesNothing) {
  auto const sell = publish(bob, Side::sell, 100);
  TakeTerms take{uuid(7), Satoshi{60}, sell.price, {}, network.now.wall, {}};
  sign_take(take, sell.id, bob.trader->id(), secret(9));
  ExecuteOrderMessage const message{{1, CreatorType::client, network.now.wall}, sell.id, take};
  auto const first = parse_execute_response(network.ask(bob, to_json(message)).result);
  ASSERT_TRUE(first);
  auto const invoice = bolt11::decode(first->lightning_invoice);
  ASSERT_TRUE(invoice);
  PayMessage pay{message.header, sell.id, take.take_id, invoice->payment_hash, {}, {}};
  sign_pay(pay, bob.trader->id(), secret(9));
  auto const paid = parse_paid(network.ask(bob, to_json(pay)).result);
  ASSERT_TRUE(paid);
  EXPECT_EQ(sha256(paid->preimage.view()), invoice->payment_hash);
  auto const again = parse_execute_response(network.ask(bob, to_json(message)).result);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->lightning_invoice, first->lightning_invoice);
  EXPECT_EQ(known(bob, sell).remaining, Satoshi{40});
  EXPECT_EQ(network.stores[bob.trader->id()].reservation_count(), 0u);
  auto const paid_again = parse_paid(network.ask(bob, to_json(pay)).result);
  ASSERT_TRUE(paid_again);
  EXPECT_EQ(paid_again->preimage, paid->preimage);
  EXPECT_EQ(trades(bob).size(), 1u);
}

TEST_F(TradeTest, aPreimageIsOnlySentOnceTheTradeIsDurable) {
  auto const sell = publish(bob, Side::sell);
  auto const invoiced = view_of(network.execute(alice, accept(sell)));
  bob.holds_batches = true;
  auto const id = network.begin(alice, command::Pay{invoiced.invoice});
  EXPECT_EQ(view_of(network.answer(alice, id)).state, result::PurchaseState{}) << "nothing is durable";
  while (!bob.batches.empty()) network.make_durable(bob);
  EXPECT_EQ(view_of(network.answer(alice, id)).state, result::PurchaseState::settled);
}

TEST_F(TradeTest, aPaymentHasOneTransactionWithAStoreInTheProcess) {
  Trader::Options options;
  options.is_store_in_process = true;
  auto& dave = network.add("Dave", 7, options);
  network.look_up();
  auto const sell = publish(dave, Side::sell);
  auto const invoiced = view_of(network.execute(alice, accept(sell)));
  dave.holds_batches = true;
  auto const id = network.begin(alice, command::Pay{invoiced.invoice});
  EXPECT_EQ(view_of(network.answer(alice, id)).state, result::PurchaseState{}) << "nothing is durable";
  ASSERT_EQ(dave.batches.size(), 1u);
  network.make_durable(dave);
  EXPECT_EQ(view_of(network.answer(alice, id)).state, result::PurchaseState::settled);
  EXPECT_EQ(trades(dave).size(), 1u);
}

TEST_F(TradeTest, aReservationDoesNotWaitForTheRowsOfOthers) {
  auto const sell = publish(bob, Side::sell, 100);
  bob.holds_batches = true;
  auto const first = network.begin(alice, accept(sell, 10));
  auto const second = network.begin(carol, accept(sell, 20));
  EXPECT_EQ(network.stores[bob.id].reservation_count(), 2u);
  for (auto const& [taker, id] : {std::pair{&alice, first}, std::pair{&carol, second}}) {
    EXPECT_EQ(view_of(network.answer(*taker, id)).state, result::PurchaseState{}) << "nothing is durable";
  }
  while (!bob.batches.empty()) network.make_durable(bob);
  for (auto const& [taker, id] : {std::pair{&alice, first}, std::pair{&carol, second}}) {
    EXPECT_EQ(view_of(network.answer(*taker, id)).state, result::PurchaseState::invoiced);
  }
}

TEST_F(TradeTest, aReservationDoesNotOvertakeTheEndOfItsOrder) {
  auto const sell = publish(bob, Side::sell, 100);
  bob.holds_batches = true;
  network.begin(alice, accept(sell, 10));
  network.begin(bob, command::CancelOrder{sell.id});  // waits for the row of the take
  auto const late = network.begin(carol, accept(sell, 20));
  EXPECT_EQ(network.stores[bob.id].reservation_count(), 1u);
  while (!bob.batches.empty()) network.make_durable(bob);
  EXPECT_EQ(network.stores[bob.id].reservation_count(), 1u);
  EXPECT_NE(failure_of(network.answer(carol, late)), "");
}

TEST_F(TradeTest, withoutAnAnswerOfTheStoreNothingIsPromised) {
  auto const sell = publish(bob, Side::sell);
  network.stores_down.insert(bob.trader->id());
  auto const id = network.begin(alice, accept(sell));
  network.wait(5s);
  EXPECT_EQ(view_of(network.answer(alice, id)).state, result::PurchaseState{});
  EXPECT_NE(failure_of(network.execute(bob, command::CancelOrder{sell.id})), "");
  network.stores_down.clear();
  network.wait(10s);
  auto const invoiced = view_of(network.answer(alice, id));
  EXPECT_EQ(invoiced.state, result::PurchaseState::invoiced);
  network.stores_down.insert(bob.trader->id());
  auto const pay = network.begin(alice, command::Pay{invoiced.invoice});
  network.wait(5s);
  EXPECT_TRUE(trades(bob).empty());
  network.stores_down.clear();
  network.wait(30s);
  EXPECT_EQ(trades(bob).size(), 1u);
  EXPECT_EQ(trades(alice).size(), 1u);
  (void)pay;
}

TEST_F(TradeTest, aPaymentThatTheStoreInTheProcessCannotSettleYetIsNotExpired) {
  Trader::Options options;
  options.is_store_in_process = true;
  auto& dave = network.add("Dave", 4, options);
  network.look_up();
  auto const sell = publish(dave, Side::sell);
  auto const invoiced = view_of(network.execute(alice, accept(sell)));
  network.stores_down.insert(dave.id);
  network.begin(alice, command::Pay{invoiced.invoice});
  network.wait(30s);
  network.stores_down.clear();
  network.wait(60s);
  EXPECT_EQ(trades(dave).size(), 1u);
  EXPECT_TRUE(events_of<event::SaleExpired>(dave).empty());
}

// The store is a host of its own, whose clock may be ahead.
TEST_F(TradeTest, aReservationThatTheStoreGrantsTooLateIsReleased) {
  auto& dave = network.add_at("127.0.0.1:2900", -30s, "Dave", 4, {});
  network.look_up();
  command::AddOrder order;
  order.side = Side::sell;
  order.price = PriceCents{6'000'000};
  order.amount = Satoshi{100};
  order.time_in_force = TimeInForce::good_till_date;
  order.life = 20s;
  auto const sell = std::get<result::Placed>(network.execute(dave, order)).order.order;
  TakeTerms take{uuid(7), Satoshi{60}, sell.price, {}, network.now_of(dave).wall, {}};
  sign_take(take, sell.id, dave.id, secret(9));
  ExecuteOrderMessage const message{{1, CreatorType::client, take.created}, sell.id, take};
  auto const refusal = parse_refusal(network.ask(dave, to_json(message)).error);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, RefusalCode::expired);
  EXPECT_EQ(network.stores[dave.id].reservation_count(), 0u);
  auto const answered = events_of<event::TakeAnswered>(dave);
  ASSERT_EQ(answered.size(), 1u);
  EXPECT_TRUE(answered[0].refusal);
}

TEST_F(TradeTest, salesOfAnOrderThatIsUnknownAfterARestartAreForgotten) {
  auto const sell = publish(bob, Side::sell, 100);
  view_of(network.execute(alice, accept(sell, 60)));
  ASSERT_EQ(bob.rows.read({.kind = Sales::kRowKind}).size(), 1u);
  network.kill(bob);
  bob.rows.apply({bob.durable, {{OwnOrders::kRowKind, sell.id, {}}}});
  network.start(bob);
  EXPECT_TRUE(bob.rows.read({.kind = Sales::kRowKind}).empty());
}

TEST_F(TradeTest, refusedTakesAreForgottenWithTheirOrder) {
  auto const sell = publish(bob, Side::sell, 100);
  view_of(network.execute(alice, accept(sell, 60)));
  (void)network.execute(carol, accept(sell, 60));
  ASSERT_EQ(bob.rows.read({.kind = RefusedTakes::kRowKind}).size(), 1u);
  network.execute(bob, command::CancelOrder{sell.id});
  network.advance(24h + OwnOrders::Options{}.expired_kept);
  ASSERT_FALSE(bob.trader->own_orders().find(sell.id));
  EXPECT_TRUE(bob.rows.read({.kind = RefusedTakes::kRowKind}).empty());
}

TEST_F(TradeTest, aTakeIsDurableBeforeItsRequestLeaves) {
  auto const sell = publish(bob, Side::sell);
  alice.holds_batches = true;
  auto const id = network.begin(alice, accept(sell));
  EXPECT_EQ(network.stores[bob.trader->id()].reservation_count(), 0u);
  while (!alice.batches.empty()) network.make_durable(alice);
  EXPECT_EQ(view_of(network.answer(alice, id)).state, result::PurchaseState::invoiced);
}

TEST_F(TradeTest, aRestartedMakerSignsNoSeqTwice) {
  auto const sell = publish(bob, Side::sell, 100);
  bob.holds_batches = true;
  network.begin(bob, command::ReduceOrder{sell.id, Satoshi{10}});
  EXPECT_EQ(known(carol, sell), sell) << "a version that is not durable has not left";
  network.kill(bob);
  bob.holds_batches = false;
  network.start(bob);
  network.look_up();
  network.execute(bob, command::ReduceOrder{sell.id, Satoshi{20}});
  auto const second = known(carol, sell);
  EXPECT_EQ(second.remaining, Satoshi{80});
  EXPECT_GT(second.seq, sell.seq);
  network.kill(bob);
  network.start(bob);
  network.look_up();
  network.execute(bob, command::CancelOrder{sell.id});
  EXPECT_EQ(known(carol, sell).status, OrderStatus::cancelled);
  EXPECT_GT(known(carol, sell).seq, second.seq);
}

TEST_F(TradeTest, aClosedOrderNeverOpensAgain) {
  auto const sell = publish(bob, Side::sell, 100);
  network.execute(bob, command::CancelOrder{sell.id});
  auto reopened = sell;
  reopened.seq = 99;
  sign_order(reopened, secret(bob.key));
  for (auto const& late : {sell, reopened}) {
    for (auto* const node : {&bob, &carol}) network.ask(*node, to_json(late));
    EXPECT_EQ(known(bob, sell).status, OrderStatus::cancelled);
    EXPECT_EQ(known(carol, sell).status, OrderStatus::cancelled);
  }
  network.kill(bob);
  network.stores.clear();
  network.start(bob);
  network.ask(bob, to_json(sell));
  EXPECT_EQ(known(bob, sell).status, OrderStatus::cancelled);
  EXPECT_NE(failure_of(network.execute(carol, accept(sell, 100))), "");
}

TEST_F(TradeTest, manyTakersOfOneOrderGetOneInvoice) {
  auto const sell = publish(bob, Side::sell);
  for (std::uint64_t key = 10; key < 30; ++key) network.add("taker", key);
  network.look_up();
  std::size_t invoiced = 0;
  for (auto& node : network.nodes) {
    if (view_of(network.execute(*node, accept(sell))).state == result::PurchaseState::invoiced) ++invoiced;
  }
  EXPECT_EQ(invoiced, 1u);
}

TEST_F(TradeTest, aRestartedTakerGoesOnWherePaymentWasInterrupted) {
  auto const sell = publish(bob, Side::sell);
  auto const invoiced = view_of(network.execute(alice, accept(sell)));
  network.unreachable.insert(bob.at);
  network.begin(alice, command::Pay{invoiced.invoice});
  network.kill(alice);
  network.unreachable.clear();
  network.start(alice);
  network.wait(5s);
  EXPECT_EQ(trades(alice).size(), 1u);
  EXPECT_EQ(trades(bob).size(), 1u);
  EXPECT_TRUE(alice.rows.read({.kind = "purchase"}).empty());
}

TEST_F(TradeTest, theSameTakeGetsTheSameInvoiceFromAnyProcessOfTheMaker) {
  Trader::Options shared;
  shared.is_store_shared = true;
  auto& dave = network.add("Dave", 7, shared);
  auto& twin = network.add("Dave's other process", 7, shared);
  network.look_up();
  network.wait(2min);
  auto const sell = publish(dave, Side::sell);
  TakeTerms take{uuid(7), sell.amount, sell.price, {}, network.now.wall, {}};
  sign_take(take, sell.id, dave.trader->id(), secret(9));
  ExecuteOrderMessage const message{{1, CreatorType::client, network.now.wall}, sell.id, take};
  auto const first = parse_execute_response(network.ask(dave, to_json(message)).result);
  network.advance(1min);
  auto const second = parse_execute_response(network.ask(twin, to_json(message)).result);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->lightning_invoice, second->lightning_invoice);
}

TEST_F(TradeTest, anOwnVersionOnlyLeavesInABookOnceItIsDurable) {
  bob.holds_batches = true;
  command::AddOrder order;
  order.side = Side::sell;
  order.price = PriceCents{100};
  order.amount = Satoshi{100};
  network.begin(bob, order);
  std::string book;
  network.request(bob.at, to_json(GetOrderbookMessage{{1, CreatorType::client, network.now.wall}, true}),
                  [&](CallAnswer const& answer) { book = json::to_text(answer.result); });
  network.run();
  EXPECT_EQ(book, "");
  network.make_durable(bob);
  EXPECT_NE(book.find("AddOrderMessage"), std::string::npos);
}

TEST_F(TradeTest, aPaymentOrderedBeforeTheInvoiceCameSurvivesARestart) {
  auto const sell = publish(bob, Side::sell);
  network.unreachable.insert(bob.at);
  network.begin(alice, accept(sell));
  auto const rows = alice.rows.read({.kind = "purchase"});
  ASSERT_EQ(rows.size(), 1u);
  network.begin(alice, command::Pay{rows[0].key});
  network.kill(alice);
  network.unreachable.clear();
  network.start(alice);
  network.wait(5s);
  EXPECT_EQ(trades(alice).size(), 1u);
}

TEST_F(TradeTest, aPaymentOfATakeThatHasFailedIsRefused) {
  auto const sell = publish(bob, Side::sell, 100);
  auto const buy = publish(alice, Side::buy, 100);
  auto wanted = accept(sell, 100);
  wanted.for_order = buy.id;
  auto const invoiced = view_of(network.execute(alice, wanted));
  network.stores_down.insert(alice.id);  // the hold cannot be released
  network.wait(901s);
  EXPECT_NE(failure_of(network.execute(alice, command::Pay{invoiced.take_id})).find("expired"),
            std::string::npos);
}

TEST_F(TradeTest, theOwnOrderIsHeldAsLongAsThePaymentMaySucceed) {
  auto const sell = publish(bob, Side::sell, 100);
  auto const buy = publish(alice, Side::buy, 100);
  auto wanted = accept(sell, 100);
  wanted.for_order = buy.id;
  auto const invoiced = view_of(network.execute(alice, wanted));
  network.faults.reply_lost = 100;
  network.begin(alice, command::Pay{invoiced.invoice});
  network.faults = {};
  network.unreachable.insert(bob.at);
  network.wait(30min);
  EXPECT_EQ(trades(bob).size(), 1u);
  EXPECT_NE(failure_of(network.execute(carol, accept(buy, 100))), "") << "held";
  network.unreachable.clear();
  network.wait(1min);
  EXPECT_EQ(trades(alice).size(), 1u);
  EXPECT_EQ(known(carol, buy).status, OrderStatus::filled);
  EXPECT_TRUE(events_of<event::Warning>(alice).empty());
}

TEST_F(TradeTest, aReplayOfAnExpiredTakeIsRefusedAfterARestart) {
  command::AddOrder order;
  order.side = Side::sell;
  order.price = PriceCents{100};
  order.amount = Satoshi{100};
  order.life = 2min;
  auto const sell = std::get<result::Placed>(network.execute(bob, order)).order.order;
  TakeTerms take{uuid(7), Satoshi{60}, sell.price, {}, network.now.wall, {}};
  sign_take(take, sell.id, bob.trader->id(), secret(9));
  ExecuteOrderMessage const message{{1, CreatorType::client, network.now.wall}, sell.id, take};
  EXPECT_EQ(network.ask(bob, to_json(message)).error, "");
  network.wait(130s);
  ASSERT_GT(known(bob, sell).expires, network.now.wall) << "it was refreshed";
  network.kill(bob);
  network.start(bob);
  network.advance(1s);
  auto const refusal = parse_refusal(network.ask(bob, to_json(message)).error);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, RefusalCode::gone);
}

TEST_F(TradeTest, aFenceIsNotUsedTwiceAfterARestart) {
  auto const sell = publish(bob, Side::sell, 100);
  auto const fence = [&] {
    auto const invoice = bolt11::decode(view_of(network.execute(alice, accept(sell, 60))).invoice);
    auto const* const text = invoice ? std::get_if<std::string>(&invoice->description) : nullptr;
    return text ? text->substr(text->find(" fence ")) : "";
  };
  EXPECT_EQ(fence(), " fence 1");
  network.wait(20min);
  EXPECT_TRUE(bob.rows.read({.kind = "sale"}).empty()) << "it was not paid";
  network.kill(bob);
  network.stores.clear();  // the embedded store ends with its process
  network.start(bob);
  EXPECT_EQ(fence(), " fence 2");
}

TEST_F(TradeTest, aRefreshThatCameTooLateIsNotDueForEver) {
  command::AddOrder order;
  order.side = Side::sell;
  order.price = PriceCents{100};
  order.amount = Satoshi{100};
  order.life = 2min;
  network.execute(bob, order);
  network.stores_down.insert(bob.id);
  network.wait(130s);
  EXPECT_GT(bob.trader->next_deadline(network.now), network.now.steady);
}

/// Dave has two processes on one store.
struct TwinTest : TradeTest {
  TwinTest() {
    network.look_up();
    network.wait(2s);
  }
  static Trader::Options shared() {
    Trader::Options out;
    out.is_store_shared = true;
    return out;
  }
  /// Keeps contacts that do not answer.
  void connect() {
    for (auto& node : network.nodes) {
      if (node->trader)
        node->trader->endpoints_found(network.endpoints(), ContactSource::connect, network.now);
    }
    network.run();
  }
  TraderNetwork::Node& dave = network.add("Dave", 7, shared());
  TraderNetwork::Node& twin = network.add("Dave's other process", 7, shared());
};

TEST_F(TwinTest, aProcessThatDoesNotKnowATakeCannotEndItsPayment) {
  connect();
  auto const sell = publish(dave, Side::sell);
  auto const invoiced = view_of(network.execute(alice, accept(sell)));
  ASSERT_EQ(invoiced.state, result::PurchaseState::invoiced);
  network.faults.store_unanswered = 100;  // it settles, but nobody hears of it
  network.begin(alice, command::Pay{invoiced.invoice});
  network.wait(1000s);
  network.faults = {};
  network.wait(2min);
  EXPECT_EQ(trades(dave).size(), 1u);
  EXPECT_EQ(trades(alice).size(), 1u);
}

TEST_F(TwinTest, theProcessThatGaveTheInvoiceIsAskedForThePreimage) {
  connect();
  auto const sell = publish(dave, Side::sell, 100);
  network.execute(twin, command::ReduceOrder{sell.id, Satoshi{10}});
  ASSERT_EQ(known(alice, sell).endpoint, twin.at);
  network.unreachable.insert(twin.at);
  auto const invoiced = view_of(network.execute(alice, accept(sell, 50)));
  ASSERT_EQ(invoiced.state, result::PurchaseState::invoiced);
  network.unreachable.clear();
  network.faults.reply_lost = 100;
  network.begin(alice, command::Pay{invoiced.invoice});
  network.faults = {};
  EXPECT_EQ(trades(dave).size(), 1u);
  network.kill(dave);
  network.kill(alice);
  network.start(alice);
  connect();
  network.wait(1000s);
  network.start(dave);
  connect();
  network.wait(2min);
  EXPECT_EQ(trades(alice).size(), 1u);
}

TEST_F(TwinTest, totalsThatDoNotFitTogetherDoNotEndTheProcess) {
  connect();
  auto const sell = publish(dave, Side::sell, 100);
  network.faults.call_lost = 100;  // nobody hears of it
  network.execute(dave, command::ReduceOrder{sell.id, Satoshi{60}});
  network.faults = {};
  network.kill(dave);
  network.lose_store(twin.id, 0ms);
  EXPECT_EQ(view_of(network.execute(alice, accept(sell, 100, true))).state, result::PurchaseState::settled)
      << "the other process did not know better";
  network.faults.call_lost = 100;  // it has not heard of the sale either
  network.start(dave);
  auto const result = network.execute(dave, command::CancelOrder{sell.id});
  auto const* const placed = std::get_if<result::Placed>(&result);
  ASSERT_TRUE(placed);
  EXPECT_EQ(placed->order.order.remaining, Satoshi{0});
}

TEST_F(TwinTest, whatAnotherProcessHasFilledIsNotSoldAgainAfterALossOfData) {
  connect();
  auto const sell = publish(dave, Side::sell, 100);
  ASSERT_EQ(view_of(network.execute(alice, accept(sell, 60, true))).state, result::PurchaseState::settled);
  network.wait(60s);
  ASSERT_EQ(known(twin, sell).remaining, Satoshi{40});
  network.kill(dave);
  network.lose_store(twin.id);
  network.wait(60s);
  auto const first = network.begin(carol, accept(sell, 30, true));
  network.wait(30s);
  EXPECT_EQ(view_of(network.answer(carol, first)).state, result::PurchaseState::settled);
  network.start(dave);
  connect();
  network.wait(120s);
  EXPECT_EQ(known(alice, sell).remaining, Satoshi{10});
  EXPECT_EQ(known(alice, sell).status, OrderStatus::open);
  auto const second = network.begin(carol, accept(sell, 10, true));
  network.wait(30s);
  EXPECT_EQ(view_of(network.answer(carol, second)).state, result::PurchaseState::settled);
  EXPECT_EQ(known(alice, sell).remaining, Satoshi{});
}

TEST_F(TwinTest, aFilledVersionOfAnotherProcessCountsAlsoWithALowerSeq) {
  connect();
  auto const sell = publish(dave, Side::sell, 100);
  for (int i = 0; i < 3; ++i) network.execute(dave, command::ReduceOrder{sell.id, Satoshi{1}});
  auto filled = sell;  // signed by a process that has ended, and whose data Redis has lost
  filled.status = OrderStatus::filled;
  filled.remaining = {};
  filled.seq = sell.seq + 1;
  sign_order(filled, secret(7));
  network.ask(twin, to_json(filled));
  network.ask(dave, to_json(filled));
  network.wait(10s);
  EXPECT_EQ(dave.trader->own_orders().find(sell.id)->record.remaining, Satoshi{});
  EXPECT_EQ(twin.trader->own_orders().find(sell.id)->record.remaining, Satoshi{});
  EXPECT_NE(failure_of(network.execute(alice, accept(sell, 10))), "");
}

TEST_F(TwinTest, aProcessThatKnowsThatLessIsLeftSaysSo) {
  connect();
  auto const sell = publish(dave, Side::sell, 100);
  ASSERT_EQ(view_of(network.execute(alice, accept(sell, 60, true))).state, result::PurchaseState::settled);
  auto stale = sell;  // signed by another process, which had not heard of the take
  stale.seq = 9;
  sign_order(stale, secret(7));
  network.ask(carol, to_json(stale));
  network.wait(2min);
  EXPECT_EQ(known(carol, sell).remaining, Satoshi{40});
  EXPECT_GT(known(carol, sell).seq, 9);
  EXPECT_TRUE(dave.answers.size() == 1 && twin.answers.empty()) << "no command is answered";
}

}  // namespace
}  // namespace grenache::exchange
