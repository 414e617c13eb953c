// A running trading peer: the core with its sockets, its grape, its journal and its reservation store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exchange/core/trader.hpp"
#include "exchange/index_reader.hpp"
#include "exchange/journal/sqlite_file.hpp"
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
    std::vector<rpc::GrapeUrl> grapes;  // none: only peers in `connect`, and those that they know
    net::TlsOptions grape_tls;          // see rpc::Link::Options::tls
    std::string service = "exchange";   // name to announce and to look up
    std::vector<std::string> connect;   // endpoints (host:port) of peers that are known without the DHT
    IpAddress bind;                     // of the RPC server; see net::all_addresses()
    std::uint16_t port = 0;             // 0 chooses a free one
    net::WebAccess web_access;          // web pages that may call the RPC server; others are refused with 403
    /// The host in our orders, for takers who did not find us in the DHT. Empty: `bind`; if that means all
    /// addresses, the address of this host that the DHT shows, or the only address that it shows with our
    /// port, or 127.0.0.1 as long as it shows none.
    std::string advertised_host;
    /// start() fails if no grape answers within start_limit; else it is waited for in the background.
    bool requires_grape = false;
    /// start() fails if the DHT shows this peer only at an address of another host, where it cannot be
    /// reached. With requires_grape.
    bool requires_own_address = false;
    std::optional<RedisUrl> redis;  // none: reservations live in this process
    /// No other process can have promised anything under this identity yet, so a Redis that has no data at
    /// the start need not wait for others to restore theirs.
    bool is_new_identity = false;
    std::chrono::milliseconds redis_grace{30'000};          // see RedisReservations::Options::grace
    Duration poll_interval = std::chrono::seconds{1};       // between lookups
    Duration announce_interval = std::chrono::seconds{30};  // a Node grape forgets services after 80 s
    Duration start_limit =
        std::chrono::seconds{10};  // for the grape, and for its confirmation of the announcement
    Duration call_timeout = std::chrono::seconds{10};  // as in the original
    std::string data_dir;                              // for display
    /// Orders may be pegged to these; each name once. With a grape.
    std::vector<IndexSource> indexes{};
    Duration index_interval = std::chrono::seconds{10};  // between reads of all publishers
    /// The journal cannot write: what is in memory is ahead of the disk, and nothing leaves any more. The
    /// program should end at once. Empty: it is only logged.
    std::function<void(std::string const& why)> on_journal_failure;
    Trader::Options trader{};
  };
  using Listener = std::function<void(Event const&)>;
  using ListenerId = std::uint64_t;

  /// Without `journal` nothing is kept after the end. `log` must outlive the peer.
  Exchange(net::Executor executor, Options options, SecretKey const& key, Random random,
           std::optional<SqliteFile> journal, Log const& log);
  ~Exchange();
  Exchange(Exchange const&) = delete;
  Exchange& operator=(Exchange const&) = delete;

  /// Restores the journal, listens, connects to Redis, and announces itself. With requires_grape it completes
  /// when the books of the peers that it finds were read. Completes with nothing, or with a message for the
  /// operator. Call it once, and stop() in either case.
  [[nodiscard]] net::Awaitable<std::optional<std::string>> start();
  /// Answers the requests in progress, for at most half a second, and closes everything. Returns false when
  /// something of it has not ended a second later.
  [[nodiscard]] net::Awaitable<bool> stop();

  [[nodiscard]] Trader const& trader() const;
  [[nodiscard]] std::string const& name() const;
  /// After start().
  [[nodiscard]] std::uint16_t port() const;

  /// Executes a command; a failure is a result too. `done` is called once, later, and with
  /// FailureCode::stopped when the peer stops; not after the destructor.
  void execute(Command command, std::function<void(CommandResult)> done);
  [[nodiscard]] net::Awaitable<CommandResult> execute(Command command);

  /// `listener` is called with every event until unsubscribe(). It must not call this object.
  ListenerId subscribe(Listener listener);
  void unsubscribe(ListenerId id);

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
