#include "exchange/journal/release_gate.hpp"

#include <string>

#include <gtest/gtest.h>

namespace grenache::exchange {
namespace {

using Gate = ReleaseGate<std::string>;

TEST(ReleaseGate, whatIsDurableAlreadyLeavesAtOnce) {
  Gate gate{5};
  EXPECT_EQ(gate.add(0, "pong"), "pong");
  EXPECT_EQ(gate.add(5, "old"), "old");
  EXPECT_EQ(gate.size(), 0u);
}

TEST(ReleaseGate, aPromiseWaitsForItsBatchAndNotForLaterOnes) {
  Gate gate;
  EXPECT_EQ(gate.add(1, "a"), std::nullopt);
  EXPECT_EQ(gate.add(1, "b"), std::nullopt);
  EXPECT_EQ(gate.add(3, "c"), std::nullopt);
  EXPECT_EQ(gate.next(), std::nullopt);
  gate.set_durable(2);
  EXPECT_EQ(gate.next(), "a");
  EXPECT_EQ(gate.next(), "b");
  EXPECT_EQ(gate.next(), std::nullopt);
  gate.set_durable(3);
  EXPECT_EQ(gate.next(), "c");
  EXPECT_EQ(gate.size(), 0u);
}

TEST(ReleaseGate, whatPromisesNothingWaitsForNobody) {
  Gate gate;
  EXPECT_EQ(gate.add(7, "invoice"), std::nullopt);
  EXPECT_EQ(gate.add(0, "pong"), "pong");
  EXPECT_EQ(gate.next(), std::nullopt);
}

}  // namespace
}  // namespace grenache::exchange
