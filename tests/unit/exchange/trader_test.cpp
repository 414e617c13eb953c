// Peers that find each other, keep their books equal, and serve the original program.
#include "exchange/core/trader.hpp"

#include <gtest/gtest.h>

#include "exchange/core/trade/invoice.hpp"
#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using json::Value;
using test::events_of;
using test::TraderNetwork;

command::AddOrder wanted(Side side, std::int64_t satoshi = kSatoshiPerBtc) {
  command::AddOrder out;
  out.side = side;
  out.price = PriceCents{6'000'000};
  out.amount = Satoshi{satoshi};
  return out;
}

OrderRecord publish(TraderNetwork& network, TraderNetwork::Node& node, command::AddOrder const& order) {
  auto const result = network.execute(node, order);
  auto const* const placed = std::get_if<result::Placed>(&result);
  EXPECT_TRUE(placed);
  return placed ? placed->order.order : OrderRecord{};
}

std::vector<OrderRecord> live(TraderNetwork const& network, TraderNetwork::Node const& node) {
  return node.trader->book().live(network.now.wall);
}

result::FailureCode failure_of(CommandResult const& result) {
  auto const* const failure = std::get_if<result::Failure>(&result);
  return failure ? failure->code : result::FailureCode{};
}

Value parsed(std::string_view text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : Value{};
}

TEST(Trader, anOrderPublishedReachesEverybodyAndMatches) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  auto& carol = network.add("Carol", 3);
  network.look_up();
  auto const buy = publish(network, alice, wanted(Side::buy));
  auto const sell = publish(network, bob, wanted(Side::sell));
  for (auto* const node : {&alice, &bob, &carol}) {
    auto const result = network.execute(*node, command::ListMatches{buy.id});
    auto const* const list = std::get_if<result::OrderList>(&result);
    ASSERT_TRUE(list);
    ASSERT_EQ(list->orders.size(), 1u);
    EXPECT_EQ(list->orders[0].order, sell);
    EXPECT_EQ(list->orders[0].matched, sell.amount);
    EXPECT_EQ(live(network, *node).size(), 2u);
  }
}

TEST(Trader, aNewcomerReadsTheBooksOfThoseItFinds) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  publish(network, alice, wanted(Side::buy));
  auto& bob = network.add("Bob", 2);
  EXPECT_TRUE(live(network, bob).empty());
  network.look_up();
  EXPECT_TRUE(bob.trader->is_synced());
  EXPECT_EQ(live(network, bob), live(network, alice));
  EXPECT_EQ(bob.trader->peers().met(), std::vector{alice.at}) << "without itself";
  EXPECT_EQ(bob.trader->peers().endpoints_of(alice.trader->id()), std::vector{alice.at});
}

TEST(Trader, aNewcomerLearnsOfClosedOrdersToo) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& carol = network.add("Carol", 3);
  network.look_up();
  auto const order = publish(network, alice, wanted(Side::buy));
  network.unreachable.insert(carol.at);
  network.execute(alice, command::CancelOrder{order.id});
  network.kill(alice);
  auto& bob = network.add("Bob", 2);
  network.unreachable.clear();
  network.wait(2min);
  network.look_up();
  network.wait(2min);
  EXPECT_EQ(live(network, carol).size(), 1u) << "nobody who knows of the end is there";
  network.start(alice);
  network.look_up();
  network.wait(2min);
  EXPECT_TRUE(live(network, carol).empty());
  EXPECT_TRUE(live(network, bob).empty());
}

TEST(Trader, anEndpointThatDoesNotAnswerIsTriedAgainLater) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  publish(network, alice, wanted(Side::buy));
  network.unreachable = {alice.at, bob.at};
  network.look_up();
  EXPECT_TRUE(live(network, bob).empty());
  EXPECT_TRUE(bob.trader->is_synced()) << "nobody waits for a dead endpoint";
  network.unreachable.clear();
  network.advance(500ms);
  EXPECT_TRUE(live(network, bob).empty()) << "not at once";
  network.advance(500ms);
  EXPECT_EQ(live(network, bob).size(), 1u);
}

