// The Lua script of the reservation store in Redis, and how it is called.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "exchange/reservation/redis_client.hpp"

namespace grenache::exchange {

/// A Lua script, which Redis executes atomically.
struct RedisScript {
  std::string text;
  std::string sha1;  // of the text, in hex
};

/// The commands of RedisReservations in one script: its arguments begin with the name of the command.
/// redis_scripts.cpp lists the others and the replies. All keys share the slot of KEYS[1], the epoch key.
[[nodiscard]] RedisScript const& reservation_script();

/// Calls a script by its SHA-1. When Redis does not know it (after a restart or SCRIPT FLUSH), calls wait
/// until all that were sent have been answered; then those that failed and those that waited are sent in the
/// order of the calls, the first one with the text. Held by a shared_ptr.
///
/// The order of calls is kept, except if another process loads the script between two of them that were sent
/// without waiting for an answer.
class RedisScriptRunner : public std::enable_shared_from_this<RedisScriptRunner> {
 public:
  /// `client` must outlive the runner, or stop(); `script` the program. `key` is KEYS[1].
  RedisScriptRunner(RedisClient& client, RedisScript const& script, std::string key)
      : client_{client}, script_{script}, key_{std::move(key)} {}

  /// `done` as for RedisClient::command().
  void run(std::vector<std::string> arguments, RedisClient::Done done);
  /// Calls that wait are answered with `stopped`; no other is made.
  void stop() { stopped_ = true; }

 private:
  struct Call {
    std::vector<std::string> arguments;
    RedisClient::Done done;
  };

  void send(Call call, bool by_sha);
  void answer(Call call, Result<RedisReply> const& reply);

  RedisClient& client_;
  RedisScript const& script_;
  std::string key_;
  std::deque<Call> waiting_;
  std::size_t in_flight_ = 0;
  bool stopped_ = false;
};

}  // namespace grenache::exchange
