// Orders whose price follows an index.
#include <gtest/gtest.h>

#include "exchange/messages/order_work.hpp"
#include "tests/support/trade_watch.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using test::events_of;
using test::TraderNetwork;
using test::TradeWatch;

Trader::Options options_of_maker() {
  Trader::Options out;
  out.is_store_in_process = true;
  out.reference_prices.publisher_counts = {{"index", 3}};
  return out;
}

command::AddOrder pegged(Side side, std::int64_t satoshi, char const* peg) {
  command::AddOrder out;
  out.side = side;
  out.amount = Satoshi{satoshi};
  out.peg = parse_peg(peg);
  return out;
}

command::AcceptOrder accept(OrderRecord const& order, std::int64_t satoshi, bool pay = false) {
  command::AcceptOrder out;
  out.id = order.id;
  out.amount = Satoshi{satoshi};
  out.pay = pay;
  return out;
}

struct PeggedOrdersTest : testing::Test {
  PeggedOrdersTest() {
    network.compares_dumps = true;
    network.look_up();
    set_index(6'000'000);
  }

  /// All publishers name this price now.
  void set_index(std::int64_t cents, std::size_t publisher_count = 3) {
    network.advance(1ms);  // later than the quotes before
    for (std::size_t i = 0; i < publisher_count; ++i) {
      bob.trader->index_updated({"index", i, {PriceCents{cents}, network.now.wall}}, network.now);
    }
    network.run();
  }
  /// Past the least time between replacements.
  void move_index(std::int64_t cents) {
    network.wait(30s);
    set_index(cents);
  }
  OrderRecord publish(command::AddOrder const& wanted) {
    auto const result = network.execute(bob, wanted);
    auto const* const placed = std::get_if<result::Placed>(&result);
    EXPECT_TRUE(placed) << failure_of(result);
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
  /// The live orders that Alice knows.
  std::vector<OrderRecord> live() const { return alice.trader->book().live(network.now.wall); }
  /// The only one of them, or a default one after a failure.
  OrderRecord only() const {
    auto const orders = live();
    EXPECT_EQ(orders.size(), 1u);
    return orders.size() == 1 ? orders.front() : OrderRecord{};
  }
  std::vector<result::OrderView> own() {
    return std::get<result::OrderList>(network.execute(bob, command::ListOrders{true})).orders;
  }

  TraderNetwork network;
  TraderNetwork::Node& alice = network.add("Alice", 1);
  TraderNetwork::Node& bob = network.add("Bob", 2, options_of_maker());
  TraderNetwork::Node& carol = network.add("Carol", 3);
};

TEST_F(PeggedOrdersTest, isPublishedAtTheIndexWithItsPremium) {
  auto const sell = publish(pegged(Side::sell, 100, "index+1.5%"));
  EXPECT_EQ(sell.price, PriceCents{6'090'000});
  EXPECT_EQ(only(), sell);
  auto const views = own();
  ASSERT_EQ(views.size(), 1u);
  EXPECT_EQ(views[0].peg, "index+1.5%");
}

TEST_F(PeggedOrdersTest, isReplacedInOneTransactionWhenTheIndexMovesByTheThreshold) {
  auto const first = publish(pegged(Side::sell, 100, "index+0%"));
  auto const buy = publish(pegged(Side::buy, 50, "index-10%"));
  move_index(6'005'999);
  EXPECT_EQ(live().size(), 2u);
  EXPECT_EQ(bob.trader->own_orders().find(first.id)->record.status, OrderStatus::open) << "0.09998 %";
  std::size_t change_count = 0;
  network.on_durable = [&](auto const& node, Batch const& batch) {
    if (&node != &bob) return;
    EXPECT_EQ(batch.changes.size(), 6u) << "two closed orders, two new ones, two pegged orders";
    ++change_count;
  };
  set_index(6'006'000);
  EXPECT_EQ(change_count, 1u);
  EXPECT_EQ(live().size(), 2u);
  for (auto const& order : live()) {
    EXPECT_NE(order.id, first.id);
    EXPECT_NE(order.id, buy.id);
    EXPECT_EQ(order.price, PriceCents{order.side == Side::sell ? 6'006'000 : 5'405'400});
    EXPECT_EQ(order.amount, Satoshi{order.side == Side::sell ? 100 : 50});
  }
  EXPECT_EQ(own().size(), 2u) << "replaced orders are not listed";
}

TEST_F(PeggedOrdersTest, isReplacedAtMostOncePerInterval) {
  publish(pegged(Side::sell, 100, "index+0%"));
  move_index(6'100'000);
  network.advance(1s);
  set_index(6'200'000);
  EXPECT_EQ(only().price, PriceCents{6'100'000});
  network.live(29s);
  EXPECT_EQ(only().price, PriceCents{6'200'000});
}

TEST_F(PeggedOrdersTest, staysWithinItsBounds) {
  auto wanted = pegged(Side::sell, 100, "index+0%");
  wanted.peg->price_min = PriceCents{5'900'000};
  wanted.peg->price_max = PriceCents{6'050'000};
  publish(wanted);
  move_index(5'000'000);
  EXPECT_EQ(only().price, PriceCents{5'900'000});
  move_index(7'000'000);
  EXPECT_EQ(only().price, PriceCents{6'050'000});
  auto const id = only().id;
  move_index(8'000'000);
  EXPECT_EQ(only().id, id) << "at the bound";
}

TEST_F(PeggedOrdersTest, aTakeUnderWayKeepsItsPriceAndItsAmountIsNotOfferedAgain) {
  auto const first = publish(pegged(Side::sell, 100, "index+0%"));
  auto const invoiced = take(alice, accept(first, 40));
  move_index(6'600'000);
  EXPECT_EQ(only().amount, Satoshi{60});
  EXPECT_NE(failure_of(network.execute(carol, accept(first, 10))), "");
  auto const paid = std::get<result::PurchaseView>(network.execute(alice, command::Pay{invoiced.take_id}));
  EXPECT_EQ(paid.state, result::PurchaseState::settled);
  EXPECT_EQ(paid.price, PriceCents{6'000'000});
  move_index(7'000'000);
  EXPECT_EQ(only().amount, Satoshi{60});
}

TEST_F(PeggedOrdersTest, whatWasReservedAndNotPaidIsOfferedAgain) {
  auto const first = publish(pegged(Side::sell, 100, "index+0%"));
  take(alice, accept(first, 40));
  move_index(6'600'000);
  for (int i = 0; i < 4; ++i) {
    network.live(5min);
    set_index(6'600'000);
  }
  network.live(31s);
  EXPECT_EQ(only().amount, Satoshi{100});
}

TEST_F(PeggedOrdersTest, whileAllIsReservedNothingIsOffered) {
  auto const first = publish(pegged(Side::sell, 100, "index+0%"));
  auto const invoiced = take(alice, accept(first, 100));
  move_index(6'600'000);
  EXPECT_TRUE(live().empty());
  network.execute(alice, command::Pay{invoiced.take_id});
  network.live(31s);
  EXPECT_TRUE(bob.trader->pegged_orders().all().empty()) << "all of it is sold";
}

TEST_F(PeggedOrdersTest, isClosedWithoutEnoughFreshPricesAndSaysWhy) {
  publish(pegged(Side::sell, 100, "index+0%"));
  network.live(9min);
  set_index(6'000'000, 1);
  network.live(2min);
  EXPECT_TRUE(live().empty());
  auto const warnings = events_of<event::Warning>(bob);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].text,
            "index 'index' has 1 fresh price, 2 are needed: the orders that are pegged to it are closed");
  auto const views = own();
  ASSERT_EQ(views.size(), 1u);
  EXPECT_EQ(views[0].peg, "index+0%, paused");
  EXPECT_EQ(views[0].order.remaining, Satoshi{100});
  set_index(6'300'000, 2);
  EXPECT_EQ(only().price, PriceCents{6'300'000});
  EXPECT_EQ(events_of<event::Warning>(bob).size(), 2u);
}

