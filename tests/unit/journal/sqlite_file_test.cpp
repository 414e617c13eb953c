#include "exchange/journal/sqlite_file.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/temporary_folder.hpp"

namespace grenache::exchange {
namespace {

namespace fs = std::filesystem;

class SqliteFileTest : public testing::Test {
 protected:
  static Batch batch(Position position, std::string key, std::string body = "{}") {
    return {position, {{"order", std::move(key), std::move(body)}}};
  }
  static JournalResult<void> write(SqliteFile& file, std::vector<Batch> const& batches) {
    return file.commit(batches);
  }
  static std::vector<Row> rows(SqliteFile& file) {
    auto rows = file.read({"order"});
    return rows ? *rows : std::vector<Row>{{"error", "", rows.error()}};
  }
  SqliteFile open() {
    auto file = SqliteFile::open(path_);
    if (!file) throw std::runtime_error{file.error()};
    return std::move(*file);
  }
  std::string refusal() const {
    auto const file = SqliteFile::open(path_);
    return file ? "" : file.error();
  }
  std::string bytes() const {
    std::ifstream in{path_, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  /// Runs SQL on the file as another program would.
  void run_sql(char const* sql) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
    sqlite3_close(database);
  }

  test::TemporaryFolder folder_;
  fs::path path_ = folder_.path() / "journal.db";
};

TEST_F(SqliteFileTest, keepsRowsAndThePositionOverARestart) {
  {
    SqliteFile file = open();
    EXPECT_EQ(file.position(), 0u);
    ASSERT_TRUE(write(file, {batch(1, "a"), batch(7, "b")}));
    EXPECT_EQ(file.position(), 7u);
  }
  SqliteFile file = open();
  EXPECT_EQ(file.position(), 7u);
  EXPECT_EQ(rows(file), (std::vector<Row>{{"order", "a", "{}"}, {"order", "b", "{}"}}));
}

TEST_F(SqliteFileTest, thePositionOutlivesTheRowsThatHadIt) {
  {
    SqliteFile file = open();
    ASSERT_TRUE(write(file, {batch(1, "a"), {2, {{"order", "a", std::nullopt}}}}));
  }
  EXPECT_EQ(open().position(), 2u);
}

TEST_F(SqliteFileTest, onlyItsOwnerMayReadIt) {
  SqliteFile file = open();
  ASSERT_TRUE(write(file, {batch(1, "a")}));
  std::size_t count = 0;
  for (auto const& entry : fs::directory_iterator{folder_.path()}) {
    EXPECT_EQ(entry.status().permissions() & fs::perms{077}, fs::perms::none) << entry.path();
    ++count;
  }
  EXPECT_EQ(count, 2u) << "the database and its write-ahead log";
}

TEST_F(SqliteFileTest, aCommittedBatchOutlivesTheProcess) {
  pid_t const child = ::fork();
  if (child == 0) {
    SqliteFile file = open();
    bool const written = write(file, {batch(1, "a")}).has_value();
    ::_exit(written ? 0 : 1);  // as kill -9: nothing is closed
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  SqliteFile file = open();
  EXPECT_EQ(file.position(), 1u);
  EXPECT_EQ(rows(file), (std::vector<Row>{{"order", "a", "{}"}}));
}

TEST_F(SqliteFileTest, twoProcessesDoNotShareIt) {
  SqliteFile const file = open();
  // A second connection of this process stands for the other process: SQLite keeps them apart alike.
  EXPECT_EQ(refusal(), path_.string() + ": another process has it open");
}

TEST_F(SqliteFileTest, whatIsNoJournalIsLeftAsItIs) {
  for (std::string const& text : {std::string{"hello\n"}, std::string(5000, 'x')}) {
    std::ofstream{path_, std::ios::binary} << text;
    EXPECT_EQ(refusal(), path_.string() + ": is no journal");
    EXPECT_EQ(bytes(), text);
  }
  fs::remove(path_);
  run_sql("CREATE TABLE theirs(a); INSERT INTO theirs VALUES(1)");
  std::string const before = bytes();
  EXPECT_EQ(refusal(), path_.string() + ": is no journal");
  EXPECT_EQ(bytes(), before);
}

TEST_F(SqliteFileTest, aNewerFormatIsLeftAsItIs) {
  { SqliteFile const file = open(); }
  run_sql("PRAGMA user_version=2");
  std::string const before = bytes();
  EXPECT_EQ(refusal(), path_.string() + ": was written by another version (format 2, this one reads 1)");
  EXPECT_EQ(bytes(), before);
}

TEST_F(SqliteFileTest, aTruncatedFileIsRefusedAndLeftAsItIs) {
  {
    SqliteFile file = open();
    std::vector<Batch> batches;
    for (Position i = 1; i <= 1000; ++i)
      batches.push_back(batch(i, std::to_string(i), std::string(100, 'x')));
    ASSERT_TRUE(write(file, batches));
  }
  for (auto const size : {fs::file_size(path_) / 2, fs::file_size(path_) - 4096, std::uintmax_t{3000}}) {
    fs::resize_file(path_, size);
    EXPECT_NE(refusal().find("is damaged"), std::string::npos) << size << ": " << refusal();
    EXPECT_EQ(fs::file_size(path_), size);
  }
}

TEST_F(SqliteFileTest, aPageThatWasOverwrittenIsRefused) {
  {
    SqliteFile file = open();
    std::vector<Batch> batches;
    for (Position i = 1; i <= 1000; ++i)
      batches.push_back(batch(i, std::to_string(i), std::string(100, 'x')));
    ASSERT_TRUE(write(file, batches));
  }
  {
    std::fstream out{path_, std::ios::in | std::ios::out | std::ios::binary};
    out.seekp(8 * 4096);
    out << std::string(4096, '\xff');
  }
  EXPECT_NE(refusal().find("is damaged"), std::string::npos) << refusal();
}

TEST_F(SqliteFileTest, aFolderThatIsNotThereIsNamed) {
  path_ = folder_.path() / "none" / "journal.db";
  EXPECT_NE(refusal().find("cannot be made"), std::string::npos) << refusal();
}

/// In a child process, so that the limit on file sizes ends with it.
TEST_F(SqliteFileTest, aFullDiskFailsTheBatchAndKeepsThoseBefore) {
  pid_t const child = ::fork();
  if (child == 0) {
    SqliteFile file = open();
    if (!write(file, {batch(1, "a")})) ::_exit(1);
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit const limit{64 * 1024, 64 * 1024};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(2);
    auto const refused = write(file, {batch(2, "b", std::string(1'000'000, 'x'))});
    if (refused || refused.error().find("journal.db: ") == std::string::npos) ::_exit(3);
    if (file.position() != 1) ::_exit(4);
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
  SqliteFile file = open();
  EXPECT_EQ(file.position(), 1u);
  EXPECT_EQ(rows(file), (std::vector<Row>{{"order", "a", "{}"}}));
}

}  // namespace
}  // namespace grenache::exchange
