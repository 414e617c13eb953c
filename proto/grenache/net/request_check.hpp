// Checks of the header of an HTTP request, for HTTP and WebSocket. For .cpp files of proto/grenache/net.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <boost/beast/http/message.hpp>

#include <grenache/net/web_access.hpp>

namespace grenache::net {

using RequestHeader = boost::beast::http::request_header<>;

enum class HeaderVerdict : std::uint8_t {
  valid,
  malformed,    // answered with 400
  unsupported,  // a transfer coding other than chunked; answered with 501
};

/// Checks the headers about which two readers of a request may disagree: Host and Transfer-Encoding. A proxy
/// in front of us may otherwise see another server, or another end of the request, than we do. `is_chunked`
/// is what Beast's parser has made of Transfer-Encoding.
[[nodiscard]] HeaderVerdict check_header(RequestHeader const& header, bool is_chunked);

/// As check_web_access() of the headers; without `access` every request is allowed. Of several Origin lines,
/// which no browser sends, none is allowed.
[[nodiscard]] WebVerdict check_web_access(std::optional<WebAccess> const& access,
                                          RequestHeader const& header);

/// Returns "host/path" of a target "http://host/path"; empty for other targets.
[[nodiscard]] std::string_view authority_and_path(std::string_view target);
/// Returns path and query of a target, which may be absolute (RFC 9112 3.2.2): "http://host/path".
[[nodiscard]] std::string_view path_of(std::string_view target);

}  // namespace grenache::net
