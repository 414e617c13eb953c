// A redis-server of a test's own: on a free port, without files, gone with the object.
#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "tests/support/reserved_port.hpp"

namespace grenache::test {

class RedisServer {
 public:
  /// True when a redis-server is installed. Tests that need one skip themselves otherwise.
  [[nodiscard]] static bool available();

  /// Starts it and returns when it answers; throws std::runtime_error when it does not.
  RedisServer();
  RedisServer(RedisServer const&) = delete;
  RedisServer& operator=(RedisServer const&) = delete;
  ~RedisServer();

  [[nodiscard]] std::uint16_t port() const { return port_.number(); }
  [[nodiscard]] std::string url() const { return "redis://127.0.0.1:" + std::to_string(port()) + "/0"; }
  /// Kills it without notice.
  void kill();
  /// Starts it again on the same port, empty.
  void restart();
  /// SIGSTOP and SIGCONT: it keeps its connections and says nothing.
  void freeze();
  void thaw();

 private:
  bool start();
  ReservedPort port_;
  pid_t pid_ = -1;
};

}  // namespace grenache::test
