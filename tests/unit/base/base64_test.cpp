#include <gtest/gtest.h>

#include <grenache/base/base64.hpp>

namespace grenache {
namespace {

TEST(Base64, writesTheVectorsOfTheRfc) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64(std::string_view{"\xff\xef\xfe", 3}), "/+/+");
}

TEST(Base64, readsWhatItWrites) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    bytes += static_cast<char>(i * 37);
  }
}

TEST(Base64, refusesEveryOtherText) {
  for (auto const* const text : {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zg=g",
                                 "Zh==", "Zm9=", "Zm 9", "Zm9v\n", "Zm-v", "Zm_v", "Zm9vZg==Zm9v"}) {
    EXPECT_FALSE(from_base64(text)) << text;
  }
}

}  // namespace
}  // namespace grenache
