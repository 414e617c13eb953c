// An HTTP/1.1 client, plain or TLS, with connection reuse, exact deadlines and streams.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/http_headers.hpp>
#include <grenache/net/tls.hpp>

namespace grenache::net {

/// Errors of a call, in addition to system errors (connection refused, reset, …) and OpenSSL errors
/// (certificate verify failed, …).
enum class HttpClientErrc {
  timed_out = 1,
  not_resolved,
  connection_lost,
  response_too_large,
  malformed_response,
  too_many_waiting,
  stopped,
  invalid_request,  // method, target or a header contains an invalid character, such as a line break
};
[[nodiscard]] std::string_view describe(HttpClientErrc code);
constexpr char const* category_name(HttpClientErrc) { return "grenache.http_client"; }
inline Error make_error_code(HttpClientErrc code) { return make_enum_error(code); }

/// A request.
struct HttpCall {
  HostPort destination;
  std::string method = "POST";
  std::string target = "/";
  std::string body;
  /// In addition to Host, and Content-Length or Transfer-Encoding; checked, see http_headers.hpp.
  HttpHeaders headers;
  /// Total time for waiting for a connection, resolving, connecting, handshake, writing and reading.
  Duration timeout = std::chrono::seconds{10};
  /// The request is idempotent. If so, it is repeated on a new connection when a reused one is lost before
  /// the first byte of the response; the server may have executed it nevertheless.
  bool repeatable = false;
};

struct HttpResponse {
  unsigned status = 0;
  std::string body;
  HttpHeaders headers;  // only for streams; not stored for other responses
};

/// A request and response whose bodies are streamed in pieces: both may have any length and use constant
/// memory, with back-pressure in both directions. Created by HttpClient::open().
///
/// One call of write() or finish() and one of response() or read() may run at the same time: a caller that
/// sends more than the server buffers before it answers must read concurrently. A written piece must stay
/// valid until the call completes.
///
/// The connection is reused when both directions have ended; otherwise the destructor closes it, and running
/// calls fail. A stream fails with `timed_out` when it waits for Options::stream_idle_max without a byte in
/// either direction.
class HttpStream {
 public:
  struct State;  // private to the .cpp files

  explicit HttpStream(std::shared_ptr<State> state);
  HttpStream(HttpStream&&) noexcept;
  HttpStream& operator=(HttpStream&&) noexcept;
  ~HttpStream();

  /// Completes when the system has accepted the whole piece. If it fails, the server may have answered
  /// nevertheless: call response().
  [[nodiscard]] Awaitable<Result<void>> write(std::string_view piece);
  /// Ends the request. Call once, after the last write().
  [[nodiscard]] Awaitable<Result<void>> finish();
  /// Returns status and headers as soon as they have arrived; may be called repeatedly.
  [[nodiscard]] Awaitable<Result<HttpResponse>> response();
  /// Returns the next piece of the response, at most 64 KiB; empty at its end. Valid until the next read().
  [[nodiscard]] Awaitable<Result<std::string_view>> read();
  /// Closes the connection, unless both directions have ended; running and later calls fail.
  void close();

 private:
  std::shared_ptr<State> state_;
};

/// Makes HTTP/1.1 requests, many at a time. Keeps a pool of connections per destination, each used by one
/// request at a time; calls wait for a free one in FIFO order. Does not reuse a connection that the server
/// has closed, and respects the server's `Keep-Alive: timeout`.
///
/// A cancelled coroutine gets operation_aborted. The destructor fails running calls.
class HttpClient {
 public:
  struct Options {
    std::shared_ptr<TlsContext> tls;                // client context; null: plain
    std::size_t connections_per_host_max = 8;       // parallel requests to one destination
    std::size_t connections_max = 512;              // to all destinations, including idle ones
    std::size_t waiting_max = 4096;                 // calls that wait for a connection; more are refused
    std::size_t header_bytes_max = 16 * 1024;       // of a response
    std::size_t body_bytes_max = 64 * 1024 * 1024;  // of a response; bounds what a peer can make us hold
    Duration idle_max = std::chrono::seconds{30};   // an idle connection is closed after this
    /// Of a stream that waits, without a byte in either direction.
    Duration stream_idle_max = std::chrono::seconds{60};
  };

  struct Counters {
    std::uint64_t connections = 0;  // opened
    std::uint64_t resumed = 0;      // of these, with a resumed TLS session
    std::uint64_t requests = 0;     // started
    std::uint64_t repeated = 0;     // repeated because a reused connection was dead
  };

  struct Impl;  // private to the .cpp

  HttpClient(Executor const& executor, Options options);
  ~HttpClient();
  HttpClient(HttpClient const&) = delete;
  HttpClient& operator=(HttpClient const&) = delete;

  /// Returns the response with any status, or an error. Completes within `call.timeout`.
  [[nodiscard]] Awaitable<Result<HttpResponse>> request(HttpCall call);

  /// Starts a request with a streamed body; `head.body` is not used. Completes when the head is written,
  /// within `head.timeout`, which does not apply to the stream. The stream occupies a connection.
  [[nodiscard]] Awaitable<Result<HttpStream>> open(HttpCall head);

  /// Fails running and later calls with `stopped`; completes when the last one has returned.
  [[nodiscard]] Awaitable<void> stop();

  [[nodiscard]] std::size_t connection_count() const;
  [[nodiscard]] Counters const& counters() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::net

GRN_ERROR_CODE_ENUM(grenache::net::HttpClientErrc);
