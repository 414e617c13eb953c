// The connections of an HttpServer: limits, eviction, and how it stops.
#include "tests/unit/net/http_server_fixture.hpp"
#include <grenache/net/task_group.hpp>

namespace grenache::net {
namespace {

TEST_F(HttpServerTest, aBodyOverTheLimitGetsTheGivenAnswerThoughItWasNotReadWhole) {
  auto test = [this]() -> Awaitable<void> {
    options.body_bytes_max = 10;
    options.too_large.body = "TOO_LARGE";
    Endpoint const at = start();
    std::string const chunked = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" +
                                std::string(64, 'c') + "\r\n0\r\n\r\n";
    for (std::string const& request : {post("/d", std::string(300'000, 'd')), chunked}) {
      RawClient client{io.get_executor()};
      co_await client.connect(at);
      co_await client.send(request);
      std::string const text = co_await client.read_all();
      EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 413");
      EXPECT_EQ(body_of(text), "TOO_LARGE");
    }
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string const text = co_await exchange(client, post("/ok", "0123456789"), "0123456789");
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 200");
    EXPECT_EQ(server->counters().too_large, 2u);
    EXPECT_EQ(server->counters().requests, 1u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aPeerThatIsSlowWithItsHeaderOrBodyIsToldSo) {
  auto test = [this]() -> Awaitable<void> {
    options.header_max = 20ms;
    options.body_max = 20ms;
    Endpoint const at = start();
    std::string const all = post("/slow", "1234");
    for (std::string const& part : {all.substr(0, 10), all.substr(0, all.size() - 2)}) {
      RawClient client{io.get_executor()};
      co_await client.connect(at);
      co_await client.send(part);
      std::string const text = co_await client.read_all();
      EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 408");
    }
    EXPECT_EQ(server->counters().timed_out, 2u);
    EXPECT_EQ(server->counters().requests, 0u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, withoutALimitABodyHasAllTheTime) {
  auto test = [this]() -> Awaitable<void> {
    options.body_max = Duration::max();
    options.write_max = Duration::max();
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string text = co_await exchange(client,
                                         "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n"
                                         "Expect: 100-continue\r\n\r\n",
                                         "100 Continue\r\n\r\n");
    co_await client.send("some");
    text = co_await exchange(client, "more", "somemore");
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 200");
    text = co_await exchange(client, "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "xxxx");
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 200");
    EXPECT_EQ(server->counters().timed_out, 0u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, closesAConnectionThatStaysIdle) {
  auto test = [this]() -> Awaitable<void> {
    options.idle_max = 20ms;
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    co_await client.send(post("/a", "b"));
    std::string const text = co_await client.read_all();
    EXPECT_EQ(body_of(text), "POST /a b");
    EXPECT_EQ(server->counters().timed_out, 0u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aHandlerWhosePeerHasGoneIsCancelled) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient present{io.get_executor()};
    co_await present.connect(at);
    co_await present.send(post("/wait", "p") + post("/next", "n"));
    co_await until_entered();
    RawClient closing{io.get_executor()};
    RawClient resetting{io.get_executor()};
    RawClient pipelining{io.get_executor()};
    for (RawClient* const each : {&closing, &resetting, &pipelining}) {
      co_await each->connect(at);
      co_await each->send(post("/wait", "b"));
    }
    co_await pipelining.send(post("/never", "b"));
    co_await until_entered(4);
    closing.close();
    resetting.reset();
    pipelining.shutdown_send();
    co_await until([this] { return server->connection_count() == 1; });
    EXPECT_EQ(cancelled, 3);
    EXPECT_EQ(server->counters().aborted, 3u);
    EXPECT_EQ(server->counters().requests, 4u);
    release.notify_all();
    std::string const text = co_await present.read_until("/next n");
    EXPECT_NE(text.find("POST /wait p"), std::string::npos);
    EXPECT_EQ(server->counters().handler_failures, 0u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aHandlerWhosePeerHasGoneIsCancelledUntilItEnds) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    co_await client.send(post("/stubborn", "b"));
    co_await until_entered();
    client.close();
    co_await until([this] { return server->connection_count() == 0; });
    EXPECT_EQ(cancelled, 3);
    EXPECT_EQ(server->counters().aborted, 1u);
    EXPECT_EQ(server->counters().handler_failures, 0u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aStreamHandlerWhosePeerHasGoneIsCancelledUntilItEnds) {
  options.cancels_abandoned = false;  // of complete requests
  options.wants_stream = [](HttpRequest const& request) { return request.target == "/stream"; };
  options.stream_handler = [this](HttpExchange& exchange) -> Awaitable<void> {
    auto const piece = co_await exchange.read();
    EXPECT_EQ(piece.value(), "piece");
    ++waiting;
    entered.notify_all();
    while (cancelled < 3) {
      Wake const wake = co_await release.wait();
      if (wake == Wake::cancelled) ++cancelled;
    }
  };
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    co_await client.send("POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\npiece");
    co_await until_entered();
    client.close();
    co_await until([this] { return server->connection_count() == 0; });
    EXPECT_EQ(cancelled, 3);
    EXPECT_EQ(server->counters().aborted, 1u);
    EXPECT_EQ(server->counters().handler_failures, 0u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aStreamHandlerIsCancelledOnceItsConnectionIsClosedForSilenceOrEvicted) {
  options.connection_count_max = 1;
  options.wants_stream = [](HttpRequest const&) { return true; };
  options.stream_handler = [this](HttpExchange& exchange) -> Awaitable<void> {
    ++waiting;
    entered.notify_all();
    auto const piece = co_await exchange.read();
    EXPECT_FALSE(piece);
    for (int cancels = 0; cancels < 3;) {
      Wake const wake = co_await release.wait();
      if (wake == Wake::cancelled) ++cancels;
    }
    ++cancelled;
  };
  auto test = [this]() -> Awaitable<void> {
    std::string const request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n";
    options.stream_idle_max = 1ms;
    Endpoint at = start();
    RawClient silent{io.get_executor()};
    co_await silent.connect(at);
    co_await silent.send(request);
    co_await until([this] { return server->connection_count() == 0 && cancelled == 1; });

    options.stream_idle_max = 1h;
    server.reset();
    at = start();
    RawClient evicted{io.get_executor()};
    co_await evicted.connect(at);
    co_await evicted.send(request);
    co_await until([this] { return waiting == 2; });
    RawClient next{io.get_executor()};
    co_await next.connect(at);
    co_await until([this] { return cancelled == 2; });
    EXPECT_EQ(server->counters().connections_evicted, 1u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aNewConnectionTakesThePlaceOfTheOneIdleLongest) {
  auto test = [this]() -> Awaitable<void> {
    options.connection_count_max = 2;
    Endpoint const at = start();
    RawClient first{io.get_executor()};
    RawClient second{io.get_executor()};
    RawClient third{io.get_executor()};
    co_await first.connect(at);
    co_await exchange(first, post("/1", "a"), "a");
    co_await second.connect(at);
    co_await exchange(second, post("/2", "a"), "a");
    co_await third.connect(at);
    co_await exchange(third, post("/3", "a"), "a");
    std::string const nothing = co_await first.read_all();
    EXPECT_EQ(nothing, "");
    std::string const text = co_await exchange(second, post("/4", "a"), "a");
    EXPECT_EQ(body_of(text), "POST /4 a");
    EXPECT_EQ(server->counters().connections_evicted, 1u);
    EXPECT_EQ(server->connection_count(), 2u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aNewConnectionTakesThePlaceOfTheOneAmidARequestThatIsSilentLongest) {
  auto test = [this]() -> Awaitable<void> {
    options.connection_count_max = 3;
    Endpoint const at = start();
    RawClient slow_header{io.get_executor()};
    RawClient slow_body{io.get_executor()};
    RawClient busy{io.get_executor()};
    RawClient honest{io.get_executor()};
    co_await busy.connect(at);
    co_await busy.send(post("/wait", "b"));
    co_await until_entered();
    co_await slow_header.connect(at);
    co_await slow_header.send("POST / HTTP/1.1\r\nHo");
    co_await slow_body.connect(at);
    std::string text =
        co_await exchange(slow_body,
                          "POST /slow HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
                          "2\r\n\r\n",
                          "\r\n\r\n");
    co_await honest.connect(at);
    text = co_await exchange(honest, post("/honest", "a"), "a");
    EXPECT_EQ(body_of(text), "POST /honest a");
    std::string const nothing = co_await slow_header.read_all();
    EXPECT_EQ(nothing, "");
    text = co_await exchange(slow_body, "ok", "/slow ok");
    EXPECT_EQ(body_of(text), "POST /slow ok");
    EXPECT_EQ(server->counters().connections_evicted, 1u);
    release.notify_all();
    text = co_await busy.read_until("/wait b");
    EXPECT_EQ(body_of(text), "POST /wait b");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aNewConnectionTakesThePlaceOfTheOneThatDoesNotReadItsReply) {
  auto test = [this]() -> Awaitable<void> {
    options.connection_count_max = 1;
    Endpoint const at = start();
    RawClient lazy{io.get_executor()};
    co_await lazy.connect(at);
    co_await lazy.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    while (server->counters().requests == 0) co_await asio::post(io, kTuple);
    RawClient honest{io.get_executor()};
    co_await honest.connect(at);
    std::string const text = co_await exchange(honest, post("/honest", "a"), "a");
    EXPECT_EQ(body_of(text), "POST /honest a");
    EXPECT_EQ(server->counters().connections_evicted, 1u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, overTheBudgetOneBodyAtATimeIsReadToItsEnd) {
  auto test = [this]() -> Awaitable<void> {
    options.held_bytes_max = 300'000;
    Endpoint const at = start();
    TaskGroup clients{io.get_executor()};
    int answered = 0;
    auto ask = [&](std::string body) -> Awaitable<void> {
      RawClient client{io.get_executor()};
      co_await client.connect(at);
      std::string const text = co_await exchange(client, post("/large_body", body), body);
      EXPECT_EQ(body_of(text), "POST /large_body " + body);
      ++answered;
    };
    for (int i = 0; i < 8; ++i) clients.spawn(ask(std::string(900'000, static_cast<char>('a' + i))));
    RawClient small{io.get_executor()};
    co_await small.connect(at);
    std::string const text = co_await exchange(small, post("/small", "s"), "/small s");
    EXPECT_EQ(body_of(text), "POST /small s");
    co_await clients.drained(20s);
    EXPECT_EQ(answered, 8);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, refusesAConnectionWhenAllOthersAreBusy) {
  auto test = [this]() -> Awaitable<void> {
    options.connection_count_max = 1;
    Endpoint const at = start();
    RawClient busy{io.get_executor()};
    co_await busy.connect(at);
    co_await busy.send(post("/wait", "b"));
    co_await until_entered();
    RawClient refused{io.get_executor()};
    co_await refused.connect(at);
    std::string const nothing = co_await refused.read_all();
    EXPECT_EQ(nothing, "");
    EXPECT_EQ(server->counters().connections_refused, 1u);
    release.notify_all();
    std::string const text = co_await busy.read_until("/wait b");
    EXPECT_EQ(body_of(text), "POST /wait b");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, saysWhyItCannotListen) {
  Endpoint const taken = start();
  HttpServer other{io.get_executor(), {}, [this](HttpRequest& request) { return handle(request); }};
  auto const refused = other.listen(taken);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), boost::system::errc::address_in_use);
  EXPECT_EQ(server->local_endpoint(), taken);
  EXPECT_NE(taken.port, 0);
}

TEST_F(HttpServerTest, aStopIsGracefulWhenPeersHaveTheirLastReplyAndDoNotClose) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    co_await client.send(post("/last", "l", "Connection: close\r\n"));
    std::string const text = co_await client.read_all();
    EXPECT_EQ(body_of(text), "POST /last l");
    bool const graceful = co_await server->stop(1ms);
    EXPECT_TRUE(graceful);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, stopClosesIdleConnectionsAndLetsBusyOnesFinish) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient idle{io.get_executor()};
    co_await idle.connect(at);
    co_await exchange(idle, post("/idle", "i"), "i");
    RawClient busy{io.get_executor()};
    co_await busy.connect(at);
    co_await busy.send(post("/wait", "b"));
    co_await until_entered();

    TaskGroup stopping{io.get_executor()};
    bool graceful = false;
    auto stop = [&]() -> Awaitable<void> { graceful = co_await server->stop(20s); };
    stopping.spawn(stop());
    std::string const nothing = co_await idle.read_all();
    EXPECT_EQ(nothing, "");
    EXPECT_EQ(server->connection_count(), 1u);
    RawClient late{io.get_executor()};
    bool const accepted = co_await late.connect(at);
    EXPECT_FALSE(accepted);

    release.notify_all();
    std::string const text = co_await busy.read_all();
    EXPECT_EQ(body_of(text), "POST /wait b");
    EXPECT_NE(text.find("Connection: close"), std::string::npos);
    co_await stopping.drained(10s);
    EXPECT_TRUE(graceful);
    EXPECT_EQ(server->connection_count(), 0u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, stopCutsOffWhatDoesNotFinishInTime) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient busy{io.get_executor()};
    co_await busy.connect(at);
    co_await busy.send(post("/wait", "b"));
    co_await until_entered();
    bool const graceful = co_await server->stop(1ms);
    EXPECT_FALSE(graceful);
    EXPECT_EQ(server->connection_count(), 0u);
    std::string const nothing = co_await busy.read_all();
    EXPECT_EQ(nothing, "");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, mayBeDestroyedWithoutAStop) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    co_await exchange(client, post("/a", "b"), "b");
    server.reset();
    std::string const nothing = co_await client.read_all();
    EXPECT_EQ(nothing, "");
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::net
