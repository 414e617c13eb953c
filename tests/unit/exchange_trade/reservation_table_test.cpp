#include "exchange/core/trade/reservation_table.hpp"

#include <gtest/gtest.h>

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using store::RefusalReason;

constexpr WallTime kWall{1'700'000'000'000ms};

KnownOrder order_of(std::string id = "order") {
  return {.id = std::move(id), .amount = Satoshi{100}, .expires = kWall + 1h, .totals = {}};
}

store::Reserve reserve_of(std::string take, std::string taker, std::int64_t wanted) {
  return {
      .order = order_of(), .take_id = std::move(take), .taker = std::move(taker), .wanted = Satoshi{wanted}};
}

class Table : public testing::Test {
 protected:
  explicit Table(ReservationTable::Options options = {}) : table{options} { (void)run(store::Recover{}); }

  store::Answer run(store::Command const& command) {
    auto answer =
        table.execute(command, now, kWall + std::chrono::floor<std::chrono::milliseconds>(now - TimePoint{}));
    table.check();
    return answer;
  }
  Reservation grant(std::string take, std::string taker, std::int64_t wanted,
                    std::chrono::milliseconds life = 900s) {
    auto command = reserve_of(std::move(take), std::move(taker), wanted);
    command.life = life;
    return std::get<store::Granted>(run(command)).reservation;
  }
  store::Refused refuse(store::Command const& command) { return std::get<store::Refused>(run(command)); }

  ReservationTable table;
  TimePoint now{};
};

TEST_F(Table, freesAnAmountExactlyWhenItsTimeIsOver) {
  (void)grant("a", "alice", 100);
  now += 899'999ms;
  auto const refusal = refuse(reserve_of("b", "bob", 100));
  EXPECT_EQ(refusal.reason, RefusalReason::reserved);
  EXPECT_EQ(refusal.retry_after, 1ms);
  now += 1ms;
  (void)grant("b", "bob", 100);
  EXPECT_EQ(table.reservation_count(), 1u);
}

TEST_F(Table, aSettledTakeThatAProcessTellsOfIsNotReservedAgain) {
  auto const granted = grant("a", "alice", 40);
  (void)run(store::Settle{order_of(), "a", granted.fence});
  store::Recover told;
  told.takes.push_back({"order", granted});
  (void)run(told);
  EXPECT_EQ(table.reservation_count(), 0u);
}

TEST_F(Table, theSmallestAndShortestReservationIsRestored) {
  (void)grant("a", "alice", 1);
  store::Recover told;
  told.takes.push_back({"order", {"b", "bob", Satoshi{1}, 7, kWall, 1ms}});
  told.takes.push_back({"order", {"c", "carol", Satoshi{0}, 8, kWall, 1ms}});
  told.takes.push_back({"order", {"d", "dave", Satoshi{1}, 9, kWall, 0ms}});
  (void)run(told);
  EXPECT_EQ(table.reservation_count(), 2u) << "of nothing, and for no time, are none";
}

TEST_F(Table, tellsWhenEnoughWillBeFreeNotWhenSomething) {
  (void)grant("a", "alice", 10, 100s);
  (void)grant("b", "bob", 60, 200s);
  (void)grant("c", "carol", 30, 300s);
  EXPECT_EQ(refuse(reserve_of("d", "dave", 50)).retry_after, 200s);
}

TEST_F(Table, anOrderIsRefusedWhileARivalIsReservedAndOnceOneIsFilled) {
  auto rival_of = [](std::string take, std::string taker) {
    auto out = reserve_of(std::move(take), std::move(taker), 10);
    out.order = order_of("other");
    out.rivals = {"order", "unheard of"};
    return out;
  };
  (void)grant("a", "alice", 10, 100s);
  (void)grant("b", "bob", 20, 200s);
  auto const refusal = refuse(rival_of("c", "carol"));
  EXPECT_EQ(refusal.reason, RefusalReason::rival_reserved);
  EXPECT_EQ(refusal.retry_after, 200s);
  now += 200s;
  auto const granted = run(rival_of("c", "carol"));
  EXPECT_TRUE(std::holds_alternative<store::Granted>(granted));
  EXPECT_TRUE(std::get<store::Granted>(run(rival_of("c", "carol"))).repeated);
  now += 901s;
  (void)run(store::Settle{order_of(), "d", grant("d", "dave", 1).fence});
  EXPECT_EQ(refuse(rival_of("e", "erin")).reason, RefusalReason::closed);
}

TEST_F(Table, anExpiredReservationCannotBeSettled) {
  auto const take = grant("a", "alice", 100, 10s);
  now += 10s;
  auto const refusal = refuse(store::Settle{order_of(), "a", take.fence});
  EXPECT_EQ(refusal.reason, RefusalReason::gone);
  EXPECT_EQ(refusal.totals, OrderTotals{});
}

