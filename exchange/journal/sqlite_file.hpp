// A file of rows; the only code that uses SQLite.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "exchange/journal/journal.hpp"

namespace grenache::exchange {

/// One SQLite database in WAL mode with synchronous=FULL, locked for this process alone. One thread at a
/// time.
///
/// Schema: row(kind, key, position, body) and meta(name, value). It is independent of the meaning of the
/// rows, so it does not change with them; `sqlite3 FILE` reads it while the process is down.
class SqliteFile {
 public:
  /// Opens `path`, or creates it (mode 0600). Fails, and changes nothing, if another process has it open, or
  /// it cannot be written, is damaged, is not a journal, or was written by a newer version.
  [[nodiscard]] static JournalResult<SqliteFile> open(std::filesystem::path const& path);
  SqliteFile(SqliteFile&&) noexcept;
  SqliteFile& operator=(SqliteFile&&) noexcept;
  ~SqliteFile();

  /// The position of the last batch; 0 when there was none.
  [[nodiscard]] Position position() const;
  /// Writes all batches in one transaction and syncs it to disk. After a failure the file contains none of
  /// them.
  [[nodiscard]] JournalResult<void> commit(std::span<Batch const> batches);
  [[nodiscard]] JournalResult<std::vector<Row>> read(RowQuery const& query);
  /// All rows of these kinds.
  [[nodiscard]] JournalResult<std::vector<Row>> read_all(std::vector<std::string_view> const& kinds);

 private:
  struct Impl;
  explicit SqliteFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace grenache::exchange