TEST(Trader, endpointsThatNeverAnswerDoNotKeepAPeerUnsynced) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  alice.trader->endpoints_found({"127.0.0.1:7"}, ContactSource::dht, network.now);
  network.run();
  network.wait(7s);
  alice.trader->endpoints_found({"127.0.0.1:7", "127.0.0.1:9"}, ContactSource::dht, network.now);
  network.run();
  for (int i = 0; i < 60; ++i) {
    network.wait(1s);
    EXPECT_TRUE(alice.trader->is_synced()) << "retries do not count";
  }
}

TEST(Trader, aWallClockThatIsSetDoesNotDisturbWhatIsWaitedFor) {
  for (std::chrono::minutes const jump : {-60min, 60min}) {
    TraderNetwork network;
    auto& alice = network.add("Alice", 1);
    auto& bob = network.add("Bob", 2);
    network.look_up();
    network.now.wall += jump;
    network.wait(1s);
    EXPECT_EQ(alice.trader->peers().met(), std::vector{bob.at}) << jump.count();
    network.unreachable.insert(bob.at);
    auto const order = publish(network, alice, wanted(Side::buy));
    network.wait(2min);
    network.unreachable.clear();
    network.wait(2min);
    EXPECT_EQ(live(network, bob), std::vector{order}) << jump.count();
  }
}

TEST(Trader, whatAPeerMissedIsToldWhenItIsBack) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  auto const order = publish(network, alice, wanted(Side::buy));
  network.unreachable.insert(bob.at);
  network.execute(alice, command::CancelOrder{order.id});
  EXPECT_EQ(live(network, bob).size(), 1u) << "Bob has missed it";
  network.unreachable.clear();
  network.wait(5s);
  EXPECT_TRUE(live(network, bob).empty());
}

TEST(Trader, aPeerThatRestartsBetweenTwoPingsIsMetAgain) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.execute(bob, command::Connect{alice.at});
  network.kill(alice);
  alice.rows = {};  // a new process that knows nobody
  network.start(alice);
  ASSERT_TRUE(alice.trader->peers().met().empty());
  network.wait(61s);
  EXPECT_EQ(events_of<event::PeerMet>(bob).size(), 2u);
  EXPECT_TRUE(events_of<event::PeerLost>(bob).empty());
  EXPECT_EQ(alice.trader->peers().met(), std::vector{bob.at});
}

TEST(Trader, peersWithoutADhtMeetThroughThoseThatTheyKnow) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  auto& carol = network.add("Carol", 3);
  auto const order = publish(network, carol, wanted(Side::sell));
  auto const connected = network.execute(bob, command::Connect{alice.at});
  auto const* const met = std::get_if<result::Connected>(&connected);
  ASSERT_TRUE(met);
  EXPECT_EQ(met->name, "Alice");
  network.execute(carol, command::Connect{alice.at});
  network.wait(2min);
  EXPECT_EQ(bob.trader->peers().met(), (std::vector{alice.at, carol.at}));
  EXPECT_EQ(live(network, bob), std::vector{order});
}

TEST(Trader, saysWhyItCannotConnect) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  EXPECT_EQ(failure_of(network.execute(alice, command::Connect{"127.0.0.1:9"})),
            result::FailureCode::unavailable);
  EXPECT_EQ(failure_of(network.execute(alice, command::Connect{"nowhere"})), result::FailureCode::invalid);
  EXPECT_EQ(failure_of(network.execute(alice, command::Connect{alice.at})), result::FailureCode::invalid);
}

TEST(Trader, peersStayTogetherForAnHourWithoutTheDht) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  network.wait(1h);
  EXPECT_EQ(alice.trader->peers().met(), std::vector{bob.at});
  auto const order = publish(network, bob, wanted(Side::sell));
  EXPECT_EQ(live(network, alice), std::vector{order});
  network.kill(bob);
  network.wait(5min);
  EXPECT_TRUE(alice.trader->peers().met().empty());
}

TEST(Trader, peersMeetAgainWithoutTheDht) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  network.kill(alice);
  network.kill(bob);
  network.wait(30s);
  network.start(alice);
  EXPECT_TRUE(alice.trader->peers().met().empty());
  network.wait(5min);
  network.start(bob);
  EXPECT_EQ(bob.trader->peers().met(), std::vector{alice.at});
  network.wait(1min);
  EXPECT_EQ(alice.trader->peers().met(), std::vector{bob.at});
}

