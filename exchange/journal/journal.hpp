// A journal: keeps the rows of a process, changed in batches.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <boost/system/result.hpp>

#include "exchange/journal/rows.hpp"

namespace grenache::exchange {

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
