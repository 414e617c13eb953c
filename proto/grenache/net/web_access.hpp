// Checks the Host and Origin headers of browsers, against CSRF and DNS rebinding.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace grenache::net {

/// A browser lets any page send requests to any address, including services on loopback. Two headers that a
/// page cannot forge identify such requests:
///
/// - `Origin` is the origin of the page. A page of another host than the requested one is refused, unless it
///   is listed.
/// - `Host` is the name of the server in the page's URL. A page whose name was rebound to our address (DNS
///   rebinding) has a matching Origin, but requests its own name. So the host must be an IP literal, a name
///   without a dot (localhost, a container; such names cannot be registered) or a listed name.
///
/// The rule for Host applies only to browsers, which send an Origin, or at least a User-Agent that begins
/// with "Mozilla/". Other programs may use any name of the server, as Node.js peers do with
/// `http://grape.example:30001`.
struct WebAccess {
  /// Allowed host names of the server, without port; "*" allows every name.
  std::vector<std::string> hosts;
  /// Allowed origins of other pages, as sent by browsers: "https://app.example", "http://x:8080", "null"; "*"
  /// allows every origin.
  std::vector<std::string> origins;
};

enum class WebVerdict : std::uint8_t {
  allowed,
  allowed_cross_origin,  // a listed origin: the reply needs CORS headers so that the page may read it
  host_refused,
  origin_refused,
};

/// Header values of a request; empty if the header is missing.
struct WebRequest {
  std::string_view host;
  std::string_view origin;
  std::string_view user_agent;
};

/// Ignores case, and the default ports 80 and 443 of a page of the server itself; `origins` are compared as
/// browsers send them, without a default port. Linear in the two lists.
[[nodiscard]] WebVerdict check_web_access(WebAccess const& access, WebRequest const& request);

}  // namespace grenache::net
