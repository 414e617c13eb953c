#include "exchange/core/credit/netting.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "exchange/core/credit/netting_cycles.hpp"
#include "exchange/core/credit/netting_flow.hpp"

namespace grenache::exchange {
namespace {

/// What is left of each debt.
std::vector<std::int64_t> remaining_after(std::vector<DebtCycle> const& cycles, std::span<Debt const> debts) {
  std::vector<std::int64_t> out;
  for (auto const& debt : debts) out.push_back(debt.cents);
  for (auto const& cycle : cycles) {
    for (auto const debt : cycle.debts) out[debt] -= cycle.cents;
  }
  return out;
}

std::optional<NettingErrc> why_not_netted(std::span<Debt const> debts) {
  if (debts.size() > kNettingDebtsMax) return NettingErrc::too_many_debts;
  std::int64_t sum = 0;
  for (auto const& debt : debts) {
    if (std::max(debt.debtor, debt.creditor) >= kNettingPeersMax) return NettingErrc::bad_peer;
    if (debt.debtor == debt.creditor) return NettingErrc::own_debt;
    if (debt.cents <= 0) return NettingErrc::bad_amount;
    if (debt.cents > std::numeric_limits<std::int64_t>::max() - sum) return NettingErrc::overflow;
    sum += debt.cents;
  }
  return std::nullopt;
}

}  // namespace

std::string_view describe(NettingErrc code) {
  switch (code) {
    case NettingErrc::too_many_debts:
      return "too many debts";
    case NettingErrc::bad_peer:
      return "a peer has too high a number";
    case NettingErrc::own_debt:
      return "a peer owes itself";
    case NettingErrc::bad_amount:
      return "a debt is zero or negative";
    case NettingErrc::overflow:
      return "the sum of the debts is too large";
  }
  return "unknown error";
}

Result<NettingPlan> plan_netting(std::span<Debt const> debts, NettingLimits const& limits) {
  if (auto const error = why_not_netted(debts)) return *error;
  netting::Arcs const arcs{debts};
  netting::Work flow_work{limits.work_max / 2};
  netting::LeastDebts least{debts, arcs, flow_work};
  bool const is_least = least.solve();
  auto removable = least.flow();
  for (std::size_t i = 0; i < debts.size(); ++i) removable[i] = debts[i].cents - removable[i];

  netting::Work cycle_work{limits.work_max - flow_work.used()};
  netting::CycleSearch search{debts, arcs, limits.cycle_size_max, cycle_work};
  NettingPlan out;
  out.is_optimal = search.take_all(std::move(removable), out.cycles) && is_least;
  if (!out.is_optimal) search.take_all(remaining_after(out.cycles, debts), out.cycles);
  out.reductions.assign(debts.size(), 0);
  for (auto const& cycle : out.cycles) {
    for (auto const debt : cycle.debts) {
      out.reductions[debt] += cycle.cents;
      out.total += cycle.cents;
    }
  }
  out.work = flow_work.used() + cycle_work.used();
  return out;
}

}  // namespace grenache::exchange
