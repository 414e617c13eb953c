// Answers requests with the output of a program.
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

/// Runs a program once per request, several at a time; more requests wait. The program gets the payload as a
/// line of JSON on stdin, and these variables, empty if there is no value:
///
///     GRENACHE_KEY          the name that the caller looked up
///     GRENACHE_RID          the id of the request
///     GRENACHE_PEER         ip:port of the caller
///     GRENACHE_ACTION       the header `_a`, over HTTP
///     GRENACHE_FINGERPRINT  over TLS, SHA-256 of the caller's certificate
///
/// Its output is the result: JSON, otherwise a string (without the newline at its end), null if it is empty.
/// Errors: with an exit code other than 0 the last line of its stderr; "ERR_REQUEST_HANDLER: …" if there is
/// none, or a signal has ended it; ERR_TIMEOUT, ERR_REPLY_SIZE and ERR_REQUEST_LIMIT beyond the limits;
/// ERR_STOPPED after stop(). Its stderr is copied to ours when it has ended; if ours is read too slowly, some
/// of it is dropped and no answer is delayed.
class ProgramPool {
 public:
  struct Options {
    ProgramLimits limits;  // the time counts from the arrival of the request
    unsigned parallel = 1;
    std::size_t waiting_max = 256;  // each holds its request
  };

  ProgramPool(std::string path, std::vector<std::string> arguments, Options options);
  /// Calls stop() and waits for the programs.
  ~ProgramPool();
  ProgramPool(ProgramPool const&) = delete;
  ProgramPool& operator=(ProgramPool const&) = delete;

  /// Thread-safe. `respond` is called on another thread, unless too many requests wait.
  void run(rpc::Request request, rpc::Responder respond);
  /// Kills the running programs and starts no more. Thread-safe.
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

/// Returns the answer for the result of a program.
[[nodiscard]] rpc::Reply reply_of(ProgramResult const& result);

}  // namespace grenache::client
