#include "exchange/control/help.hpp"

#include <string>

#include <gtest/gtest.h>

#include "exchange/console/text_table.hpp"
#include "exchange/control/command_table.hpp"

namespace grenache::exchange {
namespace {

void expect_at_most_80_columns(std::string const& text) {
  std::size_t begin = 0;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    EXPECT_LE(display_width(text.substr(begin, end - begin)), 80u) << text.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(Help, listsEveryCommand) {
  auto const text = help_text("");
  for (auto const& command : command_table()) {
    EXPECT_NE(text.find(command.name), std::string::npos);
    EXPECT_NE(text.find(command.help), std::string::npos);
  }
  expect_at_most_80_columns(text);
}

TEST(Help, showsTheUsageAndAnExampleOfACommand) {
  EXPECT_EQ(help_text("reduce"),
            "reduce ID AMOUNT\n"
            "  Withdraw a part of one of our orders.\n"
            "  Example: reduce 3f2a91bc 0.25\n");
  for (auto const& command : command_table()) expect_at_most_80_columns(help_text(command.name));
  EXPECT_EQ(help_text("nonsense"), "");
}

TEST(Help, isJsonForPrograms) {
  EXPECT_EQ(help_json("").find("commands")->as_array()->size(), command_table().size());
  EXPECT_EQ(
      json::to_text(help_json("stop")),
      R"({"type":"help","commands":[{"name":"stop","usage":"","help":"End the peer","example":"stop"}]})");
}

}  // namespace
}  // namespace grenache::exchange
