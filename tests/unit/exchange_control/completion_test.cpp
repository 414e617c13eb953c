#include "exchange/console/completion.hpp"

#include <gtest/gtest.h>

namespace grenache::exchange {
namespace {

using Words = std::vector<std::string>;

Words const kIds{"3f2a91bc", "3f2a0000", "7c01d2e4"};

TEST(Completion, completesTheNamesOfCommands) {
  EXPECT_EQ(complete("ca", kIds).candidates, Words{"cancel"});
  EXPECT_EQ(complete("ca", kIds).word_size, 2u);
  EXPECT_EQ(complete("  st", kIds).candidates, (Words{"status", "stop"}));
  EXPECT_EQ(complete("help pe", kIds).candidates, Words{"peers"});
  EXPECT_EQ(complete("b", kIds).candidates, (Words{"balance", "book", "buy"}));
}

TEST(Completion, completesIdsWhereACommandNeedsOne) {
  EXPECT_EQ(complete("cancel 3f", kIds).candidates, (Words{"3f2a0000", "3f2a91bc"}));
  EXPECT_EQ(complete("cancel 3f", kIds).word_size, 2u);
  EXPECT_EQ(complete("acceptOrder ", kIds).candidates.size(), 3u);
  EXPECT_EQ(complete("pay 7", kIds).candidates, Words{"7c01d2e4"});
  EXPECT_EQ(complete("connect 3f", kIds).candidates, Words{});
  EXPECT_EQ(complete("reduce 3f2a91bc 3f", kIds).candidates, Words{}) << "an amount follows";
  EXPECT_EQ(complete("nonsense 3f", kIds).candidates, Words{});
}

TEST(Completion, insertsWhatAllCandidatesHaveInCommon) {
  EXPECT_EQ(common_prefix({"3f2a0000", "3f2a91bc"}), "3f2a");
  EXPECT_EQ(common_prefix({"cancel"}), "cancel");
  EXPECT_EQ(common_prefix({"book", "sell"}), "");
  EXPECT_EQ(common_prefix({}), "");
}

}  // namespace
}  // namespace grenache::exchange
