#include "exchange/core/trade/reference_price.hpp"

#include <algorithm>

#include "exchange/core/row_fields.hpp"

namespace grenache::exchange {
namespace {

/// The range of JavaScript's Date, in ms.
constexpr WallTime kTimeMax{std::chrono::milliseconds{8'640'000'000'000'000}};

}  // namespace

std::optional<IndexQuote> parse_index_quote(std::string_view text) {
  RowFields fields{text};
  IndexQuote const out{fields.money<PriceCents>("price"), fields.time("time")};
  bool const is_valid =
      fields.ok() && out.price.units() > 0 && out.time >= WallTime{} && out.time <= kTimeMax;
  return is_valid ? std::optional{out} : std::nullopt;
}

ReferencePrices::ReferencePrices(Options options) : options_{std::move(options)} {
  for (auto const& [index, count] : options_.publisher_counts) quotes_[index].resize(count);
}

bool ReferencePrices::update(IndexUpdate const& update, WallTime now) {
  auto const found = quotes_.find(update.index);
  if (found == quotes_.end() || update.publisher >= found->second.size()) return false;
  auto& known = found->second[update.publisher];
  bool const is_from_the_future = update.quote.time > now + options_.clock_skew_max;
  if (is_from_the_future || (known && known->time >= update.quote.time)) return false;
  known = update.quote;
  return true;
}

ReferencePrices::Price ReferencePrices::find(std::string_view index, WallTime now) const {
  Price out;
  auto const found = quotes_.find(index);
  if (found == quotes_.end()) return out;
  std::vector<PriceCents> fresh;
  for (auto const& quote : found->second) {
    if (quote && quote->time + options_.age_max > now) fresh.push_back(quote->price);
  }
  out.fresh_count = fresh.size();
  out.needed_count = found->second.size() / 2 + 1;
  if (out.fresh_count < out.needed_count) return out;
  std::ranges::sort(fresh);
  out.low = fresh[(fresh.size() - 1) / 2];
  out.high = fresh[fresh.size() / 2];
  out.price = PriceCents{out.low.units() + (out.high.units() - out.low.units()) / 2};
  return out;
}

WallTime ReferencePrices::next_expiry(WallTime now) const {
  auto next = WallTime::max();
  for (auto const& [index, quotes] : quotes_) {
    for (auto const& quote : quotes) {
      if (quote && quote->time + options_.age_max > now)
        next = std::min(next, quote->time + options_.age_max);
    }
  }
  return next;
}

}  // namespace grenache::exchange
