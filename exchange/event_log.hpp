// Writes the events of a trading peer to its log.
#pragma once

#include "exchange/core/event.hpp"
#include <grenache/log/log.hpp>

namespace grenache::exchange {

/// Trades, own takes and warnings are logged at `info` and above, what others do to us at `debug`.
void log_event(Log const& log, Event const& event);

}  // namespace grenache::exchange
