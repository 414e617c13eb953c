// Writes lines to a possibly slow file without blocking the caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>

namespace grenache {

/// A bounded queue of lines and a thread that writes them in order. Lines are dropped and counted when the
/// queue is full, because the reader of a pipe is too slow, and when the system cannot write them, as on a
/// full disk. After the reader of the pipe has closed it, all lines are dropped without counting. SIGPIPE
/// must be ignored. Thread-safe. The thread starts with the first line.
class LineWriter {
 public:
  /// `file` remains owned by the caller and open. At most `bytes_max` bytes are queued, and as many again are
  /// being written.
  LineWriter(int file, std::size_t bytes_max);
  /// Writes the queued lines; gives up after half a second without progress. A thread that a write to a
  /// stopped terminal still blocks a second later is left behind.
  ~LineWriter();
  LineWriter(LineWriter const&) = delete;
  LineWriter& operator=(LineWriter const&) = delete;

  /// Queues `line`, which includes its newline. Never blocks on the file.
  void write(std::string_view line);
  /// Returns when all lines queued before are written, or after half a second.
  void flush();
  /// Returns the number of lines dropped since the last call; 0 as long as the queue is full.
  [[nodiscard]] std::uint64_t take_dropped();

 private:
  struct State;

  std::shared_ptr<State> state_;  // the thread's too
  std::thread thread_;
};

}  // namespace grenache
