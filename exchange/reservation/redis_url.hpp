// Addresses of Redis servers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/system/result.hpp>

#include <grenache/base/endpoint.hpp>

namespace grenache::exchange {

/// The address of a Redis server, and how to log in. Forms:
///   redis://[[user]:password@]host[:port][/database]      TCP; default port 6379, default database 0
///   rediss://…                                            the same with TLS
///   unix:/path[?db=database], unix://[[user]:password@]/path[?db=database]
///   redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/master[/database]
///       the sentinels, default port 26379, and the name of the master that they watch; user and password are
///       those of the master
/// User, password, path and the name of the master may contain percent escapes. An IPv6 address is in
/// brackets.
struct RedisUrl {
  enum class Kind { tcp, tls, unix_socket, sentinel };

  Kind kind = Kind::tcp;
  std::vector<HostPort> servers;  // one; of `sentinel` one or more; of `unix_socket` none
  std::string path;               // of the Unix socket
  std::string master;             // of `sentinel`
  std::string user;               // empty: the default user
  std::string password;           // empty: no login
  int database = 0;

  /// The error says what is wrong and contains nothing of `text`, which may hold a password.
  [[nodiscard]] static boost::system::result<RedisUrl, std::string> parse(std::string_view text);
  /// The URL without user and password, for logs.
  [[nodiscard]] std::string to_string() const;
};

/// "host:port", with an IPv6 address in brackets.
[[nodiscard]] std::string to_text(HostPort const& server);

}  // namespace grenache::exchange
