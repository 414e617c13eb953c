#include "tools/grenache/program.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/limit.hpp"

namespace grenache::client {
namespace {

using namespace std::chrono_literals;
using End = ProgramResult::End;

class ProgramRun : public testing::Test {
 protected:
  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }
  void TearDown() override {
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
    EXPECT_EQ(errno, ECHILD);
  }

  /// Waits until the process is gone. Whoever takes in orphans may not have waited for one that was killed.
  static void expect_killed(pid_t process) {
    auto const end = std::chrono::steady_clock::now() + test::limit();
    auto const is_left = [process] {
      return ::kill(process, 0) == 0 && std::filesystem::exists("/proc/" + std::to_string(process) + "/exe");
    };
    while (is_left() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    EXPECT_FALSE(is_left());
  }

  ProgramResult shell(std::string const& script, std::string input = {}) {
    Program const program{"/bin/sh", {"sh", "-c", script}, {"GRENACHE_KEY=the key"}, std::move(input)};
    return run_program(program, limits_, stop_);
  }

  ProgramLimits limits_;
  StopSignal stop_;
};

TEST_F(ProgramRun, givesInputAndEnvironmentAndTakesOutputErrorsAndExitCode) {
  auto const result = shell("cat; printf ' %s' \"$GRENACHE_KEY\"; echo why >&2; exit 3", "payload");
  EXPECT_EQ(result.end, End::exited);
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.output, "payload the key");
  EXPECT_EQ(result.errors, "why\n");
}

TEST_F(ProgramRun, passesMoreThanPipesHoldBothWays) {
  std::string const input(4 * 1024 * 1024, 'x');
  auto const result = shell("cat", input);
  EXPECT_EQ(result.end, End::exited);
  EXPECT_TRUE(result.output == input);
}

TEST_F(ProgramRun, doesNotMindInputThatIsNotRead) {
  auto const result = shell("exec <&-; echo done", std::string(1024 * 1024, 'x'));
  EXPECT_EQ(result.end, End::exited);
  EXPECT_EQ(result.output, "done\n");
}

TEST_F(ProgramRun, killsOneThatNeverEndsWithItsChildren) {
  ProgramResult result;
  for (limits_.time_max = 100ms; result.output.empty(); limits_.time_max *= 2) {  // until it has a child
    result = shell("trap '' TERM; sleep 1000 & echo $!; sleep 1000; sleep 1000");
    EXPECT_EQ(result.end, End::timed_out);
  }
  expect_killed(static_cast<pid_t>(std::stoi(result.output)));
}

TEST_F(ProgramRun, mayBeGivenAllTheTime) {
  limits_.time_max = Duration::max();
  auto const result = shell("cat", "payload");
  EXPECT_EQ(result.end, End::exited);
  EXPECT_EQ(result.output, "payload");
}

TEST_F(ProgramRun, doesNotWaitForWhatAProgramLeavesRunning) {
  auto const result = shell("sleep 1000 & echo $!");
  EXPECT_EQ(result.end, End::exited);
  EXPECT_EQ(result.code, 0);
  expect_killed(static_cast<pid_t>(std::stoi(result.output)));
}

TEST_F(ProgramRun, doesNotWaitForOneThatHasLeftItsGroupWithThePipesOpen) {
  auto const result =
      shell("setsid sleep 1000 & until test \"$(ps -o pgid= -p $! | tr -d ' ')\" = $!; do :; done; echo $!");
  EXPECT_EQ(result.end, End::exited);
  EXPECT_EQ(::kill(static_cast<pid_t>(std::stoi(result.output)), SIGKILL), 0) << "it still runs";
}

TEST_F(ProgramRun, killsOneThatSaysTooMuch) {
  limits_.output_bytes_max = 1000;
  EXPECT_EQ(shell("yes").end, End::output_too_large);
  EXPECT_EQ(shell("head -c 1001 /dev/zero").end, End::output_too_large);
  auto const result = shell("head -c 1000 /dev/zero");
  EXPECT_EQ(result.end, End::exited);
  EXPECT_EQ(result.output.size(), 1000U);
}

TEST_F(ProgramRun, keepsTheEndOfItsErrors) {
  limits_.error_bytes_max = 10;
  EXPECT_EQ(shell("seq 1 100000 >&2").errors, "99\n100000\n");
}

TEST_F(ProgramRun, tellsTheSignalThatEndedIt) {
  auto const result = shell("kill -SEGV $$");
  EXPECT_EQ(result.end, End::signalled);
  EXPECT_EQ(result.code, SIGSEGV);
}

TEST_F(ProgramRun, isStoppedFromAnotherThread) {
  std::thread stopper{[this] { stop_.raise(); }};
  auto const result = shell("sleep 1000");
  stopper.join();
  EXPECT_EQ(result.end, End::stopped);
  EXPECT_TRUE(stop_.raised());
}

TEST_F(ProgramRun, inheritsNothingButTheStandardStreams) {
  int const leaked = ::dup(STDERR_FILENO);
  auto const result = shell("ls /proc/self/fd");  // 3 is the folder that ls reads
  ::close(leaked);
  EXPECT_EQ(result.output, "0\n1\n2\n3\n");
}

TEST_F(ProgramRun, runsInAGroupOfItsOwnWithSigpipeAsUsual) {
  EXPECT_EQ(shell("test \"$(ps -o pgid= -p $$ | tr -d ' ')\" = $$").code, 0);
  EXPECT_EQ(shell("kill -PIPE $$").code, SIGPIPE);
}

TEST_F(ProgramRun, saysWhyOneCannotBeStarted) {
  auto const result = run_program({"/nonexistent", {"nonexistent"}, {}, {}}, limits_, stop_);
  EXPECT_EQ(result.end, End::not_started);
  EXPECT_EQ(result.code, ENOENT);
  std::string const huge = "A=" + std::string(1024 * 1024, 'x');
  EXPECT_EQ(run_program({"/bin/sh", {"sh"}, {huge}, {}}, limits_, stop_).code, E2BIG);
}

TEST(ProgramFile, isFoundInPathOrByItsOwn) {
  EXPECT_TRUE(find_program("sh").has_value());
  EXPECT_EQ(find_program("/bin/sh"), "/bin/sh");
  EXPECT_FALSE(find_program("no-such-program"));
  EXPECT_FALSE(find_program(""));
  EXPECT_FALSE(find_program("/etc/passwd"));
  EXPECT_FALSE(find_program("/etc"));
}

}  // namespace
}  // namespace grenache::client
