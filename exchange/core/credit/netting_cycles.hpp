// Short cycles of debts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "exchange/core/credit/netting_graph.hpp"

namespace grenache::exchange::netting {

/// Finds cycles of at most `size_max` debts. The span and references must outlive the object.
class CycleSearch {
 public:
  CycleSearch(std::span<Debt const> debts, Arcs const& arcs, std::size_t size_max, Work& work);

  /// Takes cycles out of the amounts `rest`, one of each debt: for each debt in turn the shortest ones that
  /// contain it, until there is none. Appends them to `out`, at most as many as there are debts in all, with
  /// at most kNettingCycleDebtsMax debts. True if nothing is left of any debt.
  bool take_all(std::vector<std::int64_t> rest, std::vector<DebtCycle>& out);

 private:
  /// The peers that one end of a debt reaches: the creditor along debts, the debtor against them.
  struct Side {
    std::vector<std::uint64_t> search;  // of each peer: the last search that reached it
    std::vector<Index> came_by;         // of each peer: the debt by which it was reached
    std::vector<Index> frontier;
  };

  [[nodiscard]] bool has_room(std::vector<DebtCycle> const& out) const;
  DebtCycle find(Index debt);
  std::optional<Index> advance(bool is_back);
  [[nodiscard]] DebtCycle cycle_through(Index debt, Index middle) const;

  std::span<Debt const> debts_;
  Arcs const& arcs_;
  std::size_t size_max_;
  Work& work_;
  std::vector<std::int64_t> rest_;
  std::array<Side, 2> sides_;
  std::uint64_t search_ = 0;
  std::size_t taken_ = 0;  // debts in cycles
};

}  // namespace grenache::exchange::netting
