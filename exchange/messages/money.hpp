// Money as integers: satoshi, cents and cents per bitcoin as distinct types, with exact decimal text.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include <grenache/base/result.hpp>
#include <grenache/json/json.hpp>

namespace grenache::exchange {

enum class MoneyErrc {
  not_a_number = 1,  // not a JSON number or a string that holds one
  too_many_digits,   // rounding would be needed
  out_of_range,      // negative or above the maximum
};
[[nodiscard]] std::string_view describe(MoneyErrc code);
constexpr char const* category_name(MoneyErrc) { return "grenache.money"; }
inline Error make_error_code(MoneyErrc code) { return make_enum_error(code); }

/// Parses a decimal in the grammar of JSON numbers (including exponents) as a count of units of
/// 10^-`digit_count`, from 0 to `max`. Never rounds: a non-zero digit below one unit is an error; trailing
/// zeros ("1.000000000") are accepted. Linear in the size of `text`.
[[nodiscard]] Result<std::int64_t> parse_decimal(std::string_view text, int digit_count, std::int64_t max);
/// Returns the shortest decimal of `units` * 10^-`digit_count`, without exponent: "0.1", "60000", "-3.5".
[[nodiscard]] std::string decimal_text(std::int64_t units, int digit_count);

/// An amount of money or a price, counted in the smallest unit of `Unit`.
///
/// The constructor accepts any count, so that sums and differences can be formed; external values enter
/// through parse() and from_json() and are in [0, kMax]. kMax leaves room to add a few without overflow.
template <class Unit>
class Quantity {
 public:
  static constexpr int kDigits = Unit::kDigits;
  static constexpr std::int64_t kMax = Unit::kMax;

  constexpr Quantity() = default;
  constexpr explicit Quantity(std::int64_t units) : units_{units} {}

  [[nodiscard]] static Result<Quantity> parse(std::string_view text) {
    auto const units = parse_decimal(text, kDigits, kMax);
    if (!units) return units.error();
    return Quantity{*units};
  }
  /// Parses a JSON number or a string that holds one.
  [[nodiscard]] static Result<Quantity> from_json(json::Value const& value) {
    if (auto const* const number = value.number_text()) return parse(*number);
    if (auto const* const text = value.as_string()) return parse(*text);
    return make_error_code(MoneyErrc::not_a_number);
  }

  /// The count of smallest units.
  [[nodiscard]] constexpr std::int64_t units() const { return units_; }
  [[nodiscard]] std::string to_text() const { return decimal_text(units_, kDigits); }
  /// Returns a JSON number; a reader that converts it to a double may lose digits.
  [[nodiscard]] json::Value to_json_number() const { return json::Value::number(to_text()); }

  friend constexpr auto operator<=>(Quantity, Quantity) = default;
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return Quantity{a.units_ + b.units_}; }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return Quantity{a.units_ - b.units_}; }

 private:
  std::int64_t units_ = 0;
};

struct SatoshiUnit {
  static constexpr int kDigits = 8;
  static constexpr std::int64_t kMax = 2'100'000'000'000'000;  // the total supply of bitcoin
};
struct PriceUnit {
  static constexpr int kDigits = 2;
  static constexpr std::int64_t kMax = 100'000'000'000;  // a billion dollars for one bitcoin
};
struct UsdUnit {
  static constexpr int kDigits = 2;
  static constexpr std::int64_t kMax = 2'100'000'000'000'000'000;  // the total supply at the highest price
};

/// Bitcoin; text in BTC.
using Satoshi = Quantity<SatoshiUnit>;
/// Dollars in cents; text in USD.
using UsdCents = Quantity<UsdUnit>;
/// Cents for one bitcoin; text in USD.
using PriceCents = Quantity<PriceUnit>;

inline constexpr std::int64_t kSatoshiPerBtc = 100'000'000;

/// The exact value of an amount at a price: cents + remainder / kSatoshiPerBtc cents.
struct Notional {
  UsdCents cents;
  std::int64_t remainder = 0;  // 0 to kSatoshiPerBtc - 1
  friend bool operator==(Notional const&, Notional const&) = default;
};

/// Returns the value of `amount` at `price`, both in [0, kMax]. Cents are rounded down, the only rounding in
/// the exchange; the remainder is returned for callers that add up several values.
[[nodiscard]] Notional notional(Satoshi amount, PriceCents price);

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::MoneyErrc);
