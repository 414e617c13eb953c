// Flags that say what of strangers is stored and passed on.
#pragma once

#include <cstdint>

#include "exchange/core/trader.hpp"
#include <grenache/log/command_line.hpp>

namespace grenache::exchange {

struct GuardFlags {
  int work_bits = 0;
  int relay_bits = 0;
  std::int64_t order_sat_min = 0;
  std::int64_t relay_fee_sat = 0;
  std::int64_t pay_relay_sat = 0;
};

/// Adds --pow, --relay-pow, --relay-fee-sat, --pay-relay-sat and --min-order-sat. `flags` must outlive `app`.
void add_guard_flags(grenache::Command& app, GuardFlags& flags);
void apply(GuardFlags const& flags, Trader::Options& options);

}  // namespace grenache::exchange
