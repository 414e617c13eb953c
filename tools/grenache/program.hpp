// Runs another program: bytes in, bytes out, killed when it takes too much.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <grenache/base/time.hpp>

namespace grenache::client {

/// Tells programs that run on other threads to end. Any thread.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(StopSignal const&) = delete;
  StopSignal& operator=(StopSignal const&) = delete;

  /// Once and for all.
  void raise();
  [[nodiscard]] bool raised() const;
  /// Readable once it was raised.
  [[nodiscard]] int file() const { return file_; }

 private:
  int file_;
};

struct Program {
  std::string path;                      // as find_program() has it
  std::vector<std::string> arguments;    // the first is the name it is called by
  std::vector<std::string> environment;  // NAME=value; the rest is as ours
  std::string input;
};

struct ProgramLimits {
  Duration time_max = std::chrono::seconds{10};
  std::size_t output_bytes_max = 8 * 1024 * 1024;  // what a caller takes as a reply
  std::size_t error_bytes_max = 64 * 1024;         // of its stderr the end is kept
};

struct ProgramResult {
  enum class End { exited, signalled, timed_out, output_too_large, stopped, not_started };
  End end = End::not_started;
  int code = 0;        // the exit code, the signal, or the errno of what could not be started
  std::string output;  // stdout
  std::string errors;  // the end of stderr
};

/// Runs `program` and returns when it has ended; blocks the thread. It runs in a process group of its own,
/// with nothing open but its stdin, stdout and stderr. Past a limit or after `stop` it is killed, and in any
/// case, when it has ended, whatever it has left running in its group. Leaves no zombie. SIGPIPE must be
/// ignored: a program need not read its input.
[[nodiscard]] ProgramResult run_program(Program const& program, ProgramLimits const& limits,
                                        StopSignal const& stop);

/// The file that a shell would run for `name`: itself when it has a slash, or the first in PATH. Nothing when
/// there is none that may be run.
[[nodiscard]] std::optional<std::string> find_program(std::string const& name);

}  // namespace grenache::client
