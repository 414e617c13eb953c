// RedisReservations with a real redis-server: running, absent, killed, frozen and emptied.
#include <vector>

#include "exchange/core/trade/reservation_table.hpp"
#include "tests/unit/reservation/stores.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;

constexpr char kTakeKey[] = "grenache:exchange:{maker}:take:order-1/take-1";

class Redis : public testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
    server.emplace();
  }
  boost::asio::io_context io{1};
  std::optional<RedisServer> server;
};

Reservation reservation_of(store::Answer const& answer) {
  EXPECT_TRUE(granted(answer));
  return granted(answer) ? granted(answer)->reservation : Reservation{};
}

TEST_F(Redis, twoProcessesOfOneMakerShareTheirReservations) {
  RedisPeer one{io, server->url()};
  RedisPeer two{io, server->url()};
  std::vector<store::Answer> answers;
  for (int i = 0; i < 100; ++i) {
    auto& peer = i % 2 ? one : two;
    peer.store.execute(reserve_of("take-" + std::to_string(i), "taker-" + std::to_string(i)),
                       [&](store::Answer answer) { answers.push_back(std::move(answer)); });
  }
  one.until([&] { return answers.size() == 100; });
  EXPECT_EQ(std::ranges::count_if(answers, [](auto const& answer) { return granted(answer) != nullptr; }), 1);
}

TEST_F(Redis, oneProcessSettlesWhatTheOtherGranted) {
  RedisPeer one{io, server->url()};
  RedisPeer two{io, server->url()};
  auto const take = reservation_of(one.execute(reserve_of("take-1", "alice", 60)));
  EXPECT_TRUE(std::holds_alternative<store::Settled>(two.execute(settle_of(take))));
  auto const update = two.execute(reduce_of(10));
  EXPECT_EQ(std::get<store::Updated>(update).totals,
            (OrderTotals{Satoshi{60}, Satoshi{10}, false, 2, Satoshi{70}}));
}

TEST_F(Redis, aReservationIsAKeyThatExpiresByItself) {
  RedisPeer peer{io, server->url()};
  ASSERT_TRUE(granted(peer.execute(reserve_of("take-1", "alice"))));
  std::optional<RedisReservations::Shown> shown;
  peer.store.show("order-1", "take-1", [&](Result<RedisReservations::Shown> result) { shown = *result; });
  auto const found = await_value(io, shown);
  EXPECT_EQ(found.key, kTakeKey);
  EXPECT_GT(found.remaining_life, 780s);
  EXPECT_LE(found.remaining_life, 900s);
  auto const order_life = peer.command({"PTTL", "grenache:exchange:{maker}:order:order-1"}).integer;
  EXPECT_GT(order_life, 24 * 3'600'000);
  EXPECT_LT(order_life, 26 * 3'600'000);
}

TEST_F(Redis, anExpiredReservationMakesRoom) {
  RedisPeer peer{io, server->url()};
  auto wish = reserve_of("take-1", "alice");
  wish.life = 20ms;
  auto const take = reservation_of(peer.execute(wish));
  peer.until([&] { return peer.command({"EXISTS", kTakeKey}).integer == 0; });
  EXPECT_EQ(refused(peer.execute(settle_of(take))), RefusalReason::gone);
  EXPECT_TRUE(granted(peer.execute(reserve_of("take-2", "bob"))));
}

TEST_F(Redis, whileItIsDeadTakesAreRefusedAndNothingIsReservedWhenItIsBack) {
  RedisPeer peer{io, server->url()};
  server->kill();
  peer.until([&] { return !peer.client.connected(); });
  EXPECT_EQ(refused(peer.execute(reserve_of("take-1", "alice"))), RefusalReason::unavailable);
  EXPECT_EQ(peer.store.undo_count(), 0u);  // the command was not sent
  server->restart();
  peer.until([&] { return peer.recover_count == 2; });
  EXPECT_TRUE(granted(peer.execute(reserve_of("take-2", "bob"))));
}

