// The prices of indexes, from what their publishers say.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/messages/money.hpp"
#include <grenache/base/time.hpp>

namespace grenache::exchange {

/// A price that a publisher has signed.
struct IndexQuote {
  PriceCents price;
  WallTime time{};  // by the publisher's clock
  friend bool operator==(IndexQuote const&, IndexQuote const&) = default;
};

/// Reads the value of a publisher's item: the JSON text {"price":"60123.45","time":1700000000000}, with the
/// price in USD as a text or a number, and the time in ms. Nothing for other texts.
[[nodiscard]] std::optional<IndexQuote> parse_index_quote(std::string_view text);

/// What one publisher says of an index. The caller has verified that it comes from that publisher.
struct IndexUpdate {
  std::string index;
  std::size_t publisher = 0;  // its position among those of the index
  IndexQuote quote;
};

/// The price of an index is the median of the fresh quotes of its publishers. There is none unless most of
/// the publishers have a fresh quote. The median lies between honest quotes as long as most of the fresh ones
/// are honest. Of an even number there are two medians: as long as half of the quotes are honest, the lower
/// one is not above, and the higher one not below all honest quotes. Memory is bounded by the configured
/// publishers.
class ReferencePrices {
 public:
  struct Options {
    std::map<std::string, std::size_t, std::less<>> publisher_counts{};  // by index
    std::chrono::milliseconds age_max = std::chrono::minutes{10};        // of a fresh quote
    std::chrono::milliseconds clock_skew_max = std::chrono::minutes{2};  // of a publisher ahead of us
  };
  struct Price {
    std::optional<PriceCents> price;  // the mean of low and high, rounded down; none: too few fresh quotes
    PriceCents low;                   // the lower median: a safe price to buy at
    PriceCents high;                  // the higher median: a safe price to sell at
    std::size_t fresh_count = 0;
    std::size_t needed_count = 0;
  };

  explicit ReferencePrices(Options options);

  /// Takes over a quote, unless it is older than the one known of the same publisher, from the future, or of
  /// an unknown index. True if it did.
  bool update(IndexUpdate const& update, WallTime now);
  [[nodiscard]] bool has(std::string_view index) const { return quotes_.contains(index); }
  [[nodiscard]] Price find(std::string_view index, WallTime now) const;
  /// When the next quote is no longer fresh; WallTime::max() if none is.
  [[nodiscard]] WallTime next_expiry(WallTime now) const;

 private:
  Options options_;
  std::map<std::string, std::vector<std::optional<IndexQuote>>, std::less<>> quotes_;  // by publisher
};

}  // namespace grenache::exchange
