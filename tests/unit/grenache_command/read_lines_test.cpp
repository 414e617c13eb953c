#include "tools/grenache/read_lines.hpp"

#include <array>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace grenache::client {
namespace {

class ReadLines : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::pipe(ends_.data()), 0); }
  void TearDown() override {
    ::close(ends_[0]);
    hang_up();
  }

  void write(std::string const& text) {
    ASSERT_EQ(::write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void hang_up() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }
  std::optional<Failure> read(std::size_t size_max = 1000) {
    return read_lines(ends_[0], size_max, stop_, [&](std::string line) { lines_.push_back(line); });
  }

  std::array<int, 2> ends_{};
  StopSignal stop_;
  std::vector<std::string> lines_;
};

TEST_F(ReadLines, givesEveryLineAndAnUnfinishedLastOne) {
  write("one\n\ntwo words\nend");
  hang_up();
  EXPECT_FALSE(read());
  EXPECT_EQ(lines_, (std::vector<std::string>{"one", "", "two words", "end"}));
}

TEST_F(ReadLines, givesNothingOfAnEmptyFile) {
  hang_up();
  EXPECT_FALSE(read());
  EXPECT_TRUE(lines_.empty());
}

TEST_F(ReadLines, refusesALineOverTheLimitFinishedOrNot) {
  write("12345\n123456\nnever\n");
  auto const failure = read(5);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->reason, "a line has more than 5 bytes");
  EXPECT_EQ(lines_, std::vector<std::string>{"12345"});
  write("1234567");
  EXPECT_TRUE(read(6));
}

TEST_F(ReadLines, endsWhenItIsStopped) {
  std::thread stopper{[this] { stop_.raise(); }};
  EXPECT_FALSE(read());
  stopper.join();
}

TEST_F(ReadLines, saysWhenAFileCannotBeRead) {
  int const folder = ::open("/", O_RDONLY | O_CLOEXEC);
  auto const failure = read_lines(folder, 1000, stop_, [](std::string) {});
  ::close(folder);
  ASSERT_TRUE(failure);
  EXPECT_NE(failure->reason.find("cannot read: "), std::string::npos);
}

}  // namespace
}  // namespace grenache::client
