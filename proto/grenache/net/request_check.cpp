#include "grenache/net/request_check.hpp"

#include <boost/beast/core/string.hpp>

namespace grenache::net {

using boost::beast::http::field;

RequestLines::RequestLines(RequestHeader const& header) : version{header.version()}, target{header.target()} {
  for (auto const& each : header) {
    auto const keep = [value = each.value()](Line& line) {
      if (line.count++ == 0) line.value = value;
    };
    switch (each.name()) {
      case field::host:
        keep(host);
        break;
      case field::origin:
        keep(origin);
        break;
      case field::transfer_encoding:
        keep(transfer_encoding);
        break;
      case field::user_agent:
        keep(user_agent);
        break;
      default:
        break;
    }
  }
}

HeaderVerdict check_header(RequestLines const& request, bool is_chunked) {
  auto const& encoding = request.transfer_encoding;
  if (encoding.count > 0) {
    // If Beast does not read it as chunked, or in HTTP/1.0, which has no encodings, a proxy in front of us
    // may see another end of the request than we do (RFC 9112 6.1).
    if (!is_chunked || request.version < 11) return HeaderVerdict::malformed;
    bool const only_chunked = encoding.count == 1 && boost::beast::iequals(encoding.value, "chunked");
    if (!only_chunked) return HeaderVerdict::unsupported;
  }
  auto const hosts = request.host.count;
  bool const has_host = hosts == 1 || (hosts == 0 && request.version < 11);  // RFC 9112 3.2
  return has_host ? HeaderVerdict::valid : HeaderVerdict::malformed;
}

WebVerdict check_web_access(std::optional<WebAccess> const& access, RequestLines const& request) {
  if (!access) return WebVerdict::allowed;
  if (request.origin.count > 1) return WebVerdict::origin_refused;
  std::string_view host = request.host.value;
  std::string_view const absolute = authority_and_path(request.target);
  if (!absolute.empty()) host = absolute.substr(0, absolute.find('/'));  // instead of Host (RFC 9112 3.2.2)
  return check_web_access(*access, {host, request.origin.value, request.user_agent.value});
}

std::string_view authority_and_path(std::string_view target) {
  if (target.starts_with('/')) return {};
  for (std::string_view const scheme : {"http://", "https://"}) {
    if (boost::beast::iequals(target.substr(0, scheme.size()), scheme)) return target.substr(scheme.size());
  }
  return {};
}

std::string_view path_of(std::string_view target) {
  std::string_view const rest = authority_and_path(target);
  if (rest.empty()) return target;
  auto const path = rest.find('/');
  return path == std::string_view::npos ? "/" : rest.substr(path);
}

}  // namespace grenache::net