TEST(Trader, ordersArePassedOnOnce) {
  TraderNetwork network;
  for (std::uint64_t i = 1; i <= 4; ++i) network.add("peer", i);
  network.look_up();
  network.call_count = 0;
  publish(network, *network.nodes[0], wanted(Side::buy));
  EXPECT_EQ(network.call_count, 3u) << "the maker tells three";
  network.advance(1s);
  EXPECT_LE(network.call_count, 3u + 3u) << "each tells the id to one that may not know it";
  network.call_count = 0;
  for (int i = 0; i < 5; ++i) network.advance(1s);
  EXPECT_EQ(network.call_count, 0u);
}

TEST(Trader, cancelledOrdersLeaveEveryBook) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  auto const order = publish(network, alice, wanted(Side::buy));
  EXPECT_EQ(failure_of(network.execute(bob, command::CancelOrder{order.id})), result::FailureCode::not_found);
  EXPECT_TRUE(std::get_if<result::Placed>(&alice.answers[0]) == nullptr);
  auto const cancelled = network.execute(alice, command::CancelOrder{order.id.substr(0, 8)});
  ASSERT_TRUE(std::get_if<result::Placed>(&cancelled));
  EXPECT_EQ(std::get<result::Placed>(cancelled).order.order.status, OrderStatus::cancelled);
  EXPECT_TRUE(live(network, bob).empty());
  EXPECT_EQ(failure_of(network.execute(alice, command::CancelOrder{order.id})),
            result::FailureCode::not_found);
}

TEST(Trader, answersInTheFormAsked) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 2);
  auto const text =
      R"({"type":"PingPongMessage","exchangeId":1500,"creatorType":"client","createdAt":1,"message":"ping"})";
  auto const as_text = network.ask(bob, Value{text});
  ASSERT_TRUE(as_text.result.as_string());
  auto const as_object = network.ask(bob, parsed(text));
  EXPECT_EQ(*as_text.result.as_string(), json::to_text(as_object.result));
  auto const pong = parse_pong(as_object.result);
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->peer, bob.trader->id());
  EXPECT_EQ(pong->header.exchange_id, 2001);
  EXPECT_EQ(pong->header.creator, CreatorType::server);
}

Value original_order(std::string_view id, std::string_view buy, std::string_view sell) {
  return Value{
      R"({"type":"AddOrderMessage","exchangeId":1500,"creatorType":"client","createdAt":1700000000000,)"
      R"("id":")" +
      std::string{id} + R"(","buy":")" + std::string{buy} + R"(","sell":")" + std::string{sell} +
      R"(","amountToBuy":1})"};
}

TEST(Trader, servesThePlaybookOfTheOriginal) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 2);
  network.add("Carol", 3);
  network.look_up();
  network.call_count = 0;
  auto const question = Value{R"({"type":"GetOrderMatchesMessage","exchangeId":1500,"creatorType":"client",)"
                              R"("createdAt":1,"orderId":")" +
                              uuid(1) + R"("})"};
  EXPECT_EQ(network.ask(bob, question).result, Value{"[]"}) << "unknown";
  EXPECT_EQ(network.ask(bob, original_order(uuid(1), "BTC", "USD")).result, Value{"\"ok\""});
  EXPECT_EQ(network.ask(bob, original_order(uuid(1), "BTC", "USD")).result, Value{"\"ok\""}) << "again";
  EXPECT_EQ(network.ask(bob, original_order(uuid(2), "USD", "BTC")).result, Value{"\"ok\""});
  auto const matches = network.ask(bob, question).result;
  ASSERT_TRUE(matches.as_string());
  auto const list = parsed(*matches.as_string());
  ASSERT_TRUE(list.at(0));
  EXPECT_EQ(*list.at(0)->find_string("id"), uuid(2));
  EXPECT_EQ(list.at(0)->find_int("exchangeId"), 1500);
  EXPECT_EQ(network.call_count, 5u) << "unsigned orders are not passed on";
}

