// HTTP/1.1 client, plain or TLS, with kept connections, exact deadlines and streams.
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

/// Failures of a call beside those of the operating system (connection refused, reset, …) and of OpenSSL
/// (certificate verify failed, …), which are passed on.
enum class HttpClientErrc {
  timed_out = 1,
  not_resolved,
  connection_lost,
  response_too_large,
  malformed_response,
  too_many_waiting,
  stopped,
  invalid_request,  // method, target or a header has a character that would end it, such as a line break
};
[[nodiscard]] std::string_view describe(HttpClientErrc code);
constexpr char const* category_name(HttpClientErrc) { return "grenache.http_client"; }
inline Error make_error_code(HttpClientErrc code) { return make_enum_error(code); }

/// One request to make.
struct HttpCall {
  HostPort destination;
  std::string method = "POST";
  std::string target = "/";
  std::string body;
  HttpHeaders headers;  // beside Host, and Content-Length or Transfer-Encoding; checked, see http_headers.hpp
  /// Over waiting for a connection, resolving, connecting, shaking hands, writing and reading together.
  Duration timeout = std::chrono::seconds{10};
  /// The call may be made twice. Only then is it repeated on a fresh connection when a kept one turns out to
  /// be dead before it has answered a byte: the server may have seen it all the same.
  bool repeatable = false;
};

struct HttpResponse {
  unsigned status = 0;
  std::string body;
  HttpHeaders headers;  // of a stream alone; nobody needs those of other responses
};

/// A request whose body goes piece by piece, and whose response comes piece by piece: both may be of any
/// length, and take constant memory. Each direction moves only as fast as its slower end. Made by
/// HttpClient::open().
///
/// One call of write() or finish() and one of response() or read() may be under way at the same time: who
/// sends more than the server wants to hold before it answers has to read meanwhile. Pieces that are written
/// stay valid until the call completes.
///
/// The connection is kept when both directions have come to their end, and dropped with the stream otherwise;
/// calls under way fail then. A stream fails with `timed_out` when it waits for Options::stream_idle_max
/// without a byte either way.
class HttpStream {
 public:
  struct State;  // of the .cpp files alone

  explicit HttpStream(std::shared_ptr<State> state);
  HttpStream(HttpStream&&) noexcept;
  HttpStream& operator=(HttpStream&&) noexcept;
  ~HttpStream();

  /// Completes when the system has taken the whole piece. When it fails, the server may have answered all the
  /// same: response() tells.
  [[nodiscard]] Awaitable<Result<void>> write(std::string_view piece);
  /// The request is complete. Once, after the last write().
  [[nodiscard]] Awaitable<Result<void>> finish();
  /// Status and headers, as soon as they have come; the same each time.
  [[nodiscard]] Awaitable<Result<HttpResponse>> response();
  /// The next piece of the response, at most 64 KiB; empty at its end. Valid until the next read().
  [[nodiscard]] Awaitable<Result<std::string_view>> read();
  /// Drops the connection, unless both directions have ended: calls under way and later ones fail.
  void close();

 private:
  std::shared_ptr<State> state_;
};

/// Makes HTTP/1.1 requests, many at a time. Connections are kept for each destination and used by one request
/// at a time; a call that finds none free waits its turn, first come first served. A kept connection that the
/// server has closed is not used again; a server's `Keep-Alive: timeout` is respected.
///
/// A coroutine that is cancelled gets operation_aborted. Destroying a client fails the calls that are under
/// way.
class HttpClient {
 public:
  struct Options {
    std::shared_ptr<TlsContext> tls;                // of a client; null: plain
    std::size_t connections_per_host_max = 8;       // parallel requests to one destination
    std::size_t connections_max = 512;              // of all destinations together, idle ones included
    std::size_t waiting_max = 4096;                 // calls that wait for a connection; more are refused
    std::size_t header_bytes_max = 16 * 1024;       // of a response
    std::size_t body_bytes_max = 64 * 1024 * 1024;  // of a response; what a peer may make us hold
    Duration idle_max = std::chrono::seconds{30};   // a kept connection closes after it
    Duration stream_idle_max = std::chrono::seconds{60};  // while a stream waits: without a byte either way
  };

  struct Counters {
    std::uint64_t connections = 0;  // opened so far
    std::uint64_t resumed = 0;      // of those, how many went on with an earlier TLS session
    std::uint64_t requests = 0;     // begun
    std::uint64_t repeated = 0;     // made again because a kept connection was dead
  };

  struct Impl;  // of the .cpp alone

  HttpClient(Executor const& executor, Options options);
  ~HttpClient();
  HttpClient(HttpClient const&) = delete;
  HttpClient& operator=(HttpClient const&) = delete;

  /// The response, whatever its status; or why there is none. Never later than `call.timeout`.
  [[nodiscard]] Awaitable<Result<HttpResponse>> request(HttpCall call);

  /// Begins a request whose body is streamed; `head.body` is not used. Completes when the head is written,
  /// never later than `head.timeout`, which ends there. The stream occupies a connection.
  [[nodiscard]] Awaitable<Result<HttpStream>> open(HttpCall head);

  /// Fails the calls under way with `stopped`, and later ones too; completes when the last has returned.
  [[nodiscard]] Awaitable<void> stop();

  [[nodiscard]] std::size_t connection_count() const;
  [[nodiscard]] Counters const& counters() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::net

GRN_ERROR_CODE_ENUM(grenache::net::HttpClientErrc);