TEST_F(Redis, dyingWithACommandInFlightRefusesIt) {
  RedisPeer peer{io, server->url()};
  server->freeze();
  std::vector<store::Answer> answers;
  auto const keep = [&](store::Answer answer) { answers.push_back(std::move(answer)); };
  peer.store.execute(reserve_of("take-1", "alice"), keep);
  peer.store.execute(store::Settle{order_of(), "take-2", 1}, keep);
  peer.store.execute(store::Recover{}, keep);
  peer.store.execute(reserve_of("take-3", "carol"), keep);
  server->kill();
  peer.until([&] { return answers.size() == 4; });
  for (auto const& answer : answers) EXPECT_EQ(refused(answer), RefusalReason::unavailable);
}

TEST_F(Redis, aLateScriptOfAnAttemptThatWasGivenUpReservesNothing) {
  RedisPeer peer{io, server->url(), {.command_timeout = 100ms}};
  server->freeze();
  EXPECT_EQ(refused(peer.execute(reserve_of("take-1", "alice"))), RefusalReason::unavailable);
  server->thaw();  // it now executes the received commands, the reserve and the undo
  RedisPeer other{io, server->url()};
  other.until([&] { return peer.store.undo_count() == 0; });
  EXPECT_EQ(other.command({"EXISTS", kTakeKey}).integer, 0);
  EXPECT_EQ(other.command({"KEYS", "*undone*"}).items.size(), 1u);
  EXPECT_TRUE(granted(other.execute(reserve_of("take-2", "bob"))));
}

TEST_F(Redis, givingUpARepeatedTakeKeepsTheReservation) {
  RedisPeer other{io, server->url()};
  auto const take = reservation_of(other.execute(reserve_of("take-1", "alice")));
  RedisPeer hasty{io, server->url(), {.command_timeout = 100ms}};
  server->freeze();
  EXPECT_EQ(refused(hasty.execute(reserve_of("take-1", "alice"))), RefusalReason::unavailable);
  server->thaw();
  other.until([&] { return hasty.store.undo_count() == 0; });
  auto const again = other.execute(reserve_of("take-1", "alice"));
  ASSERT_TRUE(granted(again));
  EXPECT_TRUE(granted(again)->repeated);
  EXPECT_EQ(granted(again)->reservation.fence, take.fence);
}

