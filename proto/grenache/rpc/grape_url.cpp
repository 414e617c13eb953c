#include "grenache/rpc/grape_url.hpp"

#include <algorithm>

namespace grenache::rpc {

namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";

/// Returns whether `c` is allowed in the path of a URL (RFC 3986, 3.3), which excludes all characters that
/// could end the target of a request line.
bool is_path_character(char c) {
  bool const is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  bool const is_digit = c >= '0' && c <= '9';
  return is_letter || is_digit || std::string_view{"/-._~!$&'()*+,;=:@%"}.find(c) != std::string_view::npos;
}

bool has_port(std::string_view authority) {
  auto const colon = authority.rfind(':');
  auto const bracket = authority.rfind(']');
  return colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
}

}  // namespace

std::string GrapeUrl::to_string() const {
  std::string out{uses_tls ? kHttps : kHttp};
  bool const is_v6 = at.host.find(':') != std::string::npos;
  out += is_v6 ? '[' + at.host + ']' : at.host;
  return out + ':' + std::to_string(at.port) + base_path;
}

std::optional<GrapeUrl> parse_grape_url(std::string_view text) {
  GrapeUrl out;
  out.uses_tls = text.starts_with(kHttps);
  bool const has_scheme = out.uses_tls || text.starts_with(kHttp);
  if (has_scheme) text.remove_prefix(out.uses_tls ? kHttps.size() : kHttp.size());
  auto const slash = std::min(text.find('/'), text.size());
  std::string authority{text.substr(0, slash)};
  std::string_view path = text.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (!std::ranges::all_of(path, is_path_character)) return std::nullopt;
  if (has_scheme && !has_port(authority)) authority += out.uses_tls ? ":443" : ":80";
  auto at = HostPort::parse(authority);
  if (!at) return std::nullopt;
  out.at = std::move(*at);
  out.base_path = path;
  return out;
}

}  // namespace grenache::rpc
