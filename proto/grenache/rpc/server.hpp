// Server: a Grenache service.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/request.hpp>
#include <grenache/rpc/rpc_error.hpp>
#include <grenache/rpc/server_options.hpp>

namespace grenache::rpc {

/// A stream opened by a caller, over HTTP or HTTPS: receives and sends bytes in pieces, concurrently. Owned
/// by the server; valid until the handler has completed.
class ServerStream {
 public:
  virtual ~ServerStream() = default;

  /// The rid and key of header `_gr`, and `_a`, `_ar`; the payload is null.
  [[nodiscard]] virtual Request const& request() const = 0;
  /// Returns a header of the request, case-insensitively; empty if there is none.
  [[nodiscard]] virtual std::string_view header(std::string_view name) const = 0;
  /// Returns the next bytes, at most 64 KiB; empty at the end. Valid until the next call. Nothing else is
  /// read from the socket, so a slow handler slows the caller.
  [[nodiscard]] virtual net::Awaitable<Result<std::string_view>> read() = 0;
  /// Completes when the connection has accepted the bytes, so a slow caller slows the writer. `piece` must
  /// stay valid until then.
  [[nodiscard]] virtual net::Awaitable<Result<void>> write(std::string_view piece) = 0;
};

/// Answers [rid,key,payload] with [rid,err,res], like the servers of grenache-nodejs-http and -ws.
/// Options::transport selects one.
///
/// HTTP: any method and path, status 200 also for errors, `grc-compress: gzip` in both directions, the
/// headers `_gr`, `_a` and `_ar`. WebSocket: any path, concurrent requests on one connection, answers in
/// completion order.
///
/// Unlike the Node.js servers it answers a body that is null or not JSON with `[null, "ERR_REQUEST_PARSE",
/// null]`, over HTTP with status 400. A too large body is answered with status 413 and `[null,
/// "ERR_REQUEST_SIZE", null]`; a too large WebSocket message closes the connection (1009). The status is not
/// 200 because a Node.js client would wait for its own rid, but reports any other status at once. If a
/// handler throws, the answer is ERR_REQUEST_HANDLER. Web pages of other origins are refused with status 403
/// and, over HTTP, `[null, "ERR_REQUEST_FORBIDDEN", null]`; see Options::web_access.
class Server {
 public:
  using Options = ServerOptions;

  /// Counts since the start. With threads, the values may not be from the same instant.
  struct Counters {
    std::uint64_t connections = 0;          // accepted
    std::uint64_t connections_evicted = 0;  // evicted at the limit while they waited for callers
    /// Refused at connection_count_max, because all others were being served.
    std::uint64_t connections_refused = 0;
    std::uint64_t handshake_failures = 0;  // of TLS, or requests that did not become a WebSocket session
    std::uint64_t requests = 0;            // passed to the handler
    std::uint64_t streams = 0;             // passed to the stream handler
    std::uint64_t handler_failures = 0;    // handlers that threw or dropped the responder without an answer
    std::uint64_t aborted = 0;             // HTTP: callers that disconnected before the reply
    std::uint64_t not_http = 0;            // malformed HTTP or WebSocket frames
    std::uint64_t not_json = 0;            // ERR_REQUEST_PARSE
    std::uint64_t bad_gr_header = 0;       // ERR_HEADER_PARSE_GR
    std::uint64_t forbidden = 0;           // HTTP: ERR_REQUEST_FORBIDDEN; WebSocket: a handshake failure
    std::uint64_t too_large = 0;           // ERR_REQUEST_SIZE, or close code 1009
    std::uint64_t too_slow = 0;            // connections closed because header, body or reader were too slow
  };

  /// Returns the reply. The request is valid until the awaitable completes; it may be moved from. Runs on the
  /// executor of its connection and must return to it; cancelled (terminal) when stop() exceeds its limit
  /// and when the caller disconnects, again every 0.1 s until it ends; see net::HttpServer::Handler, also for
  /// child coroutines on other executors. A caller that closes only its sending half counts as disconnected.
  using Handler = std::function<net::Awaitable<Reply>(Request& request)>;
  /// Answers through the responder, at any time and from any thread. It cannot be cancelled, so the
  /// connection of a caller that has disconnected keeps its place and its bytes until its requests are
  /// answered: the limits of ServerOptions bound the number of unanswered requests.
  using CallbackHandler = std::function<void(Request request, Responder respond)>;
  /// Reads and writes the stream; the answer ends when it completes. If it throws before it has written
  /// anything, the caller gets ERR_REQUEST_HANDLER with status 500; later, a broken connection. When the
  /// caller disconnects, read() and write() fail, and a handler that waits for something else is cancelled as
  /// a Handler is.
  using StreamHandler = std::function<net::Awaitable<void>(ServerStream& stream)>;

  struct Impl;  // private to the .cpp

  Server(net::Executor const& executor, Options options, Handler handler);
  Server(net::Executor const& executor, Options options, CallbackHandler handler);
  ~Server();
  Server(Server const&) = delete;
  Server& operator=(Server const&) = delete;

  /// Passes streams (`transfer-encoding: chunked` with a `_gr` header) to `handler` instead of collecting
  /// them as requests. Call before listen(); HTTP and HTTPS only.
  void on_stream(StreamHandler handler);

  /// Binds and starts to serve; port 0 chooses a free one. Fails with net::TlsErrc for invalid TLS options,
  /// and with system errors. Do not call it again after success.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind);
  /// The local address; port 0 before listen().
  [[nodiscard]] Endpoint local_endpoint() const;

  /// Announces this server's port under `name` through `link` periodically until stop(). Call listen() first.
  /// The link must outlive stop().
  void announce(Link& link, std::string name);

  /// Completes when a grape has confirmed every announcement; after `limit` it fails with the failure of a
  /// missing one.
  [[nodiscard]] net::Awaitable<RpcResult<void>> ready(Duration limit);

  /// Ends the announcements, stops accepting, answers requests in progress for up to `limit` and aborts the
  /// rest. Completes when no connection is left, with true when none was aborted. Do not call it from a
  /// handler.
  [[nodiscard]] net::Awaitable<bool> stop(Duration limit);

  [[nodiscard]] Counters counters() const;
  /// The bytes that count for Options::held_bytes_max.
  [[nodiscard]] std::size_t held_bytes() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
