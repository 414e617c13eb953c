// How the price of an order follows an index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/messages/money.hpp"

namespace grenache::exchange {

inline constexpr std::size_t kIndexNameSizeMax = 32;
/// In basis points, hundredths of a percent.
inline constexpr std::int64_t kPremiumMin = -9'999;
inline constexpr std::int64_t kPremiumMax = 100'000;

/// The price of a pegged order: that of an index with a premium, between two bounds.
struct Peg {
  std::string index;
  std::int64_t premium = 0;             // basis points, kPremiumMin to kPremiumMax
  std::optional<PriceCents> price_min;  // a lower price is raised to this
  std::optional<PriceCents> price_max;  // a higher one is lowered to this; not below price_min

  friend bool operator==(Peg const&, Peg const&) = default;
};

/// True for 1 to kIndexNameSizeMax letters, digits, '.', '_' and '-'.
[[nodiscard]] bool is_index_name(std::string_view text);
/// Reads the index and the premium: "index+1.5%", "btc-usd-0.25%". Nothing for other texts; at most two
/// decimals.
[[nodiscard]] std::optional<Peg> parse_peg(std::string_view text);
/// "index+1.5%", without the bounds.
[[nodiscard]] std::string to_text(Peg const& peg);
/// The same with the bounds: "index+1.5% from 50000 to 70000".
[[nodiscard]] std::string describe(Peg const& peg);

/// The price of an order of `side` when the index is at `index`. A fraction of a cent is rounded in favour of
/// the maker: down if it buys, up if it sells. In [1 cent, PriceCents::kMax].
[[nodiscard]] PriceCents pegged_price(Peg const& peg, bool buys, PriceCents index);

}  // namespace grenache::exchange