TEST_F(Redis, anUndoKeepsWhatASecondCallerWasGiven) {
  RedisPeer peer{io, server->url()};
  ASSERT_TRUE(granted(peer.execute(reserve_of("take-1", "alice"))));
  ASSERT_TRUE(granted(peer.execute(reserve_of("take-1", "alice"))));
  auto const value = peer.command({"GET", kTakeKey}).text;
  EXPECT_NE(value.find(" - alice"), std::string::npos) << value;  // no attempt that could be undone
  EXPECT_GT(peer.command({"PTTL", kTakeKey}).integer, 780'000);
}

TEST_F(Redis, dropsTheOldestUndoWhenThereAreTooMany) {
  RedisPeer peer{io, server->url(), {.command_timeout = 100ms, .undo_max = 2}};
  server->freeze();
  std::size_t answered = 0;
  for (auto const* id : {"take-1", "take-2", "take-3"})
    peer.store.execute(reserve_of(id, id, 10), [&](store::Answer const&) { ++answered; });
  peer.until([&] { return answered == 3; });
  EXPECT_EQ(peer.store.undo_count(), 2u);
  server->thaw();
  RedisPeer other{io, server->url()};
  other.until([&] { return peer.store.undo_count() == 0; });
  for (auto const* id : {"take-2", "take-3"})
    EXPECT_EQ(other.command({"EXISTS", "grenache:exchange:{maker}:take:order-1/" + std::string{id}}).integer,
              0);
}

TEST_F(Redis, aRefusedUndoIsSentAgainWhenTheServerAnswers) {
  RedisPeer peer{io, server->url()};
  RedisPeer admin{io, server->url()};
  (void)admin.command({"ACL", "SETUSER", "default", "-evalsha"});
  EXPECT_EQ(refused(peer.execute(reserve_of("take-1", "alice"))), RefusalReason::unavailable);
  EXPECT_EQ(peer.store.undo_count(), 1u);
  (void)admin.command({"ACL", "SETUSER", "default", "+evalsha"});
  EXPECT_TRUE(granted(peer.execute(reserve_of("take-2", "bob"))));
  peer.until([&] { return peer.store.undo_count() == 0; });
}

TEST_F(Redis, stoppingAnswersWhatIsPending) {
  RedisPeer peer{io, server->url()};
  server->freeze();
  std::vector<store::Answer> answers;
  auto const keep = [&](store::Answer answer) { answers.push_back(std::move(answer)); };
  peer.store.execute(reserve_of("take-1", "alice"), keep);
  peer.store.execute(store::Recover{}, keep);
  peer.store.execute(reserve_of("take-2", "bob"), keep);
  peer.client.stop();
  EXPECT_TRUE(answers.empty());
  peer.until([&] { return answers.size() == 3; });
  for (auto const& answer : answers) EXPECT_EQ(refused(answer), RefusalReason::unavailable);
  EXPECT_EQ(refused(peer.execute(reserve_of("take-3", "carol"))), RefusalReason::unavailable);
}

TEST_F(Redis, destructionAnswersWhatIsPending) {
  std::vector<store::Answer> answers;
  {
    RedisPeer peer{io, server->url()};
    server->freeze();
    auto const keep = [&](store::Answer answer) { answers.push_back(std::move(answer)); };
    peer.store.execute(reserve_of("take-1", "alice"), keep);
    peer.store.execute(store::Recover{}, keep);
    peer.store.execute(reserve_of("take-2", "bob"), keep);
  }
  await(io, [&] { return answers.size() == 3; });
  for (auto const& answer : answers) EXPECT_EQ(refused(answer), RefusalReason::unavailable);
}

TEST_F(Redis, scriptsAreLoadedAgainAfterAFlush) {
  RedisPeer peer{io, server->url()};
  (void)peer.command({"SCRIPT", "FLUSH"});
  std::vector<store::Answer> answers;
  auto const keep = [&](store::Answer answer) { answers.push_back(std::move(answer)); };
  peer.store.execute(reserve_of("take-1", "alice", 60), keep);
  peer.store.execute(store::Update{order_of(), Satoshi{0}, true}, keep);
  peer.store.execute(reserve_of("take-2", "bob", 10), keep);
  peer.until([&] { return answers.size() == 3; });
  EXPECT_TRUE(granted(answers[0]));
  EXPECT_TRUE(std::holds_alternative<store::Updated>(answers[1]));
  EXPECT_EQ(refused(answers[2]), RefusalReason::closed);
  EXPECT_EQ(peer.loss_count, 1);  // the one of the start
}

TEST_F(Redis, afterAFlushNothingIsGrantedTwice) {
  RedisPeer peer{io, server->url()};
  auto const take = reservation_of(peer.execute(reserve_of("take-1", "alice", 60)));
  peer.promised = {{order_of()}, {{"order-1", take}}, take.fence};
  (void)peer.command({"FLUSHALL"});
  EXPECT_EQ(refused(peer.execute(reserve_of("take-2", "bob", 60))), RefusalReason::unavailable);
  peer.until([&] { return peer.recover_count == 2; });
  EXPECT_EQ(refused(peer.execute(reserve_of("take-2", "bob", 60))), RefusalReason::reserved);
  auto const again = peer.execute(reserve_of("take-1", "alice", 60));
  ASSERT_TRUE(granted(again));
  EXPECT_EQ(granted(again)->reservation.fence, take.fence);
  EXPECT_EQ(granted(again)->reservation.reserved_at, take.reserved_at);
  EXPECT_EQ(reservation_of(peer.execute(reserve_of("take-3", "carol", 40))).fence, take.fence + 1);
  EXPECT_EQ(peer.loss_count, 2);
}

TEST_F(Redis, aFlushDuringATakeRefusesIt) {
  RedisPeer peer{io, server->url()};
  std::vector<store::Answer> answers;
  auto const keep = [&](store::Answer answer) { answers.push_back(std::move(answer)); };
  peer.client.command({"FLUSHALL"}, [](Result<RedisReply> const&) {});
  peer.store.execute(reserve_of("take-1", "alice"), keep);
  peer.store.execute(store::Settle{order_of(), "take-1", 1}, keep);
  peer.until([&] { return answers.size() == 2; });
  for (auto const& answer : answers) EXPECT_EQ(refused(answer), RefusalReason::unavailable);
  peer.until([&] { return peer.recover_count == 2; });
  EXPECT_EQ(peer.loss_count, 2);  // once for both
}

TEST_F(Redis, aRestartWithoutDataIsNoticedAtTheConnection) {
  RedisPeer peer{io, server->url()};
  auto const take = reservation_of(peer.execute(reserve_of("take-1", "alice", 60)));
  peer.promised = {{order_of()}, {{"order-1", take}}, take.fence};
  server->restart();
  peer.until([&] { return peer.recover_count == 2; });
  EXPECT_EQ(refused(peer.execute(reserve_of("take-2", "bob", 60))), RefusalReason::reserved);
}

TEST_F(Redis, aConnectionThatFindsTheKnownDataNeedsNoRecover) {
  RedisPeer peer{io, server->url()};
  peer.client.reconnect();
  peer.until([&] { return peer.client.connected(); });
  EXPECT_TRUE(granted(peer.execute(reserve_of("take-1", "alice"))));
  EXPECT_EQ(peer.loss_count, 1);  // the one of the start
}

TEST_F(Redis, aRecoverThatFailedIsAskedForAgainWithTheNextCommand) {
  RedisPeer peer{io, server->url()};
  RedisPeer admin{io, server->url()};
  (void)admin.command({"ACL", "SETUSER", "default", "-evalsha"});
  (void)admin.command({"FLUSHALL"});
  peer.client.reconnect();
  peer.until([&] { return peer.loss_count == 2; });  // its Recover is refused
  EXPECT_EQ(refused(peer.execute(reserve_of("take-1", "alice"))), RefusalReason::unavailable);
  (void)admin.command({"ACL", "SETUSER", "default", "+evalsha"});
  peer.until([&] { return granted(peer.execute(reserve_of("take-1", "alice"))) != nullptr; });
  EXPECT_EQ(peer.recover_count, 2);
}

TEST_F(Redis, otherProcessesHaveTimeToRecover) {
  RedisPeer one{io, server->url(), {.grace = 1h}};
  auto const wait_of = [](store::Answer const& answer) {
    EXPECT_EQ(refused(answer), RefusalReason::unavailable);
    auto const* refusal = std::get_if<store::Refused>(&answer);
    return refusal ? refusal->retry_after : 0ms;
  };
  EXPECT_GT(wait_of(one.execute(reserve_of("take-1", "alice"))), 59min);
  EXPECT_GT(wait_of(one.execute(store::Settle{order_of(), "take-1", 1})),
            59min);  // of another process, maybe
  EXPECT_GT(wait_of(one.execute(reduce_of(1))), 59min);
  EXPECT_TRUE(std::holds_alternative<store::Updated>(one.execute(store::Update{order_of(), {}, true})));

  RedisPeer two{io, server->url(), {.recovers = false}};
  Reservation const held{"take-2", "bob", Satoshi{10}, 5, wall_now(), 600s};
  two.promised = {{order_of()}, {{"order-1", held}}, 5};
  two.recover();
  two.until([&] { return two.recover_count == 1; });
  EXPECT_GT(wait_of(one.execute(settle_of(held))), 59min);  // others may have sold before the loss
  EXPECT_EQ(one.loss_count, 1);
}

TEST_F(Redis, theGraceEnds) {
  RedisPeer peer{io, server->url(), {.grace = 1ms}};
  peer.until([&] { return granted(peer.execute(reserve_of("take-1", "alice"))) != nullptr; });
}

TEST_F(Redis, aNewMakerHasNoGraceAtItsStartAndOneAfterEachLoss) {
  RedisPeer peer{io, server->url(), {.grace = 1h, .is_new_maker = true}};
  EXPECT_TRUE(granted(peer.execute(reserve_of("take-1", "alice", 10))));
  (void)peer.command({"FLUSHALL"});
  EXPECT_EQ(refused(peer.execute(reserve_of("take-2", "bob", 10))), RefusalReason::unavailable);
  peer.until([&] { return peer.recover_count == 2; });
  EXPECT_EQ(refused(peer.execute(reserve_of("take-2", "bob", 10))), RefusalReason::unavailable);
}

TEST_F(Redis, aProcessThatSendsNoCommandsNoticesALossByItsCheck) {
  RedisPeer peer{io, server->url()};
  peer.store.check();
  (void)peer.command({"PING"});
  EXPECT_EQ(peer.loss_count, 1);  // the one of the start
  (void)peer.command({"FLUSHALL"});
  peer.store.check();
  peer.until([&] { return peer.recover_count == 2; });
  peer.store.check();
  (void)peer.command({"PING"});
  EXPECT_EQ(peer.loss_count, 2);
}

TEST_F(Redis, aServerThatIsNotTheOneOfTheDataMayHaveLostThem) {
  RedisPeer peer{io, server->url()};
  auto const take = reservation_of(peer.execute(reserve_of("take-1", "alice", 60)));
  peer.promised = {{order_of()}, {{"order-1", take}}, take.fence};
  (void)peer.command({"HSET", "grenache:exchange:{maker}:epoch", "run", "of-another-server"});
  (void)peer.command({"DEL", kTakeKey});
  EXPECT_EQ(refused(peer.execute(reserve_of("take-2", "bob", 60))), RefusalReason::unavailable);
  peer.until([&] { return peer.recover_count == 2; });
  EXPECT_EQ(refused(peer.execute(reserve_of("take-2", "bob", 60))), RefusalReason::reserved);
  EXPECT_EQ(peer.loss_count, 2);
}

TEST_F(Redis, aUserWhoMayNotAskForTheServerIsServed) {
  RedisPeer admin{io, server->url()};
  (void)admin.command({"FLUSHALL"});
  (void)admin.command({"ACL", "SETUSER", "default", "-info"});
  RedisPeer peer{io, server->url()};
  EXPECT_TRUE(granted(peer.execute(reserve_of("take-1", "alice"))));
  EXPECT_EQ(peer.loss_count, 1);  // the one of the start
}

TEST_F(Redis, aFenceThatAnotherProcessHasIsNotGivenAgainAfterALoss) {
  RedisPeer one{io, server->url(), {.grace = 1ms}};
  RedisPeer two{io, server->url(), {.grace = 1ms}};
  std::optional<Reservation> first;
  std::optional<Reservation> second;
  auto const grant = [&](RedisPeer& peer, std::optional<Reservation>& out) {
    auto const answer = peer.execute(reserve_of("take-1", "alice"));
    if (granted(answer)) out = granted(answer)->reservation;
    return out.has_value();
  };
  one.until([&] { return grant(one, first); });
  (void)one.command({"FLUSHALL"});
  two.until([&] { return grant(two, second); });  // of `first` the process knows nothing
  EXPECT_GT(second->fence, first->fence);
  EXPECT_EQ(refused(two.execute(settle_of(*first))), RefusalReason::gone);
  EXPECT_TRUE(std::holds_alternative<store::Settled>(two.execute(settle_of(*second))));
  EXPECT_EQ(refused(two.execute(settle_of(*first))), RefusalReason::gone);
}

TEST_F(Redis, aProcessThatWasAwayRecoversWhatAnotherOneHasNot) {
  RedisPeer one{io, server->url()};
  RedisPeer two{io, server->url()};
  auto const take = reservation_of(two.execute(reserve_of("take-1", "alice", 60)));
  two.promised = {{order_of()}, {{"order-1", take}}, take.fence};
  (void)one.command({"FLUSHALL"});
  EXPECT_EQ(refused(one.execute(reduce_of(0))), RefusalReason::unavailable);
  one.until([&] { return one.recover_count == 2; });
  // Redis has an epoch, which the other process does not know.
  EXPECT_EQ(refused(two.execute(settle_of(take))), RefusalReason::unavailable);
  two.until([&] { return two.recover_count == 2; });
  EXPECT_TRUE(std::holds_alternative<store::Settled>(two.execute(settle_of(take))));
}

TEST_F(Redis, aLargeRecoverIsRestoredWhole) {
  RedisPeer peer{io, server->url()};
  (void)peer.command({"FLUSHALL"});
  store::Recover all;
  for (int i = 0; i < 500; ++i) {
    std::string const id = "order-" + std::to_string(i);
    all.orders.push_back(order_of(id));
    Reservation const take{"take", "alice", Satoshi{60}, i + 1, wall_now(), 600s};
    all.takes.push_back({id, take});
  }
  EXPECT_TRUE(std::holds_alternative<store::Done>(peer.execute(all)));
  for (int i = 0; i < 500; ++i) {
    auto const answer = peer.execute(store::Settle{order_of("order-" + std::to_string(i)), "take", i + 1});
    ASSERT_TRUE(std::holds_alternative<store::Settled>(answer)) << i;
  }
}

/// What two answers have in common when stores agree: all but times.
std::string text_of(store::Answer const& answer) {
  auto const totals = [](OrderTotals const& of) {
    return of.filled.to_text() + ' ' + of.reduced.to_text() + ' ' + std::to_string(of.closed) + ' ' +
           std::to_string(of.seq);
  };
  if (auto const* each = std::get_if<store::Granted>(&answer)) {
    Reservation const& take = each->reservation;
    return "granted " + take.take_id + ' ' + take.taker + ' ' + take.amount.to_text() + ' ' +
           std::to_string(take.fence) + ' ' + std::to_string(each->repeated) + ' ' + totals(each->totals);
  }
  if (auto const* each = std::get_if<store::Settled>(&answer))
    return "settled " + each->amount.to_text() + ' ' + totals(each->totals);
  if (auto const* each = std::get_if<store::Updated>(&answer)) return "updated " + totals(each->totals);
  if (auto const* each = std::get_if<store::Refused>(&answer)) {
    return "refused " + std::string{describe(each->reason)} + ' ' + std::to_string(each->retry_after > 0ms) +
           ' ' + totals(each->totals);
  }
  return "done";
}

class Commands {
 public:
  /// Fences are greater than `base`.
  Commands(std::uint64_t seed, std::int64_t base) : last_fence{base}, random_{seed}, base_{base} {}

  store::Command next() {
    KnownOrder order = order_of(pick("order", 2), totals());
    order.amount = Satoshi{1000};
    auto const fence =
        base_ + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(last_fence - base_) + 2));
    auto const amount = [&](std::uint64_t max) {
      return Satoshi{static_cast<std::int64_t>(1 + random_.below(max))};
    };
    switch (random_.below(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return store::Reserve{order, pick("take", 12), pick("taker", 6), amount(300)};
      case 4:
      case 5:
        return store::Settle{order, pick("take", 12), fence};
      case 6:
      case 7:
        return store::Release{order.id, pick("take", 12), fence};
      case 8:
        return store::Update{order, amount(100), random_.chance(1, 20)};
      default:
        break;
    }
    Reservation const take{pick("take", 12), pick("taker", 6), amount(200), fence, wall_now(), 3h};
    return store::Recover{{order}, {{order.id, take}}, fence};
  }

  std::int64_t last_fence;

 private:
  std::string pick(std::string const& prefix, std::uint64_t count) {
    return prefix + std::to_string(random_.below(count));
  }
  OrderTotals totals() {
    OrderTotals known;
    if (random_.chance(1, 50)) known.filled = Satoshi{static_cast<std::int64_t>(random_.below(500))};
    if (random_.chance(1, 10)) known.reduced = Satoshi{static_cast<std::int64_t>(random_.below(200))};
    if (random_.chance(1, 50)) known.spent = Satoshi{static_cast<std::int64_t>(random_.below(700))};
    if (random_.chance(1, 10)) known.seq = static_cast<std::int64_t>(random_.below(100));
    return known;
  }
  Random random_;
  std::int64_t base_;
};

TEST_F(Redis, answersAsTheTableDoes) {
  RedisPeer peer{io, server->url()};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    (void)peer.command({"FLUSHALL"});
    // The store remembers the fences of the seeds before, the table does not.
    store::Recover const start{{}, {}, static_cast<std::int64_t>(seed) * 1'000'000};
    (void)peer.execute(start);
    ReservationTable table;
    (void)table.execute(start, {}, wall_now());
    Commands commands{seed, start.fence};
    for (int i = 0; i < 150; ++i) {
      auto const command = commands.next();
      auto const expected = table.execute(command, {}, wall_now());
      auto const answer = peer.execute(command);
      ASSERT_EQ(text_of(answer), text_of(expected))
          << "seed " << seed << ", command " << i << ", kind " << command.index();
      if (auto const* each = granted(expected))
        commands.last_fence = std::max(commands.last_fence, each->reservation.fence);
    }
  }
}

}  // namespace
}  // namespace grenache::exchange
