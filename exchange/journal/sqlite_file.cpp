#include "exchange/journal/sqlite_file.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include <sqlite3.h>

#include <grenache/base/check.hpp>
#include <grenache/file/private_file.hpp>

namespace grenache::exchange {
namespace {

using Path = std::filesystem::path;
template <class T>
using R = JournalResult<T>;

constexpr int kApplicationId = 0x47724a31;  // "GrJ1"; identifies our files, also for file(1)
constexpr int kVersion = 1;                 // of the schema

constexpr char const* kSchema = R"(
CREATE TABLE row(kind TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, body TEXT NOT NULL,
                 PRIMARY KEY(kind, key)) WITHOUT ROWID;
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('position', 0);
)";

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

/// Resets a statement after its use, which releases locks and bound texts.
class Reset {
 public:
  explicit Reset(Statement const& statement) : statement_{statement.get()} {}
  Reset(Reset const&) = delete;
  Reset& operator=(Reset const&) = delete;
  ~Reset() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  sqlite3_stmt* statement_;
};

/// The text must live until the statement is reset.
void set_parameter(Statement const& statement, int index, std::string_view text) {
  sqlite3_bind_text64(statement.get(), index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}
void set_parameter(Statement const& statement, int index, std::uint64_t number) {
  sqlite3_bind_int64(statement.get(), index, static_cast<sqlite3_int64>(number));
}

std::string text_of(Statement const& statement, int column) {
  auto const* const bytes = static_cast<char const*>(sqlite3_column_blob(statement.get(), column));
  auto const size = static_cast<std::size_t>(sqlite3_column_bytes(statement.get(), column));
  return bytes == nullptr ? std::string{} : std::string{bytes, size};
}

}  // namespace

struct SqliteFile::Impl {
  Path path;
  Database database;
  Statement begin;
  Statement commit;
  Statement rollback;
  Statement put;
  Statement erase;
  Statement set_position;
  Statement ascending;
  Statement descending;
  Statement newest;
  Position position = 0;

  /// Returns the error of the last call as a message.
  [[nodiscard]] std::string why() const {
    int const code = sqlite3_errcode(database.get());
    std::string text = path.string() + ": ";
    if ((code & 0xff) == SQLITE_BUSY) return text + "another process has it open";
    if ((code & 0xff) == SQLITE_NOTADB) return text + "is no journal";
    if ((code & 0xff) == SQLITE_CORRUPT) return text + "is damaged";
    return text + sqlite3_errmsg(database.get());
  }

