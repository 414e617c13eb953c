#include <array>
#include <csignal>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <grenache/log/line_writer.hpp>

namespace grenache {
namespace {

class Writer : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    ASSERT_EQ(::pipe(ends_.data()), 0);
  }
  void TearDown() override {
    close(ends_[0]);
    close(ends_[1]);
  }
  static void close(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
  /// Reads until the end of the pipe.
  std::string read_all() {
    close(ends_[1]);
    std::string out;
    std::array<char, 4096> buffer;
    for (ssize_t size = 0; (size = ::read(ends_[0], buffer.data(), buffer.size())) > 0;) {
      out.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return out;
  }

  std::array<int, 2> ends_{};
};

TEST_F(Writer, writesEveryLineInOrderBeforeItEnds) {
  std::string expected;
  {
    LineWriter writer{ends_[1], 1 << 20};
    for (int i = 0; i < 1000; ++i) {
      std::string const line = std::to_string(i) + "\n";
      writer.write(line);
      expected += line;
    }
    EXPECT_EQ(writer.take_dropped(), 0U);
  }
  EXPECT_EQ(read_all(), expected);
}

TEST_F(Writer, dropsAndCountsWhatAFullPipeHasNoRoomFor) {
  std::string const line = std::string(999, 'x') + '\n';
  LineWriter writer{ends_[1], 10'000};
  int written = 0;
  // The pipe holds 64 KiB, the thread 10 kB, the queue 10 kB: not all of 1000 lines of 1 kB fit.
  for (; written < 1000; ++written) writer.write(line);
  EXPECT_EQ(writer.take_dropped(), 0U) << "it is told when there is room";
  std::array<char, 4096> buffer;
  std::uint64_t dropped = 0;
  while ((dropped = writer.take_dropped()) == 0) ASSERT_GT(::read(ends_[0], buffer.data(), buffer.size()), 0);
  EXPECT_GT(dropped, 800U);
  EXPECT_LT(dropped, 1000U);
}

TEST_F(Writer, endsAlthoughNobodyReads) {
  LineWriter writer{ends_[1], 1 << 20};
  writer.write(std::string(1 << 19, 'x'));
}

TEST_F(Writer, endsAlthoughATerminalIsStopped) {
  int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(::grantpt(terminal), 0);
  ASSERT_EQ(::unlockpt(terminal), 0);
  int const side = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY);
  ASSERT_GE(side, 0);
  {
    // More than a terminal holds: poll(2) calls it writable, and write(2) blocks in the middle.
    LineWriter writer{side, 1 << 20};
    writer.write(std::string(1 << 19, 'x'));
  }
  close(terminal);  // ends the write of the thread that was left behind; `side` is still its own
}

TEST_F(Writer, acceptsLinesWithoutAReader) {
  close(ends_[0]);
  LineWriter writer{ends_[1], 1000};
  for (int i = 0; i < 100; ++i) {
    writer.write(std::string(100, 'x'));
    writer.flush();
  }
  EXPECT_EQ(writer.take_dropped(), 0U) << "nobody is left to tell";
}

}  // namespace
}  // namespace grenache
