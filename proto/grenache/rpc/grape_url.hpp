// The URL of a grape's HTTP API.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <grenache/base/endpoint.hpp>

namespace grenache::rpc {

/// The address of a grape's HTTP API, possibly behind a proxy with TLS or a base path.
struct GrapeUrl {
  HostPort at;
  bool uses_tls = false;
  std::string base_path;  // prefix of each route: empty, or "/…" without a slash at the end

  GrapeUrl() = default;
  /// Plain HTTP without a base path.
  GrapeUrl(HostPort plain) : at{std::move(plain)} {}

  /// "http://127.0.0.1:30001", "https://grape.example.com:443/dht".
  [[nodiscard]] std::string to_string() const;
};

/// Parses `http://host:port/path` or `https://host:port/path`, each part after the host optional, or
/// `host:port`. The default port is that of the scheme, 80 or 443. Nothing for other texts, and for URLs with
/// user information, a query or a fragment.
[[nodiscard]] std::optional<GrapeUrl> parse_grape_url(std::string_view text);

}  // namespace grenache::rpc
