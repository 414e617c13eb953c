// An HTTP/1.1 server: plain or TLS, with limits, deadlines, streams, threads and graceful stop.
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
#include <grenache/net/http_headers.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/net/web_access.hpp>

namespace grenache::net {

/// Errors that end a stream, in addition to system errors.
enum class HttpServerErrc {
  timed_out = 1,    // Options::stream_idle_max
  connection_lost,  // the peer closed the connection before the request was complete
  malformed_request,
  invalid_header,  // a header of our reply has a line break or no name
};
[[nodiscard]] std::string_view describe(HttpServerErrc code);
constexpr char const* category_name(HttpServerErrc) { return "grenache.http_server"; }
inline Error make_error_code(HttpServerErrc code) { return make_enum_error(code); }

struct HttpConnection;  // of the .cpp files alone

/// A complete request. The views are valid as long as the request.
struct HttpRequest {
  std::string_view method;  // as sent: "POST", "GET", …
  std::string_view target;  // path and query as sent, not decoded: "/lookup?x=1"
  std::string body;         // chunks joined; at most Options::body_bytes_max
  Endpoint peer;            // of the TCP connection
  /// The peer's certificate of the TLS handshake; null without TLS or certificate.
  PeerCertificate const* certificate = nullptr;

  /// Returns the first header `name`, case-insensitively; empty if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] bool has_header(std::string_view name) const;

  /// For handlers that expand or parse a body: until_room() waits until Options::held_bytes_max has room;
  /// set_held() then counts the bytes until the handler has ended, instead of those of the body. until_room()
  /// returns false after `body_max` without room; the request should be refused then.
  [[nodiscard]] Awaitable<bool> until_room();
  void set_held(std::size_t bytes);

  void const* fields = nullptr;  // internal; null in a request made by hand
  HttpConnection* connection = nullptr;
};

struct HttpReply {
  unsigned status = 200;
  std::string body;
  /// In addition to Date, Content-Length and Connection, which the server writes. There is no default
  /// Content-Type.
  HttpHeaders headers;
};

/// A request and reply whose bodies are streamed in pieces: both may have any length and use constant memory,
/// with back-pressure in both directions.
///
/// One call of read() and one of the others may run at the same time. A handler need not read the whole
/// request; the connection is closed after the reply then. No call may outlast the handler.
class HttpExchange {
 public:
  struct Impl;  // of the .cpp files alone

  explicit HttpExchange(Impl& impl) : impl_{impl} {}
  HttpExchange(HttpExchange const&) = delete;
  HttpExchange& operator=(HttpExchange const&) = delete;

  /// The request without its body.
  [[nodiscard]] HttpRequest const& request() const;

  /// Returns the next piece, at most 64 KiB; empty at the end of the request. Valid until the next read().
  /// Nothing is read from the socket until read() is called, so a slow reader slows the sender.
  [[nodiscard]] Awaitable<Result<std::string_view>> read();

  /// Sends the head of the reply. Call once. The body is sent chunked or, for HTTP/1.0, until the connection
  /// closes.
  [[nodiscard]] Awaitable<Result<void>> begin(unsigned status, HttpHeaders headers);
  [[nodiscard]] Awaitable<Result<void>> begin(unsigned status) { return begin(status, HttpHeaders()); }
  /// Sends a piece of the body, after begin(). Completes when the system has accepted all of it.
  [[nodiscard]] Awaitable<Result<void>> write(std::string_view piece);
  /// Ends the reply. Without this the peer sees a truncated reply.
  [[nodiscard]] Awaitable<Result<void>> finish();

 private:
  Impl& impl_;
};

/// Serves HTTP/1.1 (and 1.0) on one port. Requests of a connection are answered in order, one at a time.
/// Connections run concurrently on the thread of the executor, or on the server's own threads. The handler
/// gets every method and path.
///
/// At the limit of connections or descriptors, a new connection evicts the one that has waited longest for
/// its peer: in the TLS handshake, between requests, inside a request, or for the peer to read a reply. So
/// slow or silent peers cannot keep others out; only requests in progress can.
///
/// Supports keep-alive, pipelining, chunked request bodies, `Expect: 100-continue`, absolute targets and
/// empty lines before a request; drops trailers. After the last reply of a connection the server waits up to
/// a second for the peer to close, so that a reset does not lose the reply. Answers a too slow request with
/// 408, an HTTP/1.1 request without exactly one Host with 400, and a transfer encoding other than chunked
/// with 501. Options bound what peers can make it hold. Call its functions on the thread of the executor.
///
/// The destructor closes the connections of a server that was not stopped. With threads, waiting handlers are
/// destroyed. Without, they keep running on the executor until they end, and must not outlive what they use:
/// call stop() first.
class HttpServer {
 public:
  /// Reads and writes the stream. Cancelled as a Handler is; while it reads or writes, that fails instead
  /// when the peer disconnects.
  using StreamHandler = std::function<Awaitable<void>(HttpExchange& exchange)>;

