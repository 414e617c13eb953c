// Options and results of a Client, without Asio.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include <grenache/base/time.hpp>
#include <grenache/json/json.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/failover.hpp>
#include <grenache/rpc/rpc_error.hpp>
#include <grenache/rpc/transport.hpp>

namespace grenache::rpc {

/// Options of a request.
struct RequestOptions {
  /// Total time for the lookup, all attempts and the answer.
  Duration timeout = std::chrono::seconds{10};
  /// How often the request is repeated after the loss of a connection that may have delivered it, or after
  /// the only destination could not be connected: each time to another destination, or to the same one if
  /// there is only one. The service may have executed it already, so set this only for idempotent requests.
  /// With 0 no service sees a request twice: a destination that could not be connected has not seen it, so
  /// the client fails over to the next one; a request that fails on a kept connection is not repeated on a
  /// new one, even if the service had closed the connection before.
  unsigned retry_count = 0;
  /// Compress request and reply with gzip. Only over HTTP and HTTPS; ignored over WebSocket.
  bool compress = false;
};

struct MapOptions {
  Duration timeout = std::chrono::seconds{10};  // total time for the lookup and all answers
  std::size_t limit = 0;                        // number of destinations, chosen at random; 0: all
  bool compress = false;                        // as RequestOptions::compress
};

/// Options of a Client and of a BlockingClient.
struct ClientOptions {
  Transport transport = Transport::http;
  /// For https and wss. Needs `ca` or fingerprints, unless peer_check is `requested`, and a certificate and
  /// key for services that require one. If it is invalid, every request fails with request_generic.
  net::TlsOptions tls;
  std::size_t request_bytes_max = 8 * 1024 * 1024;    // larger ones are not sent; the limit of a Server
  std::size_t reply_bytes_max = 8 * 1024 * 1024;      // of a reply as sent
  std::size_t expanded_bytes_max = 32 * 1024 * 1024;  // of a gzipped reply after decompression
  std::size_t connections_per_destination_max = 8;    // HTTP; further requests wait
  std::size_t connections_max = 512;                  // to all destinations, including idle ones
  /// HTTP: requests that wait for a connection; WebSocket: in flight on a connection.
  std::size_t waiting_max = 4096;
  std::size_t map_parallel_max = 32;             // concurrent requests of one map
  Duration idle_max = std::chrono::seconds{30};  // an idle connection is closed after this
  DeadList::Options dead;
};

/// The answer of one destination to a map.
struct MapEntry {
  std::string destination;
  RpcResult<json::Value> reply;
};

}  // namespace grenache::rpc
