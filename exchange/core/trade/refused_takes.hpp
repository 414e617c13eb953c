// Why takes of own orders were refused, for `explain`.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "exchange/core/turn.hpp"
#include "exchange/messages/refusal.hpp"

namespace grenache::exchange {

/// Keeps a refusal of each order and code in a row, until the order ends. Strangers cause refusals at any
/// rate, so a row is replaced at most once in `interval`.
class RefusedTakes {
 public:
  struct Options {
    std::chrono::milliseconds interval = std::chrono::minutes{1};
  };

  explicit RefusedTakes(Options options) : options_{options} {}

  /// `order_id` is an own order. `taker` may be unverified.
  void add(std::string const& order_id, std::string const& taker, Satoshi amount, Refusal const& refusal,
           Turn& turn);
  /// Erases the rows of an order that has ended.
  void forget(std::string const& order_id, Turn& turn);

  /// Reads a row of kind "refusal". False if it is malformed.
  [[nodiscard]] bool restore(Row const& row);
  /// Appends the rows that restore() reads, by key.
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "refusal";

 private:
  /// Order id and code, as on the wire.
  using Key = std::pair<std::string, std::string>;
  struct Entry {
    std::string taker;
    Satoshi amount;
    std::string reason;
    WallTime at{};
  };

  [[nodiscard]] static Row row_of(Key const& key, Entry const& entry);

  Options options_;
  std::map<Key, Entry> entries_;
};

}  // namespace grenache::exchange
