// The durable state of a process: rows, changed in batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/system/result.hpp>

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

/// Asks for the rows of a kind in the order of their keys.
struct RowQuery {
  std::string kind;
  std::string after{};           // only keys greater than this
  std::size_t count_max = 1000;  // rows
  bool newest_first =
      false;  // in the reverse order; `after` is then the first key that is left out, or empty
};

/// The error is a sentence for an operator.
template <class T>
using JournalResult = boost::system::result<T, std::string>;

/// Keeps rows. All calls and callbacks are made on one thread, the one of the executor that the
/// implementation was given.
class Journal {
 public:
  struct Callbacks {
    /// All batches up to this position are durable. Not called from within append().
    std::function<void(Position)> on_durable;
    /// A batch could not be made durable, so the state in memory is ahead of the disk: the process must send
    /// nothing more and end. Called once; no other callback follows.
    std::function<void(std::string const& why)> on_failure;
  };

  virtual ~Journal() = default;

  /// The greatest position that is durable.
  [[nodiscard]] virtual Position durable() const = 0;
  /// Queues a batch; its position must be greater than those of all batches before it.
  virtual void append(Batch batch) = 0;
  /// Batches that were appended and are not durable. There is no limit: callers must accept no more work when
  /// it grows.
  [[nodiscard]] virtual std::size_t queued_count() const = 0;
  /// Reads rows as they are after all batches appended so far; `done` is not called from within read(), nor
  /// after a failure.
  virtual void read(RowQuery query, std::function<void(std::vector<Row>)> done) = 0;
};

}  // namespace grenache::exchange
