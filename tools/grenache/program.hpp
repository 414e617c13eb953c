// Runs a program with limits of time and output.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <grenache/base/time.hpp>

namespace grenache::client {

/// Ends programs that other threads are running. Thread-safe.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(StopSignal const&) = delete;
  StopSignal& operator=(StopSignal const&) = delete;

  /// Cannot be undone.
  void raise();
  [[nodiscard]] bool raised() const;
  /// A descriptor that is readable after raise().
  [[nodiscard]] int file() const { return file_; }

 private:
  int file_;
};

struct Program {
  std::string path;                      // as found by find_program()
  std::vector<std::string> arguments;    // argv; the first is the name of the program
  std::vector<std::string> environment;  // NAME=value; extend or replace ours
  std::string input;
};

struct ProgramLimits {
  Duration time_max = std::chrono::seconds{10};
  std::size_t output_bytes_max = 8 * 1024 * 1024;  // default limit of an RPC client
  std::size_t error_bytes_max = 64 * 1024;         // of the end of stderr that is kept
};

struct ProgramResult {
  enum class End { exited, signalled, timed_out, output_too_large, stopped, not_started };
  End end = End::not_started;
  int code = 0;        // exit code, signal, or errno if it could not be started
  std::string output;  // stdout
  std::string errors;  // the end of stderr
};

/// Runs `program`; blocks the thread until it has ended. It runs in a process group of its own, with no open
/// descriptors except stdin, stdout and stderr. It is killed beyond a limit or after `stop`. When it has
/// ended, what is left of its group is killed. Leaves no zombie. SIGPIPE must be ignored, since a program
/// need not read its input.
[[nodiscard]] ProgramResult run_program(Program const& program, ProgramLimits const& limits,
                                        StopSignal const& stop);

/// Returns the file that a shell would run for `name`: `name` itself if it contains a slash, otherwise the
/// first executable in PATH. Nothing if there is none.
[[nodiscard]] std::optional<std::string> find_program(std::string const& name);

}  // namespace grenache::client
