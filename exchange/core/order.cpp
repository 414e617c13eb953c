#include "exchange/core/order.hpp"

#include <array>

#include <grenache/base/check.hpp>

namespace grenache::exchange {

MatchingEngine::IdKey id_key(std::string_view uuid) {
  GRN_CHECK(is_uuid(uuid));
  // Hexadecimal digits of both cases are 22 characters: 32 of them are 143 bits.
  constexpr std::string_view kDigits = "0123456789ABCDEFabcdef";
  constexpr std::size_t kWordDigits = 14;  // 22^14 < 2^63
  std::array<std::uint64_t, 3> words{};
  std::size_t count = 0;
  for (auto const digit : uuid) {
    if (digit == '-') continue;
    auto& word = words[count++ / kWordDigits];
    word = word * kDigits.size() + kDigits.find(digit);
  }
  return {words[0], words[1], static_cast<std::uint32_t>(words[2])};
}

bool prices_cross(OrderRecord const& a, OrderRecord const& b) {
  return a.side == Side::buy ? a.price >= b.price : a.price <= b.price;
}

bool may_trade(OrderRecord const& a, OrderRecord const& b, WallTime now) {
  if (a.side == b.side || !prices_cross(a, b)) return false;
  if (!a.is_live(now) || !b.is_live(now)) return false;
  if (a.is_signed() && b.is_signed()) return a.maker != b.maker;
  return a.remaining == b.remaining;
}

}  // namespace grenache::exchange
