// The contract of ReservationStore, tested for all implementations.
#include <limits>
#include <vector>

#include "tests/unit/reservation/stores.hpp"

namespace grenache::exchange {
namespace {

using std::chrono::milliseconds;

class Store : public testing::TestWithParam<char const*> {
 protected:
  void SetUp() override {
    if (GetParam() == std::string{"embedded"}) {
      embedded_.emplace(environment_of(io));
      store = &*embedded_;
      return;
    }
    if (!RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
    server_.emplace();
    redis_.emplace(io, server_->url(), RedisPeer::Options{.recovers = false});
    store = &redis_->store;
  }

  store::Answer run(store::Command command) { return execute(io, *store, std::move(command)); }
  Reservation grant(std::string take, std::string taker, std::int64_t wanted = 100) {
    auto const answer = run(reserve_of(std::move(take), std::move(taker), wanted));
    EXPECT_TRUE(granted(answer)) << "refused: "
                                 << static_cast<int>(refused(answer).value_or(RefusalReason{}));
    return granted(answer) ? granted(answer)->reservation : Reservation{};
  }

  boost::asio::io_context io{1};
  ReservationStore* store = nullptr;

 private:
  std::optional<EmbeddedReservations> embedded_;
  std::optional<RedisServer> server_;
  std::optional<RedisPeer> redis_;
};

/// A store that has executed an empty Recover.
class Ready : public Store {
 protected:
  void SetUp() override {
    Store::SetUp();
    if (IsSkipped()) return;
    EXPECT_TRUE(std::holds_alternative<store::Done>(run(store::Recover{})));
  }
};

TEST_P(Store, refusesEverythingBeforeTheFirstRecover) {
  EXPECT_EQ(refused(run(reserve_of("take-1", "alice"))), RefusalReason::unavailable);
  EXPECT_EQ(refused(run(store::Settle{order_of(), "take-1", 1})), RefusalReason::unavailable);
  EXPECT_EQ(refused(run(store::Release{"order-1", "take-1", 1})), RefusalReason::unavailable);
  EXPECT_EQ(refused(run(reduce_of(1))), RefusalReason::unavailable);
  EXPECT_TRUE(std::holds_alternative<store::Done>(run(store::Recover{})));
  (void)grant("take-1", "alice");
}

TEST_P(Store, aCommandRightBehindTheFirstRecoverIsExecuted) {
  std::optional<store::Answer> answer;
  store->execute(store::Recover{}, [](store::Answer const&) {});
  store->execute(reserve_of("take-1", "alice"), [&](store::Answer got) { answer = std::move(got); });
  EXPECT_TRUE(granted(await_value(io, answer)));
}

TEST_P(Store, restoresWhatWasPromised) {
  WallTime const reserved_at = wall_now() - milliseconds{5'000};
  OrderTotals const totals{Satoshi{20}, Satoshi{10}, false, 7, Satoshi{30}};
  Reservation const held{"take-1", "alice", Satoshi{30}, 41, reserved_at, milliseconds{600'000}};
  (void)run(store::Recover{{order_of("order-1", totals)}, {{"order-1", held}}, 50});

  auto const again = run(reserve_of("take-1", "alice", 30));
  ASSERT_TRUE(granted(again));
  EXPECT_TRUE(granted(again)->repeated);
  EXPECT_EQ(granted(again)->reservation.fence, 41);
  EXPECT_EQ(granted(again)->reservation.amount, Satoshi{30});
  EXPECT_EQ(granted(again)->reservation.reserved_at, reserved_at);
  EXPECT_LE(granted(again)->reservation.life, milliseconds{600'000});
  EXPECT_GT(granted(again)->reservation.life, milliseconds{400'000});
  EXPECT_EQ(granted(again)->totals, totals);

  EXPECT_EQ(refused(run(reserve_of("take-2", "bob", 41))), RefusalReason::reserved);
  EXPECT_EQ(grant("take-2", "bob", 40).fence, 51);
  auto const settled = run(settle_of(held));
  ASSERT_TRUE(std::holds_alternative<store::Settled>(settled));
  EXPECT_EQ(std::get<store::Settled>(settled).totals.filled, Satoshi{50});
  EXPECT_EQ(std::get<store::Settled>(settled).totals.seq, 8);
}

TEST_P(Store, doesNotRestoreWhatDoesNotFitOrHasEnded) {
  auto const take = [](std::string id, std::int64_t amount, std::int64_t fence,
                       std::int64_t life = 1'000'000) {
    std::string const taker = "taker of " + id;
    Reservation const reservation{id, taker, Satoshi{amount}, fence, wall_now(), milliseconds{life}};
    return store::Recover::Take{"order-1", reservation};
  };
  auto stray = take("stray", 10, 4);
  stray.order_id = "order-2";
  (void)run(store::Recover{
      {order_of()}, {take("one", 60, 1), take("two", 60, 2), take("over", 10, 3, 0), stray}, 3});
  EXPECT_EQ(refused(run(store::Settle{order_of(), "two", 2})), RefusalReason::gone);
  EXPECT_EQ(refused(run(store::Settle{order_of(), "over", 3})), RefusalReason::gone);
  EXPECT_EQ(grant("take-1", "bob", 40).fence, 5);
  EXPECT_TRUE(std::holds_alternative<store::Settled>(run(store::Settle{order_of(), "one", 1})));
}

TEST_P(Ready, recoverAgainChangesNothing) {
  auto const live = grant("take-1", "alice", 30);
  auto const done = grant("take-2", "bob", 30);
  (void)run(settle_of(done));
  (void)run(store::Recover{{order_of()}, {{"order-1", live}, {"order-1", done}}, 1});
  auto const answer = run(reserve_of("take-3", "carol", 41));
  EXPECT_EQ(refused(answer), RefusalReason::reserved);
  EXPECT_EQ(std::get<store::Refused>(answer).totals.filled, Satoshi{30});
  EXPECT_EQ(grant("take-3", "carol", 40).fence, done.fence + 1);
}

TEST_P(Ready, grantsWhatIsFree) {
  auto const take = grant("take-1", "alice", 60);
  EXPECT_EQ(take.amount, Satoshi{60});
  EXPECT_EQ(take.take_id, "take-1");
  EXPECT_EQ(take.taker, "alice");
  EXPECT_GT(take.fence, 0);
  EXPECT_GT(take.life, milliseconds{780'000});
  EXPECT_LE(take.life, milliseconds{900'000});
}

TEST_P(Ready, neverPromisesMoreThanTheOrderHas) {
  (void)grant("take-1", "alice", 60);
  auto const second = run(reserve_of("take-2", "bob", 60));
  EXPECT_EQ(refused(second), RefusalReason::reserved);
  EXPECT_GT(std::get<store::Refused>(second).retry_after, milliseconds{780'000});
  (void)grant("take-3", "bob", 40);
  EXPECT_EQ(refused(run(reserve_of("take-4", "carol", 1))), RefusalReason::reserved);
}

TEST_P(Ready, refusesMoreThanIsLeftForGoodWithoutARetry) {
  auto const answer = run(reserve_of("take-1", "alice", 101));
  EXPECT_EQ(refused(answer), RefusalReason::amount);
  EXPECT_EQ(std::get<store::Refused>(answer).retry_after, milliseconds{0});
}

TEST_P(Ready, repeatsTheAnswerForTheSameTake) {
  auto const first = grant("take-1", "alice");
  auto const again = run(reserve_of("take-1", "alice"));
  ASSERT_TRUE(granted(again));
  EXPECT_TRUE(granted(again)->repeated);
  EXPECT_EQ(granted(again)->reservation.fence, first.fence);
  EXPECT_EQ(granted(again)->reservation.reserved_at, first.reserved_at);
  EXPECT_EQ(granted(again)->reservation.amount, first.amount);
}

TEST_P(Ready, doesNotGiveATakeToSomebodyElse) {
  (void)grant("take-1", "alice");
  EXPECT_EQ(refused(run(reserve_of("take-1", "mallory"))), RefusalReason::reserved);
}

TEST_P(Ready, allowsOneReservationPerTakerAndOrder) {
  (void)grant("take-1", "alice", 10);
  EXPECT_EQ(refused(run(reserve_of("take-2", "alice", 10))), RefusalReason::taker_has_one);
  auto other = reserve_of("take-2", "alice", 10);
  other.order.id = "order-2";
  EXPECT_TRUE(granted(run(other)));
}

TEST_P(Ready, boundsTheLiveTakesOfAnOrder) {
  for (int i = 0; i < 64; ++i) (void)grant("take-" + std::to_string(i), "taker-" + std::to_string(i), 1);
  auto const answer = run(reserve_of("take", "taker", 1));
  EXPECT_EQ(refused(answer), RefusalReason::too_many_takes);
  EXPECT_GT(std::get<store::Refused>(answer).retry_after, milliseconds{700'000});
}

TEST_P(Ready, releasesForTheHolderOnly) {
  auto const take = grant("take-1", "alice");
  (void)run(store::Release{"order-1", "take-1", take.fence + 1});
  (void)run(store::Release{"order-1", "take-2", take.fence});
  EXPECT_EQ(refused(run(reserve_of("take-2", "bob"))), RefusalReason::reserved);
  EXPECT_TRUE(std::holds_alternative<store::Done>(run(store::Release{"order-1", "take-1", take.fence})));
  EXPECT_GT(grant("take-2", "bob").fence, take.fence);
  EXPECT_EQ(refused(run(settle_of(take))), RefusalReason::gone);
}

TEST_P(Ready, settlesOnceAndRepeatsTheAnswer) {
  auto const take = grant("take-1", "alice", 60);
  auto const first = run(settle_of(take));
  auto const again = run(settle_of(take));
  for (auto const& answer : {first, again}) {
    ASSERT_TRUE(std::holds_alternative<store::Settled>(answer));
    auto const& settled = std::get<store::Settled>(answer);
    EXPECT_EQ(settled.amount, Satoshi{60});
    EXPECT_EQ(settled.totals, (OrderTotals{Satoshi{60}, {}, false, 1, Satoshi{60}}));
  }
  EXPECT_EQ(refused(run(reserve_of("take-2", "bob", 41))), RefusalReason::amount);
  (void)grant("take-2", "bob", 40);
}

TEST_P(Ready, neverGrantsASettledTakeAgain) {
  auto const take = grant("take-1", "alice", 60);
  (void)run(settle_of(take));
  auto const answer = run(reserve_of("take-1", "alice", 10));
  EXPECT_EQ(refused(answer), RefusalReason::gone);
  EXPECT_EQ(std::get<store::Refused>(answer).totals.filled, Satoshi{60});
}

TEST_P(Ready, settlesNothingForAnotherFence) {
  auto const take = grant("take-1", "alice", 60);
  auto other = take;
  ++other.fence;
  EXPECT_EQ(refused(run(settle_of(other))), RefusalReason::gone);
  (void)run(settle_of(take));
  EXPECT_EQ(refused(run(settle_of(other))), RefusalReason::gone);
}

TEST_P(Ready, reducesByWhatIsNeitherFilledNorReserved) {
  auto const filled = grant("take-1", "alice", 20);
  (void)run(settle_of(filled));
  auto const live = grant("take-2", "bob", 30);
  auto const answer = run(reduce_of(60));
  ASSERT_TRUE(std::holds_alternative<store::Updated>(answer));
  EXPECT_EQ(std::get<store::Updated>(answer).totals,
            (OrderTotals{Satoshi{20}, Satoshi{50}, false, 2, Satoshi{70}}));
  EXPECT_EQ(refused(run(reserve_of("take-3", "carol", 1))), RefusalReason::reserved);
  EXPECT_TRUE(std::holds_alternative<store::Settled>(run(settle_of(live))));
}

TEST_P(Ready, anUpdateThatIsRepeatedDoesNotReduceAgain) {
  (void)run(reduce_of(10));
  auto const repeated = std::get<store::Updated>(run(reduce_of(10))).totals;
  EXPECT_EQ(repeated, (OrderTotals{{}, Satoshi{10}, false, 2, Satoshi{10}}));
  auto const next = std::get<store::Updated>(run(reduce_of(10, repeated))).totals;
  EXPECT_EQ(next, (OrderTotals{{}, Satoshi{20}, false, 3, Satoshi{20}}));
}

TEST_P(Ready, aClosedOrderGrantsNothingNewAndKeepsItsReservations) {
  auto const take = grant("take-1", "alice", 60);
  auto const closed = run(store::Update{order_of(), {}, true});
  EXPECT_EQ(std::get<store::Updated>(closed).totals, (OrderTotals{{}, {}, true, 1, {}}));
  EXPECT_EQ(refused(run(reserve_of("take-2", "bob", 10))), RefusalReason::closed);
  auto const again = run(reserve_of("take-1", "alice", 60));
  ASSERT_TRUE(granted(again));
  EXPECT_EQ(granted(again)->reservation.fence, take.fence);
  EXPECT_TRUE(std::holds_alternative<store::Settled>(run(settle_of(take))));
}

TEST_P(Ready, mergesWhatTheSenderKnows) {
  auto wish = reserve_of("take-1", "alice", 51);
  wish.order.totals = {Satoshi{30}, Satoshi{20}, false, 9, Satoshi{50}};
  EXPECT_EQ(refused(run(wish)), RefusalReason::amount);
  auto const answer = run(reserve_of("take-1", "alice", 51));
  EXPECT_EQ(refused(answer), RefusalReason::amount);
  EXPECT_EQ(std::get<store::Refused>(answer).totals, wish.order.totals);
  auto const take = grant("take-1", "alice", 50);
  EXPECT_EQ(std::get<store::Settled>(run(settle_of(take))).totals.seq, 10);
  auto update = reduce_of(0);
  update.order.totals.seq = 20;
  EXPECT_EQ(std::get<store::Updated>(run(update)).totals.seq, 21);
  wish.order.totals.closed = true;
  wish.take_id = "take-2";
  EXPECT_EQ(refused(run(wish)), RefusalReason::closed);
}

TEST_P(Ready, theNewestReservationsEndWhenTotalsLeaveNoRoom) {
  auto const older = grant("take-1", "alice", 40);
  auto const newer = grant("take-2", "bob", 40);
  auto settle = settle_of(newer);
  settle.order.totals.filled = Satoshi{60};
  EXPECT_EQ(refused(run(settle)), RefusalReason::gone);
  EXPECT_TRUE(std::holds_alternative<store::Settled>(run(settle_of(older))));
}

TEST_P(Store, whatAnotherProcessHasFilledIsNotGrantedAgainAfterALoss) {
  // This process knows of 20; from the order that the other one has signed, that 60 are gone.
  KnownOrder const order = order_of("order-1", {Satoshi{20}, {}, false, 3, Satoshi{60}});
  (void)run(store::Recover{{order}, {}, 0});
  EXPECT_EQ(refused(run(reserve_of("take-1", "alice", 41))), RefusalReason::amount);
  auto const first = run(reserve_of("take-1", "alice", 10));
  ASSERT_TRUE(granted(first));
  auto const settled = std::get<store::Settled>(run(settle_of(granted(first)->reservation)));
  EXPECT_EQ(settled.totals, (OrderTotals{Satoshi{30}, {}, false, 4, Satoshi{70}}));
  // The other one is back.
  KnownOrder const other = order_of("order-1", {Satoshi{60}, {}, false, 3, Satoshi{60}});
  (void)run(store::Recover{{other}, {}, 0});
  auto const second = run(reserve_of("take-2", "bob", 30));
  ASSERT_TRUE(granted(second));
  EXPECT_EQ(granted(second)->totals.spent, Satoshi{70});
  auto const reduced = std::get<store::Updated>(run(reduce_of(10)));
  EXPECT_EQ(reduced.totals.reduced, Satoshi{0}) << "nothing is free";
}

TEST_P(Ready, aLiveReservationKeepsItsRoomWhenAnotherProcessTellsTheSum) {
  auto const take = grant("take-1", "alice", 60);
  (void)run(settle_of(take));
  auto const live = grant("take-2", "bob", 40);
  KnownOrder const order = order_of("order-1", {{}, {}, false, 1, Satoshi{60}});
  (void)run(store::Recover{{order}, {}, 0});
  EXPECT_TRUE(std::holds_alternative<store::Settled>(run(settle_of(live))));
}

TEST_P(Store, keepsLargeIntegersExact) {
  constexpr std::int64_t kLarge = (std::int64_t{1} << 60) + 1;
  OrderTotals const totals{Satoshi{Satoshi::kMax - 7}, {}, false, kLarge};
  KnownOrder order = order_of("order-1", totals);
  order.amount = Satoshi{Satoshi::kMax};
  (void)run(store::Recover{{order}, {}, 100'000'000'000'001});
  auto wish = reserve_of("take-1", "alice", 7);
  wish.order = order;
  auto const first = run(wish);
  ASSERT_TRUE(granted(first));
  EXPECT_EQ(granted(first)->reservation.fence, 100'000'000'000'002);
  (void)run(store::Recover{{}, {}, kLarge});
  auto const settled = std::get<store::Settled>(run(store::Settle{order, "take-1", 100'000'000'000'002}));
  EXPECT_EQ(settled.totals.seq, kLarge + 1);
  EXPECT_EQ(settled.totals.filled, Satoshi{Satoshi::kMax});
  auto other = reserve_of("take-2", "bob", 1);
  other.order.id = "order-2";
  auto const second = run(other);
  ASSERT_TRUE(granted(second));
  EXPECT_EQ(granted(second)->reservation.fence, kLarge + 1);
}

TEST_P(Ready, aSeqAtTheEndOfItsRangeStays) {
  auto update = reduce_of(0);
  update.order.totals.seq = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(std::get<store::Updated>(run(update)).totals.seq, update.order.totals.seq);
}

TEST_P(Ready, executesAndAnswersInOrder) {
  std::vector<store::Answer> answers;
  auto const keep = [&](store::Answer answer) { answers.push_back(std::move(answer)); };
  store->execute(reserve_of("take-1", "alice", 60), keep);
  store->execute(store::Update{order_of(), Satoshi{10}, true}, keep);
  store->execute(reserve_of("take-2", "bob", 10), keep);
  store->execute(store::Recover{}, keep);
  store->execute(reserve_of("take-1", "alice", 60), keep);
  await(io, [&] { return answers.size() == 5; });
  EXPECT_TRUE(granted(answers[0]));
  EXPECT_TRUE(std::holds_alternative<store::Updated>(answers[1]));
  EXPECT_EQ(refused(answers[2]), RefusalReason::closed);
  EXPECT_TRUE(std::holds_alternative<store::Done>(answers[3]));
  EXPECT_TRUE(granted(answers[4]));
}

TEST_P(Ready, hundredRacingTakersGetOneReservation) {
  std::vector<store::Answer> answers;
  for (int i = 0; i < 100; ++i) {
    store->execute(reserve_of("take-" + std::to_string(i), "taker-" + std::to_string(i)),
                   [&](store::Answer answer) { answers.push_back(std::move(answer)); });
  }
  await(io, [&] { return answers.size() == 100; });
  EXPECT_EQ(std::ranges::count_if(answers, [](auto const& answer) { return granted(answer) != nullptr; }), 1);
  EXPECT_EQ(std::ranges::count_if(
                answers, [](auto const& answer) { return refused(answer) == RefusalReason::reserved; }),
            99);
}

auto const kStores = testing::Values("embedded", "redis");
std::string name_of(testing::TestParamInfo<char const*> const& instance) { return instance.param; }
INSTANTIATE_TEST_SUITE_P(Reservations, Store, kStores, name_of);
INSTANTIATE_TEST_SUITE_P(Reservations, Ready, kStores, name_of);

}  // namespace
}  // namespace grenache::exchange
