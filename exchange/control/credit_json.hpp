// Answers and events about credit lines as JSON. Not public.
#pragma once

#include "exchange/core/event.hpp"
#include <grenache/json/json.hpp>

namespace grenache::exchange {

[[nodiscard]] json::Value to_json(result::CreditLineView const& view);
[[nodiscard]] json::Value to_json(result::CreditBalance const& balance);
[[nodiscard]] json::Value to_json(result::CreditPayment const& payment);
[[nodiscard]] json::Value to_json(result::CreditForecast const& forecast);
[[nodiscard]] json::Value to_json(result::NettingDone const& done);
[[nodiscard]] json::Value to_json(result::Receipt const& receipt);
[[nodiscard]] json::Value to_json(result::CreditSettlement const& settlement);
[[nodiscard]] json::Value to_json(result::LedgerUsers const& users);
[[nodiscard]] json::Value to_json(result::LedgerDeleted const& deleted);
[[nodiscard]] json::Value to_json(result::CreditLeave const& leave);

[[nodiscard]] json::Value to_json(event::CreditProposed const& proposed);
[[nodiscard]] json::Value to_json(event::CreditReceived const& received);
[[nodiscard]] json::Value to_json(event::CreditPaid const& paid);
[[nodiscard]] json::Value to_json(event::CreditTransit const& transit);
[[nodiscard]] json::Value to_json(event::CreditLow const& low);
[[nodiscard]] json::Value to_json(event::CreditSettled const& settled);
[[nodiscard]] json::Value to_json(event::CreditLineChanged const& changed);

}  // namespace grenache::exchange
