// Subscriber: the text messages of all publishers of a name.
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

/// A message, and who has published it ("ip:port", as it was looked up).
struct Publication {
  std::string text;
  std::string publisher;
};

/// Hears all publishers of a name: looks them up now and then, keeps a connection to each, and connects again
/// when one is lost. What is published while there is no connection is lost: publishers do not repeat
/// themselves. A message comes once from each connection, and messages of one publisher in their order.
///
/// Unlike Node's PeerSub, which connects to one publisher of those it has found, once, and never again.
///
/// One thread. The link must outlive the subscriber, which drops its connections when it goes.
class Subscriber {
 public:
  struct Options {
    std::shared_ptr<net::TlsContext> tls;             // null: plain
    std::size_t message_bytes_max = 8 * 1024 * 1024;  // a longer one ends the connection it came on
    /// Of messages that nobody has asked for yet. When it is reached nothing more is read, so that publishers
    /// see a slow subscriber, and may drop it. One message of each publisher may come on top.
    std::size_t queue_bytes_max = 16 * 1024 * 1024;
    std::size_t publisher_count_max = 1000;               // as many as Link finds by default
    Duration lookup_interval = std::chrono::seconds{10};  // with 0.5 to 1.5 of it between two lookups
    Duration lookup_retry = std::chrono::seconds{1};      // the same while somebody is missing
    Duration connect_timeout = std::chrono::seconds{5};   // TCP, TLS and upgrade together
    Duration retry_min = std::chrono::milliseconds{200};  // before the first new attempt to connect, …
    Duration retry_max = std::chrono::seconds{10};        // …, doubled up to this, times 0.5 to 1.5
    Duration idle_max = std::chrono::seconds{60};         // of a publisher that answers no ping
  };

  struct Counters {
    std::uint64_t messages = 0;          // received
    std::uint64_t connections = 0;       // made so far
    std::uint64_t lost = 0;              // of them, without our doing
    std::uint64_t failed_attempts = 0;   // to connect
    std::uint64_t lookups = 0;           // asked of the link
    std::uint64_t handler_failures = 0;  // handlers that threw
  };

  /// Called for each message. May call anything of the subscriber but its destructor.
  using Handler = std::function<void(Publication publication)>;

  struct Impl;  // of the .cpp alone

  Subscriber(net::Executor const& executor, Link& link, std::string name, Options options, Random random);
  ~Subscriber();
  Subscriber(Subscriber const&) = delete;
  Subscriber& operator=(Subscriber const&) = delete;

  /// Begins to look for publishers. Messages wait for next().
  void start();
  /// The same; messages go to `handler` as they come, and next() has none.
  void start(Handler handler);

  /// The next message, whenever it comes. Fails with `stopped` alone, after those that were received before.
  [[nodiscard]] net::Awaitable<RpcResult<Publication>> next();

  /// Completes when at least `count` publishers are connected. After `limit` it fails with what is in the
  /// way: the failure of the last lookup (lookup_empty, grape_unreachable, …), or of the last attempt to
  /// connect (request_generic), or timeout.
  [[nodiscard]] net::Awaitable<RpcResult<void>> connected(std::size_t count, Duration limit);

  /// How many publishers are connected.
  [[nodiscard]] std::size_t publisher_count() const;
  [[nodiscard]] Counters const& counters() const;

  /// Drops all connections; completes when nothing is left.
  [[nodiscard]] net::Awaitable<void> stop();

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
