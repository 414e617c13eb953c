// Reservations kept in Redis, shared by all processes of one maker.
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

/// A ReservationStore in Redis. One script checks, counts, fences and sets, so that racing processes cannot
/// both win.
///
/// Keys, `{maker}` being the maker's peer id in hex (one hash slot, for clusters):
///   grenache:exchange:{maker}:fence                 counter, kept
///   grenache:exchange:{maker}:order:<order id>      sorted set of the take ids with live reservations
///   grenache:exchange:{maker}:take:<order id>/<take id>   "<sat> <fence> <reserved at, ms> <attempt>
///   <taker>", expires with the reservation grenache:exchange:{maker}:undone:<attempt>      an attempt that
///   was given up; a late script finds it and does nothing
///
/// Without a definite answer the caller is told `unavailable` and the attempt is undone: at once where Redis
/// still answers, else as soon as it is back. Expiry is Redis's; its clock is the only one that counts.
class RedisReservations final : public ReservationStore {
 public:
  struct Options {
    std::string maker;  // peer id in hex
    std::size_t undo_max =
        10'000;  // attempts to be undone when Redis is back; the oldest are left to expire by themselves
  };

  /// `client` must outlive the store and be started by its owner, who calls connected() from its
  /// `on_connected`.
  RedisReservations(RedisClient& client, Random random, Options options);

  void reserve(ReserveRequest request, std::function<void(ReserveOutcome)> done) override;
  void release(std::string order_id, std::string take_id, std::int64_t fence,
               std::function<void(Result<bool>)> done) override;

  /// Redis is back: undoes what could not be undone before.
  void connected();

  /// Key of a reservation, and what is left of its life by Redis's clock; for showing to people.
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
  std::map<std::string, Attempt> undos_;  // by attempt id, not yet confirmed
  std::shared_ptr<bool> alive_ =
      std::make_shared<bool>(true);  // callbacks that come after this object check it
};

}  // namespace grenache::exchange
