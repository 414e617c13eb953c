// Publisher: sends text messages to all subscribers of a name.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/net/web_access.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/rpc_error.hpp>

namespace grenache::rpc {

/// Accepts subscribers on WebSocket and sends every message to each of them, like PeerPub of
/// grenache-nodejs-ws: the plain text without an envelope, and no earlier messages to new subscribers.
///
/// Unlike PeerPub it supports TLS, and closes a slow subscriber instead of queueing without limit. Call its
/// functions on the thread of the executor, unless documented otherwise.
class Publisher {
 public:
  struct Options {
    std::shared_ptr<net::TlsContext> tls;     // null: plain
    std::size_t subscriber_count_max = 4096;  // further ones are refused
    /// Bytes queued for one subscriber. A message that exceeds this closes its connection; the only message
    /// in the queue may be larger.
    std::size_t queue_bytes_max = 16 * 1024 * 1024;
    /// A subscriber that does not answer pings is closed after this.
    Duration idle_max = std::chrono::seconds{60};
    /// As ServerOptions::web_access. None: any web page in a browser that can reach the publisher can
    /// subscribe.
    std::optional<net::WebAccess> web_access{std::in_place};
    unsigned threads = 0;  // own threads that write to subscribers; 0: the thread of the executor
  };

  struct Counters {
    std::uint64_t published = 0;    // messages
    std::uint64_t delivered = 0;    // messages queued for a subscriber, summed over subscribers
    std::uint64_t subscribers = 0;  // accepted
    std::uint64_t slow = 0;         // closed because they read too slowly
    std::uint64_t refused = 0;      // refused at subscriber_count_max
  };

  struct Impl;  // private to the .cpp

  Publisher(net::Executor const& executor, Options options);
  ~Publisher();
  Publisher(Publisher const&) = delete;
  Publisher& operator=(Publisher const&) = delete;

  /// Binds and starts to accept subscribers; port 0 chooses a free one. Call once.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind);
  [[nodiscard]] Endpoint local_endpoint() const;

  /// Announces this publisher under `name` through `link` periodically until stop(). Call listen() first. The
  /// link must outlive stop().
  void announce(Link& link, std::string name);

  /// Completes when a grape has confirmed every announcement; after `limit` it fails with the failure of a
  /// missing one.
  [[nodiscard]] net::Awaitable<RpcResult<void>> ready(Duration limit);

  /// Queues `text` for all subscribers and returns their number. Text that is not UTF-8 is sent as a binary
  /// message. Never blocks. Thread-safe; messages of one thread arrive in order.
  std::size_t publish(std::string text);

  /// Thread-safe.
  [[nodiscard]] std::size_t subscriber_count() const;
  [[nodiscard]] Counters counters() const;

  /// Ends the announcements, and closes each connection once its queue is sent; connections left after
  /// `limit` are aborted. Completes with true when none was.
  [[nodiscard]] net::Awaitable<bool> stop(Duration limit);

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