TEST_F(PeggedOrdersTest, aTakeAtAnOldPriceIsRefusedAfterTheComputerWasSuspended) {
  auto const first = publish(pegged(Side::sell, 100, "index+0%"));
  network.now.wall += 11min;  // no timer has run
  EXPECT_NE(failure_of(network.execute(alice, accept(first, 40))), "");
  EXPECT_EQ(bob.trader->own_orders().find(first.id)->record.status, OrderStatus::cancelled);
}

TEST_F(PeggedOrdersTest, isPausedAfterARestartUntilTheIndexIsKnown) {
  auto const first = publish(pegged(Side::sell, 100, "index+0%"));
  auto const invoiced = take(alice, accept(first, 40));
  network.kill(bob);
  network.end_store(bob.id);
  network.start(bob);
  network.look_up();
  EXPECT_TRUE(live().empty());
  set_index(6'000'000);
  EXPECT_EQ(only().amount, Satoshi{60});
  network.execute(alice, command::Pay{invoiced.take_id});
  move_index(7'000'000);
  EXPECT_EQ(only().amount, Satoshi{60});
}

TEST_F(PeggedOrdersTest, isCancelledByItsOrderOrByItsOwnIdWhileItIsPaused) {
  auto const first = publish(pegged(Side::sell, 100, "index+0%"));
  EXPECT_NE(failure_of(network.execute(bob, command::ReduceOrder{first.id, Satoshi{10}})), "");
  network.execute(bob, command::CancelOrder{first.id});
  EXPECT_TRUE(live().empty());
  publish(pegged(Side::sell, 100, "index+0%"));
  network.live(20min);
  ASSERT_EQ(bob.trader->pegged_orders().all().size(), 1u);
  auto const id = bob.trader->pegged_orders().all().begin()->first;
  EXPECT_TRUE(
      std::holds_alternative<result::Placed>(network.execute(bob, command::CancelOrder{id.substr(0, 8)})));
  EXPECT_TRUE(bob.trader->pegged_orders().all().empty());
  set_index(6'000'000);
  EXPECT_TRUE(live().empty());
}

