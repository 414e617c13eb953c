// The requests between exchange peers, in the wire format of the original program
// (github.com/SeverinAlexB/code_challenge), extended by members and types that it ignores.
#pragma once

#include <variant>

#include "exchange/messages/credit_message.hpp"
#include "exchange/messages/equivocation_message.hpp"
#include "exchange/messages/message_header.hpp"
#include "exchange/messages/order_message.hpp"
#include "exchange/messages/peer_message.hpp"
#include "exchange/messages/refusal.hpp"
#include "exchange/messages/relay_fee_message.hpp"
#include "exchange/messages/sync_message.hpp"
#include "exchange/messages/take_message.hpp"
#include "exchange/messages/transit_message.hpp"

namespace grenache::exchange {

using Request =
    std::variant<PingPongMessage, AddOrderMessage, GetOrderMatchesMessage, ExecuteOrderMessage,
                 GetOrderbookMessage, PayMessage, GetPeersMessage, ReconcileMessage, InventoryMessage,
                 GetRecordsMessage, EquivocationMessage, RelayFeeMessage, CreditMessages,
                 TransitInvoiceMessage, PrepareMessage, GetDebtsMessage, StartNettingMessage>;

/// Parses a request. Checks types, sizes, ranges and consistency of the known members; ignores others. Does
/// not verify signatures.
[[nodiscard]] Result<Request> parse_request(json::Value const& body);

}  // namespace grenache::exchange
