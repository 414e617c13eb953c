// HTTP/1.1 client with kept connections and exact deadlines.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base/endpoint.hpp"
#include "proto/base/result.hpp"
#include "proto/base/time.hpp"
#include "proto/net/asio.hpp"

namespace grenache::net {

/// Failures of a call beside those of the operating system (connection refused, reset, …), which are passed
/// on.
enum class HttpClientErrc {
  timed_out = 1,
  not_resolved,
  connection_lost,
  response_too_large,
  malformed_response,
  too_many_waiting,
  stopped,
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
  /// Beside Host and Content-Length. Must be valid header text.
  std::vector<std::pair<std::string, std::string>> headers;
  /// Over waiting for a connection, resolving, connecting, writing and reading together.
  Duration timeout = std::chrono::seconds{10};
  /// The call may be made twice. Only then is it repeated on a fresh connection when a kept one turns out to
  /// be dead before it has answered a byte: the server may have seen it all the same.
  bool repeatable = false;
};

struct HttpResponse {
  unsigned status = 0;
  std::string body;
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
    std::size_t connections_per_host_max = 8;       // parallel requests to one destination
    std::size_t connections_max = 512;              // of all destinations together, idle ones included
    std::size_t waiting_max = 4096;                 // calls that wait for a connection; more are refused
    std::size_t header_bytes_max = 16 * 1024;       // of a response
    std::size_t body_bytes_max = 64 * 1024 * 1024;  // of a response; what a peer may make us hold
    Duration idle_max = std::chrono::seconds{30};   // a kept connection closes after it
  };

  struct Counters {
    std::uint64_t connections = 0;  // opened so far
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

  /// Fails the calls under way with `stopped`, and later ones too; completes when the last has returned.
  [[nodiscard]] Awaitable<void> stop();

  [[nodiscard]] std::size_t connection_count() const;
  [[nodiscard]] Counters const& counters() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::net

GRN_ERROR_CODE_ENUM(grenache::net::HttpClientErrc);
