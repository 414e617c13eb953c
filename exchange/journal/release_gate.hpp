// Holds outputs back until the batches that they depend on are durable.
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "exchange/journal/journal.hpp"

namespace grenache::exchange {

/// A queue of outputs, each with the position that must be durable before it is released. Queued outputs are
/// released in FIFO order; one whose position is already durable is released at once, and overtakes only
/// outputs that depend on a later batch.
template <class Output>
class ReleaseGate {
 public:
  explicit ReleaseGate(Position durable = 0) : durable_{durable} {}

  /// Returns the output if it may be sent now; otherwise queues it.
  [[nodiscard]] std::optional<Output> add(Position after, Output output) {
    if (after <= durable_) return output;
    held_.emplace_back(after, std::move(output));
    return std::nullopt;
  }
  /// Batches up to `position` are durable.
  void set_durable(Position position) { durable_ = position; }
  /// Removes and returns the next output that may be sent now.
  [[nodiscard]] std::optional<Output> next() {
    if (held_.empty() || held_.front().first > durable_) return std::nullopt;
    std::optional<Output> output{std::move(held_.front().second)};
    held_.pop_front();
    return output;
  }
  [[nodiscard]] std::size_t size() const { return held_.size(); }

 private:
  Position durable_;
  std::deque<std::pair<Position, Output>> held_;
};

}  // namespace grenache::exchange
