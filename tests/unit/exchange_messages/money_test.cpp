#include "exchange/messages/money.hpp"

#include <limits>

#include <gtest/gtest.h>

#include <grenache/base/random.hpp>

namespace grenache::exchange {
namespace {

struct Read {
  char const* text;
  std::int64_t satoshi;
};

TEST(Money, readsDecimalsOfBitcoinExactly) {
  for (auto const& [text, satoshi] : {
           Read{"0", 0},
           Read{"-0", 0},
           Read{"0.0", 0},
           Read{"0e5", 0},
           Read{"0e-999999999999999999999999", 0},
           Read{"1", 100'000'000},
           Read{"0.1", 10'000'000},
           Read{"0.3", 30'000'000},
           Read{"0.00000001", 1},
           Read{"1e-8", 1},
           Read{"1E-8", 1},
           Read{"100e-10", 1},
           Read{"0.000000000000001e7", 1},
           Read{"1.5e0", 150'000'000},
           Read{"15e+1", 15'000'000'000},
           Read{"1.000000000", 100'000'000},
           Read{"0.100000000000000000000000000000000000000", 10'000'000},
           Read{"1e00000000000000000000001", 1'000'000'000},
           Read{"20999999.97690000", 2'099'999'997'690'000},
           Read{"21000000", Satoshi::kMax},
           Read{"21000000.00000000", Satoshi::kMax},
           Read{"0.21e8", Satoshi::kMax},
       }) {
    auto const read = Satoshi::parse(text);
    ASSERT_TRUE(read) << text << ": " << read.error().message();
    EXPECT_EQ(read->units(), satoshi) << text;
  }
}

struct Unreadable {
  char const* text;
  MoneyErrc error;
};

TEST(Money, refusesWhatIsNoNumberOfWholeUnitsInRange) {
  for (auto const& [text, error] : {
           Unreadable{"", MoneyErrc::not_a_number},
           Unreadable{" 1", MoneyErrc::not_a_number},
           Unreadable{"1 ", MoneyErrc::not_a_number},
           Unreadable{"+1", MoneyErrc::not_a_number},
           Unreadable{"-", MoneyErrc::not_a_number},
           Unreadable{"--1", MoneyErrc::not_a_number},
           Unreadable{"01", MoneyErrc::not_a_number},
           Unreadable{"00", MoneyErrc::not_a_number},
           Unreadable{".5", MoneyErrc::not_a_number},
           Unreadable{"5.", MoneyErrc::not_a_number},
           Unreadable{"1.e5", MoneyErrc::not_a_number},
           Unreadable{"1e", MoneyErrc::not_a_number},
           Unreadable{"1e+", MoneyErrc::not_a_number},
           Unreadable{"1e1.5", MoneyErrc::not_a_number},
           Unreadable{"1,5", MoneyErrc::not_a_number},
           Unreadable{"0x10", MoneyErrc::not_a_number},
           Unreadable{"NaN", MoneyErrc::not_a_number},
           Unreadable{"Infinity", MoneyErrc::not_a_number},
           Unreadable{"1_000", MoneyErrc::not_a_number},
           Unreadable{"0.000000001", MoneyErrc::too_many_digits},
           Unreadable{"0.123456789", MoneyErrc::too_many_digits},
           Unreadable{"1e-9", MoneyErrc::too_many_digits},
           Unreadable{"20999999.999999999", MoneyErrc::too_many_digits},
           Unreadable{"1e-99999999999999999999999999", MoneyErrc::too_many_digits},
           Unreadable{"-1", MoneyErrc::out_of_range},
           Unreadable{"-0.00000001", MoneyErrc::out_of_range},
           Unreadable{"21000000.00000001", MoneyErrc::out_of_range},
           Unreadable{"92233720368.54775808", MoneyErrc::out_of_range},
           Unreadable{"184467440737.09551616", MoneyErrc::out_of_range},
           Unreadable{"1e99999999999999999999999999", MoneyErrc::out_of_range},
       }) {
    auto const read = Satoshi::parse(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error(), error) << text << ": " << read.error().message();
  }
}

TEST(Money, readsNumbersAndStringsOfJsonAlike) {
  for (auto const* const text : {"60000", "60000.00", "6e4", "\"60000\"", "\"60000.0\"", "\"6e4\""}) {
    auto const value = json::parse(text);
    ASSERT_TRUE(value);
    auto const read = PriceCents::from_json(*value);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->units(), 6'000'000) << text;
  }
  for (auto const* const text : {"null", "true", "[]", "{}", "[1]", "\"\"", "\"one\""}) {
    auto const value = json::parse(text);
    ASSERT_TRUE(value);
    EXPECT_EQ(PriceCents::from_json(*value).error(), MoneyErrc::not_a_number) << text;
  }
}

TEST(Money, keepsAnAmountThatADoubleWouldLose) {
  auto const value = json::parse("20999999.99999999");
  ASSERT_TRUE(value);
  auto const read = Satoshi::from_json(*value);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->units(), Satoshi::kMax - 1);
}

TEST(Money, eachUnitHasItsOwnDigitsAndRange) {
  EXPECT_EQ(UsdCents::parse("0.01")->units(), 1);
  EXPECT_EQ(UsdCents::parse("0.001").error(), MoneyErrc::too_many_digits);
  EXPECT_EQ(PriceCents::parse("1000000000")->units(), PriceCents::kMax);
  EXPECT_EQ(PriceCents::parse("1000000000.01").error(), MoneyErrc::out_of_range);
  EXPECT_EQ(UsdCents::parse("21000000000000000")->units(), UsdCents::kMax);
}

TEST(Money, writesTheShortestDecimal) {
  EXPECT_EQ(Satoshi{0}.to_text(), "0");
  EXPECT_EQ(Satoshi{1}.to_text(), "0.00000001");
  EXPECT_EQ(Satoshi{10'000'000}.to_text(), "0.1");
  EXPECT_EQ(Satoshi{100'000'000}.to_text(), "1");
  EXPECT_EQ(Satoshi{1'000'000'000}.to_text(), "10");
  EXPECT_EQ(Satoshi{Satoshi::kMax}.to_text(), "21000000");
  EXPECT_EQ(PriceCents{6'000'050}.to_text(), "60000.5");
  EXPECT_EQ(PriceCents{7}.to_text(), "0.07");
  EXPECT_EQ((UsdCents{0} - UsdCents{350}).to_text(), "-3.5");
  EXPECT_EQ(decimal_text(120, 0), "120");
  EXPECT_EQ(decimal_text(std::numeric_limits<std::int64_t>::min(), 2), "-92233720368547758.08");
}

TEST(Money, whatWasWrittenReadsBackTheSame) {
  Random random{7};
  for (int i = 0; i < 20'000; ++i) {
    // All lengths are equally likely.
    auto const bound = std::uint64_t{1} << (1 + random.below(50));
    Satoshi const amount{static_cast<std::int64_t>(random.below(bound))};
    auto const read = Satoshi::parse(amount.to_text());
    ASSERT_TRUE(read || amount.units() > Satoshi::kMax) << amount.to_text();
    if (read) {
      ASSERT_EQ(*read, amount);
    }
  }
}

TEST(Notional, multipliesIn128BitsAndRoundsDown) {
  EXPECT_EQ(notional(Satoshi{kSatoshiPerBtc}, PriceCents{6'000'000}), (Notional{UsdCents{6'000'000}, 0}));
  EXPECT_EQ(notional(Satoshi{1}, PriceCents{1}), (Notional{UsdCents{0}, 1}));
  EXPECT_EQ(notional(Satoshi{99'999'999}, PriceCents{1}), (Notional{UsdCents{0}, 99'999'999}));
  EXPECT_EQ(notional(Satoshi{33'333'333}, PriceCents{100}), (Notional{UsdCents{33}, 33'333'300}));
  EXPECT_EQ(notional(Satoshi{Satoshi::kMax}, PriceCents{PriceCents::kMax}),
            (Notional{UsdCents{UsdCents::kMax}, 0}));
  EXPECT_EQ(notional(Satoshi{0}, PriceCents{PriceCents::kMax}), (Notional{}));
}

TEST(Notional, remaindersOfPartsAddUpToTheWhole) {
  Random random{11};
  for (int i = 0; i < 5'000; ++i) {
    auto const whole = static_cast<std::int64_t>(1 + random.below(Satoshi::kMax));
    auto const part = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(whole)));
    PriceCents const price{static_cast<std::int64_t>(random.below(PriceCents::kMax))};
    auto const a = notional(Satoshi{part}, price);
    auto const b = notional(Satoshi{whole - part}, price);
    auto const all = notional(Satoshi{whole}, price);
    auto const remainders = a.remainder + b.remainder;
    EXPECT_EQ(a.cents + b.cents + UsdCents{remainders / kSatoshiPerBtc}, all.cents);
    EXPECT_EQ(remainders % kSatoshiPerBtc, all.remainder);
  }
}

}  // namespace
}  // namespace grenache::exchange
