#include "tools/grenache/write_text.hpp"

#include <array>
#include <csignal>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

namespace grenache::client {
namespace {

class WriteText : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    ASSERT_EQ(::pipe(ends_.data()), 0);
  }
  void TearDown() override {
    hang_up();
    ::close(ends_[1]);
  }
  void hang_up() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }

  std::array<int, 2> ends_{};
  StopSignal stop_;
  std::string const large_ = std::string(1 << 20, 'x');
};

TEST_F(WriteText, writesAllToAReaderThatTakesIt) {
  std::size_t read = 0;
  std::thread reader{[&] {
    std::array<char, 10'000> buffer;
    while (read < large_.size())
      read += static_cast<std::size_t>(::read(ends_[0], buffer.data(), buffer.size()));
  }};
  EXPECT_EQ(write_text(ends_[1], large_, stop_), Written::all);
  reader.join();
  EXPECT_EQ(read, large_.size());
}

TEST_F(WriteText, endsWithTheSignalWhenNobodyReads) {
  Written written = Written::all;
  std::thread writer{[&] { written = write_text(ends_[1], large_, stop_); }};
  while (has_room(ends_[1], "x")) std::this_thread::yield();
  stop_.raise();
  writer.join();
  EXPECT_EQ(written, Written::stopped);
}

TEST_F(WriteText, saysThatTheReaderHasEnded) {
  hang_up();
  EXPECT_EQ(write_text(ends_[1], "x", stop_), Written::reader_ended);
}

TEST_F(WriteText, knowsWhetherThereIsRoom) {
  EXPECT_TRUE(has_room(ends_[1], "x"));
  EXPECT_FALSE(has_room(ends_[1], large_));
}

}  // namespace
}  // namespace grenache::client
