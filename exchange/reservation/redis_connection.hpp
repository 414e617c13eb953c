// One connection to a Redis server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/tls.hpp>

namespace grenache::exchange {

/// A reply of Redis.
struct RedisReply {
  enum class Type { nil, string, integer, array, error } type = Type::nil;
  std::string text;          // of strings, status replies and errors
  std::int64_t integer = 0;  // of integers
  std::vector<RedisReply> items;
};

/// The path of a Unix socket, or a TCP endpoint.
using RedisAddress = std::variant<std::string, boost::asio::ip::tcp::endpoint>;

/// Sends commands and reads their replies, which come in the same order. Asio does the I/O, hiredis encodes
/// and decodes. Not thread-safe. Used by RedisClient.
class RedisConnection : public std::enable_shared_from_this<RedisConnection> {
 public:
  /// With a context: TLS; `destination` ("host:port") is then what the certificate is checked against.
  RedisConnection(net::Executor const& executor, RedisAddress address,
                  std::shared_ptr<net::TlsContext> const& tls, std::string const& destination);
  ~RedisConnection();

  /// Closes the connection at this time; max(): never.
  void set_deadline(TimePoint deadline);
  /// Connects, with the handshake of TLS. Fails with timed_out at the deadline.
  [[nodiscard]] net::Awaitable<Error> connect();
  /// Sends one command and waits for its reply, before start().
  [[nodiscard]] net::Awaitable<Result<RedisReply>> request(std::vector<std::string> words);

  /// From now on `on_reply` is called with each reply, and `on_end` once when the connection ends, except
  /// after close().
  void start(std::function<void(RedisReply)> on_reply, std::function<void(Error)> on_end);
  /// Sends a command after start(). There is no limit to what is queued.
  void send(std::vector<std::string> const& words);
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace grenache::exchange
