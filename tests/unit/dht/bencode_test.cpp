#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <grenache/base/random.hpp>
#include <grenache/dht/bencode.hpp>
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::dht {
namespace {

Error error_of(std::string_view text, BencodeDocument::Limits limits = {}) {
  BencodeDocument document;
  auto const done = document.decode(text, limits);
  EXPECT_EQ(static_cast<bool>(document.root()), done.has_value());
  return done ? Error{} : done.error();
}

// Prints a value, using only the public getters.
std::string again(BencodeValue value) {
  if (auto const number = value.as_integer()) {
    BencodeWriter writer;
    writer.integer(*number);
    return writer.take();
  }
  if (auto const bytes = value.as_string()) {
    BencodeWriter writer;
    writer.string(*bytes);
    return writer.take();
  }
  std::string out = value.is(BencodeType::dict) ? "d" : "l";
  for (BencodeValue item = value.first(); item; item = item.next_in(value)) out += again(item);
  return out + 'e';
}

TEST(Bencode, readsWhatWasWritten) {
  for (std::string_view const text :
       {"i0e", "i-1e", "i9223372036854775807e", "i-9223372036854775808e", "0:", "4:spam", "le", "de",
        "l4:spami42ee", "d3:bar4:spam3:fooi42ee", "d1:ad1:bl1:ci1eeee", "lllleeee", "d0:0:e"}) {
    BencodeDocument document;
    ASSERT_TRUE(document.decode(text)) << text;
    EXPECT_EQ(again(document.root()), text);
    EXPECT_EQ(document.root().raw(), text);
    EXPECT_TRUE(document.is_canonical());
  }
}

TEST(Bencode, refusesEverythingElse) {
  EXPECT_EQ(error_of(""), BencodeErrc::truncated);
  for (std::string_view const text : {"i", "i1", "d", "l", "d1:a", "4", "4:spa", "li1e", "d1:ai1e"}) {
    EXPECT_EQ(error_of(text), BencodeErrc::truncated) << text;
  }
  for (std::string_view const text : {"ie", "i-e", "i-0e", "i01e", "i-01e", "i+1e", "i 1e", "i1.0e", "i1xe",
                                      "i9223372036854775808e", "i-9223372036854775809e"}) {
    EXPECT_EQ(error_of(text), BencodeErrc::bad_integer) << text;
  }
  for (std::string_view const text : {"01:a", "00:", "4spam", "99999999999999999999:a"}) {
    EXPECT_EQ(error_of(text), BencodeErrc::bad_length) << text;
  }
  EXPECT_EQ(error_of("4294967297:a"), BencodeErrc::bad_length);
  EXPECT_EQ(error_of("-1:a"), BencodeErrc::bad_character);
  EXPECT_EQ(error_of("e"), BencodeErrc::bad_character);
  EXPECT_EQ(error_of("lxe"), BencodeErrc::bad_character);
  EXPECT_EQ(error_of("di1ei2ee"), BencodeErrc::key_no_string);
  EXPECT_EQ(error_of("dlei2ee"), BencodeErrc::key_no_string);
  EXPECT_EQ(error_of("d1:ae"), BencodeErrc::missing_value);
  EXPECT_EQ(error_of("i1ei2e"), BencodeErrc::trailing_bytes);
  EXPECT_EQ(error_of("lee"), BencodeErrc::trailing_bytes);
}

TEST(Bencode, holdsItsLimits) {
  EXPECT_EQ(error_of(std::string(10, 'l') + std::string(10, 'e')), Error{});
  EXPECT_EQ(error_of(std::string(11, 'l') + std::string(11, 'e')), BencodeErrc::too_deep);
  EXPECT_EQ(error_of(std::string(100000, 'd')), BencodeErrc::key_no_string);
  EXPECT_EQ(error_of(std::string(100000, 'l'), {.depth_max = 1000000, .token_count_max = 1000000}),
            BencodeErrc::too_deep);
  std::string numbers = "l";
  for (int i = 0; i < 499; ++i) numbers += "i1e";
  EXPECT_EQ(error_of(numbers + "e"), Error{});
  EXPECT_EQ(error_of(numbers + "i1ee"), BencodeErrc::too_many_tokens);
}

TEST(Bencode, tellsWhetherKeysAreInOrder) {
  BencodeDocument document;
  ASSERT_TRUE(document.decode("d1:bi1e1:ai2ee"));
  EXPECT_FALSE(document.is_canonical());
  EXPECT_EQ(document.root().dict_find("a").as_integer(), 2);
  ASSERT_TRUE(document.decode("d1:ai1e1:ai2ee"));
  EXPECT_FALSE(document.is_canonical());
  EXPECT_EQ(document.root().dict_find("a").as_integer(), 1);
  ASSERT_TRUE(document.decode("d1:ai1e1:bi2ee"));
  EXPECT_TRUE(document.is_canonical());
}

TEST(Bencode, findsKeysAndAnswersWrongQuestionsWithNothing) {
  BencodeDocument document;
  ASSERT_TRUE(document.decode("d1:ad1:xi1ee1:bl1:pe1:ci7e1:d1:qe"));
  BencodeValue const root = document.root();
  EXPECT_EQ(root.dict_find("a").dict_find("x").as_integer(), 1);
  EXPECT_EQ(root.dict_find("a").raw(), "d1:xi1ee");
  EXPECT_EQ(root.dict_find("b").first().as_string(), "p");
  EXPECT_EQ(root.dict_find("d").as_string(), "q");
  EXPECT_FALSE(root.dict_find("e"));
  EXPECT_FALSE(root.dict_find("c").dict_find("x"));
  EXPECT_FALSE(root.dict_find("c").first());
  EXPECT_FALSE(root.dict_find("c").as_string());
  EXPECT_FALSE(root.dict_find("d").as_integer());
  EXPECT_FALSE(BencodeValue{}.dict_find("x"));
  EXPECT_EQ(BencodeValue{}.raw(), "");
  // The value "a" must not be found as a key.
  ASSERT_TRUE(document.decode("d1:x1:ae"));
  EXPECT_FALSE(document.root().dict_find("a"));
}

TEST(Bencode, survivesDamage) {
  std::string const good = "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa6:target20:bbbbbbbbbbbbbbbbbbbbe1:q9:find_nodee";
  Random random{1};
  BencodeDocument document;
  int read = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = good;
    for (std::uint64_t n = random.below(4) + 1; n > 0; --n) {
      bytes[static_cast<std::size_t>(random.below(bytes.size()))] = "dlie0123456789:-x"[random.below(17)];
    }
    bytes.resize(static_cast<std::size_t>(random.below(bytes.size() + 1)));
    if (!document.decode(bytes)) continue;
    ++read;
    EXPECT_EQ(again(document.root()), bytes);
  }
  EXPECT_GT(read, 50);
}

}  // namespace
}  // namespace grenache::dht
