// Flags about credit lines and the settlement ledger.
#pragma once

#include <string>

#include "exchange/core/trader.hpp"
#include <grenache/log/command_line.hpp>

namespace grenache::exchange {

struct CreditFlags {
  std::string ledger{};
  std::string ledger_key{};
  std::string account{};
  std::string start = "0";
};

/// Adds --ledger, --ledger-key, --account and --start-balance. `flags` must outlive `app`.
void add_credit_flags(grenache::Command& app, CreditFlags& flags);
void apply(CreditFlags const& flags, Trader::Options& options);

}  // namespace grenache::exchange