TEST(Trader, unsignedOrdersDoNotSpreadByBookReads) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 2);
  auto& carol = network.add("Carol", 3);
  network.ask(bob, original_order(uuid(1), "BTC", "USD"));
  EXPECT_EQ(live(network, bob).size(), 1u);
  network.look_up();
  network.wait(2min);
  EXPECT_TRUE(live(network, carol).empty());
}

/// A peer of the original at 127.0.0.1:1500: keeps what it is told, without the members that it does not
/// know.
class Original {
 public:
  explicit Original(TraderNetwork& network) {
    network.strangers["127.0.0.1:1500"] = [this](Value const& payload) {
      auto const body = parsed(*payload.as_string());
      auto const type = *body.find_string("type");
      if (type == PingPongMessage::kType) {
        return CallAnswer{Value{R"({"type":"PingPongMessage","exchangeId":1500,"message":"pong"})"}, {}};
      }
      if (type == GetOrderbookMessage::kType) return CallAnswer{Value{json::to_text(Value{book})}, {}};
      EXPECT_EQ(type, AddOrderMessage::kType);
      keep(body);
      return CallAnswer{Value{"\"ok\""}, {}};
    };
  }

  void keep(Value const& order) {
    Value::Object known;
    for (auto const* const name :
         {"type", "exchangeId", "creatorType", "createdAt", "id", "buy", "sell", "amountToBuy"}) {
      known.emplace_back(name, *order.find(name));
    }
    book.emplace_back(std::move(known));
  }

  Value::Array book;
};

TEST(Trader, aPeerOfTheOriginalThatIsMetLaterIsToldOurOpenOrders) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 2);
  network.add("Carol", 3);
  network.look_up();
  auto const sell = publish(network, bob, wanted(Side::sell));
  auto const closed = publish(network, bob, wanted(Side::sell));
  network.execute(bob, command::CancelOrder{closed.id});
  Original original{network};
  network.look_up();
  ASSERT_EQ(original.book.size(), 1u);
  EXPECT_EQ(*original.book.front().find_string("id"), sell.id);
}

TEST(Trader, copiesOfOurOrdersInABookOfTheOriginalAreNotOrdersOfTheOriginal) {
  TraderNetwork network;
  Original original{network};
  auto& bob = network.add("Bob", 2);
  auto& carol = network.add("Carol", 3);
  network.look_up();
  auto const sell = publish(network, bob, wanted(Side::sell));
  ASSERT_EQ(original.book.size(), 1u);
  original.keep(parsed(*original_order(uuid(1), "BTC", "USD").as_string()));
  network.wait(1min);
  for (auto* const node : {&bob, &carol}) {
    auto const orders = live(network, *node);
    ASSERT_EQ(orders.size(), 2u) << node->at;
    EXPECT_EQ(std::ranges::count_if(orders, &OrderRecord::is_signed), 1) << node->at;
  }

  auto const reads = events_of<event::BookRead>(bob);
  EXPECT_FALSE(reads.empty());
  for (auto const& read : reads) EXPECT_GT(read.order_count + read.dropped_count, 0u);

  // Nor are they when their maker has left, and the reader has begun anew.
  network.kill(bob);
  network.kill(carol);
  network.start(carol);
  network.look_up();
  network.wait(1min);
  auto const orders = live(network, carol);
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders.front().id, uuid(1));
}

TEST(Trader, theOriginalTakesAnOrderOfOurs) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 2);
  auto const sell = publish(network, bob, wanted(Side::sell));
  auto const execute =
      Value{R"({"type":"ExecuteOrderMessage","exchangeId":1500,"creatorType":"client","createdAt":1,)"
            R"("orderId":")" +
            sell.id + R"("})"};
  auto const answer = network.ask(bob, execute);
  EXPECT_EQ(answer.error, "");
  ASSERT_TRUE(answer.result.as_string());
  auto const response = parse_execute_response(parsed(*answer.result.as_string()));
  ASSERT_TRUE(response);
  ExpectedInvoice const expected{bob.trader->id(), sell.id, "@003:1500", sell.amount};
  EXPECT_TRUE(check_invoice(response->lightning_invoice, expected, network.now.wall));
  EXPECT_EQ(network.ask(bob, execute).result, answer.result) << "asked again, the same invoice";
}

