#include <gtest/gtest.h>

#include <grenache/base/hex.hpp>
#include <grenache/base/random.hpp>
#include <grenache/net/gzip.hpp>

namespace grenache::net {
namespace {

constexpr std::size_t kMuch = 10'000'000;

TEST(Gzip, whatIsCompressedExpandsToTheSame) {
  Random random{7};
  for (std::string const& text :
       {std::string{}, std::string{"a"}, std::string(1'000'000, 'x'), random.bytes(100'000)}) {
    auto const expanded = gunzip(gzip(text), kMuch);
    ASSERT_TRUE(expanded);
    EXPECT_EQ(*expanded, text);
  }
}

TEST(Gzip, readsWhatAnotherProgramWrote) {
  // Python: gzip.compress(b"hello", mtime=0)
  auto const bytes = from_hex("1f8b0800000000000203cb48cdc9c9070086a6103605000000");
  ASSERT_TRUE(bytes);
  auto const text = gunzip(*bytes, kMuch);
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "hello");
}

TEST(Gzip, stopsABombAtTheLimit) {
  std::string const bomb = gzip(std::string(5'000'000, '\0'));
  EXPECT_LT(bomb.size(), 10'000u);
  auto const refused = gunzip(bomb, 4'999'999);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), GzipErrc::too_large);
  EXPECT_TRUE(gunzip(bomb, 5'000'000));
}

TEST(Gzip, refusesWhatIsNotGzipOrNotWhole) {
  std::string const whole = gzip("some text that is long enough to be cut");
  for (std::string const& bytes : {std::string{}, std::string{"plain"}, whole.substr(0, whole.size() / 2),
                                   whole.substr(0, whole.size() - 1)}) {
    auto const refused = gunzip(bytes, kMuch);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), GzipErrc::invalid);
  }
}

TEST(Gzip, joinsMembersAndIgnoresWhatFollowsThem) {
  auto const joined = gunzip(gzip("one ") + gzip("two"), kMuch);
  ASSERT_TRUE(joined);
  EXPECT_EQ(*joined, "one two");
  auto const followed = gunzip(gzip("one") + "trailing", kMuch);
  ASSERT_TRUE(followed);
  EXPECT_EQ(*followed, "one");
}

}  // namespace
}  // namespace grenache::net
