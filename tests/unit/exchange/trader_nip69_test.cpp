// Orders that leave and come as NIP-69 events.
#include <gtest/gtest.h>

#include "exchange/core/trader.hpp"
#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using result::ImportOutcome;
using test::TraderNetwork;
using Node = TraderNetwork::Node;

OrderRecord publish(TraderNetwork& network, Node& node, Side side, std::int64_t price) {
  command::AddOrder order;
  order.side = side;
  order.price = PriceCents{price};
  order.amount = Satoshi{kSatoshiPerBtc};
  return std::get<result::Placed>(network.execute(node, order)).order.order;
}

result::Exported exported(TraderNetwork& network, Node& node, bool all) {
  return std::get<result::Exported>(network.execute(node, command::ExportOrders{all}));
}

result::Imported imported(TraderNetwork& network, Node& node, std::vector<NostrEvent> const& events) {
  command::AddImported wanted;
  for (auto const& event : events) wanted.lines.push_back({wanted.lines.size() + 1, read_nip69(event)});
  return std::get<result::Imported>(network.execute(node, wanted));
}

std::vector<ImportOutcome> outcomes(result::Imported const& imported) {
  std::vector<ImportOutcome> out;
  for (auto const& each : imported.orders) out.push_back(each.outcome);
  return out;
}

std::vector<OrderRecord> records(result::Exported const& exported) {
  std::vector<OrderRecord> out;
  for (auto const& event : exported.events) out.push_back(read_nip69(event).value().record.value());
  return out;
}

TEST(TraderNip69, exportsOwnOrdersWithTheIdentityOfThePeer) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  publish(network, bob, Side::sell, 200);
  EXPECT_TRUE(exported(network, alice, false).events.empty());
  auto const order = publish(network, alice, Side::buy, 100);
  auto const events = exported(network, alice, false);
  EXPECT_EQ(records(events), std::vector{order});
  EXPECT_EQ(events.events.at(0).author, x_only(alice.trader->id()));
  EXPECT_EQ(events.events.at(0).created_at, to_unix_ms(network.now.wall) / 1000);
}

TEST(TraderNip69, exportsClosedOrdersUntilTheyExpire) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto const order = publish(network, alice, Side::buy, 100);
  network.execute(alice, command::CancelOrder{order.id});
  auto const events = exported(network, alice, false);
  ASSERT_EQ(events.events.size(), 1u);
  EXPECT_EQ(read_nip69(events.events[0]).value().status, Nip69Status::canceled);
  network.advance(25h);
  EXPECT_TRUE(exported(network, alice, false).events.empty());
}

TEST(TraderNip69, exportsTheSignedOrdersOfOthersOnRequest) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  auto const own = publish(network, alice, Side::buy, 100);
  auto const other = publish(network, bob, Side::sell, 200);
  auto const events = exported(network, alice, true);
  EXPECT_EQ(records(events), (std::vector{own, other}));
  for (auto const& event : events.events) EXPECT_EQ(event.author, x_only(alice.trader->id()));
}

TEST(TraderNip69, anImportedOrderIsInTheBookAndReachesOthers) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto const order = publish(network, alice, Side::sell, 100);
  auto const events = exported(network, alice, false).events;
  auto& bob = network.add("Bob", 2);
  auto& carol = network.add("Carol", 3);
  network.execute(bob, command::Connect{carol.at});
  auto const first = imported(network, bob, events);
  EXPECT_EQ(outcomes(first), std::vector{ImportOutcome::added});
  EXPECT_EQ(first.orders[0].line, 1u);
  EXPECT_EQ(first.orders[0].order->record, order);
  EXPECT_EQ(bob.trader->book().live(network.now.wall), std::vector{order});
  network.wait(5s);
  EXPECT_EQ(carol.trader->book().live(network.now.wall), std::vector{order});
  EXPECT_EQ(outcomes(imported(network, bob, events)), std::vector{ImportOutcome::known});
}

TEST(TraderNip69, aLaterVersionReplacesTheEarlierOne) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto const order = publish(network, alice, Side::sell, 100);
  auto const before = exported(network, alice, false).events;
  network.execute(alice, command::ReduceOrder{order.id, Satoshi{1}});
  auto const after = exported(network, alice, false).events;
  auto& bob = network.add("Bob", 2);
  EXPECT_EQ(outcomes(imported(network, bob, {before[0], after[0], before[0]})),
            (std::vector{ImportOutcome::added, ImportOutcome::updated, ImportOutcome::known}));
  EXPECT_EQ(bob.trader->book().live(network.now.wall).at(0).remaining, Satoshi{kSatoshiPerBtc - 1});
}

TEST(TraderNip69, foreignAndInvalidEventsAreToldAndStayOutOfTheBook) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  publish(network, alice, Side::sell, 100);
  auto foreign = exported(network, alice, false).events.at(0);
  foreign.tags.pop_back();
  sign_nostr_event(foreign, secret(5));
  auto invalid = foreign;
  invalid.kind = 1;
  auto& bob = network.add("Bob", 2);
  auto const told = imported(network, bob, {foreign, invalid});
  EXPECT_EQ(outcomes(told), (std::vector{ImportOutcome::foreign, ImportOutcome::refused}));
  EXPECT_EQ(told.orders[0].order->currency, "USD");
  EXPECT_EQ(told.orders[1].reason, "not an event of an order (kind 38383)");
  EXPECT_FALSE(told.orders[1].order);
  EXPECT_EQ(bob.trader->book().size(), 0u);
}

TEST(TraderNip69, anOrderThatTheBookRefusesIsToldWithTheReason) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  publish(network, alice, Side::sell, 100);
  auto const events = exported(network, alice, false).events;
  auto& bob = network.add("Bob", 2);
  network.advance(25h);
  auto const told = imported(network, bob, events);
  EXPECT_EQ(outcomes(told), std::vector{ImportOutcome::refused});
  EXPECT_EQ(told.orders[0].reason, Error{BookErrc::expired}.message());
  EXPECT_TRUE(told.orders[0].order);
}

}  // namespace
}  // namespace grenache::exchange
