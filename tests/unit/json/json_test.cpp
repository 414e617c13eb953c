#include <cmath>

#include <gtest/gtest.h>

#include <grenache/json/json.hpp>
#include <grenache/json/memory_bytes.hpp>

namespace grenache::json {
namespace {

std::string again(std::string_view text) {
  auto const value = parse(text);
  return value ? to_text(*value) : "error: " + value.error().message();
}

TEST(Json, writesWhatItRead) {
  for (auto const* text :
       {"null", "true", "false", "0", "-1", "1.50", "12345678901234567890", "\"\"", "[]", "{}",
        R"({"a":[1,{"b":null}],"c":"d"})", R"(["\u0000\u001f\"\\\b\f\n\r\t/é☃𝄞"])"}) {
    EXPECT_EQ(again(text), text);
  }
  EXPECT_EQ(again(" [ 1 , 2 ]\r\n"), "[1,2]");
  EXPECT_EQ(again(R"("\u2603\ud834\udd1e\/")"), "\"☃𝄞/\"");
}

TEST(Json, refusesWhatIsNotJson) {
  for (std::string_view const text : {std::string_view{""},
                                      std::string_view{" "},
                                      std::string_view{"garbage"},
                                      std::string_view{"{"},
                                      std::string_view{"[1,]"},
                                      std::string_view{"{\"a\":1,}"},
                                      std::string_view{"01"},
                                      std::string_view{"+1"},
                                      std::string_view{"1."},
                                      std::string_view{".5"},
                                      std::string_view{"NaN"},
                                      std::string_view{"'a'"},
                                      std::string_view{"[1] 2"},
                                      std::string_view{"1e999"},
                                      std::string_view{"\"\x01\""},
                                      std::string_view{"\"\xff\""},
                                      std::string_view{"\"\xc0\x80\""},
                                      std::string_view{"\"\\ud800\""},
                                      std::string_view{"\"\\ude00\""},
                                      std::string_view{"\"\\ud41d\\ude00\""},
                                      std::string_view{"{\"\\udc00\":1}"},
                                      std::string_view{"\xef\xbb\xbf{}"},
                                      std::string_view{"{}\0", 3},
                                      std::string_view{"{}\0x", 4},
                                      std::string_view{"[1\0]", 4}}) {
    auto const value = parse(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error(), JsonErrc::invalid) << text;
  }
}

TEST(Json, boundsDepthAndCount) {
  EXPECT_TRUE(parse(std::string(64, '[') + std::string(64, ']')));
  EXPECT_EQ(parse(std::string(65, '[') + std::string(65, ']')).error(), JsonErrc::too_deep);
  EXPECT_EQ(parse(std::string(2'000'000, '[')).error(), JsonErrc::too_deep);
  EXPECT_EQ(parse("[1,2,3]", {.value_count_max = 3}).error(), JsonErrc::too_many_values);
  EXPECT_TRUE(parse("[1,2,3]", {.value_count_max = 4}));
}

TEST(Json, lastDuplicateCountsWhereTheFirstStood) {
  EXPECT_EQ(again(R"({"a":1,"b":2,"a":3,"c":4,"b":5})"), R"({"a":3,"b":5,"c":4})");
}

TEST(Json, readsIntegersAsJavaScriptDoes) {
  EXPECT_EQ(parse("[1.0]")->at(0)->as_int(), 1);
  EXPECT_EQ(parse("[1e3]")->at(0)->as_int(), 1000);
  EXPECT_EQ(parse("[-0]")->at(0)->as_int(), 0);
  EXPECT_EQ(parse("[9223372036854775807]")->at(0)->as_int(), 9223372036854775807);
  EXPECT_FALSE(parse("[9223372036854775808]")->at(0)->as_int());
  EXPECT_FALSE(parse("[1.5]")->at(0)->as_int());
  EXPECT_FALSE(parse("[\"1\"]")->at(0)->as_int());
}

TEST(Json, keepsDecimalsExactly) {
  EXPECT_EQ(*parse("[0.1000000000000000055511151231257827]")->at(0)->number_text(),
            "0.1000000000000000055511151231257827");
}

TEST(Json, printsDoublesAsJavaScriptDoes) {
  std::pair<double, char const*> const cases[] = {{0.0, "0"},
                                                  {-0.0, "0"},
                                                  {1.0, "1"},
                                                  {-1.5, "-1.5"},
                                                  {0.1, "0.1"},
                                                  {1e21, "1e+21"},
                                                  {1e20, "100000000000000000000"},
                                                  {123456789012345680000.0, "123456789012345680000"},
                                                  {1e-6, "0.000001"},
                                                  {1e-7, "1e-7"},
                                                  {1.5e-9, "1.5e-9"},
                                                  {1.7976931348623157e308, "1.7976931348623157e+308"},
                                                  {5e-324, "5e-324"},
                                                  {60000.25, "60000.25"}};
  for (auto const& [value, text] : cases) EXPECT_EQ(to_text(Value{value}), text);
  EXPECT_EQ(to_text(Value{std::nan("")}), "null");
}

TEST(Json, wrongTypesGiveNothing) {
  auto const value = *parse(R"({"s":"x","n":1,"a":[1]})");
  EXPECT_EQ(value.find("n")->as_string(), nullptr);
  EXPECT_EQ(value.find_string("n"), nullptr);
  EXPECT_FALSE(value.find_int("s"));
  EXPECT_EQ(value.find("missing"), nullptr);
  EXPECT_EQ(value.find("s")->find("x"), nullptr);
  EXPECT_EQ(value.at(0), nullptr);
  EXPECT_EQ(value.find("a")->at(1), nullptr);
}

TEST(Json, memoryBytesCountsItemsMembersAndLongStrings) {
  EXPECT_EQ(memory_bytes(Value{}), 0u);
  EXPECT_EQ(memory_bytes(Value{"short"}), 0u);
  std::string const text(1000, 'x');
  EXPECT_GE(memory_bytes(Value{text}), 1000u);
  EXPECT_LT(memory_bytes(Value{text}), 1100u);
  EXPECT_GE(memory_bytes(Value::array({text, text})), 2 * (sizeof(Value) + 1000));
  EXPECT_GE(memory_bytes(Value::object({{text, text}})), sizeof(Value::Member) + 2000);
  EXPECT_GE(memory_bytes(Value::array({Value::array({1, 2})})), 3 * sizeof(Value));
}

TEST(Json, memoryBytesOfParsedTextStaysBelowItsBound) {
  for (std::string const item :
       {"1", "[]", "{}", "[1]", "[[1]]", R"({"":1})", R"({"a":[],"b":{}})", R"("")"}) {
    std::string text = "[" + item;
    for (int i = 0; i < 1024; ++i) text += "," + item;  // a power of two and one more
    text += "]";
    auto const value = *parse(text);
    EXPECT_LE(memory_bytes(value), text.size() * kMemoryPerTextByte + sizeof(Value)) << item;
    EXPECT_GE(memory_bytes(value), 1025 * sizeof(Value)) << item;
  }
}

TEST(Json, setReplacesOrAdds) {
  auto value = Value::object({{"a", 1}});
  value.set("a", "x");
  value.set("b", Value::array({1, nullptr, true}));
  EXPECT_EQ(to_text(value), R"({"a":"x","b":[1,null,true]})");
}

}  // namespace
}  // namespace grenache::json
