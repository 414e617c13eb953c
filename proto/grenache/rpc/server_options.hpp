// Options of a Server, without Asio.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

#include <grenache/base/time.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/net/web_access.hpp>
#include <grenache/rpc/transport.hpp>

namespace grenache::rpc {

/// Options of a Server and of a BlockingServer.
struct ServerOptions {
  Transport transport = Transport::http;
  /// For https and wss. Needs a certificate and a key; with `ca` or fingerprints callers must present a
  /// certificate too.
  net::TlsOptions tls;
  /// Number of own threads. Connections are distributed over them, and handlers run concurrently, each on
  /// the thread of its connection. 0: everything runs on the thread of the executor.
  unsigned threads = 0;
  std::size_t body_bytes_max = 8 * 1024 * 1024;  // of a request as sent
  /// Of a gzipped request after decompression. To bound the time that a small request can take, it may also
  /// expand to at most 1 MiB or 64 times its size, whichever is more, and have at most 100,000 JSON values or
  /// 4 per byte of its size. Beyond any of these it is refused with ERR_REQUEST_PARSE.
  std::size_t expanded_bytes_max = 32 * 1024 * 1024;
  /// WebSocket: a connection that has ended counts until its requests in progress have ended.
  std::size_t connection_count_max = 4096;
  /// Total bytes of requests and answers of all connections, those below 64 KiB not counted: the text of a
  /// request while it is read, then the memory of its parsed values until it is answered. When it is reached,
  /// requests are not read or parsed until others have been answered, except for one at a time.
  std::size_t held_bytes_max = 512 * 1024 * 1024;
  /// WebSocket: in progress; beyond this the connection is not read.
  std::size_t requests_per_connection_max = 1024;
  std::size_t write_queue_bytes_max = 64 * 1024 * 1024;  // WebSocket: queued answers for a slow caller
  Duration idle_max = std::chrono::seconds{120};         // as in Grenache's transports
  Duration handshake_max = std::chrono::seconds{10};     // TLS and WebSocket handshake
  /// HTTP: for a body; extended while it arrives at 16 KiB/s or more.
  Duration body_max = std::chrono::seconds{30};
  /// HTTP: of a stream without a byte in either direction.
  Duration stream_idle_max = std::chrono::seconds{60};
  /// Refuses requests and sessions of web pages of other origins with status 403. None: Host and Origin are
  /// not checked, as in Node.js, so any web page in a browser that can reach the service can call it.
  std::optional<net::WebAccess> web_access{std::in_place};
};

}  // namespace grenache::rpc
