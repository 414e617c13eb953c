// Events of a trading peer: for its log, its console and its subscribers.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>

#include "exchange/core/command.hpp"
#include "exchange/messages/refusal.hpp"

namespace grenache::exchange {

namespace event {

/// An order is new, or has a new version.
struct OrderChanged {
  OrderRecord order;
  bool is_new = false;
  bool is_own = false;
};
/// A peer answered for the first time.
struct PeerMet {
  std::string endpoint;
  std::optional<PeerId> peer;  // none: a peer of the original program
  std::string name;
};
/// A peer does not answer any more, or does not answer as a peer.
struct PeerLost {
  std::string endpoint;
  std::string reason;
};
/// A peer's book was read.
struct BookRead {
  std::string endpoint;
  std::size_t order_count = 0;
  std::size_t new_count = 0;
  std::size_t dropped_count = 0;  // malformed or refused
};
/// As the maker: a take was granted, or refused.
struct TakeAnswered {
  std::string order_id;
  std::string taker;
  Satoshi amount;
  std::optional<Refusal> refusal;
};
/// As the maker: an invoice was not paid in time, and its amount is free again.
struct SaleExpired {
  std::string order_id;
  std::string taker;
  Satoshi amount;
};
/// As the taker: a take has another state. `text` says why it failed, or what is tried next.
struct PurchaseChanged {
  result::PurchaseView purchase;
  std::string text;
};
/// A trade was settled.
struct TradeDone {
  std::string order_id;
  std::string take_id;
  bool as_maker = false;
  std::string counterpart;  // peer id in hex, or a substitute
  Side side = Side::buy;    // ours
  Satoshi amount;
  PriceCents price;
  UsdCents cents;
};
/// A grape answers, or none does any more; `text` says which one, or why and what to do.
struct GrapeChanged {
  bool answers = false;
  std::string text;
};
/// Something that the person should know.
struct Warning {
  std::string text;
};

}  // namespace event

using Event =
    std::variant<event::OrderChanged, event::PeerMet, event::PeerLost, event::BookRead, event::TakeAnswered,
                 event::SaleExpired, event::PurchaseChanged, event::TradeDone, event::GrapeChanged,
                 event::Warning, event::CreditProposed, event::CreditReceived, event::CreditPaid,
                 event::CreditLow, event::CreditTransit, event::CreditSettled, event::CreditLineChanged>;

}  // namespace grenache::exchange