TEST(Trader, refusesWhatItCannotReadWithAReason) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 2);
  for (auto const& payload :
       {Value{}, Value{"hello"}, Value{5}, Value{"{}"}, Value::object({{"type", "Moon"}}),
        Value::object({{"type", "ExecuteOrderMessage"}})}) {
    auto const refusal = parse_refusal(network.ask(bob, payload).error);
    ASSERT_TRUE(refusal) << json::to_text(payload);
    EXPECT_EQ(refusal->code, RefusalCode::invalid);
    EXPECT_FALSE(refusal->reason.empty());
  }
}

TEST(Trader, refusesForgedOrdersAndOldOnesByTheirOwnNames) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 2);
  auto forged = signed_by(1, draft(1, Side::sell));
  forged.price = PriceCents{1};
  EXPECT_EQ(parse_refusal(network.ask(bob, exchange::to_json(forged)).error)->code, RefusalCode::signature);
  network.advance(2h);
  EXPECT_EQ(
      parse_refusal(network.ask(bob, exchange::to_json(signed_by(1, draft(1, Side::sell)))).error)->code,
      RefusalCode::expired);
}

TEST(Trader, whoeverComparesBooksWithItIsPingedToo) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  ReconcileMessage message;
  message.header = {1, CreatorType::client, network.now.wall};
  message.endpoint = "127.0.0.1:2999";
  message.prefixes = {0};
  EXPECT_EQ(network.ask(alice, to_json(message)).error, "");
  EXPECT_TRUE(alice.trader->peers().find("127.0.0.1:2999"));
}

TEST(Trader, hasOrdersOfASideAsLongAsOneOfThemIsLive) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto const has = [&](Side side) { return alice.trader->has_orders(side, network.now.wall); };
  EXPECT_FALSE(has(Side::buy));
  auto const order = publish(network, alice, wanted(Side::buy));
  EXPECT_TRUE(has(Side::buy));
  EXPECT_FALSE(has(Side::sell));
  network.execute(alice, command::CancelOrder{order.id});
  EXPECT_FALSE(has(Side::buy));
}

TEST(Trader, anOrderIsGivenByFourToAllCharactersOfItsId) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto const id = publish(network, alice, wanted(Side::buy)).id;
  auto const matches = [&](std::string const& text) {
    return network.execute(alice, command::ListMatches{text});
  };
  EXPECT_TRUE(std::holds_alternative<result::OrderList>(matches(id.substr(0, 4))));
  EXPECT_EQ(failure_of(matches(id.substr(0, 3))), result::FailureCode::invalid);
  auto const padded = [&](std::size_t size) { return id + "@" + std::string(size - id.size() - 1, '0'); };
  EXPECT_EQ(failure_of(matches(padded(kOrderIdSizeMax))), result::FailureCode::not_found);
  EXPECT_EQ(failure_of(matches(padded(kOrderIdSizeMax + 1))), result::FailureCode::invalid);
}

TEST(Trader, refusesRowsOfOrdersThatAreNotItsOwn) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  publish(network, alice, wanted(Side::buy));
  auto const rows = alice.trader->dump();
  auto const row = std::ranges::find(rows, OwnOrders::kRowKind, &Row::kind);
  ASSERT_NE(row, rows.end());
  EXPECT_FALSE(bob.trader->restore(*row));
  EXPECT_FALSE(alice.trader->restore({row->kind, uuid(1), row->body}));
  EXPECT_FALSE(alice.trader->restore(*row)) << "she has it already";
}

TEST(Trader, withdrawsNothingButAPositiveAmount) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto const order = publish(network, alice, wanted(Side::buy));
  for (std::int64_t const amount : {0, -1}) {
    EXPECT_EQ(failure_of(network.execute(alice, command::ReduceOrder{order.id, Satoshi{amount}})),
              result::FailureCode::invalid);
  }
  EXPECT_EQ(live(network, alice), std::vector{order});
}

TEST(Trader, anOrderThatIsWithdrawnAsAWholeIsCancelled) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto const order = publish(network, alice, wanted(Side::buy));
  auto const result = network.execute(alice, command::ReduceOrder{order.id, order.amount});
  auto const* const placed = std::get_if<result::Placed>(&result);
  ASSERT_TRUE(placed);
  EXPECT_EQ(placed->order.order.status, OrderStatus::cancelled);
  EXPECT_TRUE(live(network, alice).empty());
}

