#include "exchange/messages/money.hpp"

#include <algorithm>
#include <limits>

#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

// Larger than any exponent of a value in range, and small enough that adding lengths does not overflow.
constexpr std::int64_t kExponentLimit = std::int64_t{1} << 40;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A parsed decimal: 0.`digits` * 10^`point`, without leading and trailing zeros in `digits`; empty for zero.
struct Decimal {
  bool negative = false;
  std::string digits;
  std::int64_t point = 0;
};

// Removes the digits at the front of `rest` and returns them.
std::string_view take_digits(std::string_view& rest) {
  auto const end = std::ranges::find_if_not(rest, is_digit);
  auto const count = static_cast<std::size_t>(end - rest.begin());
  auto const digits = rest.substr(0, count);
  rest.remove_prefix(count);
  return digits;
}

bool take(std::string_view& rest, char a, char b) {
  if (rest.empty() || (rest.front() != a && rest.front() != b)) return false;
  rest.remove_prefix(1);
  return true;
}

Result<std::int64_t> take_exponent(std::string_view& rest) {
  if (!take(rest, 'e', 'E')) return 0;
  bool const negative = !rest.empty() && rest.front() == '-';
  take(rest, '-', '+');
  auto const digits = take_digits(rest);
  if (digits.empty()) return make_error_code(MoneyErrc::not_a_number);
  std::int64_t exponent = 0;
  for (char const digit : digits) exponent = std::min(kExponentLimit, exponent * 10 + (digit - '0'));
  return negative ? -exponent : exponent;
}

Result<Decimal> take_apart(std::string_view text) {
  Decimal out;
  out.negative = take(text, '-', '-');
  auto const whole = take_digits(text);
  if (whole.empty() || (whole.size() > 1 && whole.front() == '0')) {
    return make_error_code(MoneyErrc::not_a_number);
  }
  std::string_view fraction;
  if (take(text, '.', '.')) {
    fraction = take_digits(text);
    if (fraction.empty()) return make_error_code(MoneyErrc::not_a_number);
  }
  auto const exponent = take_exponent(text);
  if (!exponent || !text.empty()) return make_error_code(MoneyErrc::not_a_number);

  out.digits = std::string{whole} + std::string{fraction};
  out.point = static_cast<std::int64_t>(whole.size()) + *exponent;
  auto const first = std::min(out.digits.find_first_not_of('0'), out.digits.size());
  out.digits.erase(0, first);
  out.point -= static_cast<std::int64_t>(first);
  out.digits.erase(out.digits.find_last_not_of('0') + 1);
  return out;
}

}  // namespace

std::string_view describe(MoneyErrc code) {
  switch (code) {
    case MoneyErrc::not_a_number:
      return "not a decimal number";
    case MoneyErrc::too_many_digits:
      return "more digits than the smallest unit has";
    case MoneyErrc::out_of_range:
      return "negative or too large";
  }
  return "unknown error";
}

Result<std::int64_t> parse_decimal(std::string_view text, int digit_count, std::int64_t max) {
  auto const decimal = take_apart(text);
  if (!decimal) return decimal.error();
  if (decimal->digits.empty()) return 0;
  if (decimal->negative) return make_error_code(MoneyErrc::out_of_range);

  auto const size = static_cast<std::int64_t>(decimal->digits.size());
  std::int64_t const unit_digits = decimal->point + digit_count;  // number of digits of the count of units
  if (unit_digits < size) return make_error_code(MoneyErrc::too_many_digits);
  if (unit_digits > std::numeric_limits<std::uint64_t>::digits10) {
    return make_error_code(MoneyErrc::out_of_range);
  }
  std::uint64_t units = 0;
  for (std::int64_t i = 0; i < unit_digits; ++i) {
    units = units * 10 +
            (i < size ? static_cast<unsigned>(decimal->digits[static_cast<std::size_t>(i)] - '0') : 0u);
  }
  if (units > static_cast<std::uint64_t>(max)) return make_error_code(MoneyErrc::out_of_range);
  return static_cast<std::int64_t>(units);
}

std::string decimal_text(std::int64_t units, int digit_count) {
  bool const negative = units < 0;
  auto const magnitude =
      negative ? ~static_cast<std::uint64_t>(units) + 1 : static_cast<std::uint64_t>(units);
  auto text = std::to_string(magnitude);
  auto const digits = static_cast<std::size_t>(digit_count);
  if (text.size() <= digits) text.insert(0, digits + 1 - text.size(), '0');
  if (digits > 0) {
    text.insert(text.size() - digits, 1, '.');
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return negative ? "-" + text : text;
}

Notional notional(Satoshi amount, PriceCents price) {
  GRN_CHECK(amount.units() >= 0 && amount.units() <= Satoshi::kMax);
  GRN_CHECK(price.units() >= 0 && price.units() <= PriceCents::kMax);
  __extension__ using Wide = __int128;
  Wide const product = static_cast<Wide>(amount.units()) * price.units();
  return {UsdCents{static_cast<std::int64_t>(product / kSatoshiPerBtc)},
          static_cast<std::int64_t>(product % kSatoshiPerBtc)};
}

}  // namespace grenache::exchange
