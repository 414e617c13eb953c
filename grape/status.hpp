// What a grape tells about itself: the state behind /health, /metrics and the status page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "grape/core/node.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/http_server.hpp>

namespace grenache::grape {

enum class Health : std::uint8_t {
  ok,       // lookups and announcements reach the network
  joining,  // bootstrap is not over
  alone,    // no node is known, although there are addresses to join: what is announced here stays here
};
[[nodiscard]] std::string_view to_string(Health health);

/// What this process uses, as the system counts it. Zero where the system does not tell.
struct ProcessUse {
  std::uint64_t resident_bytes = 0;
  double cpu_seconds = 0;  // user and system
};
[[nodiscard]] ProcessUse process_use();

/// Datagrams and system calls of the UDP sockets, counted since the start.
struct SocketCounters {
  std::uint64_t receive_calls = 0;  // that brought datagrams
  std::uint64_t send_calls = 0;
  std::uint64_t received = 0;  // datagrams
  std::uint64_t sent = 0;
  std::uint64_t send_failures = 0;  // datagrams that found no room or no way: lost
};

/// One moment of a grape. A copy: nothing in it changes.
struct Status {
  std::string version;
  NodeId id;
  Endpoint dht;
  Endpoint api;
  std::size_t bootstrap_count = 0;  // addresses to join that were given
  Duration uptime{};
  /// Since a lookup of a user found a peer; nothing when none has.
  std::optional<Duration> last_lookup_age;
  NodeStats node;
  SocketCounters socket;
  net::HttpServer::Counters http;
  std::size_t http_connections = 0;
  ProcessUse process;

  /// A grape without addresses to join is `ok` as soon as it is ready: it is a network of one.
  [[nodiscard]] Health health() const;
};

/// The body of /health: one JSON object with a final newline. Ages and times are in seconds.
[[nodiscard]] std::string health_text(Status const& status);

}  // namespace grenache::grape
