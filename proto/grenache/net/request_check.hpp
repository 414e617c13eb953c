// Checks of the header of an HTTP request, for HTTP and WebSocket. For .cpp files of proto/grenache/net.
#pragma once

#include <cstddef>
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

/// The parts of a request's header that are checked, collected in one pass. Refers to the header.
struct RequestLines {
  struct Line {
    std::string_view value;  // of the first line with this name
    std::size_t count = 0;   // lines with this name
  };
  explicit RequestLines(RequestHeader const& header);

  unsigned version;  // 11: HTTP/1.1
  std::string_view target;
  Line host;
  Line origin;
  Line transfer_encoding;
  Line user_agent;
};

/// Checks the headers about which two readers of a request may disagree: Host and Transfer-Encoding. A proxy
/// in front of us may otherwise see another server, or another end of the request, than we do. `is_chunked`
/// is what Beast's parser has made of Transfer-Encoding.
[[nodiscard]] HeaderVerdict check_header(RequestLines const& request, bool is_chunked);

/// As check_web_access() of the headers; without `access` every request is allowed. Of several Origin lines,
/// which no browser sends, none is allowed.
[[nodiscard]] WebVerdict check_web_access(std::optional<WebAccess> const& access,
                                          RequestLines const& request);

/// Returns "host/path" of a target "http://host/path"; empty for other targets.
[[nodiscard]] std::string_view authority_and_path(std::string_view target);
/// Returns path and query of a target, which may be absolute (RFC 9112 3.2.2): "http://host/path".
[[nodiscard]] std::string_view path_of(std::string_view target);

}  // namespace grenache::net