TEST_F(PeggedOrdersTest, endsAtItsTime) {
  auto wanted = pegged(Side::sell, 100, "index+0%");
  wanted.time_in_force = TimeInForce::good_till_date;
  wanted.life = 5min;
  EXPECT_EQ(publish(wanted).expires, network.now.wall + 5min) << "others see the end";
  network.live(5min - 1s);
  EXPECT_EQ(live().size(), 1u);
  network.live(2s);
  EXPECT_TRUE(live().empty());
  EXPECT_TRUE(bob.trader->pegged_orders().all().empty());
}

TEST_F(PeggedOrdersTest, livesOnWhileTheIndexStays) {
  publish(pegged(Side::sell, 100, "index+0%"));
  auto const id = only().id;
  for (int i = 0; i < 60; ++i) {
    network.live(5min);
    set_index(6'000'000);
  }
  EXPECT_EQ(only().id, id) << "refreshed, not replaced";
}

TEST_F(PeggedOrdersTest, isRefusedWithoutAnIndexAPriceOrAStoreOfItsOwn) {
  EXPECT_NE(failure_of(network.execute(bob, pegged(Side::sell, 1, "other+1%"))).find("no index"),
            std::string::npos);
  network.advance(11min);
  EXPECT_NE(failure_of(network.execute(bob, pegged(Side::sell, 1, "index+1%"))).find("0 fresh"),
            std::string::npos);
  auto options = options_of_maker();
  options.is_store_in_process = false;
  options.is_store_shared = true;
  auto& dave = network.add("Dave", 4, options);
  EXPECT_NE(failure_of(network.execute(dave, pegged(Side::sell, 1, "index+1%"))).find("other processes"),
            std::string::npos);
  set_index(6'000'000);
  auto grouped = pegged(Side::sell, 1, "index+1%");
  grouped.group = "x";
  EXPECT_NE(failure_of(network.execute(bob, grouped)), "");
}

TEST_F(PeggedOrdersTest, isNotKeptWhenItsFirstOrderIsRefused) {
  auto options = options_of_maker();
  options.own_orders.order_count_max = 0;
  auto& dave = network.add("Dave", 4, options);
  for (std::size_t i = 0; i < 3; ++i) {
    dave.trader->index_updated({"index", i, {PriceCents{6'000'000}, network.now.wall}}, network.now);
  }
  EXPECT_NE(failure_of(network.execute(dave, pegged(Side::sell, 100, "index+0%"))), "");
  EXPECT_TRUE(dave.trader->pegged_orders().all().empty());
}

TEST_F(PeggedOrdersTest, isNotReplacedAtTheSamePriceEvenWithoutAThreshold) {
  auto options = options_of_maker();
  options.pegged_orders.threshold = 0;
  auto& dave = network.add("Dave", 4, options);
  network.look_up();
  auto const tell = [&] {
    network.live(31s);
    for (std::size_t i = 0; i < 3; ++i) {
      dave.trader->index_updated({"index", i, {PriceCents{6'000'000}, network.now.wall}}, network.now);
    }
    network.run();
  };
  tell();
  network.execute(dave, pegged(Side::sell, 100, "index+0%"));
  auto const id = only().id;
  tell();
  EXPECT_EQ(only().id, id);
}

