// Rows: the form in which a process keeps its durable state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace grenache::exchange {

/// The number of a batch; increases from batch to batch, also across restarts. 0: before the first.
using Position = std::uint64_t;

/// An entity as it is kept.
struct Row {
  std::string kind;  // "order", "sale", …
  std::string key;   // unique among the rows of a kind
  std::string body;  // JSON

  bool operator==(Row const&) const = default;
};

/// Inserts a row or replaces the one of the same kind and key; without a body it erases that row, if there is
/// one.
struct RowChange {
  std::string kind;
  std::string key;
  std::optional<std::string> body;
};

/// The changes of one turn, in order. They become durable together or not at all.
struct Batch {
  Position position = 0;
  std::vector<RowChange> changes;
};

}  // namespace grenache::exchange
