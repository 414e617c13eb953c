// A Redis client that stays connected to the master.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/reservation/redis_connection.hpp"
#include "exchange/reservation/redis_url.hpp"
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/resolver.hpp>

namespace grenache::exchange {

enum class RedisErrc {
  not_connected = 1,  // the command was not sent
  connection_lost,    // the command was sent, and may have been executed
  timed_out,          // the same; its answer may still arrive, and is ignored
  refused_by_server,  // an error reply
  not_executed,       // the server sent us to another one; the client reconnects
  stopped,            // the command may have been executed
};
[[nodiscard]] std::string_view describe(RedisErrc code);
constexpr char const* category_name(RedisErrc) { return "exchange.redis"; }
inline Error make_error_code(RedisErrc code) { return make_enum_error(code); }

/// One connection, which is reconnected when lost, with a backoff of 50 ms to 2 s.
///
/// Each attempt logs in, selects the database and checks with ROLE that the server is a master (a server that
/// refuses ROLE is taken for one). All addresses of a host are tried one after the other. With sentinels,
/// each attempt asks them one after the other for the address of the master, the last one that knew it first,
/// and without a login. A reply of MOVED makes the client reconnect to where it points, READONLY as after a
/// loss. A connection on which commands time out twice without a reply in between is replaced. Nothing waits
/// for a name server that does not answer.
///
/// Not thread-safe: use it on the thread of its executor. A command without a connection fails at once;
/// commands are executed and answered in order.
class RedisClient {
 public:
  struct Options {
    RedisUrl url;
    /// For the lookup of the name and all its addresses, of which each gets an equal share.
    Duration connect_timeout = std::chrono::seconds{3};
    Duration command_timeout = std::chrono::seconds{2};  // a script needs well below a millisecond
    /// Commands that wait for an answer; further ones fail with not_connected.
    std::size_t pending_max = 10'000;
    /// For `rediss`: PEM of the authorities that may sign the server's certificate, which must be valid for
    /// the host. Empty: the system's.
    std::string tls_ca{};
    net::Resolver::Lookup name_lookup{};  // empty: the operating system's
  };
  using Done = std::function<void(Result<RedisReply>)>;

  RedisClient(net::Executor executor, Options options);
  RedisClient(RedisClient const&) = delete;
  RedisClient& operator=(RedisClient const&) = delete;
  ~RedisClient();

  /// Connects, and reconnects until stop(). `on_connected` runs whenever a connection is ready for commands,
  /// `on_lost` after each failed attempt or lost connection, with the reason for an operator: at most 300
  /// printable characters, without user and password.
  void start(std::function<void()> on_connected, std::function<void(std::string const&)> on_lost);
  [[nodiscard]] bool connected() const;
  /// Sends a command. `done` runs exactly once, never inside this call, with the reply (never of type error)
  /// or an error. After refused_by_server last_error() returns its text until the next callback.
  void command(std::vector<std::string> words, Done done);
  /// Runs `work` later on the thread of the client.
  void post(std::function<void()> work);
  /// Drops the connection; a new one is made as after a loss.
  void reconnect();
  /// The text of the latest error reply or connection failure, as for `on_lost`.
  [[nodiscard]] std::string const& last_error() const;
  /// Fails pending commands with `stopped` and closes permanently.
  void stop();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::RedisErrc);