TEST_F(PeggedOrdersTest, whatForgottenOrdersHaveSoldStillCounts) {
  auto const first = publish(pegged(Side::sell, 100, "index+0%"));
  take(alice, accept(first, 40, true));
  for (int i = 0; i < 60; ++i) {
    network.live(5min);
    set_index(i % 2 == 0 ? 6'600'000 : 6'000'000);
  }
  EXPECT_FALSE(bob.trader->own_orders().find(first.id));
  EXPECT_EQ(only().amount, Satoshi{60});
}

TEST_F(PeggedOrdersTest, aPublisherOfThreeCannotMakeItSellBelowOrBuyAboveAnHonestPrice) {
  network.advance(11min);
  auto const name = [&](std::size_t publisher, std::int64_t cents) {
    network.advance(1ms);
    bob.trader->index_updated({"index", publisher, {PriceCents{cents}, network.now.wall}}, network.now);
    network.run();
  };
  name(0, 6'000'000);
  for (std::int64_t const wild : {std::int64_t{1}, PriceCents::kMax}) {
    network.live(30s);
    name(2, wild);
    auto const sell = publish(pegged(Side::sell, 100, "index+0%"));
    auto const buy = publish(pegged(Side::buy, 100, "index+0%"));
    EXPECT_GE(sell.price, PriceCents{6'000'000}) << "two are fresh";
    EXPECT_LE(buy.price, PriceCents{6'000'000});
    network.live(30s);
    name(1, 6'100'000);
    for (auto const& order : live()) {
      EXPECT_GE(order.price, PriceCents{6'000'000}) << "three are fresh";
      EXPECT_LE(order.price, PriceCents{6'100'000});
    }
    EXPECT_EQ(live().size(), 2u);
    network.execute(bob, command::CancelOrder{sell.id});
    network.execute(bob, command::CancelOrder{buy.id});
    network.live(10min);
    name(0, 6'000'000);
  }
}

TEST_F(PeggedOrdersTest, costsAtMostTwoVersionsPerIntervalHoweverWildTheIndexIs) {
  for (int i = 0; i < 16; ++i) publish(pegged(Side::sell, 100, "index+0%"));
  EXPECT_NE(failure_of(network.execute(bob, pegged(Side::sell, 100, "index+0%"))), "") << "16 at most";
  std::size_t version_count = 0;
  network.on_durable = [&](auto const& node, Batch const& batch) {
    if (&node != &bob) return;
    version_count += static_cast<std::size_t>(std::ranges::count_if(
        batch.changes, [](auto const& change) { return change.kind == OwnOrders::kRowKind; }));
  };
  for (int i = 0; i < 600; ++i) {
    network.advance(1s);
    set_index(i % 2 == 0 ? 3'000'000 : 9'000'000);
  }
  EXPECT_GE(version_count, 18u * 2 * 16);
  EXPECT_LE(version_count, 21u * 2 * 16);
  EXPECT_EQ(live().size(), 16u);
}

