// Answers and events as JSON: what `exchange ctl --json`, the control socket and the web page show.
#pragma once

#include <string_view>

#include "exchange/core/command.hpp"
#include "exchange/core/event.hpp"
#include <grenache/json/json.hpp>

namespace grenache::exchange {

// Member names are stable. Money is decimal text in BTC and USD ("0.1"), times are Unix times in
// milliseconds, keys and preimages are hex. What is missing is null.

/// "invalid", "notFound", "ambiguous", "refused", "unavailable" or "stopped".
[[nodiscard]] std::string_view to_text(result::FailureCode code);

/// {"code", "text", "hint"}.
[[nodiscard]] json::Value to_json(result::Failure const& failure);
/// An object whose member `type` is "placed", "orders", "book", "purchase", "history", "connected", "peers"
/// or "status"; of a Failure {"error": {"code", "text", "hint"}}.
[[nodiscard]] json::Value to_json(CommandResult const& result);
/// An object whose member `type` is "orderChanged", "peerMet", "peerLost", "bookRead", "takeAnswered",
/// "saleExpired", "purchaseChanged", "tradeDone", "grapeChanged" or
/// "warning".
[[nodiscard]] json::Value to_json(Event const& event);

}  // namespace grenache::exchange
