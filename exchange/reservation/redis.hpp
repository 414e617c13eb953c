// A reservation store in Redis, shared by all processes of one maker.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "exchange/reservation/redis_client.hpp"
#include "exchange/reservation/reservation_store.hpp"
#include <grenache/base/random.hpp>

namespace grenache::exchange {

/// A ReservationStore in Redis. One script checks, counts, fences and sets atomically, so that of two racing
/// processes only one succeeds.
///
/// Keys, `{maker}` being the maker's peer id in hex (one hash slot, for clusters):
///   grenache:exchange:{maker}:fence                 counter; never expires
///   grenache:exchange:{maker}:order:<order id>      sorted set of the take ids with live reservations
///   grenache:exchange:{maker}:take:<order id>/<take id>
///       "<sat> <fence> <reserved at, ms> <attempt> <taker>"; expires with the reservation
///   grenache:exchange:{maker}:undone:<attempt>
///       a cancelled attempt: a script that runs later finds it and does nothing
///
/// Without a definite answer the caller gets `unavailable` and the attempt is undone: at once if Redis still
/// answers, else after the next connection. Redis expires the keys; only its clock is used.
class RedisReservations final : public ReservationStore {
 public:
  struct Options {
    std::string maker;  // peer id in hex
    /// Pending undos; beyond this the oldest attempts are left to expire.
    std::size_t undo_max = 10'000;
  };

  /// `client` must outlive the store. Its owner starts it and calls connected() from its `on_connected`.
  RedisReservations(RedisClient& client, Random random, Options options);

  void reserve(ReserveRequest request, std::function<void(ReserveOutcome)> done) override;
  void release(std::string order_id, std::string take_id, std::int64_t fence,
               std::function<void(Result<bool>)> done) override;

  /// Sends pending undos; call it after each connection to Redis.
  void connected();

  /// The key of a reservation and its remaining lifetime in Redis, for display.
  struct Shown {
    std::string key;
    std::chrono::milliseconds remaining_life{};
  };
  void show(std::string const& order_id, std::string const& take_id, std::function<void(Result<Shown>)> done);

 private:
  struct Attempt {
    std::string order_id;
    std::string take_id;
  };

  [[nodiscard]] std::string key(std::string_view kind, std::string_view rest) const;
  [[nodiscard]] std::string take_key(std::string_view order_id, std::string_view take_id) const;
  void undo(std::string const& attempt_id, Attempt attempt);
  void send_undo(std::string const& attempt_id, Attempt const& attempt);

  RedisClient& client_;
  Random random_;
  Options options_;
  std::map<std::string, Attempt> undos_;  // by attempt id; not yet confirmed
  /// Checked by callbacks that may run after the destructor.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace grenache::exchange
