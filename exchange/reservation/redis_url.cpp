#include "exchange/reservation/redis_url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <grenache/base/hex.hpp>

namespace grenache::exchange {
namespace {

using boost::system::result;
// Error messages; they contain nothing of the text, which may hold a password.
struct Problem {
  char const* text;
};
template <class T>
using Parsed = result<T, Problem>;

constexpr std::uint16_t kRedisPort = 6379;
constexpr std::uint16_t kSentinelPort = 26'379;
constexpr int kDatabaseMax = 1'000'000;

template <class Number>
bool parse_number(std::string_view digits, Number& out) {
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return error == std::errc{} && end == digits.data() + digits.size();
}

Parsed<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char const c = text[i];
    bool const is_plain = c > ' ' && c < '\x7f';
    if (!is_plain) return Problem{"it contains a space, a control character or a byte that must be escaped"};
    if (c != '%') {
      out += c;
      continue;
    }
    auto const byte = from_hex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1 || byte->front() == '\0')
      return Problem{"an escape is not % and two hex digits"};
    out += *byte;
    i += 2;
  }
  return out;
}

Parsed<HostPort> parse_server(std::string_view text, std::uint16_t default_port) {
  bool const has_bracket = text.starts_with('[');
  auto const end_of_host = has_bracket ? text.find(']') + 1 : text.find(':');  // 0: no closing bracket
  bool const has_port = end_of_host < text.size();
  std::string full{text};
  if (!has_port) full += ':' + std::to_string(default_port);
  auto server = HostPort::parse(full);
  if (!server) return Problem{"host or port is missing or malformed"};
  auto const address = IpAddress::parse(server->host);
  bool const is_v6 = address && address->is_v6();
  if (is_v6 != has_bracket) return Problem{"brackets must enclose an IPv6 address"};
  bool const is_name_or_v4 = server->host.find_first_of(":%") == std::string::npos;
  if (!is_v6 && !is_name_or_v4) return Problem{"the host name is malformed"};
  return *server;
}

Parsed<int> parse_database(std::string_view text) {
  int database = 0;
  if (!parse_number(text, database) || database < 0 || database > kDatabaseMax)
    return Problem{"the database is not a number"};
  return database;
}

// Removes `user:password@` from `text`, which ends where the host ends.
std::optional<Problem> take_login(std::string_view& text, RedisUrl& url) {
  auto const at = text.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view const login = text.substr(0, at);
  text.remove_prefix(at + 1);
  auto const colon = login.find(':');
  if (colon == std::string_view::npos) return Problem{"the password is missing"};
  auto user = unescape(login.substr(0, colon));
  auto password = unescape(login.substr(colon + 1));
  if (!user) return user.error();
  if (!password) return password.error();
  if (password->empty()) return Problem{"the password is empty"};
  url.user = std::move(*user);
  url.password = std::move(*password);
  return std::nullopt;
}

Parsed<RedisUrl> parse_unix(std::string_view text) {
  RedisUrl url;
  url.kind = RedisUrl::Kind::unix_socket;
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    std::string_view login = text.substr(0, text.find('/'));
    std::size_t const size = login.size();
    if (auto const problem = take_login(login, url)) return *problem;
    if (!login.empty()) return Problem{"unix:// takes no host: three slashes before the path"};
    text.remove_prefix(size);
  }
  auto const query = std::min(text.find('?'), text.size());
  auto path = unescape(text.substr(0, query));
  if (!path) return path.error();
  if (!path->starts_with('/')) return Problem{"the path of the socket is not absolute"};
  if (path->find('#') != std::string::npos) return Problem{"it has a fragment"};
  if (path->size() > 107) return Problem{"the path of the socket is longer than 107 bytes"};
  url.path = std::move(*path);
  std::string_view const option = text.substr(query);
  if (option.empty()) return url;
  if (!option.starts_with("?db=")) return Problem{"the only option is db"};
  auto const database = parse_database(option.substr(4));
  if (!database) return database.error();
  url.database = *database;
  return url;
}

Parsed<RedisUrl> parse_network(std::string_view text, RedisUrl::Kind kind) {
  RedisUrl url;
  url.kind = kind;
  bool const is_sentinel = kind == RedisUrl::Kind::sentinel;
  auto const slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash);
  std::string_view path = text.substr(slash);
  if (!path.empty()) path.remove_prefix(1);
  if (auto const problem = take_login(authority, url)) return *problem;
  for (bool more = true; more;) {
    auto const comma = is_sentinel ? std::min(authority.find(','), authority.size()) : authority.size();
    auto server = parse_server(authority.substr(0, comma), is_sentinel ? kSentinelPort : kRedisPort);
    if (!server) return server.error();
    url.servers.push_back(std::move(*server));
    more = comma < authority.size();
    authority.remove_prefix(std::min(comma + 1, authority.size()));
  }
  if (is_sentinel) {
    auto const end = std::min(path.find('/'), path.size());
    auto master = unescape(path.substr(0, end));
    if (!master) return master.error();
    if (master->empty()) return Problem{"the name of the master is missing"};
    url.master = std::move(*master);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  if (path.empty()) return url;
  auto const database = parse_database(path);
  if (!database) return database.error();
  url.database = *database;
  return url;
}

std::string_view scheme_of(RedisUrl::Kind kind) {
  switch (kind) {
    case RedisUrl::Kind::tcp:
      return "redis://";
    case RedisUrl::Kind::tls:
      return "rediss://";
    case RedisUrl::Kind::unix_socket:
      return "unix:";
    case RedisUrl::Kind::sentinel:
      return "redis+sentinel://";
  }
  return {};
}

}  // namespace

result<RedisUrl, std::string> RedisUrl::parse(std::string_view text) {
  for (auto const kind : {Kind::tcp, Kind::tls, Kind::sentinel}) {
    auto const scheme = scheme_of(kind);
    if (!text.starts_with(scheme)) continue;
    auto url = parse_network(text.substr(scheme.size()), kind);
    if (!url) return url.error().text;
    return *url;
  }
  auto const scheme = scheme_of(Kind::unix_socket);
  if (!text.starts_with(scheme))
    return "it does not begin with redis://, rediss://, redis+sentinel:// or unix:";
  auto url = parse_unix(text.substr(scheme.size()));
  if (!url) return url.error().text;
  return *url;
}

std::string RedisUrl::to_string() const {
  std::string out{scheme_of(kind)};
  if (kind == Kind::unix_socket) return out + path + "?db=" + std::to_string(database);
  for (auto const& server : servers) {
    if (&server != &servers.front()) out += ',';
    out += to_text(server);
  }
  out += '/';
  if (kind == Kind::sentinel) out += master + '/';
  return out + std::to_string(database);
}

std::string to_text(HostPort const& server) {
  bool const is_v6 = server.host.find(':') != std::string::npos;
  return (is_v6 ? '[' + server.host + ']' : server.host) + ':' + std::to_string(server.port);
}

}  // namespace grenache::exchange
