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
};

TEST_F(WsConnectionsTest, aConnectionThatMadeRoomTakesNoNewerOneWithItWhenItsIdleTimeEnds) {
  auto test = [this]() -> Awaitable<void> {
    constexpr Duration kIdleMax = 100ms;
    Client::Options options = client_options(transport);
    options.connections_max = 1;
    options.idle_max = kIdleMax;
    make_client(options);
    Server::Options busy = server_options(transport);
    busy.requests_per_connection_max = 1;  // then it does not read, and so does not hear of the close
    TestService& a = *co_await serve("A", busy);
    TestService& b = *co_await serve("B");
    std::vector<RpcResult<Value>> results;
    net::TaskGroup given_up{io.get_executor()};
    given_up.spawn(ask_at(a.at, "wait", results));
    co_await a.until_entered(1);
    given_up.cancel(net::asio::cancellation_type::terminal);
    (void)co_await given_up.drained(10s);  // the connection is idle from now on
    TimePoint const idle_end = net::steady_now() + kIdleMax;

    co_await ask_at(b.at, "x", results);  // takes its place; A does not answer the close
    EXPECT_EQ(who(results.back()), "B");
    tasks.spawn(ask_at(a.at, "wait", results));  // a second connection to A
    co_await a.until_entered(2);
    net::AsyncEvent never{io.get_executor()};
    (void)co_await never.wait(
        idle_end);  // timers of one io_context fire in their order: that of the first has
    tasks.spawn(ask_at(a.at, "x", results));
    while (tasks.size() > 0) {
      a.release.notify_all();
      (void)co_await tasks.drained(1ms);
    }
    EXPECT_EQ(results.size(), 4u);
    EXPECT_EQ(who(results.at(2)), "A");
    EXPECT_EQ(who(results.at(3)), "A");
    EXPECT_EQ(a.server->counters().connections, 2u) << "the third request has found the second connection";
    co_await client->stop();
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::rpc
