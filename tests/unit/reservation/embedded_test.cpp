#include "exchange/reservation/embedded.hpp"

#include <gtest/gtest.h>

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;

ReserveRequest request_of(std::string take, std::string taker, std::int64_t amount,
                          std::chrono::milliseconds life = 900s) {
  return {"order", std::move(take), std::move(taker), amount, 100, life};
}

TEST(ReservationTable, freesAnAmountExactlyWhenItsTimeIsOver) {
  ReservationTable table;
  TimePoint const start{};
  ASSERT_TRUE(std::holds_alternative<Reservation>(table.reserve(request_of("a", "alice", 100), start, {})));
  auto const early = table.reserve(request_of("b", "bob", 100), start + 899'999ms, {});
  ASSERT_TRUE(std::holds_alternative<ReservationRefusal>(early));
  EXPECT_EQ(std::get<ReservationRefusal>(early).retry_after, 1ms);
  EXPECT_TRUE(
      std::holds_alternative<Reservation>(table.reserve(request_of("b", "bob", 100), start + 900s, {})));
  EXPECT_EQ(table.size(), 1u);
}

TEST(ReservationTable, tellsWhenEnoughWillBeFreeNotWhenSomething) {
  ReservationTable table;
  TimePoint const start{};
  (void)table.reserve(request_of("a", "alice", 10, 100s), start, {});
  (void)table.reserve(request_of("b", "bob", 60, 200s), start, {});
  (void)table.reserve(request_of("c", "carol", 30, 300s), start, {});
  auto const outcome = table.reserve(request_of("d", "dave", 50), start, {});
  EXPECT_EQ(std::get<ReservationRefusal>(outcome).retry_after, 200s);
}

TEST(ReservationTable, aStaleHolderCannotReleaseWhatANewOneHolds) {
  ReservationTable table;
  TimePoint const start{};
  auto const first = std::get<Reservation>(table.reserve(request_of("a", "alice", 100), start, {}));
  auto const second = std::get<Reservation>(table.reserve(request_of("a", "alice", 100), start + 901s, {}));
  EXPECT_FALSE(second.repeated);
  EXPECT_FALSE(table.release("order", "a", first.fence, start + 902s));
  EXPECT_TRUE(table.release("order", "a", second.fence, start + 902s));
  EXPECT_EQ(table.size(), 0u);
}

TEST(ReservationTable, isBounded) {
  ReservationTable table{{.reservation_count_max = 2}};
  (void)table.reserve(request_of("a", "alice", 1), {}, {});
  (void)table.reserve(request_of("b", "bob", 1), {}, {});
  auto const outcome = table.reserve(request_of("c", "carol", 1), {}, {});
  EXPECT_EQ(std::get<ReservationRefusal>(outcome).reason, ReservationErrc::unavailable);
}

}  // namespace
}  // namespace grenache::exchange
