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

using test::RedisServer;

inline ReserveRequest request_of(std::string take, std::string taker, std::int64_t amount = 100,
                                 std::int64_t available = 100) {
  return {"order-1", std::move(take), std::move(taker),
          amount,    available,       std::chrono::milliseconds{900'000}};
}

inline Reservation const* granted(ReserveOutcome const& outcome) {
  return std::get_if<Reservation>(&outcome);
}

inline std::optional<ReservationErrc> refused(ReserveOutcome const& outcome) {
  auto const* refusal = std::get_if<ReservationRefusal>(&outcome);
  return refusal ? std::optional{refusal->reason} : std::nullopt;
}

/// Runs the io_context until `done` is set.
template <class T>
T await_value(boost::asio::io_context& io, std::optional<T>& done) {
  auto const end = std::chrono::steady_clock::now() + test::limit();
  io.restart();
  while (!done && std::chrono::steady_clock::now() < end) io.run_one_for(std::chrono::milliseconds{100});
  EXPECT_TRUE(done) << "no answer";
  return done ? *done : T{};
}

inline ReserveOutcome reserve(boost::asio::io_context& io, ReservationStore& store, ReserveRequest request) {
  std::optional<ReserveOutcome> out;
  store.reserve(std::move(request), [&](ReserveOutcome outcome) { out = outcome; });
  EXPECT_FALSE(out) << "answered inside the call";
  return await_value(io, out);
}

inline bool release(boost::asio::io_context& io, ReservationStore& store, std::string take,
                    std::int64_t fence) {
  std::optional<bool> out;
  store.release("order-1", std::move(take), fence, [&](Result<bool> released) {
    EXPECT_TRUE(released) << released.error().message();
    out = released && *released;
  });
  return await_value(io, out);
}

inline EmbeddedReservations::Environment environment_of(boost::asio::io_context& io) {
  return {[] { return TimePoint{std::chrono::steady_clock::now().time_since_epoch()}; },
          [] {
            return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
          },
          [&io](std::function<void()> work) { boost::asio::post(io, std::move(work)); }};
}

/// A RedisReservations with its own client, like one process of the maker.
class RedisPeer {
 public:
  explicit RedisPeer(boost::asio::io_context& io, RedisServer const& server,
                     std::chrono::milliseconds command_timeout = test::limit())
      : io_{io},
        client{io.get_executor(),
               {.url = *RedisUrl::parse(server.url()), .command_timeout = command_timeout}},
        store{client, Random::from_system(), {.maker = "maker"}} {
    client.start([this] { store.connected(); }, [](std::string const&) {});
    until([this] { return client.connected(); });
  }

  template <class Condition>
  void until(Condition condition) {
    auto const end = std::chrono::steady_clock::now() + test::limit();
    io_.restart();
    while (!condition() && std::chrono::steady_clock::now() < end)
      io_.run_one_for(std::chrono::milliseconds{20});
    EXPECT_TRUE(condition());
  }

  RedisReply command(std::vector<std::string> words) {
    std::optional<RedisReply> out;
    client.command(std::move(words), [&](Result<RedisReply> reply) { out = reply ? *reply : RedisReply{}; });
    return await_value(io_, out);
  }

 private:
  boost::asio::io_context& io_;

 public:
  RedisClient client;
  RedisReservations store;
};

}  // namespace grenache::exchange
