// The transfers that a ledger has refused for ever.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exchange/journal/rows.hpp"
#include "exchange/ledger/transfer_rows.hpp"

namespace grenache::exchange {

struct RefusedTransfer {
  Transfer transfer;  // without its signature
  LedgerErrc reason{};
};

/// Remembers refused transfers until they end; after that every transfer with their id is refused as expired.
/// Bounded, in all and for each payer, at about 500 bytes each.
class Refusals {
 public:
  static constexpr std::string_view kRowKind = "refusal";
  struct Options {
    std::size_t count_max = 100'000;
    std::size_t payer_count_max = 100;  // of one payer
  };

  explicit Refusals(Options options) : options_{options} {}

  /// By transfer_key(); nothing if there is none.
  [[nodiscard]] RefusedTransfer const* find(std::string const& key) const;
  [[nodiscard]] bool has_room(PeerId const& payer) const;
  /// Returns the row to save. Precondition: it is not known yet.
  Row add(RefusedTransfer refused);
  /// Forgets up to `count` transfers that have ended, and returns the latest end, and the keys of the rows to
  /// erase.
  struct Forgotten {
    WallTime latest{};
    std::vector<std::string> keys;
  };
  [[nodiscard]] Forgotten forget_ended(WallTime now, std::size_t count);
  /// Takes over a row. False if it is malformed.
  [[nodiscard]] bool restore(Row const& row);
  /// The rows from which restore() makes the present state.
  [[nodiscard]] std::vector<Row> dump() const;
  [[nodiscard]] std::size_t size() const { return refused_.size(); }

 private:
  void insert(std::string key, RefusedTransfer refused);

  Options options_;
  std::map<std::string, RefusedTransfer> refused_;
  std::set<std::pair<WallTime, std::string>> ends_;
  std::map<PeerId, std::size_t> counts_;  // by payer
};

}  // namespace grenache::exchange
