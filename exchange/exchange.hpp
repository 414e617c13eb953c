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
#include <grenache/rpc/grape_url.hpp>

namespace grenache::exchange {

/// Runs on the one thread of its executor; several can share it. It must outlive stop().
class Exchange {
 public:
  struct Options {
    std::vector<rpc::GrapeUrl> grapes;  // at least one
    net::TlsOptions grape_tls;          // see rpc::Link::Options::tls
    std::string service = "exchange";   // name to announce and to look up
    IpAddress bind;                     // of the RPC server; see net::all_addresses()
    std::uint16_t port = 0;             // 0 takes a free one
    /// In our orders, for takers who did not find us in the DHT. Empty: `bind`; when that is all addresses,
    /// the one of this host that the DHT shows, or the only one that it shows with our port. 127.0.0.1 as
    /// long as there is none.
    std::string advertised_host;
    /// start() fails when the DHT shows this peer at another host's address alone: nobody would reach it.
    bool requires_own_address = false;
    std::optional<RedisUrl> redis;                          // none: reservations live in this process
    Duration poll_interval = std::chrono::seconds{1};       // between lookups
    Duration announce_interval = std::chrono::seconds{30};  // a Node grape forgets services after 80 s
    Duration start_limit = std::chrono::seconds{10};   // for the grape, and for its word on the announcement
    Duration call_timeout = std::chrono::seconds{10};  // as the original
    std::size_t relay_count_max = 64;  // orders being passed on at one time; more wait for the next sync
    Peer::Options peer{};
  };

  /// `log` must outlive the peer.
  Exchange(net::Executor executor, Options options, SecretKey const& key, Random random, Log const& log);
  ~Exchange();
  Exchange(Exchange const&) = delete;
  Exchange& operator=(Exchange const&) = delete;

  /// Listens, connects to Redis, announces itself and reads the books of those it finds. Completes when all
  /// that is done, with a sentence for an operator when it cannot be. Once; stop() in either case.
  [[nodiscard]] net::Awaitable<std::optional<std::string>> start();
  /// Answers what was asked, for at most half a second, and closes everything.
  [[nodiscard]] net::Awaitable<void> stop();

  [[nodiscard]] Peer const& peer() const;
  [[nodiscard]] std::string const& name() const;
  /// After start().
  [[nodiscard]] std::uint16_t port() const;

  [[nodiscard]] Result<OrderRecord> publish(OrderTerms const& terms);
  [[nodiscard]] std::vector<Match> matches(std::string_view order_id) const;

  /// Each completes with the output that ends the call: PongReceived or CallFailed, TakeGranted, TakeRefused
  /// or CallFailed. A take with the id of an earlier one is that one again.
  [[nodiscard]] net::Awaitable<Output> ping(std::string endpoint);
  [[nodiscard]] net::Awaitable<Output> take(OrderRecord order, Satoshi amount);
  [[nodiscard]] net::Awaitable<Output> take(OrderRecord order, Satoshi amount, std::string take_id);

  /// Completes with true as soon as `condition` holds, which is looked at whenever something has happened;
  /// with false at the deadline.
  [[nodiscard]] net::Awaitable<bool> wait_until(std::function<bool()> condition, TimePoint deadline);

  /// The key of a reservation of ours in Redis and what is left of its life. Only with Redis.
  [[nodiscard]] net::Awaitable<Result<RedisReservations::Shown>> show_reservation(std::string order_id,
                                                                                  std::string take_id,
                                                                                  PeerId taker);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace grenache::exchange
