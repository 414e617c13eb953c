// HTTP/1.1 server: limits, deadlines, graceful stop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
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

/// One request, whole. The views live as long as the request.
struct HttpRequest {
  std::string_view method;  // as sent: "POST", "GET", …
  std::string_view target;  // as sent, not decoded: "/lookup?x=1"
  std::string body;         // chunks joined; at most Options::body_bytes_max
  Endpoint peer;            // of the TCP connection

  /// The value of the first header `name`, case ignored; empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] bool has_header(std::string_view name) const;

  void const* fields = nullptr;  // the server's own; none in a request made by hand
};

struct HttpReply {
  unsigned status = 200;
  std::string body;
  /// Beside Date, Content-Length and Connection, which the server writes. Must be valid header text. No
  /// Content-Type is sent unless it is in here.
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Serves HTTP/1.1 (and 1.0) on one port. Requests on one connection are answered in order, one at a time;
/// connections live side by side on the thread of the executor. Every method and path goes to the handler.
///
/// Where a limit of connections or descriptors is reached, a new connection takes the place of the one whose
/// peer is silent for longest, between requests or amid one: slow peers keep nobody out.
///
/// Keep-alive, pipelining, chunked request bodies and `Expect: 100-continue` are understood. What a peer can
/// make it hold is bounded by Options. Destroying a server that was not stopped drops its connections.
class HttpServer {
 public:
  struct Options {
    std::size_t header_bytes_max = 16 * 1024;        // as Node's http: --max-http-header-size
    std::size_t body_bytes_max = 1024 * 1024;        // a request over it is answered with `too_large`
    std::size_t connection_count_max = 4096;         // below a usual descriptor limit with room for the rest
    Duration idle_max = std::chrono::seconds{60};    // between requests; longer than a client's next poll
    Duration header_max = std::chrono::seconds{10};  // from the first byte of a request to its empty line
    Duration body_max = std::chrono::seconds{30};    // from there to the end of the body
    Duration write_max = std::chrono::seconds{30};   // for one reply
    HttpReply too_large{413, "", {}};  // answer to a body over the limit; the connection closes after it
    HttpReply malformed{400, "", {}};  // answer to what is not HTTP; the connection closes after it
  };

  struct Counters {
    std::uint64_t connections = 0;          // accepted so far
    std::uint64_t connections_evicted = 0;  // closed to make room for new ones, as their peers were silent
    std::uint64_t connections_refused = 0;  // closed unheard: all others had a request under way
    std::uint64_t requests = 0;             // given to the handler
    std::uint64_t malformed = 0;
    std::uint64_t too_large = 0;
    std::uint64_t timed_out = 0;         // connections closed by the header, body or write deadline
    std::uint64_t handler_failures = 0;  // handlers that threw; answered with 500
  };

  /// Makes the reply. The request stays valid until the awaitable completes; its body may be moved from.
  /// A handler has no deadline of its own, but is cancelled (terminal) when a stop takes too long.
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
  [[nodiscard]] Counters const& counters() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::net