  struct Options {
    std::shared_ptr<TlsContext> tls;  // server context; null: plain
    /// Number of own threads. Connections are distributed over them round-robin, and handlers run
    /// concurrently, each on the thread of its connection. 0: everything runs on the executor.
    unsigned threads = 0;
    /// Cancels the handler of a peer that has disconnected; a stream handler always is. If false, the
    /// connection keeps its place and its bytes until the handler ends: for handlers that go on working when
    /// they are cancelled.
    bool cancels_abandoned = true;
    std::size_t header_bytes_max = 16 * 1024;  // as Node.js' --max-http-header-size
    std::size_t body_bytes_max = 1024 * 1024;  // a larger request is answered with `too_large`
    /// Lowered to the descriptor limit (descriptors.hpp). Divided equally among the threads.
    std::size_t connection_count_max = 4096;
    /// Total bytes of requests and replies of all connections, those below 64 KiB not counted; divided
    /// equally among the threads. When it is reached, bodies are not read until others have been answered,
    /// except for one at a time (see ByteBudget): the limits per connection would add up to more than the
    /// memory.
    std::size_t held_bytes_max = 256 * 1024 * 1024;
    Duration handshake_max = std::chrono::seconds{10};
    /// Between requests; longer than the poll interval of clients.
    Duration idle_max = std::chrono::seconds{60};
    /// From the first byte of a request to the end of its header.
    Duration header_max = std::chrono::seconds{10};
    /// Grace time for receiving a body and for sending a reply; the deadline is extended by the time that the
    /// bytes transferred so far take at `rate_min`. So slow peers are served as long as they keep that rate,
    /// and stalled ones time out.
    Duration body_max = std::chrono::seconds{30};
    Duration write_max = std::chrono::seconds{30};
    std::size_t rate_min = 16 * 1024;  // bytes per second, averaged; not 0. As in uWebSockets
    HttpReply too_large{413, "", {}};  // answer to a too large body; the connection is closed after it
    HttpReply malformed{400, "", {}};  // answer to malformed HTTP; the connection is closed after it
    /// Refuses requests of web pages of other origins; none: Host and Origin are not checked. Replies to
    /// listed origins have CORS headers, and their preflight requests are answered by the server.
    std::optional<WebAccess> web_access;
    /// Answer to a request refused by `web_access`; the connection is closed after it.
    HttpReply forbidden{403, "", {}};

    /// Returns whether a request is passed to `stream_handler` instead of the handler; called when the header
    /// is complete, before the body. Streamed bodies have no limit. Null: no streams.
    std::function<bool(HttpRequest const& request)> wants_stream;
    StreamHandler stream_handler;
    Duration stream_idle_max = std::chrono::seconds{60};  // while a stream waits: without a byte either way
  };

  struct Counters {
    std::uint64_t connections = 0;          // accepted
    std::uint64_t connections_evicted = 0;  // evicted at the limit while they waited for their peers
    std::uint64_t connections_refused = 0;  // closed at once, because all others had a request in progress
    std::uint64_t connections_failed = 0;   // ended by an exception, such as bad_alloc
    std::uint64_t handshakes_failed = 0;    // TLS handshakes refused, aborted or too slow
    std::uint64_t requests = 0;             // passed to a handler
    std::uint64_t malformed = 0;
    std::uint64_t too_large = 0;
    std::uint64_t forbidden = 0;         // refused by `web_access`
    std::uint64_t timed_out = 0;         // connections closed by the header, body, write or stream deadline
    std::uint64_t handler_failures = 0;  // handlers that threw or did not reply; answered with 500
    std::uint64_t aborted = 0;           // requests whose peer disconnected before the reply
  };

  /// Returns the reply. The request is valid until the awaitable completes; its body may be moved from. A
  /// handler has no deadline, but is cancelled (terminal) when stop() exceeds its limit, and when the peer
  /// disconnects, that is, resets the connection or closes its sending half. This is detected within 0.3 s
  /// and closes the connection; a handler that continues to wait is cancelled again every 0.1 s.
  ///
  /// A child coroutine that a handler awaits on another executor must be shielded from this: Boost 1.81's
  /// co_spawn forwards the cancellation through a pointer that dangles when the child ends at that moment
  /// (chriskohlhoff/asio issue 1332). Spawn it with
  /// `asio::bind_cancellation_slot(asio::cancellation_slot{}, asio::use_awaitable)`.
  using Handler = std::function<Awaitable<HttpReply>(HttpRequest& request)>;

  struct Impl;  // of the .cpp alone

  HttpServer(Executor const& executor, Options options, Handler handler);
  ~HttpServer();
  HttpServer(HttpServer const&) = delete;
  HttpServer& operator=(HttpServer const&) = delete;

  /// Binds, listens and starts to serve; port 0 chooses a free one. Returns the local address, or a system
  /// error (address in use, no such address, permission). Call once.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind);

  /// The local address; port 0 before listen().
  [[nodiscard]] Endpoint local_endpoint() const;

  /// Stops accepting and closes idle connections at once; requests in progress are answered for up to
  /// `limit`, then aborted. Completes when no connection is left, with true when none was aborted. Do not
  /// call it from a handler, which it would wait for.
  [[nodiscard]] Awaitable<bool> stop(Duration limit);

  [[nodiscard]] std::size_t connection_count() const;
  /// The bytes that count for Options::held_bytes_max. From any thread.
  [[nodiscard]] std::size_t held_bytes() const;
  /// The current totals of all threads. Valid until the next call.
  [[nodiscard]] Counters const& counters() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::net

GRN_ERROR_CODE_ENUM(grenache::net::HttpServerErrc);
