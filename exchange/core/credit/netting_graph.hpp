// What the steps of plan_netting() share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "exchange/core/credit/netting.hpp"

namespace grenache::exchange::netting {

using Index = std::uint32_t;

/// Counts steps up to a limit.
class Work {
 public:
  explicit Work(std::uint64_t max) : max_{max} {}

  /// False once the limit is reached.
  bool step() {
    if (used_ >= max_) return false;
    ++used_;
    return true;
  }
  [[nodiscard]] std::uint64_t used() const { return used_; }

 private:
  std::uint64_t max_;
  std::uint64_t used_ = 0;
};

/// For each peer the arcs that leave it. Arc 2 * i leads from the debtor of debt i to its creditor, arc
/// 2 * i + 1 back.
class Arcs {
 public:
  explicit Arcs(std::span<Debt const> debts) : debts_{debts} {
    for (auto const& debt : debts) {
      peer_count_ = std::max<std::size_t>(peer_count_, std::max(debt.debtor, debt.creditor) + 1U);
    }
    begins_.assign(peer_count_ + 1, 0);
    for (auto const& debt : debts) {
      ++begins_[debt.debtor + 1U];
      ++begins_[debt.creditor + 1U];
    }
    for (std::size_t i = 0; i < peer_count_; ++i) begins_[i + 1] += begins_[i];
    arcs_.resize(2 * debts.size());
    auto next = begins_;
    for (Index i = 0; i < debts.size(); ++i) {
      arcs_[next[debts[i].debtor]++] = 2 * i;
      arcs_[next[debts[i].creditor]++] = 2 * i + 1;
    }
  }

  [[nodiscard]] std::size_t peer_count() const { return peer_count_; }
  /// Positions of the arcs of `peer`, for at().
  [[nodiscard]] Index begin(Index peer) const { return begins_[peer]; }
  [[nodiscard]] Index end(Index peer) const { return begins_[peer + 1U]; }
  [[nodiscard]] Index at(Index position) const { return arcs_[position]; }
  [[nodiscard]] Index head(Index arc) const {
    auto const& debt = debts_[arc / 2];
    return is_forward(arc) ? debt.creditor : debt.debtor;
  }
  [[nodiscard]] Index tail(Index arc) const { return head(arc ^ 1U); }
  [[nodiscard]] static bool is_forward(Index arc) { return arc % 2 == 0; }

 private:
  std::span<Debt const> debts_;
  std::size_t peer_count_ = 0;
  std::vector<Index> begins_;
  std::vector<Index> arcs_;
};

}  // namespace grenache::exchange::netting