TEST_F(PeggedOrdersTest, isClosedAndNotLeftAtAnOldPriceWhenOthersKeepNoMoreOrders) {
  auto options = options_of_maker();
  options.pegged_orders.kept_count_max = 4;
  auto& dave = network.add("Dave", 5, options);
  network.look_up();
  auto const tell = [&](std::int64_t cents) {
    network.live(30s);
    for (std::size_t i = 0; i < 3; ++i) {
      dave.trader->index_updated({"index", i, {PriceCents{cents}, network.now.wall}}, network.now);
    }
    network.run();
  };
  tell(6'000'000);
  network.execute(dave, pegged(Side::sell, 100, "index+0%"));
  for (std::int64_t i = 1; i < 6; ++i) tell(6'000'000 + i * 100'000);
  EXPECT_TRUE(live().empty());
  EXPECT_EQ(dave.trader->own_orders().all().size(), 4u);
  EXPECT_EQ(events_of<event::Warning>(dave).size(), 1u);
  EXPECT_NE(failure_of(network.execute(dave, pegged(Side::sell, 100, "index+0%"))), "");
  for (int i = 0; i < 15; ++i) {
    network.live(5min);
    tell(6'000'000);
  }
  EXPECT_EQ(only().price, PriceCents{6'000'000}) << "the closed ones have expired";
}

TEST_F(PeggedOrdersTest, aSaleInAGroupLeavesItAlone) {
  publish(pegged(Side::sell, 100, "index+0%"));
  command::AddOrder grouped;
  grouped.side = Side::sell;
  grouped.price = PriceCents{5'000'000};
  grouped.amount = Satoshi{10};
  grouped.group = "x";
  auto const sold = publish(grouped);
  auto const rival = publish(grouped);
  move_index(6'100'000);
  take(alice, accept(sold, 10, true));
  EXPECT_EQ(bob.trader->own_orders().find(rival.id)->record.status, OrderStatus::cancelled);
  EXPECT_EQ(only().price, PriceCents{6'100'000});
}

TEST_F(PeggedOrdersTest, whatItHasReplacedIsNotListedAndIsExportedLast) {
  publish(pegged(Side::sell, 100, "index+0%"));
  for (std::int64_t i = 1; i < 10; ++i) move_index(6'000'000 + i * 100'000);
  auto const open = only();
  auto const exported = std::get<result::Exported>(network.execute(bob, command::ExportOrders{false}));
  ASSERT_EQ(exported.events.size(), 10u);
  auto const first = read_nip69(exported.events.front());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->record->id, open.id);
  network.execute(bob, command::CancelOrder{open.id});
  EXPECT_TRUE(own().empty());
}

// With proof of work

struct PeggedWorkTest : PeggedOrdersTest {
  static constexpr int kBits = 6;
  static Trader::Options options_of_worker() {
    auto out = options_of_maker();
    out.work_bits = kBits;
    return out;
  }
  void tell(std::int64_t cents) {
    network.live(30s);
    for (std::size_t i = 0; i < 3; ++i) {
      worker.trader->index_updated({"index", i, {PriceCents{cents}, network.now.wall}}, network.now);
    }
    network.run();
  }
  OrderRecord placed(CommandResult const& result) {
    auto const* const view = std::get_if<result::Placed>(&result);
    EXPECT_TRUE(view) << failure_of(result);
    return view ? view->order.order : OrderRecord{};
  }

  TraderNetwork::Node& worker = network.add("Worker", 6, options_of_worker());
};

TEST_F(PeggedWorkTest, eachOrderHasWorkForItsPrice) {
  network.look_up();
  tell(6'000'000);
  auto const first = placed(network.execute(worker, pegged(Side::sell, 100, "index+0%")));
  EXPECT_GE(work_of(first).bits, kBits);
  tell(6'100'000);
  EXPECT_NE(only().id, first.id);
  EXPECT_EQ(only().price, PriceCents{6'100'000});
  EXPECT_GE(work_of(only()).bits, kBits);
}

TEST_F(PeggedWorkTest, theOldOrderIsClosedBeforeTheWorkIsFoundAndTheSearchIsRepeated) {
  network.look_up();
  tell(6'000'000);
  placed(network.execute(worker, pegged(Side::sell, 100, "index+0%")));
  auto const work_count_max = std::exchange(network.work_count_max, 0);
  tell(6'100'000);
  EXPECT_TRUE(live().empty());
  tell(6'100'000);
  EXPECT_TRUE(live().empty());
  network.kill(worker);
  network.end_store(worker.id);
  network.work_count_max = work_count_max;
  network.start(worker);
  network.look_up();
  tell(6'100'000);
  EXPECT_EQ(only().price, PriceCents{6'100'000});
}

TEST_F(PeggedWorkTest, aSearchThatFailedIsRepeatedWithoutARestart) {
  network.look_up();
  tell(6'000'000);
  placed(network.execute(worker, pegged(Side::sell, 100, "index+0%")));
  auto const work_count_max = std::exchange(network.work_count_max, 0);
  tell(6'100'000);
  EXPECT_TRUE(live().empty());
  network.work_count_max = work_count_max;
  tell(6'100'000);
  EXPECT_EQ(only().price, PriceCents{6'100'000});
}

TEST_F(PeggedWorkTest, withoutWorkNoneIsPublishedOrKept) {
  tell(6'000'000);
  network.work_count_max = 0;
  EXPECT_NE(failure_of(network.execute(worker, pegged(Side::sell, 100, "index+0%"))), "");
  EXPECT_TRUE(worker.trader->pegged_orders().all().empty());
}

TEST_F(PeggedWorkTest, oneSearchIsUnderWayAtATime) {
  tell(6'000'000);
  placed(network.execute(worker, pegged(Side::sell, 100, "index+0%")));
  network.live(30s);
  while (worker.trader->poll_output()) {
  }
  for (std::int64_t i = 1; i < 4; ++i) {
    network.now.steady += 31s;
    network.now.wall += 31s;
    for (std::size_t publisher = 0; publisher < 3; ++publisher) {
      PriceCents const price{6'000'000 + i * 100'000};
      worker.trader->index_updated({"index", publisher, {price, network.now.wall}}, network.now);
    }
  }
  int search_count = 0;
  while (auto const out = worker.trader->poll_output()) {
    if (std::holds_alternative<output::Work>(*out)) ++search_count;
  }
  EXPECT_EQ(search_count, 1);
}

TEST_F(PeggedWorkTest, anOrderWhosePriceMovedWhileItsWorkWasSoughtIsNotPublished) {
  network.look_up();
  tell(6'000'000);
  placed(network.execute(worker, pegged(Side::sell, 100, "index+0%")));
  network.live(30s);
  auto const tell_quietly = [&](std::int64_t cents, WallTime at) {
    for (std::size_t i = 0; i < 3; ++i) {
      worker.trader->index_updated({"index", i, {PriceCents{cents}, at}}, network.now);
    }
  };
  tell_quietly(6'100'000, network.now.wall);  // the search begins
  tell_quietly(6'500'000, network.now.wall + 1ms);
  network.run();
  EXPECT_TRUE(live().empty());
  tell(6'500'000);
  EXPECT_EQ(only().price, PriceCents{6'500'000});
}

// A pegged order that is taken while the index moves, cut at every batch of the maker

struct Cut {
  std::size_t after = 0;  // batches that were durable, and whose outputs have left
  std::size_t kept = 0;   // further ones on the disk, of which the process did not hear
};

/// Returns the problems, and whether there was a batch to cut after.
std::pair<std::vector<std::string>, bool> run_cut(Cut const& cut) {
  TraderNetwork network;
  network.compares_dumps = true;
  TradeWatch watch{network};
  auto& maker = network.add("Maker", 1, options_of_maker());
  auto& alice = network.add("Alice", 2);
  auto& bob = network.add("Bob", 3);
  network.look_up();
  maker.holds_batches = true;
  std::size_t made = 0;
  bool is_killed = false;
  std::int64_t cents = 6'000'000;
  auto const update = [&] {
    for (std::size_t i = 0; i < 3; ++i) {
      maker.trader->index_updated({"index", i, {PriceCents{cents}, network.now.wall}}, network.now);
    }
    network.run();
  };
  auto const go_on = [&] {
    for (int i = 0; i < 4; ++i) {
      while (!is_killed && made < cut.after && !maker.batches.empty()) {
        network.make_durable(maker);
        ++made;
      }
      bool const is_due = !is_killed && made == cut.after && maker.batches.size() > cut.kept;
      if (is_due) {
        is_killed = true;
        network.kill(maker, cut.kept);
        network.end_store(maker.id);
        maker.holds_batches = false;
        network.start(maker);
        network.look_up();
        update();
      }
      network.live(1s);
    }
  };
  auto const take_best = [&](TraderNetwork::Node& taker, std::int64_t satoshi, bool pay) {
    for (auto const& order : taker.trader->book().live(network.now.wall)) {
      network.begin(taker, accept(order, std::min(satoshi, order.remaining.units()), pay));
    }
  };
  auto const move = [&] {
    cents += 100'000;
    network.live(30s);
    update();
  };
  update();
  network.begin(maker, pegged(Side::sell, 100, "index+1%"));
  go_on();
  take_best(alice, 40, true);  // under way while the order is replaced
  move();
  take_best(bob, 60, false);
  go_on();
  move();
  take_best(alice, 100, true);
  go_on();
  maker.holds_batches = false;
  network.run();
  for (int i = 0; i < 8; ++i) {
    network.live(5min);
    update();
  }
  take_best(bob, 100, true);
  network.live(20min);
  watch.check_quiet();
  return {watch.problems, is_killed};
}

TEST(PeggedOrdersCutTest, neverSellsMoreThanItsAmountWhereverItsMakerIsCut) {
  int cut_count = 0;
  for (std::size_t const kept : {0u, 1u, 2u}) {
    for (std::size_t after = 0;; ++after) {
      auto const [problems, is_killed] = run_cut({after, kept});
      EXPECT_TRUE(problems.empty()) << problems.front() << "; kept " << kept << ", after " << after;
      if (!is_killed) break;
      ++cut_count;
    }
  }
  EXPECT_GT(cut_count, 15);
}

}  // namespace
}  // namespace grenache::exchange
