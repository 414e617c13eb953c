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

/// Looks up and announces services through the HTTP API of one or several grapes, Node.js ones included. The
/// first grape is asked until it fails, then the next. A grape that is slow to answer is passed over: the
/// next one is asked beside it, and the first answer counts.
///
/// Lookups are cached, and concurrent lookups of one name are shared. While services are announced, GET
/// /health of each grape is polled: a grape that was restarted, or is lost, makes them be announced again at
/// once.
///
/// One thread. A link that is destroyed without stop() announces no more; its requests under way end within
/// their timeouts.
class Link {
 public:
  struct Options {
    std::vector<GrapeUrl> grapes;  // at least one
    /// Of grapes whose URL is https. Without `ca` and fingerprints the authorities of the system are trusted.
    /// What is wrong with it fails every request to such a grape with grape_unreachable.
    net::TlsOptions tls;
    LookupCache::Options cache;
    unsigned try_count = 3;  // as grenache-nodejs-link, for lookup and announce
    /// Of one try. Longer than a DHT lookup that has just lost a node (2.8 s), and three tries end within the
    /// 10 s that callers wait unless told otherwise.
    Duration try_timeout = std::chrono::milliseconds{3200};
    /// A grape that has not answered after it is paused, and another one is asked as well. Longer than most
    /// lookups; short enough that a service starts within 4 s beside a grape that hangs.
    Duration hedge_delay = std::chrono::milliseconds{500};
    Duration announce_interval = std::chrono::minutes{2};  // repeated after 0.5 to 1.5 of it, as Node.js does
    Duration announce_retry = std::chrono::seconds{5};     // after one that failed, with the same spread
    Duration watch_interval = std::chrono::seconds{1};  // between two polls of a grape, with the same spread
    Duration unannounce_max =
        std::chrono::milliseconds{2500};                   // for taking a service back, at all grapes at once
    Duration ready_poll = std::chrono::milliseconds{200};  // between attempts to reach a grape
    Duration grape_pause = std::chrono::seconds{5};        // how long a grape that failed is not asked
    std::size_t lookup_count_max = 1000;                   // lookups of distinct names under way
    std::size_t peer_count_max = 1000;                     // of one lookup; a grape answers with 100
  };

  struct Impl;  // of the .cpp alone

  Link(net::Executor const& executor, Options options, Random random);
  ~Link();
  Link(Link const&) = delete;
  Link& operator=(Link const&) = delete;

  /// Completes as soon as a grape answers. After `limit` it fails with grape_unreachable, whose detail says
  /// why the grape that was asked last did not ("… answers, but is no grape (404)").
  [[nodiscard]] net::Awaitable<RpcResult<void>> wait_ready(Duration limit);

  /// The destinations ("ip:port") of a service, from the cache or a grape. Fails with lookup_empty when
  /// nobody is known, not_ready when nobody is known and the grape's /health says that it has not joined its
  /// network, grape_unreachable when no grape answered in any try, grape_refused with the text of a grape's
  /// error, timeout at `deadline`. What fails is not cached.
  [[nodiscard]] net::Awaitable<RpcResult<std::vector<std::string>>> lookup(std::string name,
                                                                           TimePoint deadline);
  /// The same without a deadline of its own: at most try_count times try_timeout.
  [[nodiscard]] net::Awaitable<RpcResult<std::vector<std::string>>> lookup(std::string name);

  /// The next lookup of `name` asks a grape: what was found has turned out to be dead.
  void forget(std::string_view name);

  /// Announces once. The number of other nodes that stored it.
  [[nodiscard]] net::Awaitable<RpcResult<std::uint32_t>> announce(std::string name, std::uint16_t port);

  /// Announces now and again and again, until stopped. Does nothing when it does so already.
  void start_announcing(std::string name, std::uint16_t port);
  /// Ends the announcements. Each grape that may list the service is asked once to take it back, also one
  /// that did not answer the announcement; for a grape that is gone another one is asked. Grapes that cannot
  /// take back (those of Node.js) forget the service when its age is reached. False when it was not
  /// announced.
  bool stop_announcing(std::string_view name, std::uint16_t port);
  /// Completes when a grape has confirmed the announcement that was started; fails with the failure of the
  /// last attempt after `limit` (not_ready when none has ended), and with `stopped` when there is no such
  /// announcement.
  [[nodiscard]] net::Awaitable<RpcResult<void>> announced(std::string name, std::uint16_t port,
                                                          Duration limit);

  /// Ends all announcements as stop_announcing() does, waiting at most unannounce_max for the grapes; fails
  /// what is under way, and completes when nothing is left.
  [[nodiscard]] net::Awaitable<void> stop();

 private:
  std::shared_ptr<Impl> impl_;
};

/// `interval` times a number from 0.5 to 1.5, so that services which started together do not announce
/// together.
[[nodiscard]] Duration jittered(Duration interval, Random& random);

}  // namespace grenache::rpc
