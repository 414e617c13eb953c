// The contract of ReservationStore, tested for all implementations.
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
    redis_.emplace(io, *server_);
    store = &redis_->store;
  }

  ReserveOutcome take(ReserveRequest request) { return reserve(io, *store, std::move(request)); }

  boost::asio::io_context io{1};
  ReservationStore* store = nullptr;

 private:
  std::optional<EmbeddedReservations> embedded_;
  std::optional<RedisServer> server_;
  std::optional<RedisPeer> redis_;
};

TEST_P(Store, grantsWhatIsFree) {
  auto const outcome = take(request_of("take-1", "alice", 60));
  ASSERT_TRUE(granted(outcome));
  EXPECT_EQ(granted(outcome)->amount_sat, 60);
  EXPECT_EQ(granted(outcome)->take_id, "take-1");
  EXPECT_GT(granted(outcome)->fence, 0);
  EXPECT_FALSE(granted(outcome)->repeated);
  EXPECT_GT(granted(outcome)->remaining_life, milliseconds{780'000});
  EXPECT_LE(granted(outcome)->remaining_life, milliseconds{900'000});
}

TEST_P(Store, neverPromisesMoreThanIsAvailable) {
  ASSERT_TRUE(granted(take(request_of("take-1", "alice", 60))));
  auto const second = take(request_of("take-2", "bob", 60));
  EXPECT_EQ(refused(second), ReservationErrc::reserved);
  EXPECT_GT(std::get<ReservationRefusal>(second).retry_after, milliseconds{780'000});
  EXPECT_TRUE(granted(take(request_of("take-3", "bob", 40))));
  EXPECT_EQ(refused(take(request_of("take-4", "carol", 1))), ReservationErrc::reserved);
}

TEST_P(Store, refusesMoreThanTheOrderHasWithoutARetry) {
  auto const outcome = take(request_of("take-1", "alice", 101));
  EXPECT_EQ(refused(outcome), ReservationErrc::reserved);
  EXPECT_EQ(std::get<ReservationRefusal>(outcome).retry_after, milliseconds{0});
}

TEST_P(Store, repeatsTheAnswerForTheSameTake) {
  auto const first = take(request_of("take-1", "alice"));
  auto const again = take(request_of("take-1", "alice"));
  ASSERT_TRUE(granted(first) && granted(again));
  EXPECT_TRUE(granted(again)->repeated);
  EXPECT_EQ(granted(again)->fence, granted(first)->fence);
  EXPECT_EQ(granted(again)->reserved_at, granted(first)->reserved_at);
  EXPECT_EQ(granted(again)->amount_sat, granted(first)->amount_sat);
}

TEST_P(Store, doesNotGiveATakeToSomebodyElse) {
  ASSERT_TRUE(granted(take(request_of("take-1", "alice"))));
  EXPECT_EQ(refused(take(request_of("take-1", "mallory"))), ReservationErrc::reserved);
}

TEST_P(Store, allowsOneReservationPerTakerAndOrder) {
  ASSERT_TRUE(granted(take(request_of("take-1", "alice", 10))));
  EXPECT_EQ(refused(take(request_of("take-2", "alice", 10))), ReservationErrc::taker_has_one);
  auto other = request_of("take-2", "alice", 10);
  other.order_id = "order-2";
  EXPECT_TRUE(granted(take(other)));
}

TEST_P(Store, releasesForTheHolderOnly) {
  auto const first = take(request_of("take-1", "alice"));
  ASSERT_TRUE(granted(first));
  EXPECT_FALSE(release(io, *store, "take-1", granted(first)->fence + 1));
  EXPECT_FALSE(release(io, *store, "take-2", granted(first)->fence));
  EXPECT_TRUE(release(io, *store, "take-1", granted(first)->fence));
  EXPECT_FALSE(release(io, *store, "take-1", granted(first)->fence));
  auto const second = take(request_of("take-2", "bob"));
  ASSERT_TRUE(granted(second));
  EXPECT_GT(granted(second)->fence, granted(first)->fence);
}

TEST_P(Store, hundredRacingTakersGetOneReservation) {
  std::vector<ReserveOutcome> outcomes;
  for (int i = 0; i < 100; ++i) {
    store->reserve(request_of("take-" + std::to_string(i), "taker-" + std::to_string(i)),
                   [&](ReserveOutcome outcome) { outcomes.push_back(std::move(outcome)); });
  }
  io.restart();
  while (outcomes.size() < 100 && io.run_one_for(test::limit()) != 0) {
  }
  ASSERT_EQ(outcomes.size(), 100u);
  EXPECT_EQ(std::ranges::count_if(outcomes, [](auto const& outcome) { return granted(outcome) != nullptr; }),
            1);
  EXPECT_EQ(std::ranges::count_if(
                outcomes, [](auto const& outcome) { return refused(outcome) == ReservationErrc::reserved; }),
            99);
}

INSTANTIATE_TEST_SUITE_P(Reservations, Store, testing::Values("embedded", "redis"),
                         [](auto const& instance) { return std::string{instance.param}; });

}  // namespace
}  // namespace grenache::exchange
