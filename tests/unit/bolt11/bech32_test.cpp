#include "exchange/messages/bech32.hpp"

#include <gtest/gtest.h>

#include <grenache/base/hex.hpp>

namespace grenache::bolt11 {
namespace {

constexpr std::size_t kSizeMax = 200;

TEST(Bech32, acceptsTheValidStringsOfBip173AndWritesThemBack) {
  for (std::string_view const text :
       {"A12UEL5L", "a12uel5l",
        "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
        "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
        "11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247j",
        "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w", "?1ezyfcl"}) {
    auto const parts = bech32_decode(text, kSizeMax);
    ASSERT_TRUE(parts) << text << ": " << parts.error().message();
    std::string lower{text};
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    EXPECT_EQ(bech32_encode(parts->prefix, parts->words), lower);
  }
}

TEST(Bech32, refusesTheInvalidStringsOfBip173) {
  struct Case {
    std::string_view text;
    Bech32Errc reason;
  };
  for (auto const& [text, reason] : std::initializer_list<Case>{
           {"\x20"
            "1nwldj5",
            Bech32Errc::bad_character},
           {"\x7f"
            "1axkwrx",
            Bech32Errc::bad_character},
           {"\x80"
            "1eym55h",
            Bech32Errc::bad_character},
           {"pzry9x0s0muk", Bech32Errc::no_separator},
           {"1pzry9x0s0muk", Bech32Errc::no_separator},
           {"x1b4n0q5v", Bech32Errc::bad_character},
           {"li1dgmt3", Bech32Errc::too_short},
           {"de1lg7wt\xff", Bech32Errc::bad_character},
           {"A1G7SGD8", Bech32Errc::bad_checksum},
           {"10a06t8", Bech32Errc::no_separator},
           {"1qzzfhee", Bech32Errc::no_separator},
           {"A12uel5l", Bech32Errc::mixed_case},
           {"", Bech32Errc::no_separator},
       }) {
    auto const parts = bech32_decode(text, kSizeMax);
    ASSERT_FALSE(parts) << text;
    EXPECT_EQ(parts.error(), reason) << text << ": " << parts.error().message();
  }
}

TEST(Bech32, refusesWhatIsLongerThanAllowed) {
  EXPECT_TRUE(bech32_decode("a12uel5l", 8));
  EXPECT_EQ(bech32_decode("a12uel5l", 7).error(), Bech32Errc::too_long);
}

TEST(Bech32, doesNotAcceptTheChecksumOfBech32m) {
  EXPECT_EQ(bech32_decode("a1lqfn3a", kSizeMax).error(), Bech32Errc::bad_checksum);
}

TEST(Bech32, turnsBytesIntoWordsAndBack) {
  for (std::size_t size = 0; size < 20; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(0xff - 37 * i));
    Words words;
    append_words(words, bytes);
    EXPECT_EQ(words.size(), (size * 8 + 4) / 5);
    EXPECT_EQ(to_hex(whole_bytes(words)), to_hex(bytes));
    EXPECT_TRUE(padded_bytes(words).starts_with(bytes));
  }
}

}  // namespace
}  // namespace grenache::bolt11
