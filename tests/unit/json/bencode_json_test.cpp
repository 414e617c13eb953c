#include <gtest/gtest.h>

#include <grenache/json/bencode_json.hpp>

namespace grenache::json {
namespace {

std::string bencoded(std::string_view text) { return to_bencode(parse(text).value()).value_or("nothing"); }

TEST(BencodeJson, writesAsNodesBencodeDoes) {
  EXPECT_EQ(bencoded(R"("spam")"), "4:spam");
  EXPECT_EQ(bencoded(R"("\u00e9")"), "2:\xc3\xa9");
  EXPECT_EQ(bencoded("-3"), "i-3e");
  EXPECT_EQ(bencoded("1e3"), "i1000e");
  EXPECT_EQ(bencoded("[1,null,true,false]"), "li1ei1ei0ee");
  EXPECT_EQ(bencoded(R"({"b":1,"a":[],"c":null,"b":2})"), "d1:ale1:bi2ee");
}

TEST(BencodeJson, hasNothingForWhatIsNoValueOfBencoding) {
  for (char const* const text : {"null", "1.5", "1e30", "[1.5]", R"({"a":0.1})"}) {
    EXPECT_FALSE(to_bencode(parse(text).value())) << text;
  }
}

TEST(BencodeJson, readsWhatItWrote) {
  for (char const* const text : {"4:spam", "i-3e", "li1e1:ae", "d1:ai1e1:bld1:ci2eeee", "0:", "de", "le"}) {
    auto const value = from_bencode(text);
    ASSERT_TRUE(value) << text;
    EXPECT_EQ(to_bencode(*value), text);
  }
  EXPECT_FALSE(from_bencode("4:spa"));
  EXPECT_FALSE(from_bencode(""));
  EXPECT_FALSE(from_bencode(std::string(50, 'l') + std::string(50, 'e')));
}

TEST(BencodeJson, bytesThatAreNoTextBecomeReplacementCharacters) {
  auto const value = from_bencode(
      "3:a\xff"
      "b");
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, Value{"a\xef\xbf\xbd"
                          "b"});
  EXPECT_EQ(to_utf8("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") << "a surrogate";
  EXPECT_EQ(to_utf8("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd") << "overlong";
  EXPECT_EQ(to_utf8("\xf0\x9f\x8d\x87\xe2\x82"), "\xf0\x9f\x8d\x87\xef\xbf\xbd\xef\xbf\xbd");
}

}  // namespace
}  // namespace grenache::json
