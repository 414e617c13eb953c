#include "exchange/nip69_file.hpp"

#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temporary_folder.hpp"

namespace grenache::exchange {
namespace {

class Nip69File : public testing::Test {
 protected:
  std::string written(std::string const& text) {
    auto const path = (folder_.path() / "events").string();
    std::ofstream{path} << text;
    return path;
  }
  void expect_refused(std::string const& path, std::string const& why) {
    auto const read = read_nip69_file(path);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, result::FailureCode::invalid);
    EXPECT_EQ(read.error().text, "cannot read " + path + ": " + why);
  }

  test::TemporaryFolder folder_;
};

TEST_F(Nip69File, isReadLineByLine) {
  auto const read = read_nip69_file(written("\n{}\r\n \t\nx"));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->lines.size(), 2u);
  EXPECT_EQ(read->lines[0].number, 2u);
  EXPECT_EQ(read->lines[0].order.error(), NostrErrc::not_an_event);
  EXPECT_EQ(read->lines[1].number, 4u);
  EXPECT_EQ(read->lines[1].order.error(), NostrErrc::not_json);
  EXPECT_EQ(read->left_out, 0u);
}

TEST_F(Nip69File, hasALimitOfEvents) {
  std::string text;
  for (std::size_t i = 0; i < kImportedMax + 3; ++i) text += "{}\n";
  auto const read = read_nip69_file(written(text));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->lines.size(), kImportedMax);
  EXPECT_EQ(read->left_out, 3u);
}

TEST_F(Nip69File, isRefusedWithTheReason) {
  expect_refused((folder_.path() / "missing").string(), "No such file or directory");
  expect_refused(folder_.path().string(), "not a regular file");
  expect_refused(written(std::string(kNip69FileSizeMax + 1, ' ')), "larger than 8388608 bytes");
  auto const fifo = (folder_.path() / "fifo").string();
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  expect_refused(fifo, "not a regular file");
}

}  // namespace
}  // namespace grenache::exchange
