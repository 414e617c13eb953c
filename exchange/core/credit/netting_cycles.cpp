#include "exchange/core/credit/netting_cycles.hpp"

#include <algorithm>
#include <utility>

namespace grenache::exchange::netting {

CycleSearch::CycleSearch(std::span<Debt const> debts, Arcs const& arcs, std::size_t size_max, Work& work)
    : debts_{debts}, arcs_{arcs}, size_max_{size_max}, work_{work} {
  for (auto& side : sides_) {
    side.search.assign(arcs.peer_count(), 0);
    side.came_by.assign(arcs.peer_count(), 0);
  }
}

bool CycleSearch::has_room(std::vector<DebtCycle> const& out) const {
  return out.size() < debts_.size() &&
         taken_ + std::min(size_max_, arcs_.peer_count()) <= kNettingCycleDebtsMax;
}

bool CycleSearch::take_all(std::vector<std::int64_t> rest, std::vector<DebtCycle>& out) {
  rest_ = std::move(rest);
  bool is_complete = true;
  for (Index debt = 0; debt < rest_.size(); ++debt) {
    while (rest_[debt] > 0 && has_room(out)) {
      auto cycle = find(debt);
      if (cycle.debts.empty()) break;
      for (auto const each : cycle.debts) rest_[each] -= cycle.cents;
      taken_ += cycle.debts.size();
      out.push_back(std::move(cycle));
    }
    is_complete = is_complete && rest_[debt] == 0;
    rest_[debt] = 0;  // no permitted cycle contains it
  }
  return is_complete;
}

/// The shortest cycle that contains `debt`: breadth-first from both ends. Empty if there is none, or it is
/// too long, or at the limit.
DebtCycle CycleSearch::find(Index debt) {
  ++search_;
  for (bool const is_back : {false, true}) {
    auto const peer = is_back ? debts_[debt].debtor : debts_[debt].creditor;
    auto& side = sides_.at(is_back ? 1 : 0);
    side.search[peer] = search_;
    side.frontier.assign(1, peer);
  }
  for (std::size_t size = 2; size <= size_max_; ++size) {
    if (sides_[0].frontier.empty() || sides_[1].frontier.empty()) return {};
    auto const middle = advance(sides_[1].frontier.size() < sides_[0].frontier.size());
    if (middle) return cycle_through(debt, *middle);
  }
  return {};
}

/// Replaces the frontier of a side by the peers behind it. Returns one that the other side has reached.
std::optional<Index> CycleSearch::advance(bool is_back) {
  auto& side = sides_.at(is_back ? 1 : 0);
  auto const& other = sides_.at(is_back ? 0 : 1);
  auto const former = std::exchange(side.frontier, {});
  for (auto const peer : former) {
    for (auto i = arcs_.begin(peer); i < arcs_.end(peer); ++i) {
      if (!work_.step()) return std::nullopt;
      auto const arc = arcs_.at(i);
      auto const head = arcs_.head(arc);
      if (Arcs::is_forward(arc) == is_back || rest_[arc / 2] == 0 || side.search[head] == search_) continue;
      side.search[head] = search_;
      side.came_by[head] = arc / 2;
      if (other.search[head] == search_) return head;
      side.frontier.push_back(head);
    }
  }
  return std::nullopt;
}

DebtCycle CycleSearch::cycle_through(Index debt, Index middle) const {
  DebtCycle out;
  for (auto peer = middle; peer != debts_[debt].creditor; peer = debts_[out.debts.back()].debtor) {
    out.debts.push_back(sides_[0].came_by[peer]);
  }
  out.debts.push_back(debt);
  std::ranges::reverse(out.debts);
  for (auto peer = middle; peer != debts_[debt].debtor; peer = debts_[out.debts.back()].creditor) {
    out.debts.push_back(sides_[1].came_by[peer]);
  }
  out.cents = rest_[debt];
  for (auto const each : out.debts) out.cents = std::min(out.cents, rest_[each]);
  return out;
}

}  // namespace grenache::exchange::netting
