// A Server, and clients that send it the exact bytes of a test.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "tests/support/raw_client.hpp"
#include "tests/unit/rpc/rpc_fixture.hpp"
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/websocket.hpp>

namespace grenache::rpc {

using test::RawClient;

inline std::string const kGood = R"(["rid","svc","x"])";

inline std::string post(std::string_view body, std::string_view headers = "") {
  return "POST / HTTP/1.1\r\nHost: x\r\n" + std::string{headers} +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body};
}

struct ServerFixture : testing::TestWithParam<Transport>, RpcFixture {
  ServerFixture() : RpcFixture{GetParam()} {}

  /// Sends `bytes` and returns everything that the server answers.
  Awaitable<std::string> exchange(Endpoint to, std::string bytes, bool half_close = true) {
    RawClient raw{io.get_executor()};
    bool const connected = co_await raw.connect(to);
    EXPECT_TRUE(connected);
    co_await raw.send(std::move(bytes));
    if (half_close) raw.shutdown_send();
    std::string text = co_await raw.read_all();
    co_return text;
  }
  Awaitable<Result<net::WebSocketConnection>> connect(Endpoint to) {
    net::WebSocketConnection::Options const options;
    HostPort const host{to.address.to_string(), to.port};
    return net::WebSocketConnection::connect(io.get_executor(), host, options, net::steady_now() + 10s);
  }
  /// The answer to one message.
  Awaitable<std::string> say(net::WebSocketConnection& connection, std::string message) {
    connection.send(std::move(message));
    auto const answer = co_await connection.receive();
    co_return answer ? *answer : answer.error().message();
  }
  /// Others are served as if nothing had happened.
  Awaitable<void> expect_serves(TestService& service) {
    auto const reply = co_await client->request_to(service.at.to_string(), "svc", "x", kDefaults);
    EXPECT_EQ(who(reply), service.name);
  }
};

}  // namespace grenache::rpc
