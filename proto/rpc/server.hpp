// Server: a Grenache service over HTTP.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "proto/base/endpoint.hpp"
#include "proto/base/result.hpp"
#include "proto/base/time.hpp"
#include "proto/json/json.hpp"
#include "proto/net/asio.hpp"
#include "proto/rpc/link.hpp"
#include "proto/rpc/rpc_error.hpp"

namespace grenache::rpc {

struct Request {
  json::Value rid;      // as sent; a UUID as a rule
  std::string key;      // the name of the service that the caller looked up; empty when none was sent
  json::Value payload;  // null when none was sent
  Endpoint peer;        // of the TCP connection
};

/// A result or an error text.
struct Reply {
  json::Value result;
  std::optional<std::string> error;

  Reply() = default;
  Reply(json::Value value) : result{std::move(value)} {}
  [[nodiscard]] static Reply failure(std::string text) {
    Reply reply;
    reply.error = std::move(text);
    return reply;
  }
};

/// Answers [rid,key,payload] with [rid,err,res] as grenache-nodejs-http's server does: any method and path,
/// status 200 also with an error, `grc-compress: gzip` for both directions, the `_gr` header.
///
/// Unlike Node's it answers what is not JSON, or is null: at once, with status 400 and
/// `[null, "ERR_REQUEST_PARSE", null]`; and a body over the limit with status 413 and
/// `[null, "ERR_REQUEST_SIZE", null]`. The status is not 200 because a Node client waits for its own rid in
/// such an answer, but reports every other status at once. A handler that throws is answered
/// ERR_REQUEST_HANDLER.
class Server {
 public:
  struct Options {
    std::size_t body_bytes_max = 8 * 1024 * 1024;       // of a request as sent
    std::size_t expanded_bytes_max = 32 * 1024 * 1024;  // of a gzipped one once expanded: stops bombs
    std::size_t connection_count_max = 4096;
    Duration idle_max = std::chrono::seconds{120};  // as Grenache's transports
  };

  /// Makes the reply. The request stays valid until the awaitable completes; it may be moved from.
  using Handler = std::function<net::Awaitable<Reply>(Request& request)>;

  struct Impl;  // of the .cpp alone

  Server(net::Executor const& executor, Options options, Handler handler);
  ~Server();
  Server(Server const&) = delete;
  Server& operator=(Server const&) = delete;

  /// Binds and begins to serve; port 0 takes a free one. Once.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind);
  [[nodiscard]] Endpoint local_endpoint() const;

  /// Announces this server's port under `name` through `link`, again and again until stop(). Listen first.
  /// The link must outlive stop().
  void announce(Link& link, std::string name);

  /// Completes when it listens and every announcement was confirmed by a grape; fails with the failure of the
  /// one that is missing after `limit`.
  [[nodiscard]] net::Awaitable<RpcResult<void>> ready(Duration limit);

  /// Ends the announcements, then as HttpServer::stop.
  [[nodiscard]] net::Awaitable<bool> stop(Duration limit);

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
