// Holds outputs back until the journal keeps what they promise.
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "exchange/journal/journal.hpp"

namespace grenache::exchange {

/// A queue of outputs, each with the position it waits for. Those that wait leave in the order they came, one
/// whose position is durable already leaves at once: it may overtake only outputs that promise more than it.
template <class Output>
class ReleaseGate {
 public:
  explicit ReleaseGate(Position durable = 0) : durable_{durable} {}

  /// Gives the output back when it may leave now.
  [[nodiscard]] std::optional<Output> add(Position after, Output output) {
    if (after <= durable_) return output;
    held_.emplace_back(after, std::move(output));
    return std::nullopt;
  }
  /// Batches up to `position` are durable.
  void set_durable(Position position) { durable_ = position; }
  /// The next output that may leave now.
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
