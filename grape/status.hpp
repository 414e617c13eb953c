// The status of a grape: the data behind /health, /metrics and the status page.
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
  joining,  // bootstrapping has not ended
  alone,  // no node is known, although there are bootstrap addresses: announcements are not stored elsewhere
};
[[nodiscard]] std::string_view to_string(Health health);

/// Resource usage of this process, as counted by the system. Zero where the system does not report it.
struct ProcessUse {
  std::uint64_t resident_bytes = 0;
  double cpu_seconds = 0;  // user and system
};
[[nodiscard]] ProcessUse process_use();

/// Datagrams and system calls of the UDP sockets, counted since the start.
struct SocketCounters {
  std::uint64_t receive_calls = 0;  // that returned datagrams
  std::uint64_t send_calls = 0;
  std::uint64_t received = 0;  // datagrams
  std::uint64_t sent = 0;
  std::uint64_t send_failures = 0;  // datagrams lost because of a full buffer or a missing route
};

/// A snapshot of a grape, as plain values.
struct Status {
  std::string version;
  NodeId id;
  std::string run;  // random, another after each start: tells a restart under the same id
  Endpoint dht;
  Endpoint api;
  std::size_t bootstrap_count = 0;  // configured bootstrap addresses
  Duration uptime{};
  /// Time since a user's lookup found a peer; nothing when none has.
  std::optional<Duration> last_lookup_age;
  NodeStats node;
  SocketCounters socket;
  net::HttpServer::Counters http;
  std::size_t http_connections = 0;
  ProcessUse process;

  /// A grape without bootstrap addresses is `ok` as soon as it is ready, as a network of one node.
  [[nodiscard]] Health health() const;
};

/// Returns the body of /health: one JSON object with a final newline. Durations are in seconds.
[[nodiscard]] std::string health_text(Status const& status);

}  // namespace grenache::grape
