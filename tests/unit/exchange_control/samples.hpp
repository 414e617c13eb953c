// Answers and events for the tests of the faces.
#pragma once

#include <string>

#include "exchange/core/command.hpp"
#include "exchange/core/event.hpp"

namespace grenache::exchange::samples {

inline constexpr char const* kOrderId = "3f2a91bc-1b2c-4d3e-8f90-123456789abc";
inline constexpr char const* kTakeId = "7c01d2e4-1b2c-4d3e-8f90-123456789abc";
inline constexpr WallTime kNow{std::chrono::milliseconds{1'700'000'000'000}};  // 2023-11-14 22:13:20 UTC

inline PeerId peer(char fill) { return *PeerId::from_bytes("\x02" + std::string(32, fill)); }

inline result::OrderView order(std::string id, Side side, std::string const& price,
                               std::string const& amount) {
  result::OrderView out;
  out.order.id = std::move(id);
  out.order.maker = peer('\x11');
  out.order.seq = 1;
  out.order.side = side;
  out.order.price = *PriceCents::parse(price);
  out.order.amount = out.order.remaining = *Satoshi::parse(amount);
  out.order.created = kNow;
  out.order.expires = kNow + std::chrono::hours{24};
  out.order.endpoint = "10.0.0.1:3001";
  return out;
}

inline result::PurchaseView purchase(result::PurchaseState state) {
  result::PurchaseView out;
  out.take_id = kTakeId;
  out.order_id = kOrderId;
  out.maker = peer('\x11');
  out.amount = *Satoshi::parse("0.5");
  out.price = *PriceCents::parse("50000");
  out.state = state;
  if (state != result::PurchaseState::asking) out.invoice = "lnbcrt500m1" + std::string(300, 'q');
  out.invoice_expires = kNow + std::chrono::minutes{15};
  if (state == result::PurchaseState::settled) out.preimage = std::string(64, 'f');
  return out;
}

/// An event of a foreign program, as it was read.
inline Nip69Order foreign_order() {
  Nip69Order out;
  out.created_at = 1'700'000'000;
  out.id = kOrderId;
  out.side = Side::sell;
  out.currency = "EUR";
  out.amount = Satoshi{250'000};
  out.fiat_min = "50";
  out.fiat_max = "150.5";
  out.payment_methods = {"SEPA", "cash"};
  out.premium = "-2.5";
  out.platform = "robosats";
  out.expires = 1'700'000'100;
  return out;
}

}  // namespace grenache::exchange::samples