TEST(Trader, publishesNothingThatCannotBe) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto const refused = [&](auto change) {
    auto order = wanted(Side::buy);
    change(order);
    EXPECT_EQ(failure_of(network.execute(alice, order)), result::FailureCode::invalid);
  };
  refused([](auto& order) { order.price = PriceCents{0}; });
  refused([](auto& order) { order.price = PriceCents{PriceCents::kMax + 1}; });
  refused([](auto& order) { order.amount = Satoshi{0}; });
  refused([](auto& order) { order.amount = Satoshi{-1}; });
  refused([](auto& order) { order.amount = Satoshi{Satoshi::kMax + 1}; });
  refused([](auto& order) { order.life = 0h; });
  refused([](auto& order) { order.life = 169h; });
  refused([](auto& order) { order.least_take = Satoshi{kSatoshiPerBtc + 1}; });
  EXPECT_TRUE(live(network, alice).empty());
}

TEST(Trader, aPostOnlyOrderThatWouldMatchIsRefused) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  publish(network, alice, wanted(Side::sell));
  auto order = wanted(Side::buy);
  order.post_only = true;
  EXPECT_EQ(failure_of(network.execute(bob, order)), result::FailureCode::refused);
  order.price = PriceCents{5'999'999};
  publish(network, bob, order);
}

TEST(Trader, showsTheBookByPrice) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto cheap = wanted(Side::sell, 300);
  cheap.price = PriceCents{5'000'000};
  publish(network, alice, cheap);
  publish(network, alice, cheap);
  publish(network, alice, wanted(Side::sell, 100));
  auto const result = network.execute(alice, command::ShowBook{});
  auto const* const ladder = std::get_if<result::Ladder>(&result);
  ASSERT_TRUE(ladder);
  EXPECT_TRUE(ladder->bids.empty());
  ASSERT_EQ(ladder->asks.size(), 2u);
  EXPECT_EQ(ladder->asks[0].price, PriceCents{5'000'000});
  EXPECT_EQ(ladder->asks[0].amount, Satoshi{600});
  EXPECT_EQ(ladder->asks[0].order_count, 2u);
}

TEST(Trader, anOrderIsRefreshedBeforeItExpires) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  auto order = wanted(Side::sell);
  order.life = 2h;
  auto const first = publish(network, alice, order);
  for (int minute = 0; minute < 300; ++minute) network.advance(1min);
  auto const orders = live(network, bob);
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].id, first.id);
  EXPECT_EQ(orders[0].created, first.created) << "keeps its priority";
  EXPECT_GT(orders[0].expires, network.now.wall);
  order.time_in_force = TimeInForce::good_till_date;
  auto const second = publish(network, alice, order);
  for (int minute = 0; minute < 120; ++minute) network.advance(1min);
  EXPECT_FALSE(bob.trader->book().find(key_of(second)));
}

TEST(Trader, aReducedOrderKeepsItsIdAndPriority) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  auto const first = publish(network, alice, wanted(Side::sell));
  network.execute(alice, command::ReduceOrder{first.id, Satoshi{40'000'000}});
  auto const orders = live(network, bob);
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].remaining, Satoshi{60'000'000});
  EXPECT_EQ(orders[0].amount, first.amount);
  EXPECT_EQ(orders[0].created, first.created);
  EXPECT_EQ(failure_of(network.execute(alice, command::ReduceOrder{first.id, Satoshi{60'000'001}})),
            result::FailureCode::invalid);
  network.execute(alice, command::ReduceOrder{first.id, Satoshi{60'000'000}});
  EXPECT_TRUE(live(network, bob).empty());
}

TEST(Trader, closesAnOrderOfItsOwnThatItsJournalDoesNotKnow) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  publish(network, alice, wanted(Side::sell));
  network.kill(alice);
  alice.rows = {};
  alice.durable = 0;
  network.stores.clear();
  network.start(alice);
  network.look_up();
  network.wait(2min);
  EXPECT_TRUE(live(network, bob).empty());
  EXPECT_TRUE(live(network, alice).empty());
}

}  // namespace
}  // namespace grenache::exchange
