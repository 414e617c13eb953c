// A reservation store in Redis, shared by all processes of one maker.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "exchange/reservation/redis_client.hpp"
#include "exchange/reservation/reservation_store.hpp"
#include <grenache/base/random.hpp>

namespace grenache::exchange {

/// A ReservationStore in Redis. Each command is one script, so that of two racing processes only one
/// succeeds. Only the clock of Redis is used.
///
/// Keys, `{maker}` being the maker's peer id in hex (one hash slot, for clusters):
///   grenache:exchange:{maker}:order:<order id>
///       hash: amount, filled, reduced, closed, seq, forget_at, spent; done:<take id> = "<sat> <fence>" of
///       each settled take. Expires kOrderKept after the order
///   grenache:exchange:{maker}:takes:<order id>
///       sorted set of the take ids with live reservations, by the time they expire
///   grenache:exchange:{maker}:take:<order id>/<take id>
///       "<sat> <fence> <reserved at, ms> <attempt> <taker>"; expires with the reservation
///   grenache:exchange:{maker}:fence
///       counter; never expires. After a loss it continues from the time in ms
///   grenache:exchange:{maker}:epoch     hash: id (random), until (ms), run (id of the server); see below
///   grenache:exchange:{maker}:undone:<attempt>
///       a cancelled attempt: a script that runs later finds it and does nothing
///   grenache:exchange:{maker}:recovering:<id>
///       a Recover that is sent in parts
///
/// Data loss: after FLUSHALL or a restart without data the epoch is missing; after a restart with data or a
/// failover, which may have lost the last writes, it is that of another server. All scripts but Recover then
/// refuse, and the first Recover sets a new one. For `grace` from then on takes and settlements are refused
/// with the time to wait, so that the other processes can restore theirs: of two totals the greater one
/// counts, so all must be told before one grows. They find an epoch that is not the one they know. A
/// connection that finds the known epoch needs no Recover. New fences exceed all that were given before the
/// loss, as long as fewer than 1000 were given per second.
///
/// Lost answers. Without a definite answer the caller gets `unavailable`. An attempt to Reserve is undone: at
/// once if Redis still answers, else after the next connection. A reservation that was repeated for a second
/// caller is not undone any more; it expires. Settle, Update, Release and Recover may have been executed, and
/// are safe to repeat: a settled take is kept as done:<take id>, Update counts from the totals of its sender.
///
/// What is not noticed: keys evicted by a maxmemory-policy, and, when the user may not call INFO, the last
/// writes before a failover or restart. The totals and fences that each command carries then limit the
/// damage: a fence does not repeat within a process, and what it knows to be filled is not granted again. Nor
/// does a Recover know what a process has promised that is not running, or does not reach Redis, during the
/// grace. Use `maxmemory-policy noeviction`, and `min-replicas-to-write 1` with replicas, so that a master
/// that was replaced accepts nothing more.
class RedisReservations final : public ReservationStore {
 public:
  struct Options {
    std::string maker;  // peer id in hex
    std::chrono::milliseconds grace{30'000};
    /// No process has promised anything for this maker yet: there is no grace after the first Recover.
    bool is_new_maker = false;
    std::size_t live_takes_per_order_max = 64;
    std::size_t settled_takes_per_order_max = 10'000;
    /// Pending undos; beyond this the oldest attempts are left to expire.
    std::size_t undo_max = 10'000;
    /// Commands that wait for the answer to a Recover; further ones are refused with `unavailable`.
    std::size_t held_max = 10'000;
    /// Asks the process to send Recover: when a connection finds that Redis has not the data that this
    /// process has recovered, when a command does, and again with the next command after a Recover that had
    /// no answer. Once for each loss, connection and attempt; not from within execute().
    std::function<void()> on_data_lost{};
  };

  /// `client` must outlive the store. Its owner starts it and calls connected() from its `on_connected`.
  RedisReservations(RedisClient& client, Random random, Options options);
  ~RedisReservations() override;

  void execute(store::Command command, Done done) override;

  /// Sends pending undos and reads the epoch; call it after each connection to Redis.
  void connected();
  /// Reads the epoch. Call it a few times per `grace`: else a process that sends no commands does not notice
  /// a loss, and others count without what it has promised.
  void check();
  /// Undos that Redis has not confirmed.
  [[nodiscard]] std::size_t undo_count() const;

  /// The key of a reservation and its remaining lifetime in Redis, for display.
  struct Shown {
    std::string key;
    std::chrono::milliseconds remaining_life{};  // 0: there is no such reservation
  };
  void show(std::string const& order_id, std::string const& take_id, std::function<void(Result<Shown>)> done);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with callbacks, which may run after the destructor
};

}  // namespace grenache::exchange
