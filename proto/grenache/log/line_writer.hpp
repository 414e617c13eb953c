// Writes lines to a file that may be slow, without making the caller wait.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace grenache {

/// A bounded queue of lines and a thread that writes them, in order. When the file is a pipe whose reader
/// does not keep up, lines that find the queue full are dropped and counted, and so are lines that the system
/// cannot write, on a full disk. When its reader has ended all are dropped, uncounted. SIGPIPE must be
/// ignored. Thread-safe. The thread starts with the first line.
class LineWriter {
 public:
  /// `file` stays open and belongs to the caller. At most `bytes_max` wait, and as many again are being
  /// written.
  LineWriter(int file, std::size_t bytes_max) : file_{file}, bytes_max_{bytes_max} {}
  /// Writes what waits; gives up when the file has taken nothing for half a second.
  ~LineWriter();
  LineWriter(LineWriter const&) = delete;
  LineWriter& operator=(LineWriter const&) = delete;

  /// `line` ends with its newline. Never blocks on the file.
  void write(std::string_view line);
  /// Returns when everything before has been written, or after half a second.
  void flush();
  /// How many lines were dropped since the last call; 0 as long as the queue is full.
  [[nodiscard]] std::uint64_t take_dropped();

 private:
  void run();
  /// False when the file takes nothing more.
  [[nodiscard]] bool write_batch(std::string_view batch);
  [[nodiscard]] bool is_closing();

  int const file_;
  std::size_t const bytes_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  std::uint64_t dropped_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  bool broken_ = false;
  std::thread thread_;
};

}  // namespace grenache
