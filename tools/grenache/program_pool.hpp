// Answers requests with what a program prints.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include "tools/grenache/program.hpp"
#include <grenache/log/line_writer.hpp>
#include <grenache/rpc/request.hpp>

namespace grenache::client {

/// Runs the program once for each request, several at a time; others wait. It gets the payload as a line of
/// JSON on stdin, and in its environment
///
///     GRENACHE_KEY          the name that the caller looked up
///     GRENACHE_RID          the id of the request
///     GRENACHE_PEER         ip:port of the caller
///     GRENACHE_ACTION       the header `_a`, over HTTP
///     GRENACHE_FINGERPRINT  over TLS, SHA-256 of the caller's certificate when it has shown one
///
/// empty when there is none. What it prints is the result: JSON, a text when it is none (without the newline
/// at its end), null when it is nothing. Errors: with an exit code other than 0 the last line of its stderr,
/// or "ERR_REQUEST_HANDLER: …" when there is none, and when a signal has ended it; ERR_TIMEOUT,
/// ERR_REPLY_SIZE, ERR_REQUEST_LIMIT beyond the limits; ERR_STOPPED after stop(). Its stderr is copied to
/// ours when it has ended; a reader of ours that is too slow misses some, and delays no answer.
class ProgramPool {
 public:
  struct Options {
    ProgramLimits limits;  // the time counts from the arrival of the request
    unsigned parallel = 1;
    std::size_t waiting_max = 256;  // each holds its request
  };

  ProgramPool(std::string path, std::vector<std::string> arguments, Options options);
  /// Stops, and waits for the programs.
  ~ProgramPool();
  ProgramPool(ProgramPool const&) = delete;
  ProgramPool& operator=(ProgramPool const&) = delete;

  /// Any thread. The answer comes on another.
  void run(rpc::Request request, rpc::Responder respond);
  /// Kills what runs, and starts no more. Any thread.
  void stop() { stop_.raise(); }

 private:
  [[nodiscard]] rpc::Reply answer(rpc::Request const& request, TimePoint deadline);

  std::string path_;
  std::vector<std::string> arguments_;
  Options options_;
  StopSignal stop_;
  LineWriter errors_;
  std::atomic<std::size_t> request_count_ = 0;  // running and waiting
  boost::asio::thread_pool threads_;
};

/// The answer that the result of a program stands for.
[[nodiscard]] rpc::Reply reply_of(ProgramResult const& result);

}  // namespace grenache::client
