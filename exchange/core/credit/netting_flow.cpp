#include "exchange/core/credit/netting_flow.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>
#include <utility>

namespace grenache::exchange::netting {
namespace {

constexpr int kFar = std::numeric_limits<int>::max() / 2;

}  // namespace

LeastDebts::LeastDebts(std::span<Debt const> debts, Arcs const& arcs, Work& work)
    : debts_{debts},
      arcs_{arcs},
      work_{work},
      flow_(debts.size()),
      surplus_(arcs.peer_count()),
      potentials_(arcs.peer_count()),
      distances_(arcs.peer_count()),
      next_(arcs.peer_count()) {
  for (auto const& debt : debts) {
    surplus_[debt.debtor] += debt.cents;
    surplus_[debt.creditor] -= debt.cents;
  }
}

bool LeastDebts::solve() {
  while (raise_potentials()) {
    while (set_levels()) augment();
  }
  return std::ranges::all_of(surplus_, [](std::int64_t surplus) { return surplus == 0; });
}

std::int64_t LeastDebts::room(Index arc) const {
  auto const debt = arc / 2;
  return Arcs::is_forward(arc) ? debts_[debt].cents - flow_[debt] : flow_[debt];
}

/// Of an arc with room: not negative.
int LeastDebts::reduced_cost(Index arc) const {
  int const cost = Arcs::is_forward(arc) ? 1 : -1;
  return cost + potentials_[arcs_.tail(arc)] - potentials_[arcs_.head(arc)];
}

bool LeastDebts::is_target(Index peer) const {
  return surplus_[peer] < 0 && potentials_[peer] == target_potential_;
}

/// Makes the potentials the lengths of the shortest paths from the peers with a surplus (Dijkstra), or of the
/// shortest one to a peer with a deficit, if that is less. False if there is none, or at the limit.
bool LeastDebts::raise_potentials() {
  using Entry = std::pair<int, Index>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  std::ranges::fill(distances_, kFar);
  for (Index peer = 0; peer < surplus_.size(); ++peer) {
    if (surplus_[peer] <= 0) continue;
    distances_[peer] = 0;
    queue.emplace(0, peer);
  }
  int target = kFar;
  while (!queue.empty() && queue.top().first < target) {
    auto const [distance, peer] = queue.top();
    queue.pop();
    if (distance > distances_[peer]) continue;
    if (surplus_[peer] < 0) target = std::min(target, distance + potentials_[peer] - target_potential_);
    for (auto i = arcs_.begin(peer); i < arcs_.end(peer); ++i) {
      if (!work_.step()) return false;
      auto const arc = arcs_.at(i);
      if (room(arc) == 0) continue;
      auto const head = arcs_.head(arc);
      auto const found = distance + reduced_cost(arc);
      if (found >= distances_[head]) continue;
      distances_[head] = found;
      queue.emplace(found, head);
    }
  }
  if (target == kFar) return false;
  for (Index peer = 0; peer < surplus_.size(); ++peer) {
    potentials_[peer] += std::min(distances_[peer], target);
  }
  target_potential_ += target;
  return true;
}

/// Sets the distances to the numbers of arcs of reduced cost zero, which order these arcs. False if they lead
/// to no target, or at the limit.
bool LeastDebts::set_levels() {
  std::ranges::fill(distances_, kFar);
  std::vector<Index> reached;
  for (Index peer = 0; peer < surplus_.size(); ++peer) {
    next_[peer] = arcs_.begin(peer);
    if (surplus_[peer] <= 0) continue;
    distances_[peer] = 0;
    reached.push_back(peer);
  }
  bool has_target = false;
  for (std::size_t i = 0; i < reached.size(); ++i) {
    auto const peer = reached[i];
    has_target = has_target || is_target(peer);
    for (auto k = arcs_.begin(peer); k < arcs_.end(peer); ++k) {
      if (!work_.step()) return false;
      auto const arc = arcs_.at(k);
      auto const head = arcs_.head(arc);
      if (distances_[head] != kFar || room(arc) == 0 || reduced_cost(arc) != 0) continue;
      distances_[head] = distances_[peer] + 1;
      reached.push_back(head);
    }
  }
  return has_target;
}

/// Fills paths that lead from level to level until there is none.
void LeastDebts::augment() {
  for (Index source = 0; source < surplus_.size(); ++source) {
    while (surplus_[source] > 0 && find_path(source)) fill_path(source);
  }
}

/// Sets path_. False if there is none, or at the limit.
bool LeastDebts::find_path(Index source) {
  path_.clear();
  for (auto peer = source; !is_target(peer);) {
    if (!work_.step()) return false;
    auto& next = next_[peer];
    if (next == arcs_.end(peer)) {
      if (path_.empty()) return false;
      peer = arcs_.tail(path_.back());
      path_.pop_back();
      ++next_[peer];
    } else if (leads_on(arcs_.at(next))) {
      path_.push_back(arcs_.at(next));
      peer = arcs_.head(path_.back());
    } else {
      ++next;
    }
  }
  return true;
}

bool LeastDebts::leads_on(Index arc) const {
  return distances_[arcs_.head(arc)] == distances_[arcs_.tail(arc)] + 1 && room(arc) > 0 &&
         reduced_cost(arc) == 0;
}

void LeastDebts::fill_path(Index source) {
  auto const target = arcs_.head(path_.back());
  auto amount = std::min(surplus_[source], -surplus_[target]);
  for (auto const arc : path_) amount = std::min(amount, room(arc));
  for (auto const arc : path_) flow_[arc / 2] += Arcs::is_forward(arc) ? amount : -amount;
  surplus_[source] -= amount;
  surplus_[target] += amount;
}

}  // namespace grenache::exchange::netting
