#include "grenache/net/request_check.hpp"

#include <boost/beast/core/string.hpp>

namespace grenache::net {

using boost::beast::http::field;

HeaderVerdict check_header(RequestHeader const& header, bool is_chunked) {
  auto const encodings = header.count(field::transfer_encoding);
  if (encodings > 0) {
    // If Beast does not read it as chunked, or in HTTP/1.0, which has no encodings, a proxy in front of us
    // may see another end of the request than we do (RFC 9112 6.1).
    if (!is_chunked || header.version() < 11) return HeaderVerdict::malformed;
    bool const only_chunked =
        encodings == 1 && boost::beast::iequals(header[field::transfer_encoding], "chunked");
    if (!only_chunked) return HeaderVerdict::unsupported;
  }
  auto const hosts = header.count(field::host);
  bool const has_host = hosts == 1 || (hosts == 0 && header.version() < 11);  // RFC 9112 3.2
  return has_host ? HeaderVerdict::valid : HeaderVerdict::malformed;
}

WebVerdict check_web_access(std::optional<WebAccess> const& access, RequestHeader const& header) {
  if (!access) return WebVerdict::allowed;
  if (header.count(field::origin) > 1) return WebVerdict::origin_refused;
  std::string_view host = header[field::host];
  std::string_view const absolute = authority_and_path(header.target());
  if (!absolute.empty()) host = absolute.substr(0, absolute.find('/'));  // instead of Host (RFC 9112 3.2.2)
  return check_web_access(*access, {host, header[field::origin], header[field::user_agent]});
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
