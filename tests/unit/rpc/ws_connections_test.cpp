// The connections that a client keeps over WebSocket.
#include "tests/unit/rpc/rpc_fixture.hpp"

namespace grenache::rpc {
namespace {

struct WsConnectionsTest : testing::Test, RpcFixture {
  WsConnectionsTest() : RpcFixture{Transport::ws, 1} {}

  Awaitable<void> ask_at(Endpoint at, Value payload, std::vector<RpcResult<Value>>& results) {
    auto result = co_await client->request_to(at.to_string(), "svc", std::move(payload), kDefaults);
    results.push_back(std::move(result));
  }
  /// A client for one connection: that to `a`, which is idle, makes room for one to `b`. Returns when the
  /// idle time of the first ends; nothing when it may have ended before.
  Awaitable<std::optional<TimePoint>> make_room(TestService& a, TestService& b, Duration idle_max) {
    Client::Options options = client_options(transport);
    options.connections_max = 1;
    options.idle_max = idle_max;
    make_client(options);
    std::vector<RpcResult<Value>> results;
    net::TaskGroup given_up{io.get_executor()};
    int const before = a.request_count;
    given_up.spawn(ask_at(a.at, "wait", results));
    co_await a.until_entered(before + 1);
    TimePoint const earliest = net::steady_now() + idle_max;
    given_up.cancel(net::asio::cancellation_type::terminal);
    bool const idle = co_await given_up.drained(10s);
    EXPECT_TRUE(idle);
    TimePoint const latest = net::steady_now() + idle_max;
    co_await ask_at(b.at, "x", results);
    EXPECT_EQ(who(results.back()), "B");
    if (net::steady_now() >= earliest) co_return std::nullopt;
    co_return latest;
  }
};

TEST_F(WsConnectionsTest, aConnectionThatMadeRoomTakesNoNewerOneWithItWhenItsIdleTimeEnds) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options busy = server_options(transport);
    busy.requests_per_connection_max = 1;  // then it does not read, and so does not hear of the close
    TestService& a = *co_await serve("A", busy);
    TestService& b = *co_await serve("B");
    std::optional<TimePoint> idle_end;
    for (Duration idle_max = 100ms; !idle_end; idle_max *= 2) idle_end = co_await make_room(a, b, idle_max);

    int const before = a.request_count;
    auto const connections = a.server->counters().connections;
    std::vector<RpcResult<Value>> results;
    tasks.spawn(ask_at(a.at, "wait", results));  // a second connection to A
    co_await a.until_entered(before + 1);
    // Timers of one io_context fire in their order: that of the first connection has, then.
    net::AsyncEvent never{io.get_executor()};
    (void)co_await never.wait(*idle_end);
    tasks.spawn(ask_at(a.at, "x", results));
    while (tasks.size() > 0) {
      a.release.notify_all();
      (void)co_await tasks.drained(1ms);
    }
    EXPECT_EQ(results.size(), 2u);
    for (auto const& result : results) EXPECT_EQ(who(result), "A");
    EXPECT_EQ(a.server->counters().connections, connections + 1)
        << "the last request has found the second connection";
    co_await client->stop();
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::rpc
