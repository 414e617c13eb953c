#include "exchange/core/peg.hpp"

#include <algorithm>
#include <cstdlib>

namespace grenache::exchange {
namespace {

constexpr int kPercentDigits = 2;
constexpr std::int64_t kWhole = 10'000;  // basis points

}  // namespace

bool is_index_name(std::string_view text) {
  auto const is_allowed = [](char c) {
    bool const is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_letter || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kIndexNameSizeMax && std::ranges::all_of(text, is_allowed);
}

std::optional<Peg> parse_peg(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  auto const sign = text.find_last_of("+-");
  if (sign == std::string_view::npos || !is_index_name(text.substr(0, sign))) return std::nullopt;
  bool const is_discount = text[sign] == '-';
  auto const size =
      parse_decimal(text.substr(sign + 1), kPercentDigits, is_discount ? -kPremiumMin : kPremiumMax);
  if (!size) return std::nullopt;
  return Peg{std::string{text.substr(0, sign)}, is_discount ? -*size : *size, {}, {}};
}

std::string to_text(Peg const& peg) {
  auto const size = decimal_text(std::abs(peg.premium), kPercentDigits);
  return peg.index + (peg.premium < 0 ? "-" : "+") + size + "%";
}

std::string describe(Peg const& peg) {
  auto out = to_text(peg);
  if (peg.price_min) out += " from " + peg.price_min->to_text();
  if (peg.price_max) out += " to " + peg.price_max->to_text();
  return out;
}

PriceCents pegged_price(Peg const& peg, bool buys, PriceCents index) {
  // At most 1e11 cents times 110,000.
  auto const product = index.units() * (kWhole + peg.premium);
  auto const cents = buys ? product / kWhole : (product + kWhole - 1) / kWhole;
  PriceCents price{std::clamp<std::int64_t>(cents, 1, PriceCents::kMax)};
  if (peg.price_max) price = std::min(price, *peg.price_max);
  if (peg.price_min) price = std::max(price, *peg.price_min);
  return price;
}

}  // namespace grenache::exchange
