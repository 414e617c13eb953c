// Orders as their makers sign them, and what takers sign when they ask for one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/messages/money.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>

namespace grenache::exchange {

/// What the maker wants to do with bitcoin.
enum class Side { buy, sell };
[[nodiscard]] constexpr Side opposite(Side side) { return side == Side::buy ? Side::sell : Side::buy; }
/// "buy" or "sell".
[[nodiscard]] std::string_view to_text(Side side);

/// OPEN, then one of the others for good.
enum class OrderStatus { open, filled, cancelled, expired };
/// "OPEN", "FILLED", "CANCELLED" or "EXPIRED".
[[nodiscard]] std::string_view to_text(OrderStatus status);
[[nodiscard]] std::optional<OrderStatus> parse_order_status(std::string_view text);

/// True for 8-4-4-4-12 hex digits of either case, of any version.
[[nodiscard]] bool is_uuid(std::string_view text);

/// The price of orders of the original program, which knows none: 1 BTC is 1 USD.
inline constexpr PriceCents kOriginalPrice{100};
/// How long an order of the original counts, from its createdAt; there they stay for ever.
inline constexpr std::chrono::hours kOriginalOrderLife{24};

/// One version of an order. Of several versions the one with the highest `seq` counts; `seq` starts at 1.
///
/// A maker keeps id, side, price, amount, created and expires through all versions: changed terms are a new
/// order.
struct OrderRecord {
  std::string id;               // UUID, unique among the orders of its maker
  std::optional<PeerId> maker;  // none: an unsigned order of the original program
  std::int64_t seq = 0;
  Side side = Side::buy;
  PriceCents price;
  Satoshi amount;     // at the start
  Satoshi remaining;  // of it
  OrderStatus status = OrderStatus::open;
  WallTime created{};
  WallTime expires{};
  std::string endpoint;           // host:port of the maker's RPC server, a hint
  std::int64_t exchange_id = -1;  // the original's name of the maker; not signed, as it is the hint's port
  Signature signature;            // by maker over order_digest()

  [[nodiscard]] bool is_signed() const { return maker.has_value(); }
  /// May be taken at `now`.
  [[nodiscard]] bool is_live(WallTime now) const { return status == OrderStatus::open && expires > now; }

  friend bool operator==(OrderRecord const&, OrderRecord const&) = default;
};

/// SHA-256 of "grenache/exchange/order/1:" and the bencoded dictionary of amount, created, endpoint, expires,
/// id, maker, price, remaining, seq, side, status (money in satoshi and cents, times in ms, maker as 33 raw
/// bytes).
[[nodiscard]] Sha256 order_digest(OrderRecord const& order);
/// Sets maker and signature.
void sign_order(OrderRecord& order, SecretKey const& maker);
/// True when the maker signed all of it.
[[nodiscard]] bool verify_order(OrderRecord const& order);

/// What a taker of ours asks a maker for. The original's ask for a whole order, without any of this.
struct TakeTerms {
  std::string take_id;  // UUID; asking again with it repeats the answer
  Satoshi amount;
  PriceCents price;  // that of the order, as the taker saw it
  PeerId taker;
  WallTime created{};   // makers refuse old ones, so that nobody can use them a second time
  Signature signature;  // by taker over take_digest()

  friend bool operator==(TakeTerms const&, TakeTerms const&) = default;
};

/// SHA-256 of "grenache/exchange/take/1:" and the bencoded dictionary of amount, created, maker, order,
/// price, take, taker. The maker is in it, so that no other peer can be shown the same request.
[[nodiscard]] Sha256 take_digest(TakeTerms const& take, std::string_view order_id, PeerId const& maker);
/// Sets taker and signature.
void sign_take(TakeTerms& take, std::string_view order_id, PeerId const& maker, SecretKey const& taker);
[[nodiscard]] bool verify_take(TakeTerms const& take, std::string_view order_id, PeerId const& maker);

}  // namespace grenache::exchange
