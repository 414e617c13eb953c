// Publisher: text messages to all who have subscribed to a name.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/rpc_error.hpp>

namespace grenache::rpc {

/// Listens for subscribers on WebSocket and sends every message to each of them, as grenache-nodejs-ws'
/// PeerPub: the text as it is, without envelope, and nothing of the past to those who come later.
///
/// Unlike Node's it speaks TLS too, and drops a subscriber that does not keep up instead of keeping for it
/// whatever is published. All calls are made on the thread of the executor, unless a function says otherwise.
class Publisher {
 public:
  struct Options {
    std::shared_ptr<net::TlsContext> tls;     // null: plain
    std::size_t subscriber_count_max = 4096;  // more are closed unheard
    /// Of messages for one subscriber that the system has not taken yet. One message more drops the
    /// subscriber, unless it is the only one.
    std::size_t queue_bytes_max = 16 * 1024 * 1024;
    Duration idle_max = std::chrono::seconds{60};  // a subscriber that answers no ping is dropped after it
    unsigned threads = 0;                          // that write to subscribers; 0: the one of the executor
  };

  struct Counters {
    std::uint64_t published = 0;    // messages
    std::uint64_t delivered = 0;    // messages given to the connection of a subscriber
    std::uint64_t subscribers = 0;  // so far
    std::uint64_t slow = 0;         // dropped because they did not read
    std::uint64_t refused = 0;      // over subscriber_count_max
  };

  struct Impl;  // of the .cpp alone

  Publisher(net::Executor const& executor, Options options);
  ~Publisher();
  Publisher(Publisher const&) = delete;
  Publisher& operator=(Publisher const&) = delete;

  /// Binds and begins to take subscribers; port 0 takes a free one. Once.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind);
  [[nodiscard]] Endpoint local_endpoint() const;

  /// Announces this publisher under `name` through `link`, again and again until stop(). Listen first. The
  /// link must outlive stop().
  void announce(Link& link, std::string name);

  /// Completes when every announcement was confirmed by a grape; fails with the failure of the one that is
  /// missing after `limit`.
  [[nodiscard]] net::Awaitable<RpcResult<void>> ready(Duration limit);

  /// Sends `text` to all subscribers: how many that were. It should be UTF-8; what is not goes as a binary
  /// message. Never waits. From any thread; messages published by one thread arrive in their order.
  std::size_t publish(std::string text);

  /// From any thread.
  [[nodiscard]] std::size_t subscriber_count() const;
  [[nodiscard]] Counters counters() const;

  /// Ends the announcements, and closes every connection once all that was published has been sent; what is
  /// left after `limit` is cut off. True when nothing was.
  [[nodiscard]] net::Awaitable<bool> stop(Duration limit);

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
