// HTTP/1.1 server: plain or TLS, limits, deadlines, streams, threads, graceful stop.
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

/// Why a stream goes on no more, beside failures of the operating system (reset, …), which are passed on.
enum class HttpServerErrc {
  timed_out = 1,    // Options::stream_idle_max
  connection_lost,  // the peer has closed it before the request was complete
  malformed_request,
  invalid_header,  // a header of our reply has a line break in it, or no name
};
[[nodiscard]] std::string_view describe(HttpServerErrc code);
constexpr char const* category_name(HttpServerErrc) { return "grenache.http_server"; }
inline Error make_error_code(HttpServerErrc code) { return make_enum_error(code); }

struct HttpConnection;  // of the .cpp files alone

/// One request, whole. The views live as long as the request.
struct HttpRequest {
  std::string_view method;  // as sent: "POST", "GET", …
  std::string_view target;  // path and query as sent, not decoded: "/lookup?x=1"
  std::string body;         // chunks joined; at most Options::body_bytes_max
  Endpoint peer;            // of the TCP connection
  /// What the peer has shown in the TLS handshake; null when it showed none, or there was none.
  PeerCertificate const* certificate = nullptr;

  /// The value of the first header `name`, case ignored; empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] bool has_header(std::string_view name) const;

  /// For handlers that make much more of a body than it is, such as by expanding it: waits until
  /// Options::held_bytes_max leaves room, then says how much is held. Until the reply was sent. False when
  /// there is none for `body_max`: the request should be refused.
  [[nodiscard]] Awaitable<bool> until_room();
  void set_held(std::size_t bytes);

  void const* fields = nullptr;  // the server's own; none in a request made by hand
  HttpConnection* connection = nullptr;
};

struct HttpReply {
  unsigned status = 200;
  std::string body;
  /// Beside Date, Content-Length and Connection, which the server writes. No Content-Type is sent unless it
  /// is in here.
  HttpHeaders headers;
};

/// A request whose body comes piece by piece, and whose reply goes piece by piece: both may be of any length,
/// and take constant memory. Each direction moves only as fast as its slower end.
///
/// One call of read() and one of the others may be under way at the same time. A handler need not read the
/// request to its end: the connection closes after the reply then. No call may outlast the handler.
class HttpExchange {
 public:
  struct Impl;  // of the .cpp files alone

  explicit HttpExchange(Impl& impl) : impl_{impl} {}
  HttpExchange(HttpExchange const&) = delete;
  HttpExchange& operator=(HttpExchange const&) = delete;

  /// Without its body.
  [[nodiscard]] HttpRequest const& request() const;

  /// The next piece, at most 64 KiB; empty at the end of the request. Valid until the next read(). The peer's
  /// bytes are taken from the connection only as far as asked here.
  [[nodiscard]] Awaitable<Result<std::string_view>> read();

  /// Sends the head of the reply, once. Chunked follows; or, for a peer of HTTP/1.0, everything until the
  /// connection closes.
  [[nodiscard]] Awaitable<Result<void>> begin(unsigned status, HttpHeaders headers);
  [[nodiscard]] Awaitable<Result<void>> begin(unsigned status) { return begin(status, HttpHeaders()); }
  /// After begin(). Completes when the system has taken the whole piece.
  [[nodiscard]] Awaitable<Result<void>> write(std::string_view piece);
  /// The reply is complete. Without this, the peer sees it cut off.
  [[nodiscard]] Awaitable<Result<void>> finish();

 private:
  Impl& impl_;
};

/// Serves HTTP/1.1 (and 1.0) on one port. Requests on one connection are answered in order, one at a time;
/// connections live side by side on the thread of the executor, or on threads of the server's own. Every
/// method and path goes to the handler.
///
/// Where a limit of connections or descriptors is reached, a new connection evicts the one that waits longest
/// for its peer: in the TLS handshake, between requests, in the middle of one, or until the peer takes a
/// reply. So peers that are slow or silent keep nobody out; only requests in progress do.
///
/// Keep-alive, pipelining, chunked request bodies, `Expect: 100-continue`, absolute targets and empty lines
/// before a request are understood; trailers are read and dropped. After the last reply on a connection the
/// server waits up to a second for its peer to close, so that the reply is not lost to a reset. A request
/// that is too slow is answered with 408, one of HTTP/1.1 that has not one Host with 400, one in other
/// transfer encodings beside chunked with 501. What a peer can make it hold is bounded by Options. Its calls
/// are made on the thread of the executor.
///
/// Destroying a server that was not stopped closes its connections. With threads, handlers that wait are
/// destroyed where they wait. Without, they keep running on the executor until they end, and what they use
/// must last as long: stop() first.
class HttpServer {
 public:
  using StreamHandler = std::function<Awaitable<void>(HttpExchange& exchange)>;

