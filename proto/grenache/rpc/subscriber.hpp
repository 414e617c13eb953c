// Subscriber: receives the text messages of all publishers of a name.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/rpc_error.hpp>

namespace grenache::rpc {

/// A message and its publisher ("ip:port", as looked up).
struct Publication {
  std::string text;
  std::string publisher;
};

/// Receives from all publishers of a name: looks them up periodically, keeps a connection to each, and
/// reconnects when one is lost. Messages published while there is no connection are lost. Messages of one
/// publisher arrive in order, without duplicates.
///
/// Unlike PeerSub of Node.js, which connects only once, to one of the publishers found.
///
/// Not thread-safe. The link must outlive the subscriber. The destructor closes the connections.
class Subscriber {
 public:
  struct Options {
    std::shared_ptr<net::TlsContext> tls;             // null: plain
    std::size_t message_bytes_max = 8 * 1024 * 1024;  // a larger one ends its connection
    /// Bytes of messages not yet returned by next(). When it is reached, nothing more is read
    /// (back-pressure), so publishers may close the connection as too slow. It may be exceeded by one message
    /// per publisher.
    std::size_t queue_bytes_max = 16 * 1024 * 1024;
    std::size_t publisher_count_max = 1000;               // the default limit of Link
    Duration lookup_interval = std::chrono::seconds{10};  // between lookups, times 0.5 to 1.5
    Duration lookup_retry = std::chrono::seconds{1};      // the same while a publisher is missing
    Duration connect_timeout = std::chrono::seconds{5};   // for TCP, TLS and upgrade together
    Duration retry_min = std::chrono::milliseconds{200};  // before the first reconnect, …
    Duration retry_max = std::chrono::seconds{10};        // …, doubled up to this, times 0.5 to 1.5
    Duration idle_max = std::chrono::seconds{60};         // of a publisher that does not answer pings
  };

  struct Counters {
    std::uint64_t messages = 0;          // received
    std::uint64_t connections = 0;       // opened
    std::uint64_t lost = 0;              // of these, lost
    std::uint64_t failed_attempts = 0;   // failed connection attempts
    std::uint64_t lookups = 0;           // lookups by the link
    std::uint64_t handler_failures = 0;  // handlers that threw
  };

  /// Called for each message. May call any function of the subscriber except its destructor.
  using Handler = std::function<void(Publication publication)>;

  struct Impl;  // private to the .cpp

  Subscriber(net::Executor const& executor, Link& link, std::string name, Options options, Random random);
  ~Subscriber();
  Subscriber(Subscriber const&) = delete;
  Subscriber& operator=(Subscriber const&) = delete;

  /// Starts to look up publishers. Messages are queued for next().
  void start();
  /// The same; messages are passed to `handler` instead of next().
  void start(Handler handler);

  /// Waits for the next message. Fails only with `stopped`, after the messages received before.
  [[nodiscard]] net::Awaitable<RpcResult<Publication>> next();

  /// Completes when at least `count` publishers are connected. After `limit` it fails with the failure of the
  /// last lookup (lookup_empty, grape_unreachable, …) or connection attempt (request_generic), or with
  /// timeout.
  [[nodiscard]] net::Awaitable<RpcResult<void>> connected(std::size_t count, Duration limit);

  /// The number of connected publishers.
  [[nodiscard]] std::size_t publisher_count() const;
  [[nodiscard]] Counters const& counters() const;

  /// Closes all connections; completes when nothing is running.
  [[nodiscard]] net::Awaitable<void> stop();

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
