// A redis-server for one test, on a free port and without files. The destructor stops it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/support/reserved_port.hpp"

namespace grenache::test {

class RedisServer {
 public:
  /// True when a redis-server is installed. Tests that need one skip themselves otherwise.
  [[nodiscard]] static bool available();

  struct Options {
    std::vector<std::string> arguments{};  // further words of its command line
    std::string sentinel_config{};         // path of a file: a sentinel is started, which changes the file
  };

  /// Starts the server and waits until it answers; throws std::runtime_error otherwise.
  RedisServer() : RedisServer{Options{}} {}
  explicit RedisServer(Options options);
  RedisServer(RedisServer const&) = delete;
  RedisServer& operator=(RedisServer const&) = delete;
  ~RedisServer();

  [[nodiscard]] std::uint16_t port() const { return port_.number(); }
  [[nodiscard]] std::string url() const { return "redis://127.0.0.1:" + std::to_string(port()) + "/0"; }
  /// Kills it with SIGKILL.
  void kill();
  /// Starts it again on the same port, without data.
  void restart();
  /// SIGSTOP and SIGCONT: it keeps its connections but does not answer.
  void freeze();
  void thaw();

 private:
  bool start();
  Options options_;
  ReservedPort port_;
  pid_t pid_ = -1;
};

}  // namespace grenache::test
