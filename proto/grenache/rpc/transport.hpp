// The transports of requests: HTTP or WebSocket, over TCP or TLS.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace grenache::rpc {

/// A service uses one transport, which its callers must know: a lookup returns only addresses.
enum class Transport : std::uint8_t { http, https, ws, wss };

[[nodiscard]] constexpr bool uses_tls(Transport transport) {
  return transport == Transport::https || transport == Transport::wss;
}
[[nodiscard]] constexpr bool uses_websocket(Transport transport) {
  return transport == Transport::ws || transport == Transport::wss;
}

/// "http", "https", "ws", "wss".
[[nodiscard]] constexpr std::string_view to_string(Transport transport) {
  constexpr std::string_view kNames[] = {"http", "https", "ws", "wss"};
  return kNames[static_cast<std::size_t>(transport)];
}
[[nodiscard]] constexpr std::optional<Transport> parse_transport(std::string_view name) {
  for (Transport const each : {Transport::http, Transport::https, Transport::ws, Transport::wss}) {
    if (name == to_string(each)) return each;
  }
  return std::nullopt;
}

}  // namespace grenache::rpc
