// RedisReservations with a real redis-server: running, absent, killed and frozen.
#include <semaphore>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "tests/support/reserved_port.hpp"
#include "tests/unit/reservation/stores.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;

class Redis : public testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
    server.emplace();
  }
  boost::asio::io_context io{1};
  std::optional<RedisServer> server;
};

TEST(RedisUrl, readsWhatPeopleWrite) {
  auto const url = RedisUrl::parse("redis://:secret@localhost:6380/3");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "localhost");
  EXPECT_EQ(url->port, 6380);
  EXPECT_EQ(url->database, 3);
  EXPECT_EQ(url->password, "secret");
  EXPECT_EQ(url->to_string(), "redis://localhost:6380/3");
  EXPECT_EQ(RedisUrl::parse("redis://h")->port, 6379);
  EXPECT_EQ(RedisUrl::parse("redis://[::1]:7/")->host, "::1");
  for (auto const* text : {"", "h:1", "http://h", "redis://", "redis://h:0", "redis://h:x", "redis://h:70000",
                           "redis://h/x", "redis://h/-1", "redis://a@h"}) {
    EXPECT_FALSE(RedisUrl::parse(text)) << text;
  }
}

TEST_F(Redis, twoProcessesOfOneMakerShareTheirReservations) {
  RedisPeer one{io, *server};
  RedisPeer two{io, *server};
  std::vector<ReserveOutcome> outcomes;
  for (int i = 0; i < 100; ++i) {
    auto& peer = i % 2 ? one : two;
    peer.store.reserve(request_of("take-" + std::to_string(i), "taker-" + std::to_string(i)),
                       [&](ReserveOutcome outcome) { outcomes.push_back(std::move(outcome)); });
  }
  one.until([&] { return outcomes.size() == 100; });
  EXPECT_EQ(std::ranges::count_if(outcomes, [](auto const& outcome) { return granted(outcome) != nullptr; }),
            1);
}

TEST_F(Redis, aReservationIsAKeyThatExpiresByItself) {
  RedisPeer peer{io, *server};
  ASSERT_TRUE(granted(reserve(io, peer.store, request_of("take-1", "alice"))));
  std::optional<RedisReservations::Shown> shown;
  peer.store.show("order-1", "take-1", [&](Result<RedisReservations::Shown> result) { shown = *result; });
  auto const found = await_value(io, shown);
  EXPECT_EQ(found.key, "grenache:exchange:{maker}:take:order-1/take-1");
  EXPECT_GT(found.remaining_life, 780s);
  EXPECT_LE(found.remaining_life, 900s);
  EXPECT_GT(peer.command({"PTTL", "grenache:exchange:{maker}:order:order-1"}).integer, 0);
}

TEST_F(Redis, anExpiredReservationMakesRoom) {
  RedisPeer peer{io, *server};
  auto request = request_of("take-1", "alice");
  request.life = 20ms;
  ASSERT_TRUE(granted(reserve(io, peer.store, request)));
  peer.until([&] {
    return peer.command({"EXISTS", "grenache:exchange:{maker}:take:order-1/take-1"}).integer == 0;
  });
  EXPECT_TRUE(granted(reserve(io, peer.store, request_of("take-2", "bob"))));
}

TEST_F(Redis, whileItIsDeadTakesAreRefusedAndNothingIsReservedWhenItIsBack) {
  RedisPeer peer{io, *server};
  server->kill();
  peer.until([&] { return !peer.client.connected(); });
  EXPECT_EQ(refused(reserve(io, peer.store, request_of("take-1", "alice"))), ReservationErrc::unavailable);
  server->restart();
  peer.until([&] { return peer.client.connected(); });
  EXPECT_TRUE(granted(reserve(io, peer.store, request_of("take-2", "bob"))));
}

TEST_F(Redis, dyingWithARequestInFlightRefusesIt) {
  RedisPeer peer{io, *server, 20s};
  server->freeze();
  std::optional<ReserveOutcome> outcome;
  peer.store.reserve(request_of("take-1", "alice"), [&](ReserveOutcome got) { outcome = got; });
  server->kill();
  EXPECT_EQ(refused(await_value(io, outcome)), ReservationErrc::unavailable);
}

