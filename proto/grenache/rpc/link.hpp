// Link: finds and announces services through a grape.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <grenache/base/random.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/grape_url.hpp>
#include <grenache/rpc/lookup_cache.hpp>
#include <grenache/rpc/rpc_error.hpp>

namespace grenache::rpc {

/// Looks up and announces services through the HTTP API of one or several grapes, including those of Node.js.
/// Uses the first grape until it fails, then fails over to the next one. If a grape is slow, the next one is
/// queried in addition (hedging), and the first answer is used.
///
/// Caches lookups, and shares concurrent lookups of one name. While services are announced, polls GET /health
/// of each grape, and re-announces at once when a grape was restarted or lost.
///
/// Not thread-safe. Destroying a link without stop() ends its announcements; running requests end within
/// their timeouts.
class Link {
 public:
  struct Options {
    std::vector<GrapeUrl> grapes;  // none: lookups and announcements fail with grape_unreachable
    /// For grapes with an https URL. Without `ca` and fingerprints, the authorities of the system are
    /// trusted. If it is invalid, every request to such a grape fails with grape_unreachable.
    net::TlsOptions tls;
    LookupCache::Options cache;
    unsigned try_count = 3;  // of a lookup or announcement, as in grenache-nodejs-link
    /// Timeout of one try. Longer than a DHT lookup that meets a dead node (2.8 s), and short enough that
    /// three tries end within the default request timeout of 10 s.
    Duration try_timeout = std::chrono::milliseconds{3200};
    /// If a grape has not answered after this, it is paused and another one is queried in addition. Longer
    /// than most lookups; short enough that a service starts within 4 s although a grape hangs.
    Duration hedge_delay = std::chrono::milliseconds{500};
    Duration announce_interval = std::chrono::minutes{2};  // times 0.5 to 1.5, as in Node.js
    Duration announce_retry = std::chrono::seconds{5};     // after a failed one, with the same jitter
    Duration watch_interval = std::chrono::seconds{1};     // between polls of a grape, with the same jitter
    Duration unannounce_max = std::chrono::milliseconds{2500};  // total time for unannouncing at all grapes
    Duration ready_poll = std::chrono::milliseconds{200};       // between attempts of wait_ready()
    Duration grape_pause = std::chrono::seconds{5};             // how long a failed grape is not used
    std::size_t lookup_count_max = 1000;                        // concurrent lookups of distinct names
    std::size_t peer_count_max = 1000;                          // results of a lookup; a grape returns 100
  };

  struct Impl;  // private to the .cpp

  Link(net::Executor const& executor, Options options, Random random);
  ~Link();
  Link(Link const&) = delete;
  Link& operator=(Link const&) = delete;

  /// Completes as soon as a grape answers. After `limit` it fails with grape_unreachable; its detail is the
  /// failure of the last grape tried ("… answers, but is not a grape (404)").
  [[nodiscard]] net::Awaitable<RpcResult<void>> wait_ready(Duration limit);

  /// Returns the destinations ("ip:port") of a service, from the cache or a grape. Fails with lookup_empty
  /// when there are none, not_ready when there are none and the grape's /health reports that it has not
  /// joined its network, grape_unreachable when no grape answered in any try, grape_refused with the text of
  /// a grape's error, timeout at `deadline`. Failures are not cached.
  [[nodiscard]] net::Awaitable<RpcResult<std::vector<std::string>>> lookup(std::string name,
                                                                           TimePoint deadline);
  /// The same without a deadline: at most try_count + 1 times try_timeout, for the tries and for asking
  /// whether a grape that knows no destination is ready.
  [[nodiscard]] net::Awaitable<RpcResult<std::vector<std::string>>> lookup(std::string name);

  /// Removes `name` from the cache, because its destinations are dead.
  void forget(std::string_view name);

  /// Announces once. Returns the number of other nodes that stored it.
  [[nodiscard]] net::Awaitable<RpcResult<std::uint32_t>> announce(std::string name, std::uint16_t port);

  /// Announces now and periodically until stop_announcing(). Does nothing if the service is already
  /// announced.
  void start_announcing(std::string name, std::uint16_t port);
  /// Ends the announcements and unannounces the service once at each grape that may list it, including those
  /// that did not answer the announcement; instead of an unreachable grape another one is used. Grapes
  /// without unannounce (those of Node.js) drop the service when it expires. Returns false when it was not
  /// announced.
  bool stop_announcing(std::string_view name, std::uint16_t port);
  /// Completes when a grape has confirmed the announcement. After `limit` it fails with the failure of the
  /// last attempt (not_ready if none has ended), and with `stopped` when there is no such announcement.
  [[nodiscard]] net::Awaitable<RpcResult<void>> announced(std::string name, std::uint16_t port,
                                                          Duration limit);

  /// Ends all announcements as stop_announcing() does, waiting at most unannounce_max for the grapes; fails
  /// running requests, and completes when nothing is running.
  [[nodiscard]] net::Awaitable<void> stop();

 private:
  std::shared_ptr<Impl> impl_;
};

/// Returns `interval` times a random number from 0.5 to 1.5, so that services that started together do not
/// announce together.
[[nodiscard]] Duration jittered(Duration interval, Random& random);

}  // namespace grenache::rpc
