// A running exchange peer: the core with its sockets, its grape and its reservation store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exchange/core/peer.hpp"
#include "exchange/reservation/redis.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/net/web_access.hpp>
#include <grenache/rpc/grape_url.hpp>

namespace grenache::exchange {

/// Runs on its executor, which must use one thread; several peers can share it. It must outlive the calls of
/// its functions, and may be destroyed at any other time, also without stop().
class Exchange {
 public:
  struct Options {
    std::vector<rpc::GrapeUrl> grapes;  // at least one
    net::TlsOptions grape_tls;          // see rpc::Link::Options::tls
    std::string service = "exchange";   // name to announce and to look up
    IpAddress bind;                     // of the RPC server; see net::all_addresses()
    std::uint16_t port = 0;             // 0 chooses a free one
    net::WebAccess web_access;          // web pages that may call the RPC server; others are refused with 403
    /// The host in our orders, for takers who did not find us in the DHT. Empty: `bind`; if that means all
    /// addresses, the address of this host that the DHT shows, or the only address that it shows with our
    /// port, or 127.0.0.1 as long as it shows none.
    std::string advertised_host;
    /// start() fails if the DHT shows this peer only at an address of another host, where it cannot be
    /// reached.
    bool requires_own_address = false;
    std::optional<RedisUrl> redis;                          // none: reservations live in this process
    Duration poll_interval = std::chrono::seconds{1};       // between lookups
    Duration announce_interval = std::chrono::seconds{30};  // a Node grape forgets services after 80 s
    Duration start_limit =
        std::chrono::seconds{10};  // for the grape, and for its confirmation of the announcement
    Duration call_timeout = std::chrono::seconds{10};  // as in the original
    std::size_t relay_count_max = 64;  // orders being relayed at a time; others are left to the next sync
    Peer::Options peer{};
  };

  /// `log` must outlive the peer.
  Exchange(net::Executor executor, Options options, SecretKey const& key, Random random, Log const& log);
  ~Exchange();
  Exchange(Exchange const&) = delete;
  Exchange& operator=(Exchange const&) = delete;

  /// Listens, connects to Redis, announces itself and reads the books of the peers that it finds. Completes
  /// with nothing when that is done, or with a message for the operator. Call it once, and stop() in either
  /// case.
  [[nodiscard]] net::Awaitable<std::optional<std::string>> start();
  /// Answers the requests in progress, for at most half a second, and closes everything. Returns false when
  /// something of it has not ended a second later.
  [[nodiscard]] net::Awaitable<bool> stop();

  [[nodiscard]] Peer const& peer() const;
  [[nodiscard]] std::string const& name() const;
  /// After start().
  [[nodiscard]] std::uint16_t port() const;

  [[nodiscard]] Result<OrderRecord> publish(OrderTerms const& terms);
  [[nodiscard]] std::vector<Match> matches(std::string_view order_id) const;

  /// Each completes with the output that ends the call: PongReceived or CallFailed, TakeGranted, TakeRefused
  /// or CallFailed. A take with the id of an earlier one repeats it.
  [[nodiscard]] net::Awaitable<Output> ping(std::string endpoint);
  [[nodiscard]] net::Awaitable<Output> take(OrderRecord order, Satoshi amount);
  [[nodiscard]] net::Awaitable<Output> take(OrderRecord order, Satoshi amount, std::string take_id);

  /// Completes with true as soon as `condition` holds, which is checked after every change; with false at the
  /// deadline.
  [[nodiscard]] net::Awaitable<bool> wait_until(std::function<bool()> condition, TimePoint deadline);

  /// Returns the Redis key of one of our reservations and its remaining life. Only with Redis.
  [[nodiscard]] net::Awaitable<Result<RedisReservations::Shown>> show_reservation(std::string order_id,
                                                                                  std::string take_id,
                                                                                  PeerId taker);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace grenache::exchange