TEST_F(Table, aStaleHolderCannotSettleOrReleaseWhatANewOneHolds) {
  auto const first = grant("a", "alice", 100);
  now += 901s;
  auto const second = grant("a", "alice", 100);
  (void)run(store::Release{"order", "a", first.fence});
  EXPECT_EQ(refuse(store::Settle{order_of(), "a", first.fence}).reason, RefusalReason::gone);
  EXPECT_TRUE(std::holds_alternative<store::Settled>(run(store::Settle{order_of(), "a", second.fence})));
  EXPECT_EQ(refuse(store::Settle{order_of(), "a", first.fence}).reason, RefusalReason::gone);
}

TEST_F(Table, forgetsAnOrderWithItsSettledTakesADayAfterItHasExpired) {
  auto const take = grant("a", "alice", 60);
  (void)run(store::Settle{order_of(), "a", take.fence});
  now += 1h + kOrderKept - 1ms;
  (void)run(store::Release{});
  EXPECT_EQ(table.order_count(), 1u);
  now += 1ms;
  (void)run(store::Release{});
  EXPECT_EQ(table.order_count(), 0u);
}

TEST_F(Table, remembersAnOrderAsLongAsTheLatestVersionLives) {
  (void)grant("a", "alice", 60);
  auto update = store::Update{order_of(), Satoshi{0}, false};
  update.order.expires += 24h;
  (void)run(update);
  now += 1h + kOrderKept;
  (void)run(store::Release{});
  EXPECT_EQ(table.order_count(), 1u);
}

TEST_F(Table, theNewestReservationsEndWhenTotalsLeaveNoRoom) {
  auto const older = grant("a", "alice", 40);
  auto const newer = grant("b", "bob", 40);
  auto settle = store::Settle{order_of(), "b", newer.fence};
  settle.order.totals.filled = Satoshi{60};
  EXPECT_EQ(refuse(settle).reason, RefusalReason::gone);
  EXPECT_TRUE(std::holds_alternative<store::Settled>(run(store::Settle{order_of(), "a", older.fence})));
}

TEST_F(Table, aSeqAtTheEndOfItsRangeStays) {
  auto update = store::Update{order_of(), Satoshi{0}, false};
  update.order.totals.seq = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(std::get<store::Updated>(run(update)).totals.seq, update.order.totals.seq);
}

TEST_F(Table, grantsNothingWhenTheFencesAreUsedUp) {
  (void)run(store::Recover{{}, {}, std::numeric_limits<std::int64_t>::max()});
  EXPECT_EQ(refuse(reserve_of("a", "alice", 1)).reason, RefusalReason::unavailable);
}

class SmallTable : public Table {
 protected:
  SmallTable()
      : Table{{.live_takes_per_order_max = 2,
               .settled_takes_per_order_max = 1,
               .reservation_count_max = 3,
               .order_count_max = 2}} {}
};

TEST_F(SmallTable, boundsTheLiveTakesOfAnOrder) {
  (void)grant("a", "alice", 1, 10s);
  (void)grant("b", "bob", 1, 20s);
  auto const refusal = refuse(reserve_of("c", "carol", 1));
  EXPECT_EQ(refusal.reason, RefusalReason::too_many_takes);
  EXPECT_EQ(refusal.retry_after, 10s);
}

TEST_F(SmallTable, boundsTheSettledTakesOfAnOrder) {
  auto const take = grant("a", "alice", 1);
  (void)run(store::Settle{order_of(), "a", take.fence});
  auto const refusal = refuse(reserve_of("b", "bob", 1));
  EXPECT_EQ(refusal.reason, RefusalReason::too_many_takes);
  EXPECT_EQ(refusal.retry_after, 0s);
}

TEST_F(SmallTable, boundsAllReservations) {
  (void)grant("a", "alice", 1);
  (void)grant("b", "bob", 1);
  auto other = reserve_of("c", "carol", 1);
  other.order.id = "other";
  EXPECT_TRUE(std::holds_alternative<store::Granted>(run(other)));
  other.take_id = "d";
  other.taker = "dave";
  EXPECT_EQ(refuse(other).reason, RefusalReason::unavailable);
}

TEST_F(SmallTable, boundsTheOrders) {
  for (auto const* id : {"one", "two"}) (void)run(store::Update{order_of(id), Satoshi{0}, false});
  EXPECT_EQ(refuse(store::Update{order_of("three"), Satoshi{0}, false}).reason, RefusalReason::unavailable);
  auto reserve = reserve_of("a", "alice", 1);
  EXPECT_EQ(refuse(reserve).reason, RefusalReason::unavailable);
  reserve.order.id = "one";
  EXPECT_TRUE(std::holds_alternative<store::Granted>(run(reserve)));
}

TEST_F(SmallTable, restoresMoreLiveTakesThanItWouldGrant) {
  store::Recover recover{{order_of()}, {}, 7};
  for (int i = 0; i < 4; ++i) {
    Reservation const take{std::to_string(i), "taker" + std::to_string(i), Satoshi{1}, i + 1, kWall, 10s};
    recover.takes.push_back({"order", take});
  }
  (void)run(recover);
  EXPECT_EQ(table.reservation_count(), 3u);  // as many as all orders may have
}

}  // namespace
}  // namespace grenache::exchange
