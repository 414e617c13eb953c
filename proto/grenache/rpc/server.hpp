// Server: a Grenache service.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/net/web_access.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/request.hpp>
#include <grenache/rpc/rpc_error.hpp>
#include <grenache/rpc/transport.hpp>

namespace grenache::rpc {

/// A stream that a caller has opened, over HTTP or HTTPS: bytes come in pieces, and bytes go back in pieces,
/// also both at one time. Belongs to the server; valid until the handler has completed.
class ServerStream {
 public:
  virtual ~ServerStream() = default;

  /// rid and key of the header `_gr`, and `_a`, `_ar`; the payload is null.
  [[nodiscard]] virtual Request const& request() const = 0;
  /// Any header of the request, case ignored; empty when there is none.
  [[nodiscard]] virtual std::string_view header(std::string_view name) const = 0;
  /// The next bytes, at most 64 KiB; empty at the end. Valid until the next call. The caller is read no
  /// further than that, so one who asks for nothing slows it down.
  [[nodiscard]] virtual net::Awaitable<Result<std::string_view>> read() = 0;
  /// Completes when the bytes were taken by the connection: a slow caller slows the writer down. `piece` must
  /// live until then.
  [[nodiscard]] virtual net::Awaitable<Result<void>> write(std::string_view piece) = 0;
};

/// Answers [rid,key,payload] with [rid,err,res] as grenache-nodejs-http's and -ws' servers do. Which of them
/// is Options::transport.
///
/// HTTP: any method and path, status 200 also with an error, `grc-compress: gzip` for both directions, the
/// headers `_gr`, `_a` and `_ar`. WebSocket: any path, many requests at a time on one connection, answers in
/// the order in which they are ready.
///
/// Unlike Node's it answers what is not JSON, or is null: `[null, "ERR_REQUEST_PARSE", null]`, over HTTP with
/// status 400. A body over the limit is answered with status 413 and `[null, "ERR_REQUEST_SIZE", null]`; a
/// WebSocket message over it closes the connection (1009). The status is not 200 because a Node client waits
/// for its own rid in such an answer, but reports every other status at once. A handler that throws is
/// answered ERR_REQUEST_HANDLER.
class Server {
 public:
  struct Options {
    Transport transport = Transport::http;
    /// Of https and wss. Needs a certificate and a key; with `ca` or fingerprints callers must show a
    /// certificate too.
    net::TlsOptions tls;
    /// 0: everything happens on the thread of the executor. N: connections are spread over so many threads of
    /// the server's own, and a handler runs on the thread of its connection: handlers run at the same time.
    unsigned threads = 0;
    std::size_t body_bytes_max = 8 * 1024 * 1024;       // of a request as sent
    std::size_t expanded_bytes_max = 32 * 1024 * 1024;  // of a gzipped one once expanded: stops bombs
    std::size_t connection_count_max = 4096;
    /// Of requests and answers of all connections together, those below 64 KiB not counted. Over it requests
    /// are read no further until others were answered, one at a time excepted.
    std::size_t held_bytes_max = 512 * 1024 * 1024;
    std::size_t requests_per_connection_max = 1024;  // WebSocket: being handled; with more it is not read on
    std::size_t write_queue_bytes_max = 64 * 1024 * 1024;  // WebSocket: answers that a caller does not read
    Duration idle_max = std::chrono::seconds{120};         // as Grenache's transports
    Duration handshake_max = std::chrono::seconds{10};     // of TLS, and of WebSocket
    Duration body_max = std::chrono::seconds{30};          // HTTP: for a body, longer at 16 KiB/s or more
    Duration stream_idle_max = std::chrono::seconds{60};   // HTTP: of a stream, without a byte either way
    /// Refuses requests of foreign web pages, with status 403. Null: Host and Origin are not looked at, as in
    /// Node.js, so a page that a browser on this network shows can call the service.
    std::optional<net::WebAccess> web_access;
  };

  /// Since the start. A snapshot: with threads, the numbers may be a moment apart.
  struct Counters {
    std::uint64_t connections = 0;          // accepted
    std::uint64_t connections_evicted = 0;  // closed to make room for others while they waited for callers
    std::uint64_t connections_refused = 0;  // over connection_count_max, and all others were being served
    std::uint64_t handshake_failures = 0;   // TLS, or HTTP where WebSocket is spoken
    std::uint64_t requests = 0;             // given to the handler
    std::uint64_t streams = 0;              // given to the stream handler
    std::uint64_t handler_failures = 0;     // threw, or dropped its responder without an answer
    std::uint64_t aborted = 0;              // HTTP: callers that went while a handler worked for them
    std::uint64_t not_http = 0;             // bytes that are no HTTP, or break the WebSocket protocol
    std::uint64_t not_json = 0;             // ERR_REQUEST_PARSE
    std::uint64_t bad_gr_header = 0;        // ERR_HEADER_PARSE_GR
    std::uint64_t too_large = 0;            // ERR_REQUEST_SIZE, or close code 1009
    std::uint64_t too_slow = 0;             // connections closed because header, body or reader were too slow
  };

  /// Makes the reply. The request stays valid until the awaitable completes; it may be moved from. Runs on
  /// the executor of its connection and must come back to it; cancelled (terminal) when a stop takes too
  /// long and, over HTTP, when the caller goes (net::HttpServer::Handler).
  using Handler = std::function<net::Awaitable<Reply>(Request& request)>;
  /// Takes the request and answers through the responder, when and where it likes.
  using CallbackHandler = std::function<void(Request request, Responder respond)>;
  /// Reads and writes; the answer ends when it completes. When it throws before it has written anything, the
  /// caller gets ERR_REQUEST_HANDLER with status 500, and a broken connection later.
  using StreamHandler = std::function<net::Awaitable<void>(ServerStream& stream)>;

  struct Impl;  // of the .cpp alone

  Server(net::Executor const& executor, Options options, Handler handler);
  Server(net::Executor const& executor, Options options, CallbackHandler handler);
  ~Server();
  Server(Server const&) = delete;
  Server& operator=(Server const&) = delete;

  /// Streams (`transfer-encoding: chunked` with a `_gr` header) go to `handler` instead of being collected
  /// and handled as requests. Before listen(); HTTP and HTTPS only.
  void on_stream(StreamHandler handler);

  /// Binds and begins to serve; port 0 takes a free one. Errors: of TLS options (net::TlsErrc), of the
  /// operating system. Once it has succeeded, not again.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind);
  /// Port 0 before listen().
  [[nodiscard]] Endpoint local_endpoint() const;

  /// Announces this server's port under `name` through `link`, again and again until stop(). Listen first.
  /// The link must outlive stop().
  void announce(Link& link, std::string name);

  /// Completes when every announcement was confirmed by a grape; fails with the failure of the one that is
  /// missing after `limit`.
  [[nodiscard]] net::Awaitable<RpcResult<void>> ready(Duration limit);

  /// Ends the announcements, accepts no more, answers what has begun within `limit` and cuts off the rest.
  /// Completes when no connection is left; true when nothing had to be cut off. Not from a handler.
  [[nodiscard]] net::Awaitable<bool> stop(Duration limit);

  [[nodiscard]] Counters counters() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
