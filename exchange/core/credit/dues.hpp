// USD legs of trades that are not moved over a credit line yet.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "exchange/core/turn.hpp"

namespace grenache::exchange {

/// Finished trades; the core does not read their rows.
inline constexpr char const* kTradeKind = "trade";

/// A UUID (version 8, RFC 9562) of the first 16 bytes of a hash.
[[nodiscard]] std::string uuid_of(Sha256 const& hash);

/// The id of the payment of a trade's USD leg, which both sides know: a UUID (version 8, RFC 9562) of SHA-256
/// of "grenache/exchange/trade-payment/1:", the keys of maker and taker, the id of the order and that of the
/// take.
[[nodiscard]] std::string trade_payment_id(PeerId const& maker, PeerId const& taker,
                                           std::string_view order_id, std::string_view take_id);

/// The USD leg of a trade.
struct Due {
  std::string id;  // of its payment: trade_payment_id()
  PeerId peer;
  bool we_pay = false;
  UsdCents amount;
  Row trade{};  // of the trade; its member `usdIsDue` says true
};

/// Remembers what is due, so that it is paid once and the row of the trade says so.
///
/// Memory: due_count_max; a trade beyond it stays due for ever, which its row says.
class Dues {
 public:
  struct Options {
    std::size_t due_count_max = 10'000;
  };
  explicit Dues(Options options) : options_{options} {}

  void add(Due due, Turn& turn);
  /// The payment `id` of `peer` is counted, or of ours to it: nothing if nothing is due under this id. Then
  /// the trade is paid.
  void paid(PeerId const& peer, std::string const& id, bool by_us, UsdCents amount, Turn& turn);
  [[nodiscard]] bool is_due(PeerId const& peer, std::string const& id) const {
    return dues_.contains({peer, id});
  }
  /// What we owe `peer`, in the order of the ids.
  [[nodiscard]] std::vector<Due const*> owed_to(PeerId const& peer) const;
  struct Sums {
    UsdCents to_us;
    UsdCents to_them;
  };
  [[nodiscard]] Sums sums(PeerId const& peer) const;
  [[nodiscard]] std::size_t size() const { return dues_.size(); }

  [[nodiscard]] bool restore(Row const& row);
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "due";

 private:
  using Key = std::pair<PeerId, std::string>;  // peer and id
  static Row row_of(Due const& due);

  Options options_;
  std::map<Key, Due> dues_;
};

}  // namespace grenache::exchange
