// The reservation store of a maker: in this process, or in a Redis.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "exchange/reservation/redis.hpp"
#include <grenache/base/random.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/async_event.hpp>

namespace grenache::exchange {

/// Owns the store and, with Redis, its connection. On one thread, that of the executor.
class ReservationService {
 public:
  struct Options {
    std::optional<RedisUrl> redis;  // none: in this process
    std::string maker;              // peer id in hex
    /// No other process can have promised anything under this identity yet, so a Redis that has no data at
    /// the start need not wait for others to restore theirs.
    bool is_new_identity = false;
    std::chrono::milliseconds grace{30'000};  // see RedisReservations::Options::grace
  };
  struct Callbacks {
    /// The store asks for Recover; see RedisReservations::Options::on_data_lost.
    std::function<void()> on_data_lost;
    /// Redis cannot be reached any more, and why.
    std::function<void(std::string const& reason)> on_lost;
  };

  /// `log` must outlive the object. No callback of `callbacks` comes after the destructor; those of execute()
  /// may.
  ReservationService(net::Executor executor, Options options, Random random, Callbacks callbacks,
                     Log const& log);
  ~ReservationService();
  ReservationService(ReservationService const&) = delete;
  ReservationService& operator=(ReservationService const&) = delete;

  /// Connects to Redis, if there is one. Completes with nothing, or after the first failed attempt with a
  /// message for the operator; connecting goes on then. The object must outlive it.
  [[nodiscard]] net::Awaitable<std::optional<std::string>> start();
  void stop();

  void execute(store::Command command, ReservationStore::Done done);
  /// See RedisReservations::check(). With Redis only.
  void check() { redis_store_->check(); }
  /// "in this process", or the Redis and whether it is connected.
  [[nodiscard]] std::string state() const;
  /// The Redis key of a reservation and its remaining life; fails without Redis. The object must outlive it.
  [[nodiscard]] net::Awaitable<Result<RedisReservations::Shown>> show(std::string order_id,
                                                                      std::string take_id);

 private:
  net::Executor executor_;
  Options options_;
  Callbacks callbacks_;
  Log const& log_;
  net::AsyncEvent changed_;  // the state of the connection
  std::string failure_;      // of the connection; empty while it stands
  std::unique_ptr<RedisClient> client_;
  std::unique_ptr<ReservationStore> store_;
  RedisReservations* redis_store_ = nullptr;  // `store_`, if it is of this type
};

}  // namespace grenache::exchange
