// Where the HTTP API of a grape is.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <grenache/base/endpoint.hpp>

namespace grenache::rpc {

/// The HTTP API of a grape, which may stand behind a proxy that speaks TLS or serves it below a path.
struct GrapeUrl {
  HostPort at;
  bool uses_tls = false;
  std::string base_path;  // precedes each route: empty, or "/" and more without a slash at the end

  GrapeUrl() = default;
  /// Plain HTTP without a base path.
  GrapeUrl(HostPort plain) : at{std::move(plain)} {}

  /// "http://127.0.0.1:30001", "https://grape.example.com:443/dht".
  [[nodiscard]] std::string to_string() const;
};

/// `http://host:port/path` or `https://host:port/path`, each part after the host optional, or `host:port`.
/// Without a port it is that of the scheme, 80 or 443. Nothing for anything else, and for URLs with user
/// information, a query or a fragment.
[[nodiscard]] std::optional<GrapeUrl> parse_grape_url(std::string_view text);

}  // namespace grenache::rpc
