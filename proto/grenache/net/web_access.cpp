#include "grenache/net/web_access.hpp"

#include <algorithm>

#include <grenache/base/endpoint.hpp>

namespace grenache::net {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool lists(std::vector<std::string> const& list, std::string_view item) {
  return std::ranges::any_of(list, [&](std::string const& each) { return each == "*" || equal(each, item); });
}

/// `name:port` or `[address]:port`; the port may be missing.
struct Authority {
  explicit Authority(std::string_view text) : host{text} {
    auto const colon = text.rfind(':');
    if (colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos) {
      host = text.substr(0, colon);
      port = text.substr(colon + 1);
      if (port == "80" || port == "443") port = {};
    }
    if (host.ends_with('.')) host.remove_suffix(1);
  }
  std::string_view host;  // with the brackets of an IPv6 address, without the final dot of a full name
  std::string_view port;  // empty for a default one
};

bool is_ip_literal(std::string_view host) {
  if (!host.starts_with('[')) return host.find(':') == std::string_view::npos && IpAddress::parse(host);
  if (!host.ends_with(']')) return false;
  return IpAddress::parse(host.substr(1, host.size() - 2)).has_value();
}

bool is_name_char(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '_';
}

bool is_own(std::string_view host) {
  return is_ip_literal(host) || (!host.empty() && std::ranges::all_of(host, is_name_char));
}

bool is_browser(WebRequest const& request) {
  return !request.origin.empty() || request.user_agent.starts_with("Mozilla/");
}

/// Returns whether the page comes from the server that it calls.
bool is_same(std::string_view origin, Authority const& asked) {
  auto const scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos) return false;  // "null"
  Authority const page{origin.substr(scheme_end + 3)};
  return equal(page.host, asked.host) && page.port == asked.port;
}

}  // namespace

WebVerdict check_web_access(WebAccess const& access, WebRequest const& request) {
  if (!is_browser(request)) return WebVerdict::allowed;
  Authority const asked{request.host};
  if (!request.host.empty() && !is_own(asked.host) && !lists(access.hosts, asked.host)) {
    return WebVerdict::host_refused;
  }
  std::string_view const origin = request.origin;
  if (origin.empty() || is_same(origin, asked)) return WebVerdict::allowed;
  return lists(access.origins, origin) ? WebVerdict::allowed_cross_origin : WebVerdict::origin_refused;
}

}  // namespace grenache::net
