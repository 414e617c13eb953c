// Both reservation stores behind one blocking interface.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "exchange/reservation/embedded.hpp"
#include "exchange/reservation/redis.hpp"
#include "tests/support/limit.hpp"
#include "tests/support/redis_server.hpp"

namespace grenache::exchange {

using store::RefusalReason;
using test::RedisServer;

inline WallTime wall_now() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

/// An order of 100 satoshi.
inline KnownOrder order_of(std::string id = "order-1", OrderTotals totals = {}) {
  return {std::move(id), Satoshi{100}, wall_now() + std::chrono::hours{1}, totals};
}
inline store::Reserve reserve_of(std::string take, std::string taker, std::int64_t wanted = 100) {
  return {
      .order = order_of(), .take_id = std::move(take), .taker = std::move(taker), .wanted = Satoshi{wanted}};
}
inline store::Settle settle_of(Reservation const& take) { return {order_of(), take.take_id, take.fence}; }
inline store::Update reduce_of(std::int64_t by, OrderTotals known = {}) {
  return {order_of("order-1", known), Satoshi{by}, false};
}

inline store::Granted const* granted(store::Answer const& answer) {
  return std::get_if<store::Granted>(&answer);
}
/// The reason of a refusal; nothing if it is none.
inline std::optional<RefusalReason> refused(store::Answer const& answer) {
  auto const* refusal = std::get_if<store::Refused>(&answer);
  return refusal ? std::optional{refusal->reason} : std::nullopt;
}

/// Runs the io_context until the condition holds.
template <class Condition>
void await(boost::asio::io_context& io, Condition condition) {
  auto const end = std::chrono::steady_clock::now() + test::limit();
  io.restart();
  while (!condition() && std::chrono::steady_clock::now() < end)
    io.run_one_for(std::chrono::milliseconds{20});
  EXPECT_TRUE(condition()) << "waited in vain";
}

/// Runs the io_context until `done` is set.
template <class T>
T await_value(boost::asio::io_context& io, std::optional<T>& done) {
  await(io, [&] { return done.has_value(); });
  return done ? *done : T{};
}

inline store::Answer execute(boost::asio::io_context& io, ReservationStore& store, store::Command command) {
  std::optional<store::Answer> out;
  store.execute(std::move(command), [&](store::Answer answer) { out = std::move(answer); });
  EXPECT_FALSE(out) << "answered inside the call";
  return await_value(io, out);
}

inline EmbeddedReservations::Environment environment_of(boost::asio::io_context& io) {
  return {[] { return TimePoint{std::chrono::steady_clock::now().time_since_epoch()}; }, wall_now,
          [&io](std::function<void()> work) { boost::asio::post(io, std::move(work)); }};
}

/// A RedisReservations with its own client, like one process of the maker.
class RedisPeer {
 public:
  struct Options {
    std::chrono::milliseconds command_timeout = test::limit();
    std::chrono::milliseconds grace{0};
    bool is_new_maker = false;
    std::size_t undo_max = 10'000;
    bool recovers = true;  // sends `promised` when it connects, and whenever the data were lost
  };

  RedisPeer(boost::asio::io_context& io, std::string const& url) : RedisPeer{io, url, Options{}} {}
  RedisPeer(boost::asio::io_context& io, std::string const& url, Options options)
      : io_{io},
        client{io.get_executor(), {.url = *RedisUrl::parse(url), .command_timeout = options.command_timeout}},
        store{client, Random::from_system(), store_options(options)} {
    client.start([this] { store.connected(); }, [](std::string const&) {});
    until([&] { return options.recovers ? recover_count > 0 : client.connected(); });
  }

  void recover() {
    store.execute(promised, [this](store::Answer const& answer) {
      if (std::holds_alternative<store::Done>(answer)) ++recover_count;
    });
  }
  template <class Condition>
  void until(Condition condition) {
    await(io_, condition);
  }
  store::Answer execute(store::Command command) { return exchange::execute(io_, store, std::move(command)); }
  RedisReply command(std::vector<std::string> words) {
    std::optional<RedisReply> out;
    client.command(std::move(words), [&](Result<RedisReply> reply) { out = reply ? *reply : RedisReply{}; });
    return await_value(io_, out);
  }

  RedisReservations::Options store_options(Options const& options) {
    RedisReservations::Options made{.maker = "maker",
                                    .grace = options.grace,
                                    .is_new_maker = options.is_new_maker,
                                    .undo_max = options.undo_max};
    made.on_data_lost = [this, recovers = options.recovers] {
      ++loss_count;
      if (recovers) recover();
    };
    return made;
  }

  store::Recover promised;
  int loss_count = 0;
  int recover_count = 0;

 private:
  boost::asio::io_context& io_;

 public:
  RedisClient client;
  RedisReservations store;
};

}  // namespace grenache::exchange
