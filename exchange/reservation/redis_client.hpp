// A Redis client for Asio, based on hiredis.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/resolver.hpp>

namespace grenache::exchange {

enum class RedisErrc { not_connected = 1, timed_out, refused_by_server, stopped };
[[nodiscard]] std::string_view describe(RedisErrc code);
constexpr char const* category_name(RedisErrc) { return "exchange.redis"; }
inline Error make_error_code(RedisErrc code) { return make_enum_error(code); }

/// The address of a Redis server: `redis://[:password@]host[:port][/database]`, default port 6379 and
/// database 0.
struct RedisUrl {
  std::string host;
  std::uint16_t port = 6379;
  int database = 0;
  std::string password;

  [[nodiscard]] static std::optional<RedisUrl> parse(std::string_view text);
  /// The URL without the password, for logs.
  [[nodiscard]] std::string to_string() const;
};

/// A reply of Redis.
struct RedisReply {
  enum class Type { nil, string, integer, array } type = Type::nil;
  std::string text;          // of string and status replies
  std::int64_t integer = 0;  // of integer replies
  std::vector<RedisReply> items;
};

/// One connection, which is reconnected when lost, with a backoff of 50 ms to 2 s. Each attempt tries the
/// addresses of the host one after the other. Nothing waits for a name server that does not answer.
///
/// Not thread-safe: use it on the thread of its executor. A command without a connection fails at once;
/// commands are answered in order.
class RedisClient {
 public:
  struct Options {
    RedisUrl url;
    /// For the lookup of the name and all its addresses, of which each gets an equal share.
    Duration connect_timeout = std::chrono::seconds{3};
    Duration command_timeout = std::chrono::seconds{2};  // a script needs well below a millisecond
    /// Commands that wait for an answer; further ones fail with not_connected.
    std::size_t pending_max = 10'000;
    net::Resolver::Lookup name_lookup{};  // empty: the operating system's
  };
  using Done = std::function<void(Result<RedisReply>)>;

  RedisClient(boost::asio::any_io_executor executor, Options options);
  RedisClient(RedisClient const&) = delete;
  RedisClient& operator=(RedisClient const&) = delete;
  ~RedisClient();

  /// Connects, and reconnects until stop(). `on_connected` runs whenever a connection is ready for commands,
  /// `on_lost` with the reason after each failed attempt or lost connection.
  void start(std::function<void()> on_connected, std::function<void(std::string const&)> on_lost);
  [[nodiscard]] bool connected() const;
  /// Sends a command. `done` runs exactly once, never inside this call, with the reply or an error. After
  /// `timed_out` Redis may still execute the command. An error reply of Redis fails with `refused_by_server`;
  /// last_error() returns its text.
  void command(std::vector<std::string> words, Done done);
  /// Drops the connection; a new one is made as after a loss.
  void reconnect();
  /// The text of the latest error reply or connection failure.
  [[nodiscard]] std::string const& last_error() const;
  /// Fails pending commands with `stopped` and closes permanently.
  void stop();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::RedisErrc);
