// The contract of every journal.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "exchange/journal/memory_journal.hpp"
#include "exchange/journal/sqlite_journal.hpp"
#include "tests/support/temporary_folder.hpp"
#include <grenache/base/random.hpp>

namespace grenache::exchange {
namespace {

namespace asio = boost::asio;

class JournalTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { open(); }

  void open() {
    journal_.reset();
    Journal::Callbacks callbacks{[this](Position position) { durable_.push_back(position); },
                                 [this](std::string const& why) { failure_ = why; }};
    if (GetParam() == "memory") {
      auto memory = std::make_unique<MemoryJournal>(
          callbacks, [this] { asio::post(io_, [this] { static_cast<MemoryJournal&>(*journal_).run(); }); });
      journal_ = std::move(memory);
      return;
    }
    auto file = SqliteFile::open(folder_.path() / "journal.db");
    ASSERT_TRUE(file) << file.error();
    journal_ = std::make_unique<SqliteJournal>(io_.get_executor(), std::move(*file), callbacks);
  }

  void append(std::vector<RowChange> changes) { journal_->append({++position_, std::move(changes)}); }

  /// Runs until `done`, or a failure.
  template <class Condition>
  void run_until(Condition done) {
    io_.restart();
    auto const work = asio::make_work_guard(io_);
    while (!done() && failure_.empty()) io_.run_one();
    EXPECT_EQ(failure_, "");
  }
  void run_until_durable() {
    run_until([&] { return journal_->durable() == position_; });
  }

  std::vector<Row> read(RowQuery query) {
    std::optional<std::vector<Row>> rows;
    journal_->read(std::move(query), [&](std::vector<Row> found) { rows = std::move(found); });
    EXPECT_FALSE(rows) << "never within the call";
    run_until([&] { return rows.has_value(); });
    return *rows;
  }

  test::TemporaryFolder folder_;
  asio::io_context io_;
  std::vector<Position> durable_;
  std::string failure_;
  std::unique_ptr<Journal> journal_;
  Position position_ = 0;
};

std::vector<std::string> keys(std::vector<Row> const& rows) {
  std::vector<std::string> out;
  for (Row const& row : rows) out.push_back(row.key);
  return out;
}
using Keys = std::vector<std::string>;

TEST_P(JournalTest, saysWhatIsDurableLaterAndInOrder) {
  append({{"order", "a", "{}"}});
  append({{"order", "b", "{}"}});
  EXPECT_TRUE(durable_.empty());
  EXPECT_EQ(journal_->durable(), 0u);
  EXPECT_EQ(journal_->queued_count(), 2u);
  run_until_durable();
  ASSERT_FALSE(durable_.empty());
  EXPECT_EQ(durable_.back(), 2u);
  EXPECT_TRUE(std::ranges::is_sorted(durable_));
  EXPECT_EQ(journal_->queued_count(), 0u);
  EXPECT_EQ(failure_, "");
}

TEST_P(JournalTest, theLastChangeOfARowCounts) {
  append({{"order", "a", "1"}, {"order", "a", "2"}, {"order", "b", "3"}, {"order", "b", std::nullopt}});
  append({{"sale", "a", "4"}, {"order", "none", std::nullopt}});
  append({{"sale", "gone", "5"}});
  append({{"sale", "gone", std::nullopt}});
  EXPECT_EQ(read({"order"}), (std::vector<Row>{{"order", "a", "2"}}));
  EXPECT_EQ(read({"sale"}), (std::vector<Row>{{"sale", "a", "4"}}));
  EXPECT_EQ(read({"nothing"}), std::vector<Row>{});
}

TEST_P(JournalTest, keysAndBodiesMayBeAnyBytes) {
  std::string const odd{"\0'\xff\";--\n", 9};
  append({{"order", odd, odd}, {"order", "", "empty key"}, {odd, "k", ""}});
  EXPECT_EQ(read({odd}), (std::vector<Row>{{odd, "k", ""}}));
  EXPECT_EQ(read({"order"}), (std::vector<Row>{{"order", odd, odd}})) << "keys greater than the empty one";
}

TEST_P(JournalTest, readsPagesInBothDirections) {
  for (char key = 'a'; key <= 'e'; ++key) append({{"trade", std::string(1, key), "{}"}});
  EXPECT_EQ(keys(read({"trade", "", 2})), (Keys{"a", "b"}));
  EXPECT_EQ(keys(read({"trade", "b", 2})), (Keys{"c", "d"}));
  EXPECT_EQ(keys(read({"trade", "", 2, true})), (Keys{"e", "d"}));
  EXPECT_EQ(keys(read({"trade", "b", 9, true})), (Keys{"a"}));
}

TEST_P(JournalTest, holdsWhatAMapHolds) {
  Random random{1};
  std::map<std::string, std::string> model;
  for (int round = 0; round < 100; ++round) {
    std::vector<RowChange> changes;
    for (auto left = random.below(5); left > 0; --left) {
      auto const key = std::to_string(random.below(20));
      if (random.chance(1, 3)) {
        changes.push_back({"order", key, std::nullopt});
        model.erase(key);
      } else {
        auto const body = std::to_string(random.below(1000));
        changes.push_back({"order", key, body});
        model[key] = body;
      }
    }
    append(std::move(changes));
    if (random.chance(1, 4)) run_until_durable();
  }
  std::vector<Row> expected;
  for (auto const& [key, body] : model) expected.push_back({"order", key, body});
  EXPECT_EQ(read({"order"}), expected);
}

INSTANTIATE_TEST_SUITE_P(Both, JournalTest, testing::Values("memory", "sqlite"),
                         [](auto const& each) { return each.param; });

class SqliteJournalTest : public JournalTest {};

TEST_P(SqliteJournalTest, aCleanEndKeepsWhatWasAppended) {
  for (int i = 0; i < 100; ++i) append({{"order", std::to_string(i), "{}"}});
  open();
  EXPECT_EQ(journal_->durable(), 100u);
  EXPECT_EQ(read({"order", "", 1000}).size(), 100u);
}

TEST_P(SqliteJournalTest, appendingDuringAWriteSharesTheNextOne) {
  append({{"order", "first", "{}"}});
  for (int i = 0; i < 1000; ++i) append({{"order", std::to_string(i), "{}"}});
  run_until_durable();
  EXPECT_LE(durable_.size(), 3u) << "one for the first, one for all that came meanwhile";
}

TEST_P(SqliteJournalTest, callbacksMayAppendAndDestroy) {
  append({{"order", "a", "{}"}});
  bool ended = false;
  journal_->read({"order"}, [&](std::vector<Row> const&) {
    append({{"order", "b", "{}"}});
    journal_.reset();
    ended = true;
  });
  journal_->read({"order"}, [](std::vector<Row> const&) { FAIL() << "the journal is gone"; });
  run_until([&] { return ended; });
  open();
  EXPECT_EQ(keys(read({"order"})), (Keys{"a", "b"}));
}

INSTANTIATE_TEST_SUITE_P(Only, SqliteJournalTest, testing::Values("sqlite"),
                         [](auto const& each) { return each.param; });

}  // namespace
}  // namespace grenache::exchange