  [[nodiscard]] R<void> run(char const* sql) {
    if (sqlite3_exec(database.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return why();
    return {};
  }
  /// Runs a statement that has no rows.
  [[nodiscard]] R<void> run(Statement const& statement) {
    Reset const reset{statement};
    if (sqlite3_step(statement.get()) != SQLITE_DONE) return why();
    return {};
  }
  [[nodiscard]] R<void> prepare(Statement& statement, std::string_view sql) {
    sqlite3_stmt* made = nullptr;
    int const code = sqlite3_prepare_v3(database.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &made, nullptr);
    statement.reset(made);
    if (code != SQLITE_OK) return why();
    return {};
  }
  /// Puts the first column of the first row into `out`.
  [[nodiscard]] R<void> query(std::string_view sql, std::string& out) {
    Statement statement;
    if (auto done = prepare(statement, sql); !done) return done;
    int const code = sqlite3_step(statement.get());
    if (code == SQLITE_DONE) return path.string() + ": is damaged: a row is missing";
    if (code != SQLITE_ROW) return why();
    out = text_of(statement, 0);
    return {};
  }

  [[nodiscard]] R<void> open_database();
  [[nodiscard]] R<void> check_file();
  [[nodiscard]] R<void> prepare_all();
  [[nodiscard]] R<void> apply(Batch const& batch);
};

/// Checks the file, and writes the schema if it is empty. Does not write before all checks have passed.
R<void> SqliteFile::Impl::check_file() {
  std::string health;
  std::string application;
  std::string tables;
  std::string version;
  std::pair<char const*, std::string*> const facts[] = {{"PRAGMA quick_check(1)", &health},
                                                        {"PRAGMA application_id", &application},
                                                        {"SELECT count(*) FROM sqlite_master", &tables},
                                                        {"PRAGMA user_version", &version}};
  for (auto const& [sql, out] : facts) {
    if (auto done = query(sql, *out); !done) return done;
  }
  if (health != "ok") return path.string() + ": is damaged: " + health;
  bool const is_new = tables == "0" && application == "0";
  if (is_new) {
    std::string const schema = "BEGIN IMMEDIATE; PRAGMA application_id=" + std::to_string(kApplicationId) +
                               "; PRAGMA user_version=" + std::to_string(kVersion) + ";" + kSchema +
                               "COMMIT;";
    return run(schema.c_str());
  }
  if (application != std::to_string(kApplicationId)) return path.string() + ": is no journal";
  if (version == std::to_string(kVersion)) return {};
  return path.string() + ": was written by another version (format " + version + ", this one reads " +
         std::to_string(kVersion) + ")";
}

R<void> SqliteFile::Impl::open_database() {
  sqlite3* made = nullptr;
  int const flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  int const code = sqlite3_open_v2(path.c_str(), &made, flags, nullptr);
  database.reset(made);
  if (code != SQLITE_OK) return why();
  // Must precede the first read. In this mode WAL needs no shared memory and excludes other processes.
  if (auto done = run("PRAGMA locking_mode=EXCLUSIVE"); !done) return done;
  if (auto done = check_file(); !done) return done;
  std::string mode;
  if (auto done = query("PRAGMA journal_mode=WAL", mode); !done) return done;
  if (mode != "wal") return path.string() + ": cannot be used in WAL mode here";
  if (auto done = run("PRAGMA synchronous=FULL"); !done) return done;
  // Takes the lock, and fails here where the file cannot be written.
  return run("BEGIN IMMEDIATE; UPDATE meta SET value=value WHERE name='position'; COMMIT");
}

R<void> SqliteFile::Impl::prepare_all() {
  std::pair<Statement*, std::string_view> const all[] = {
      {&begin, "BEGIN IMMEDIATE"},
      {&commit, "COMMIT"},
      {&rollback, "ROLLBACK"},
      {&put, "INSERT INTO row VALUES(?1,?2,?3,?4) ON CONFLICT(kind,key) DO UPDATE SET position=?3, body=?4"},
      {&erase, "DELETE FROM row WHERE kind=?1 AND key=?2"},
      {&set_position, "UPDATE meta SET value=?1 WHERE name='position'"},
      {&ascending, "SELECT key, body FROM row WHERE kind=?1 AND key>?2 ORDER BY key LIMIT ?3"},
      {&descending, "SELECT key, body FROM row WHERE kind=?1 AND key<?2 ORDER BY key DESC LIMIT ?3"},
      {&newest, "SELECT key, body FROM row WHERE kind=?1 ORDER BY key DESC LIMIT ?3"}};
  for (auto const& [statement, sql] : all) {
    if (auto done = prepare(*statement, sql); !done) return done;
  }
  std::string last;
  if (auto done = query("SELECT value FROM meta WHERE name='position'", last); !done) return done;
  auto const [end, error] = std::from_chars(last.data(), last.data() + last.size(), position);
  if (error != std::errc{}) return path.string() + ": is damaged: its position is " + last;
  return {};
}

R<void> SqliteFile::Impl::apply(Batch const& batch) {
  for (RowChange const& change : batch.changes) {
    Statement const& statement = change.body ? put : erase;
    set_parameter(statement, 1, change.kind);
    set_parameter(statement, 2, change.key);
    if (change.body) {
      set_parameter(statement, 3, batch.position);
      set_parameter(statement, 4, *change.body);
    }
    if (auto done = run(statement); !done) return done;
  }
  return {};
}

SqliteFile::SqliteFile(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
SqliteFile::SqliteFile(SqliteFile&&) noexcept = default;
SqliteFile& SqliteFile::operator=(SqliteFile&&) noexcept = default;
SqliteFile::~SqliteFile() = default;

Position SqliteFile::position() const { return impl_->position; }

R<SqliteFile> SqliteFile::open(Path const& path) {
  // SQLite would create it readable for all users. An empty file is an empty database.
  auto const made = create_private_file(path, "");
  if (!made && made.error() != boost::system::errc::file_exists) {
    return path.string() + ": cannot be made: " + made.error().message();
  }
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  if (auto const done = impl->open_database(); !done) return done.error();
  if (auto const done = impl->prepare_all(); !done) return done.error();
  return SqliteFile{std::move(impl)};
}

R<void> SqliteFile::commit(std::span<Batch const> batches) {
  if (batches.empty()) return {};
  Impl& impl = *impl_;
  auto write = [&]() -> R<void> {
    if (auto done = impl.run(impl.begin); !done) return done;
    for (Batch const& batch : batches) {
      if (auto done = impl.apply(batch); !done) return done;
    }
    set_parameter(impl.set_position, 1, batches.back().position);
    if (auto done = impl.run(impl.set_position); !done) return done;
    return impl.run(impl.commit);
  };
  auto done = write();
  if (done) {
    impl.position = batches.back().position;
  } else if (sqlite3_get_autocommit(impl.database.get()) == 0) {
    (void)impl.run(impl.rollback);
  }
  return done;
}

R<std::vector<Row>> SqliteFile::read(RowQuery const& query) {
  // One statement with `?2='' OR key<?2` would read all rows from the newest one on.
  Statement const& backwards = query.after.empty() ? impl_->newest : impl_->descending;
  Statement const& statement = query.newest_first ? backwards : impl_->ascending;
  Reset const reset{statement};
  set_parameter(statement, 1, query.kind);
  set_parameter(statement, 2, query.after);
  set_parameter(statement, 3, std::uint64_t{query.count_max});
  std::vector<Row> rows;
  for (;;) {
    int const code = sqlite3_step(statement.get());
    if (code == SQLITE_DONE) return rows;
    if (code != SQLITE_ROW) return impl_->why();
    rows.push_back({query.kind, text_of(statement, 0), text_of(statement, 1)});
  }
}

R<std::vector<Row>> SqliteFile::read_all(std::vector<std::string_view> const& kinds) {
  std::vector<Row> out;
  for (auto const kind : kinds) {
    RowQuery query;
    query.kind = kind;
    for (;;) {
      auto rows = read(query);
      if (!rows) return rows.error();
      if (rows->empty()) break;
      query.after = rows->back().key;
      std::ranges::move(*rows, std::back_inserter(out));
    }
  }
  return out;
}

}  // namespace grenache::exchange