  struct Options {
    std::shared_ptr<TlsContext> tls;  // of a server; null: plain
    /// 0: everything happens on the executor given. Otherwise connections live on so many threads of the
    /// server's own, each in turn, and handlers run on the thread of their connection, several at a time.
    unsigned threads = 0;
    std::size_t header_bytes_max = 16 * 1024;  // as Node's http: --max-http-header-size
    std::size_t body_bytes_max = 1024 * 1024;  // a request over it is answered with `too_large`
    /// Lowered to what the descriptor limit allows (descriptors.hpp). Each thread has an equal share.
    std::size_t connection_count_max = 4096;
    /// Of bodies and replies of all connections together, those below 64 KiB not counted; threads share it
    /// evenly. Over it bodies are read no further until others were answered, one at a time excepted: the
    /// limits of each connection would add up to more than a machine has.
    std::size_t held_bytes_max = 256 * 1024 * 1024;
    Duration handshake_max = std::chrono::seconds{10};
    Duration idle_max = std::chrono::seconds{60};    // between requests; longer than a client's next poll
    Duration header_max = std::chrono::seconds{10};  // from the first byte of a request to its empty line
    /// For a body after its header, and for the peer to take a reply, plus the time that what has gone so
    /// far takes at `rate_min`: slow peers are served as long as they keep that rate, stalled ones are not.
    Duration body_max = std::chrono::seconds{30};
    Duration write_max = std::chrono::seconds{30};
    std::size_t rate_min = 16 * 1024;  // bytes a second, averaged; not 0. As uWebSockets
    HttpReply too_large{413, "", {}};  // answer to a body over the limit; the connection closes after it
    HttpReply malformed{400, "", {}};  // answer to what is not HTTP; the connection closes after it
    /// Refuses requests of foreign web pages; null: Host and Origin are not looked at. Replies to pages that
    /// it lists carry the CORS headers, and their preflight requests are answered without the handler.
    std::optional<WebAccess> web_access;
    HttpReply forbidden{403, "", {}};  // answer to what `web_access` refuses; the connection closes after it

    /// Which requests go to `stream_handler` instead of the handler; asked when the header is complete, the
    /// body still empty. None without it. Its bodies have no limit.
    std::function<bool(HttpRequest const& request)> wants_stream;
    StreamHandler stream_handler;
    Duration stream_idle_max = std::chrono::seconds{60};  // while a stream waits: without a byte either way
  };

  struct Counters {
    std::uint64_t connections = 0;  // accepted so far
    std::uint64_t connections_evicted =
        0;  // closed to make room for others while they waited for their peers
    std::uint64_t connections_refused = 0;  // closed at once: all others had a request in progress
    std::uint64_t connections_failed = 0;   // ended by an exception, such as want of memory
    std::uint64_t handshakes_failed = 0;    // of TLS: refused, given up or too slow
    std::uint64_t requests = 0;             // given to a handler
    std::uint64_t malformed = 0;
    std::uint64_t too_large = 0;
    std::uint64_t forbidden = 0;         // by `web_access`
    std::uint64_t timed_out = 0;         // connections closed by the header, body, write or stream deadline
    std::uint64_t handler_failures = 0;  // handlers that threw, or did not reply; answered with 500
    std::uint64_t aborted = 0;           // requests whose peer has gone before the handler had a reply
  };

  /// Makes the reply. The request stays valid until the awaitable completes; its body may be moved from.
  /// A handler has no deadline of its own, but is cancelled (terminal) when a stop takes too long, and when
  /// the peer goes: resets the connection or closes its sending half. That is noticed within 0.3 s, and the
  /// connection is closed then; a handler that waits again is cancelled again every 0.1 s.
  using Handler = std::function<Awaitable<HttpReply>(HttpRequest& request)>;

  struct Impl;  // of the .cpp alone

  HttpServer(Executor const& executor, Options options, Handler handler);
  ~HttpServer();
  HttpServer(HttpServer const&) = delete;
  HttpServer& operator=(HttpServer const&) = delete;

  /// Binds, listens and begins to serve; port 0 takes a free one. Returns the address it listens at, or why
  /// it cannot (address in use, no such address, permission). Once.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind);

  /// Where it listens; port 0 before listen().
  [[nodiscard]] Endpoint local_endpoint() const;

  /// Stops to accept and closes idle connections at once; requests that have begun are answered within
  /// `limit`, then cut off. Completes when no connection is left; true when none had to be cut
  /// off. Not to be called from a handler, which it would wait for.
  [[nodiscard]] Awaitable<bool> stop(Duration limit);

  [[nodiscard]] std::size_t connection_count() const;
  /// As of now; of all threads. Valid until the next call.
  [[nodiscard]] Counters const& counters() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::net

GRN_ERROR_CODE_ENUM(grenache::net::HttpServerErrc);
