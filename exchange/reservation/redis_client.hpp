// A Redis connection on Asio, through hiredis.
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

namespace grenache::exchange {

enum class RedisErrc { not_connected = 1, timed_out, refused_by_server, stopped };
[[nodiscard]] std::string_view describe(RedisErrc code);
constexpr char const* category_name(RedisErrc) { return "exchange.redis"; }
inline Error make_error_code(RedisErrc code) { return make_enum_error(code); }

/// Where a Redis is: `redis://[:password@]host[:port][/database]`, port 6379 and database 0 when not given.
struct RedisUrl {
  std::string host;
  std::uint16_t port = 6379;
  int database = 0;
  std::string password;

  [[nodiscard]] static std::optional<RedisUrl> parse(std::string_view text);
  /// Without the password, for people and logs.
  [[nodiscard]] std::string to_string() const;
};

/// What Redis answered: one of its reply types.
struct RedisReply {
  enum class Type { nil, string, integer, array } type = Type::nil;
  std::string text;          // string and status replies
  std::int64_t integer = 0;  // integer replies
  std::vector<RedisReply> items;
};

/// One connection that is kept up: after a loss it is made again, 50 ms to 2 s apart.
///
/// Lives on the one thread of its executor. A command that finds no connection fails at once; commands are
/// answered in order.
class RedisClient {
 public:
  struct Options {
    RedisUrl url;
    std::chrono::milliseconds connect_timeout{3'000};
    std::chrono::milliseconds command_timeout{
        2'000};                        // a script takes well under a millisecond; more means trouble
    std::size_t pending_max = 10'000;  // commands that wait for an answer; more fail as not_connected
  };
  using Done = std::function<void(Result<RedisReply>)>;

  RedisClient(boost::asio::any_io_executor executor, Options options);
  RedisClient(RedisClient const&) = delete;
  RedisClient& operator=(RedisClient const&) = delete;
  ~RedisClient();

  /// Connects, and keeps connecting until stop(). `on_connected` runs after each connection that is ready for
  /// commands, `on_lost` with the reason after each failed attempt or lost connection.
  void start(std::function<void()> on_connected, std::function<void(std::string const&)> on_lost);
  [[nodiscard]] bool connected() const;
  /// `done` runs exactly once, later, with the reply or an error. After `timed_out` Redis may still carry the
  /// command out. An error reply of Redis gives `refused_by_server`; its text goes to last_error().
  void command(std::vector<std::string> words, Done done);
  /// Drops the connection; start()'s loop makes a new one.
  void reconnect();
  /// Text of the latest error reply or connection failure.
  [[nodiscard]] std::string const& last_error() const;
  /// Fails what is pending with `stopped` and closes for good.
  void stop();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::RedisErrc);