TEST_F(Redis, aLateScriptOfAnAttemptThatWasGivenUpReservesNothing) {
  RedisPeer peer{io, *server, 100ms};
  server->freeze();
  EXPECT_EQ(refused(reserve(io, peer.store, request_of("take-1", "alice"))), ReservationErrc::unavailable);
  server->thaw();  // it now executes the received commands, the reserve and the undo
  peer.until([&] { return peer.client.connected(); });
  RedisPeer other{io, *server};
  auto const take_key_gone = [&] {
    return other.command({"EXISTS", "grenache:exchange:{maker}:take:order-1/take-1"}).integer == 0 &&
           other.command({"KEYS", "*undone*"}).items.size() == 1;
  };
  peer.until(take_key_gone);
  EXPECT_TRUE(granted(reserve(io, other.store, request_of("take-2", "bob"))));
}

TEST_F(Redis, givingUpARepeatedTakeKeepsTheReservation) {
  RedisPeer other{io, *server};
  ASSERT_TRUE(granted(reserve(io, other.store, request_of("take-1", "alice"))));
  RedisPeer hasty{io, *server, 100ms};
  server->freeze();
  EXPECT_EQ(refused(reserve(io, hasty.store, request_of("take-1", "alice"))), ReservationErrc::unavailable);
  server->thaw();
  hasty.until([&] { return hasty.client.connected(); });
  other.until([&] { return other.command({"KEYS", "*undone*"}).items.size() == 1; });
  auto const again = reserve(io, other.store, request_of("take-1", "alice"));
  ASSERT_TRUE(granted(again));
  EXPECT_TRUE(granted(again)->repeated);
}

TEST_F(Redis, stoppingAnswersWhatIsPending) {
  RedisPeer peer{io, *server};
  server->freeze();
  std::optional<ReserveOutcome> outcome;
  peer.store.reserve(request_of("take-1", "alice"), [&](ReserveOutcome got) { outcome = got; });
  peer.client.stop();
  EXPECT_EQ(refused(await_value(io, outcome)), ReservationErrc::unavailable);
  EXPECT_EQ(refused(reserve(io, peer.store, request_of("take-2", "bob"))), ReservationErrc::unavailable);
}

TEST_F(Redis, theNextAddressIsTriedWhenOneRefusesOrSaysNothing) {
  using boost::asio::ip::tcp;
  // The system accepts connections for it, and nothing answers them.
  tcp::acceptor silent{io, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
  // The server listens on 127.0.0.1 alone.
  tcp::endpoint const refusing{boost::asio::ip::make_address("127.0.0.2"), server->port()};
  tcp::endpoint const answering{boost::asio::ip::address_v4::loopback(), server->port()};
  for (auto const& first : {refusing, silent.local_endpoint()}) {
    RedisClient::Options options;
    options.url = *RedisUrl::parse("redis://two.addresses");
    options.connect_timeout = 1s;
    options.name_lookup = [first, answering](HostPort const&) -> Result<net::TcpEndpoints> {
      return net::TcpEndpoints{first, answering};
    };
    RedisClient client{io.get_executor(), options};
    std::optional<bool> connected;
    client.start([&] { connected = true; }, [](std::string const&) {});
    EXPECT_TRUE(await_value(io, connected)) << first;
    client.stop();
  }
}

TEST(RedisClient, waitsForNoNameServer) {
  auto const may_answer = std::make_shared<std::counting_semaphore<>>(0);
  std::optional<boost::asio::io_context> io{std::in_place, 1};
  RedisClient::Options options;
  options.url = *RedisUrl::parse("redis://slow.name");
  options.connect_timeout = 1ms;
  options.name_lookup = [may_answer](HostPort const&) -> Result<net::TcpEndpoints> {
    may_answer->acquire();
    return net::TcpEndpoints{};
  };
  {
    RedisClient client{io->get_executor(), options};
    std::optional<std::string> reason;
    client.start([] {}, [&](std::string const& text) { reason = text; });
    EXPECT_NE(await_value(*io, reason).find("cannot resolve slow.name: "), std::string::npos);
  }
  io.reset();
  may_answer->release(100);
}

TEST(RedisClient, tellsWhyItCannotConnect) {
  boost::asio::io_context io{1};
  test::ReservedPort const dead;
  RedisClient client{io.get_executor(), {.url = *RedisUrl::parse("redis://" + dead.endpoint().to_string())}};
  std::optional<std::string> reason;
  client.start([] {}, [&](std::string const& text) { reason = text; });
  EXPECT_NE(await_value(io, reason).find("refused"), std::string::npos);
  EXPECT_FALSE(client.connected());
  client.stop();
}

}  // namespace
}  // namespace grenache::exchange
