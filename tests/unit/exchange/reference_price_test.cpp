#include "exchange/core/trade/reference_price.hpp"

#include <gtest/gtest.h>

#include "exchange/core/peg.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNow{1'700'000'000'000ms};

struct ReferencePricesTest : testing::Test {
  void tell(std::size_t publisher, std::int64_t cents, std::chrono::milliseconds age = 0ms) {
    prices.update({"index", publisher, {PriceCents{cents}, kNow - age}}, kNow);
  }
  std::int64_t cents(WallTime now = kNow) const {
    auto const found = prices.find("index", now);
    return found.price ? found.price->units() : 0;
  }

  ReferencePrices prices{{.publisher_counts = {{"index", 3}}}};
};

TEST_F(ReferencePricesTest, thePriceIsTheMedianOfTheFreshQuotes) {
  tell(0, 100);
  tell(1, 900);
  EXPECT_EQ(cents(), 500) << "the mean of two";
  EXPECT_EQ(prices.find("index", kNow).low, PriceCents{100});
  EXPECT_EQ(prices.find("index", kNow).high, PriceCents{900});
  tell(2, 110);
  EXPECT_EQ(cents(), 110);
  EXPECT_EQ(prices.find("index", kNow).low, PriceCents{110});
  EXPECT_EQ(prices.find("index", kNow).high, PriceCents{110});
}

TEST_F(ReferencePricesTest, thereIsNoPriceUnlessMostPublishersHaveAFreshQuote) {
  EXPECT_EQ(cents(), 0);
  tell(0, 100);
  auto const found = prices.find("index", kNow);
  EXPECT_FALSE(found.price);
  EXPECT_EQ(found.fresh_count, 1u);
  EXPECT_EQ(found.needed_count, 2u);
  tell(1, 100, 9min);
  EXPECT_EQ(cents(), 100);
  EXPECT_EQ(prices.next_expiry(kNow), kNow + 1min);
  EXPECT_EQ(cents(kNow + 1min), 0) << "the second is stale";
  EXPECT_EQ(prices.next_expiry(kNow + 1min), kNow + 10min);
}

TEST_F(ReferencePricesTest, olderQuotesAndThoseFromTheFutureAreIgnored) {
  tell(0, 100);
  tell(1, 100);
  tell(0, 900, 1s);
  tell(1, 900, -121s);
  EXPECT_EQ(cents(), 100);
  prices.update({"index", 3, {PriceCents{900}, kNow}}, kNow);
  prices.update({"other", 0, {PriceCents{900}, kNow}}, kNow);
  EXPECT_EQ(cents(), 100);
  EXPECT_FALSE(prices.has("other"));
}

TEST_F(ReferencePricesTest, anUpdateSaysWhetherTheQuoteIsUsed) {
  auto const is_used = [&](std::chrono::milliseconds age) {
    return prices.update({"index", 0, {PriceCents{100}, kNow - age}}, kNow);
  };
  EXPECT_TRUE(is_used(1s));
  EXPECT_FALSE(is_used(1s)) << "the same time";
  EXPECT_FALSE(is_used(2s));
  EXPECT_FALSE(is_used(-121s)) << "from the future";
  EXPECT_TRUE(is_used(0s));
}

TEST(IndexQuote, isReadFromJsonWithThePriceAsTextOrNumber) {
  EXPECT_EQ(parse_index_quote(R"({"price":"60123.45","time":1700000000000})"),
            (IndexQuote{PriceCents{6'012'345}, kNow}));
  EXPECT_EQ(parse_index_quote(R"({"time":1700000000000,"price":60123.4,"more":1})"),
            (IndexQuote{PriceCents{6'012'340}, kNow}));
  for (auto const* const text :
       {"", "60123.45", "[]", R"({"price":"60123.45"})", R"({"price":"0","time":1})",
        R"({"price":"-1","time":1})", R"({"price":"1.234","time":1})", R"({"price":"1","time":-1})",
        R"({"price":9223372036854775808,"time":1})", R"({"price":"92233720368547758.08","time":1})",
        R"({"price":"abc","time":1})", R"({"price":null,"time":1})", R"({"price":"1","time":"1"})",
        R"({"price":"1","time":9e18})", R"({"price":"1","time":9007199254740993000})"}) {
    EXPECT_FALSE(parse_index_quote(text)) << text;
  }
}

TEST(PegTest, isReadFromWordsAndWrittenAlike) {
  for (auto const* const text : {"index+1.5%", "btc-usd-0.25%", "i+0%", "i-99.99%", "i+1000%"}) {
    auto const peg = parse_peg(text);
    ASSERT_TRUE(peg) << text;
    EXPECT_EQ(to_text(*peg), text);
  }
  EXPECT_EQ(parse_peg("btc-usd-0.25%")->premium, -25);
  for (auto const* const text : {"", "%", "index%", "index+1.5", "+1%", "index+1.234%", "index-100%",
                                 "index+1000.01%", "in dex+1%", "index+%", "index+1.5%%"}) {
    EXPECT_FALSE(parse_peg(text)) << text;
  }
}

TEST(PegTest, theNameOfAnIndexHasLettersDigitsAndThreeSigns) {
  for (auto const* const name : {"a", "z", "A", "Z", "0", "9", ".", "_", "-", "BTC-usd_1.x"}) {
    EXPECT_TRUE(is_index_name(name)) << name;
  }
  for (auto const* const name : {"", "a b", "a+", "a@", "a/b", "[", "`", "{", ":"}) {
    EXPECT_FALSE(is_index_name(name)) << name;
  }
}

TEST(PegTest, thePriceIsRoundedInFavourOfTheMakerAndKeptWithinItsBounds) {
  auto peg = *parse_peg("index+1.5%");
  EXPECT_EQ(pegged_price(peg, true, PriceCents{101}), PriceCents{102}) << "102.515 for a buyer";
  EXPECT_EQ(pegged_price(peg, false, PriceCents{101}), PriceCents{103});
  EXPECT_EQ(pegged_price(*parse_peg("i-99.99%"), true, PriceCents{1}), PriceCents{1});
  EXPECT_EQ(pegged_price(*parse_peg("i+1000%"), false, PriceCents{PriceCents::kMax}),
            PriceCents{PriceCents::kMax});
  peg.price_min = PriceCents{200};
  peg.price_max = PriceCents{300};
  EXPECT_EQ(pegged_price(peg, true, PriceCents{101}), PriceCents{200});
  EXPECT_EQ(pegged_price(peg, false, PriceCents{400}), PriceCents{300});
}

}  // namespace
}  // namespace grenache::exchange
