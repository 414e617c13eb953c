// Money as whole numbers: satoshi, cents and cents per bitcoin as distinct types, with exact decimal text.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include <grenache/base/result.hpp>
#include <grenache/json/json.hpp>

namespace grenache::exchange {

enum class MoneyErrc {
  not_a_number = 1,  // no JSON number, in digits or as a string
  too_many_digits,   // it would have to be rounded
  out_of_range,      // negative, or more than there can be
};
[[nodiscard]] std::string_view describe(MoneyErrc code);
constexpr char const* category_name(MoneyErrc) { return "grenache.money"; }
inline Error make_error_code(MoneyErrc code) { return make_enum_error(code); }

/// Reads a decimal in the grammar of JSON numbers (exponents included) as a count of units of
/// 10^-`digit_count`, from 0 to `max`. Exact: a digit that is no whole unit is an error, never a rounding;
/// zeros behind the last unit ("1.000000000") carry nothing and are fine. Linear in the size of `text`.
[[nodiscard]] Result<std::int64_t> parse_decimal(std::string_view text, int digit_count, std::int64_t max);
/// The shortest decimal of `units` * 10^-`digit_count`, without exponent: "0.1", "60000", "-3.5".
[[nodiscard]] std::string decimal_text(std::int64_t units, int digit_count);

/// A sum of money or a price as a count of the smallest unit that `Unit` names.
///
/// The constructor takes any count, so that sums and differences can be formed; what comes from outside
/// enters through parse() and from_json() and lies in [0, kMax]. kMax leaves room to add a few without
/// overflow.
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
  /// From a JSON number or a string that holds one.
  [[nodiscard]] static Result<Quantity> from_json(json::Value const& value) {
    if (auto const* const number = value.number_text()) return parse(*number);
    if (auto const* const text = value.as_string()) return parse(*text);
    return make_error_code(MoneyErrc::not_a_number);
  }

  /// The count of smallest units.
  [[nodiscard]] constexpr std::int64_t units() const { return units_; }
  [[nodiscard]] std::string to_text() const { return decimal_text(units_, kDigits); }
  /// The decimal as a JSON number; a reader that makes a double of it may lose digits.
  [[nodiscard]] json::Value to_json_number() const { return json::Value::number(to_text()); }

  friend constexpr auto operator<=>(Quantity, Quantity) = default;
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return Quantity{a.units_ + b.units_}; }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return Quantity{a.units_ - b.units_}; }

 private:
  std::int64_t units_ = 0;
};

struct SatoshiUnit {
  static constexpr int kDigits = 8;
  static constexpr std::int64_t kMax = 2'100'000'000'000'000;  // all bitcoin there will ever be
};
struct PriceUnit {
  static constexpr int kDigits = 2;
  static constexpr std::int64_t kMax = 100'000'000'000;  // a billion dollars for one bitcoin
};
struct UsdUnit {
  static constexpr int kDigits = 2;
  static constexpr std::int64_t kMax = 2'100'000'000'000'000'000;  // all bitcoin at the highest price
};

/// Bitcoin; text in BTC.
using Satoshi = Quantity<SatoshiUnit>;
/// Dollars in cents; text in USD.
using UsdCents = Quantity<UsdUnit>;
/// Cents for one bitcoin; text in USD.
using PriceCents = Quantity<PriceUnit>;

inline constexpr std::int64_t kSatoshiPerBtc = 100'000'000;

/// What an amount costs, exactly: cents + remainder / kSatoshiPerBtc cents.
struct Notional {
  UsdCents cents;
  std::int64_t remainder = 0;  // 0 to kSatoshiPerBtc - 1
  friend bool operator==(Notional const&, Notional const&) = default;
};

/// `amount` at `price`, both in [0, kMax]. The one rounding rule of the exchange: cents are rounded down,
/// and the remainder is handed out for whoever adds several up.
[[nodiscard]] Notional notional(Satoshi amount, PriceCents price);

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::MoneyErrc);
