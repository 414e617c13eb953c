// Orders that wait for the verification of their signatures.
#include "exchange/core/network/intake.hpp"

#include <deque>

#include <gtest/gtest.h>

#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

class IntakeTest : public testing::Test {
 protected:
  /// The batches that are sent.
  std::vector<output::Verify> send() {
    Turn turn{now_, random_, calls_};
    intake_.send(turn);
    std::deque<Output> out;
    std::move(turn).close(positions_, out);
    std::vector<output::Verify> batches;
    for (auto& each : out) batches.push_back(std::get<output::Verify>(std::move(each)));
    return batches;
  }
  static OrderRecord order(std::uint64_t number) { return signed_by(1, draft(number, Side::buy)); }
  static Intake::Options options() {
    Intake::Options out;
    out.batch_size_max = 2;
    out.batch_count_max = 2;
    out.order_count_max = 6;
    out.origin_count_max = 2;
    return out;
  }

  Now now_{TimePoint{} + std::chrono::hours{1}, kNow};
  Random random_{1};
  CallTable calls_;
  TurnPositions positions_;
  Intake intake_{options()};
};

TEST_F(IntakeTest, sendsFullBatchesAndKeepsTheRest) {
  for (std::uint64_t i = 1; i <= 5; ++i) EXPECT_TRUE(intake_.add(order(i), {.endpoint = "h:1"}));
  auto const batches = send();
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].orders, (std::vector{order(1), order(2)}));
  EXPECT_EQ(batches[1].orders, (std::vector{order(3), order(4)}));
  EXPECT_EQ(batches[0].after, 0u) << "it promises nothing";
  EXPECT_TRUE(send().empty()) << "two are under way";

  auto const verified = intake_.on_verified(batches[1].batch, {true, false});
  ASSERT_EQ(verified.size(), 2u);
  EXPECT_EQ(verified[0].order, order(3));
  EXPECT_TRUE(verified[0].is_valid);
  EXPECT_FALSE(verified[1].is_valid);
  EXPECT_TRUE(intake_.on_verified(batches[1].batch, {true, true}).empty()) << "told twice";
  ASSERT_EQ(send().size(), 1u);
  EXPECT_EQ(intake_.size(), 3u);
}

TEST_F(IntakeTest, aBatchWithoutVerdictsIsNotValid) {
  EXPECT_TRUE(intake_.add(order(1), {}));
  auto const verified = intake_.on_verified(send().at(0).batch, {});
  ASSERT_EQ(verified.size(), 1u);
  EXPECT_FALSE(verified[0].is_valid);
}

TEST_F(IntakeTest, verifiesAVersionOnceForAllWhoSendIt) {
  EXPECT_TRUE(intake_.add(order(1), {.request = 7}));
  EXPECT_TRUE(intake_.add(order(1), {.endpoint = "h:1"}));
  EXPECT_FALSE(intake_.add(order(1), {.endpoint = "h:2"})) << "origins are bounded";
  auto forged = order(1);
  forged.signature = order(2).signature;
  EXPECT_TRUE(intake_.add(forged, {.endpoint = "h:3"})) << "a signature of its own";
  auto const batches = send();
  ASSERT_EQ(batches.size(), 1u);
  auto const verified = intake_.on_verified(batches[0].batch, {true, false});
  ASSERT_EQ(verified.size(), 2u);
  ASSERT_EQ(verified[0].origins.size(), 2u);
  EXPECT_EQ(verified[0].origins[0].request, 7u);
  EXPECT_EQ(verified[0].origins[1].endpoint, "h:1");
}

TEST_F(IntakeTest, refusesMoreThanItsLimit) {
  for (std::uint64_t i = 1; i <= 6; ++i) EXPECT_TRUE(intake_.add(order(i), {}));
  EXPECT_FALSE(intake_.add(order(7), {}));
  auto const batches = send();
  (void)intake_.on_verified(batches[0].batch, {true, true});
  EXPECT_TRUE(intake_.add(order(7), {}));
}

TEST_F(IntakeTest, dropsWhatWasReadFromOnePeerAlone) {
  for (std::uint64_t i = 1; i <= 4; ++i) EXPECT_TRUE(intake_.add(order(i), {.endpoint = "h:1", .read = 1}));
  EXPECT_EQ(send().size(), 2u);
  EXPECT_TRUE(intake_.add(order(5), {.endpoint = "h:1", .read = 1}));
  EXPECT_TRUE(intake_.add(order(6), {.endpoint = "h:1", .read = 1}));
  EXPECT_TRUE(intake_.add(order(6), {.request = 9}));
  auto const dropped = intake_.drop_read_from("h:1");
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped[0].order, order(5));
  EXPECT_FALSE(dropped[0].is_valid);
  EXPECT_EQ(intake_.size(), 5u) << "those under way stay, and the one that somebody waits for";
  EXPECT_TRUE(intake_.add(order(5), {.endpoint = "h:2"})) << "somebody else may send it";
}

TEST_F(IntakeTest, whatWasDroppedIsNotVerified) {
  for (std::uint64_t i = 1; i <= 2; ++i) EXPECT_TRUE(intake_.add(order(i), {.endpoint = "h:1", .read = 1}));
  EXPECT_EQ(intake_.drop_read_from("h:1").size(), 2u);
  EXPECT_TRUE(intake_.add(order(3), {}));
  auto const batches = send();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].orders, std::vector{order(3)});
}

}  // namespace
}  // namespace grenache::exchange
