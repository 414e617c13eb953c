// The least debts with the same net positions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "exchange/core/credit/netting_graph.hpp"

namespace grenache::exchange::netting {

/// A flow of minimum cost from the peers who owe more than they are owed to the others, at most the debt on
/// each debt, where each cent costs one. Successive shortest paths: a phase for each length of the shortest
/// path, in which all paths of this length are filled (Dinic's algorithm on the arcs of reduced cost zero).
/// The span and references must outlive the object.
class LeastDebts {
 public:
  LeastDebts(std::span<Debt const> debts, Arcs const& arcs, Work& work);

  /// False if the limit was reached before the flow was complete.
  bool solve();
  /// Of each debt.
  [[nodiscard]] std::vector<std::int64_t> const& flow() const { return flow_; }

 private:
  [[nodiscard]] std::int64_t room(Index arc) const;
  [[nodiscard]] int reduced_cost(Index arc) const;
  [[nodiscard]] bool is_target(Index peer) const;
  [[nodiscard]] bool leads_on(Index arc) const;
  bool raise_potentials();
  bool set_levels();
  void augment();
  bool find_path(Index source);
  void fill_path(Index source);

  std::span<Debt const> debts_;
  Arcs const& arcs_;
  Work& work_;
  std::vector<std::int64_t> flow_;
  std::vector<std::int64_t> surplus_;  // of each peer: what must still flow out; negative: in
  std::vector<int> potentials_;        // of each peer; less than the number of peers
  int target_potential_ = 0;           // of the end of all paths, behind the peers with a deficit
  std::vector<int> distances_;
  std::vector<Index> next_;  // of each peer: the position of the first arc that was not tried yet
  std::vector<Index> path_;
};

}  // namespace grenache::exchange::netting
