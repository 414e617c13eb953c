// Which requests of web pages a server answers: the Host and Origin headers that a browser sends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace grenache::net {

/// A browser lets any page send requests to any address, a service on loopback included. Two headers that a
/// page cannot forge tell such a request apart:
///
/// - `Origin` names the page. A page of another host than the one it asks is refused, unless it is listed.
/// - `Host` names the server as the page knows it. A page whose name was rebound to our address (DNS
///   rebinding) counts as our own by its Origin, but asks for its own name. So the host must be an IP
///   literal, a name without a dot (localhost, a container; nobody can buy one) or a listed name.
///
/// The rule for Host concerns browsers alone, which send an Origin, or at least a User-Agent that begins with
/// "Mozilla/". Other programs may use any name of the server: Node.js peers do, with
/// `http://grape.example:30001`.
struct WebAccess {
  /// Names that the server is reached by, without port; "*" allows every name.
  std::vector<std::string> hosts;
  /// Origins of other pages that may ask, as browsers send them: "https://app.example", "http://x:8080",
  /// "null"; "*" allows every page.
  std::vector<std::string> origins;
};

enum class WebVerdict : std::uint8_t {
  allowed,
  allowed_cross_origin,  // a listed page of another origin: it may read the reply only if CORS headers say so
  host_refused,
  origin_refused,
};

/// Header values of a request; empty where the header is missing.
struct WebRequest {
  std::string_view host;
  std::string_view origin;
  std::string_view user_agent;
};

/// Case is ignored, and so are the default ports 80 and 443. Linear in the two lists.
[[nodiscard]] WebVerdict check_web_access(WebAccess const& access, WebRequest const& request);

}  // namespace grenache::net
