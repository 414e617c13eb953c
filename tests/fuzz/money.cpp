// Parses arbitrary bytes as an amount of money: parsed exactly or refused, and written unchanged.
#include "exchange/messages/money.hpp"

#include <string>
#include <utility>

#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

// A naive parser: moves the digits over the point one by one. Returns nothing for a value out of range or not
// exact, and for long texts.
std::optional<std::int64_t> naive(std::string_view text, int digit_count) {
  auto const e = text.find_first_of("eE");
  std::string digits;
  int places = digit_count;
  bool behind_point = false;
  for (char const c : text.substr(0, e)) {
    if (c == '.') {
      behind_point = true;
    } else if (c != '-') {
      digits += c;
      places -= behind_point ? 1 : 0;
    }
  }
  if (e != std::string_view::npos) {
    auto const exponent = std::string{text.substr(e + 1)};
    if (exponent.size() > 4 || text.size() > 100) return std::nullopt;
    places += std::stoi(exponent);
  }
  for (; places > 0; --places) digits += '0';
  for (; places < 0; ++places) {
    if (!digits.empty() && digits.back() != '0') return std::nullopt;
    if (!digits.empty()) digits.pop_back();
  }
  digits.erase(0, digits.find_first_not_of('0'));
  if (digits.size() > 18) return std::nullopt;
  return digits.empty() ? 0 : std::stoll(digits);
}

template <class Money>
std::optional<Money> read(std::string_view text) {
  auto const money = Money::parse(text);
  auto const from_text = Money::from_json(json::Value{text});
  GRN_CHECK(from_text.has_value() == money.has_value() && (!money || *from_text == *money));
  if (!money) return std::nullopt;
  GRN_CHECK(money->units() >= 0 && money->units() <= Money::kMax);
  if (auto const expected = naive(text, Money::kDigits)) GRN_CHECK(*expected == money->units());
  auto const again = Money::parse(money->to_text());
  GRN_CHECK(again && *again == *money);
  // A text is parsed as money exactly if it is a JSON number, except for values out of range.
  auto const json = json::parse(text);
  if (json) GRN_CHECK(json->number_text() && Money::from_json(*json) == money);
  GRN_CHECK(json::parse(json::to_text(money->to_json_number())).has_value());
  return *money;
}

// `a` * `b` with the high part first.
std::pair<std::uint64_t, std::uint64_t> product(std::uint64_t a, std::uint64_t b) {
  std::uint64_t const low = (a & 0xffffffff) * (b & 0xffffffff);
  std::uint64_t const middle = (a >> 32) * (b & 0xffffffff) + (low >> 32);
  std::uint64_t const other = (a & 0xffffffff) * (b >> 32) + (middle & 0xffffffff);
  return {(a >> 32) * (b >> 32) + (middle >> 32) + (other >> 32), (other << 32) | (low & 0xffffffff)};
}

void run(std::string_view input) {
  auto const space = input.find(' ');
  auto const amount = read<Satoshi>(input.substr(0, space));
  auto const price = read<PriceCents>(space == std::string_view::npos ? input : input.substr(space + 1));
  read<UsdCents>(input);
  if (!amount || !price) return;
  auto const cost = notional(*amount, *price);
  GRN_CHECK(cost.remainder >= 0 && cost.remainder < kSatoshiPerBtc);
  auto const units = [](auto value) { return static_cast<std::uint64_t>(value); };
  auto [high, low] = product(units(cost.cents.units()), units(kSatoshiPerBtc));
  low += units(cost.remainder);
  if (low < units(cost.remainder)) ++high;
  GRN_CHECK(std::pair(high, low) == product(units(amount->units()), units(price->units())));
}

}  // namespace
}  // namespace grenache::exchange

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::exchange::run(grenache::fuzz::as_text(data, size));
  return 0;
}
