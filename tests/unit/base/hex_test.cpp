#include <gtest/gtest.h>

#include <grenache/base/hex.hpp>

namespace grenache {
namespace {

TEST(Hex, spellsEachByteWithTwoLowerCaseDigits) {
  EXPECT_EQ(to_hex(std::string_view{"\x00\xff\x1a", 3}), "00ff1a");
}

TEST(Hex, readsBothCasesAndRefusesTheRest) {
  EXPECT_EQ(from_hex("00Ff1A"), std::string("\x00\xff\x1a", 3));
  EXPECT_EQ(from_hex(""), "");
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
  EXPECT_FALSE(from_hex(" 0"));
}

}  // namespace
}  // namespace grenache
