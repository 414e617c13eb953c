// Orders signed by their makers, and take requests signed by takers.
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

/// Whether the maker buys or sells bitcoin.
enum class Side { buy, sell };
[[nodiscard]] constexpr Side opposite(Side side) { return side == Side::buy ? Side::sell : Side::buy; }
/// "buy" or "sell".
[[nodiscard]] std::string_view to_text(Side side);

/// An order starts as `open`; every other status is final.
enum class OrderStatus { open, filled, cancelled, expired };
/// "OPEN", "FILLED", "CANCELLED" or "EXPIRED".
[[nodiscard]] std::string_view to_text(OrderStatus status);
[[nodiscard]] std::optional<OrderStatus> parse_order_status(std::string_view text);

/// True for 8-4-4-4-12 hex digits of either case, of any version.
[[nodiscard]] bool is_uuid(std::string_view text);

/// The price of orders of the original program, which has no prices: 1 BTC is 1 USD.
inline constexpr PriceCents kOriginalPrice{100};
/// How long an order of the original is valid, from its createdAt; in the original orders never expire.
inline constexpr std::chrono::hours kOriginalOrderLife{24};
/// How far ahead of its reader's clock an order may expire. A maker keeps an order alive by signing versions
/// with a later end, so this also bounds how long an order outlives its maker.
inline constexpr std::chrono::hours kOrderLifeMax{24 * 7};

/// One version of an order. The version with the highest `seq` is valid; `seq` starts at 1.
///
/// All versions have the same id, side, price, amount, least_take and created: changed terms need a new
/// order. `expires` may grow from version to version.
struct OrderRecord {
  std::string id;               // UUID, unique among the orders of its maker
  std::optional<PeerId> maker;  // none: an unsigned order of the original program
  std::int64_t seq = 0;
  Side side = Side::buy;
  PriceCents price;
  Satoshi amount;     // initial amount
  Satoshi remaining;  // remaining amount
  /// Smaller takes are refused, except one of all that remains; 0 to `amount`, 0: any take is large enough.
  Satoshi least_take;
  OrderStatus status = OrderStatus::open;
  WallTime created{};
  WallTime expires{};
  std::string endpoint;           // host:port of the maker's RPC server; a hint
  std::int64_t exchange_id = -1;  // the maker's id in the original; the port of `endpoint`, so not signed
  Signature signature;            // of the maker over order_digest()

  [[nodiscard]] bool is_signed() const { return maker.has_value(); }
  /// True when the order can be taken at `now`.
  [[nodiscard]] bool is_live(WallTime now) const { return status == OrderStatus::open && expires > now; }

  friend bool operator==(OrderRecord const&, OrderRecord const&) = default;
};

/// SHA-256 of "grenache/exchange/order/1:" and the bencoded dictionary of amount, created, endpoint, expires,
/// id, maker, minimum, price, remaining, seq, side, status (money in satoshi and cents, times in ms, maker as
/// 33 raw bytes). `minimum` is least_take; left out if 0.
[[nodiscard]] Sha256 order_digest(OrderRecord const& order);
/// Sets maker and signature.
void sign_order(OrderRecord& order, SecretKey const& maker);
/// True when the signature of the maker is valid.
[[nodiscard]] bool verify_order(OrderRecord const& order);

/// True for two signed records of one maker and one order id with different terms: side, price, amount,
/// least_take or created. An honest maker never signs both.
[[nodiscard]] bool contradict(OrderRecord const& a, OrderRecord const& b);

/// The terms of a take request. Takers of the original request a whole order without terms.
struct TakeTerms {
  std::string take_id;  // UUID; a request with the same id gets the same answer
  Satoshi amount;
  PriceCents price;  // the order's price as seen by the taker
  PeerId taker;
  WallTime created{};   // makers refuse old requests, which prevents replay
  Signature signature;  // of the taker over take_digest()

  friend bool operator==(TakeTerms const&, TakeTerms const&) = default;
};

/// SHA-256 of "grenache/exchange/take/1:" and the bencoded dictionary of amount, created, maker, order,
/// price, take, taker. It includes the maker, so that the request cannot be replayed to another one.
[[nodiscard]] Sha256 take_digest(TakeTerms const& take, std::string_view order_id, PeerId const& maker);
/// Sets taker and signature.
void sign_take(TakeTerms& take, std::string_view order_id, PeerId const& maker, SecretKey const& taker);
[[nodiscard]] bool verify_take(TakeTerms const& take, std::string_view order_id, PeerId const& maker);

}  // namespace grenache::exchange
