// A journal in a file.
#pragma once

#include <memory>

#include "exchange/journal/sqlite_file.hpp"
#include <grenache/net/asio.hpp>

namespace grenache::exchange {

/// Writes on a thread of its own. Batches that are appended while it writes share the next transaction, so
/// the number of writes to the disk does not grow with the number of batches (group commit).
class SqliteJournal final : public Journal {
 public:
  /// `executor` runs the callbacks; all calls must be made on it.
  SqliteJournal(net::Executor const& executor, SqliteFile file, Callbacks callbacks);
  /// Writes what is queued, which may block for as long as the disk does; no callback follows.
  ~SqliteJournal() override;

  [[nodiscard]] Position durable() const override;
  void append(Batch batch) override;
  [[nodiscard]] std::size_t queued_count() const override;
  void read(RowQuery query, std::function<void(std::vector<Row>)> done) override;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::exchange
