#include <chrono>
#include <functional>
#include <optional>

#include <gtest/gtest.h>

#include "tests/support/raw_client.hpp"
#include "tests/support/run.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/http_server.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::net {
namespace {

using namespace std::chrono_literals;
using test::body_of;
using test::RawClient;

Endpoint const kFreePort{IpAddress{127, 0, 0, 1}, 0};

/// Answers with "method target body"; /wait answers when `release` is notified, /throw throws.
struct HttpServerTest : testing::Test {
  asio::io_context io{1};
  AsyncEvent release{io.get_executor()};
  AsyncEvent entered{io.get_executor()};
  int waiting = 0;
  int cancelled = 0;
  HttpServer::Options options;
  std::optional<HttpServer> server;

  Endpoint start() {
    server.emplace(io.get_executor(), options, [this](HttpRequest& request) { return handle(request); });
    return server->listen(kFreePort).value();
  }
  Awaitable<HttpReply> handle(HttpRequest& request) {
    if (request.target == "/large") co_return HttpReply{200, std::string(64'000'000, 'x'), {}};
    if (request.target == "/throw") throw std::runtime_error{"a bug"};
    if (request.target == "/throw_number") throw 42;
    HttpReply reply;
    reply.body = std::string{request.method} + ' ' + std::string{request.target} + ' ' + request.body;
    if (request.target == "/wait") {
      ++waiting;
      entered.notify_all();
      Wake const wake = co_await release.wait();
      if (wake == Wake::cancelled) reply.body = "cancelled";
      if (wake == Wake::cancelled) ++cancelled;
    }
    if (request.target == "/stubborn") {
      ++waiting;
      entered.notify_all();
      while (cancelled < 3) {
        Wake const wake = co_await release.wait();
        if (wake == Wake::cancelled) ++cancelled;
      }
      throw std::runtime_error{"cancelled"};
    }
    if (request.target == "/split") reply.headers.emplace_back("X", "a\r\nInjected: b");
    if (request.has_header("x-echo")) reply.headers.emplace_back("X-Echo", request.header("X-ECHO"));
    co_return reply;
  }
  Awaitable<void> until_entered(int count = 1) {
    while (waiting < count) co_await entered.wait();
  }
  /// For what no event tells.
  Awaitable<void> until(std::function<bool()> condition) {
    AsyncEvent never{io.get_executor()};
    while (!condition()) (void)co_await never.wait(steady_deadline(1ms));
  }
  static Awaitable<std::string> exchange(RawClient& client, std::string request, std::string reply_end) {
    bool const sent = co_await client.send(std::move(request));
    EXPECT_TRUE(sent);
    std::string text = co_await client.read_until(std::move(reply_end));
    co_return text;
  }
};

std::string post(std::string const& target, std::string const& body, std::string const& headers = {}) {
  return "POST " + target + " HTTP/1.1\r\nHost: x\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST_F(HttpServerTest, answersRequestsOnOneConnectionOneAfterTheOther) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    bool const connected = co_await client.connect(at);
    EXPECT_TRUE(connected);
    std::string text = co_await exchange(client, post("/a", "one", "X-Echo: hi\r\n"), "one");
    EXPECT_EQ(text.substr(0, 17), "HTTP/1.1 200 OK\r\n");
    EXPECT_NE(text.find("\r\nX-Echo: hi\r\n"), std::string::npos);
    EXPECT_EQ(text.find("Content-Type"), std::string::npos);
    EXPECT_EQ(body_of(text), "POST /a one");
    text = co_await exchange(client, "GET /b?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /b?x=1 ");
    EXPECT_EQ(body_of(text), "GET /b?x=1 ");
    EXPECT_EQ(server->counters().connections, 1u);
    EXPECT_EQ(server->counters().requests, 2u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, answersPipelinedRequestsInOrder) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string const text =
        co_await exchange(client, post("/1", "x") + post("/2", "y") + post("/3", "z"), "/3 z");
    auto const first = text.find("POST /1 x");
    auto const second = text.find("POST /2 y");
    auto const third = text.find("POST /3 z");
    EXPECT_LT(first, second);
    EXPECT_LT(second, third);
    EXPECT_NE(third, std::string::npos);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, joinsChunksAndReadsARequestCutAnywhere) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string const request =
        "PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n";
    for (char const byte : request) co_await client.send(std::string(1, byte));
    std::string const text = co_await client.read_until("abcde");
    EXPECT_EQ(body_of(text), "PUT /c abcde");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aTrailerIsNoHeader) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string const head = "PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    std::string const trailer = "0\r\nX-Echo: smuggled\r\nHost: y\r\nConnection: close\r\n\r\n";
    std::string text = co_await exchange(client, head + "1\r\n1\r\n" + trailer, "/c 1");
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 200");
    EXPECT_EQ(text.find("smuggled"), std::string::npos);
    co_await client.send(head + "1\r\n2\r\n");
    text = co_await exchange(client, trailer, "/c 2");
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 200");
    EXPECT_EQ(text.find("smuggled"), std::string::npos);
    text = co_await exchange(client, post("/kept", "k"), "/kept k");
    EXPECT_EQ(body_of(text), "POST /kept k");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, theLastReplyIsNotLostToBytesThatNobodyReads) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string const unread(1'000'000, 'x');
    bool const sent = co_await client.send(post("/last", "l", "Connection: close\r\n") + unread);
    EXPECT_TRUE(sent);
    client.shutdown_send();
    co_await until([this] { return server->connection_count() == 0; });
    std::string const text = co_await client.read_all();
    EXPECT_EQ(body_of(text), "POST /last l");
  };
  test::run(io, test());
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

TEST_F(HttpServerTest, anEmptyChunkedBodyMayEndInPieces) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string const request = "PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    co_await client.send(request);
    for (std::string const piece : {"0", "\r\n", "\r", "\n"}) {
      co_await client.send(piece);
      for (int i = 0; i < 4; ++i) co_await asio::post(io.get_executor(), asio::use_awaitable);  // it is read
    }
    std::string const text = co_await client.read_until("/c ");
    EXPECT_EQ(body_of(text), "PUT /c ");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, tellsAWaitingClientToContinue) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string text = co_await exchange(
        client, "POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        "\r\n\r\n");
    EXPECT_EQ(text, "HTTP/1.1 100 Continue\r\n\r\n");
    text = co_await exchange(client, "ok", "/e ok");
    EXPECT_EQ(body_of(text), "POST /e ok");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, headGetsTheHeadOnly) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    co_await client.send("HEAD /h HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    std::string const text = co_await client.read_all();
    EXPECT_NE(text.find("Content-Length: 8\r\n"), std::string::npos);
    EXPECT_NE(text.find("Connection: close\r\n"), std::string::npos);
    EXPECT_EQ(body_of(text), "");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, anOldClientMayKeepItsConnection) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string text =
        co_await exchange(client, "GET /k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /k ");
    EXPECT_NE(text.find("Connection: keep-alive\r\n"), std::string::npos);
    co_await client.send("GET /l HTTP/1.0\r\n\r\n");
    text = co_await client.read_all();
    EXPECT_EQ(body_of(text), "GET /l ");
  };
  test::run(io, test());
}

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

TEST_F(HttpServerTest, garbageGetsTheGivenAnswer) {
  auto test = [this]() -> Awaitable<void> {
    options.malformed.body = "WHAT?";
    Endpoint const at = start();
    std::string const long_header =
        "GET / HTTP/1.1\r\nX: " + std::string(options.header_bytes_max, 'x') + "\r\n\r\n";
    for (std::string const& request :
         {std::string{"garbage\r\n\r\n"}, std::string{"GET / HTTP/1.1\r\nbad header\r\n\r\n"}, long_header,
          std::string{"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"},
          std::string{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"},
          std::string{"POST / HTTP/1.1\r\nTransfer-Encoding: x chunked\r\nContent-Length: 1\r\n\r\n0"}}) {
      RawClient client{io.get_executor()};
      co_await client.connect(at);
      co_await client.send(request);
      std::string const text = co_await client.read_all();
      EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 400") << request;
      EXPECT_EQ(body_of(text), "WHAT?");
    }
    EXPECT_EQ(server->counters().malformed, 6u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aForeignWebPageIsForbiddenAndAListedOneMayReadItsReply) {
  auto test = [this]() -> Awaitable<void> {
    options.web_access.emplace();
    options.web_access->origins = {"https://app.example"};
    options.forbidden.body = "NO";
    Endpoint const at = start();
    for (std::string const header : {"Host: x\r\nOrigin: http://evil.example\r\n",
                                     "Host: evil.example\r\nUser-Agent: Mozilla/5.0\r\n"}) {
      RawClient client{io.get_executor()};
      co_await client.connect(at);
      co_await client.send("POST /a HTTP/1.1\r\n" + header + "Content-Length: 1\r\n\r\nb");
      std::string const text = co_await client.read_all();
      EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 403") << header;
      EXPECT_EQ(body_of(text), "NO");
    }
    EXPECT_EQ(server->counters().forbidden, 2u);
    EXPECT_EQ(server->counters().requests, 0u);
    RawClient page{io.get_executor()};
    co_await page.connect(at);
    std::string const head = " /a HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://app.example\r\n";
    std::string text =
        co_await exchange(page, "OPTIONS" + head + "Access-Control-Request-Method: PUT\r\n\r\n", "\r\n\r\n");
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 204");
    EXPECT_NE(text.find("\r\nAccess-Control-Allow-Methods: PUT\r\n"), std::string::npos);
    EXPECT_EQ(server->counters().requests, 0u);
    std::string const allowed = "\r\nAccess-Control-Allow-Origin: https://app.example\r\n";
    EXPECT_NE(text.find(allowed), std::string::npos);
    text = co_await exchange(page, "GET" + head + "\r\n", "GET /a ");
    EXPECT_NE(text.find(allowed), std::string::npos);
    text = co_await exchange(page, "GET /b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "GET /b ");
    EXPECT_EQ(text.find("Access-Control"), std::string::npos);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aPeerThatIsSlowWithItsHeaderOrBodyIsToldSo) {
  auto test = [this]() -> Awaitable<void> {
    options.header_max = 20ms;
    options.body_max = 20ms;
    Endpoint const at = start();
    for (std::string const& part :
         {std::string{"POST /slow HTTP/1.1\r\nHost:"}, post("/slow", "1234").substr(0, 45)}) {
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

TEST_F(HttpServerTest, answersAPeerThatHasClosedItsSendingHalf) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    co_await client.send(post("/half", "closed"));
    client.shutdown_send();
    std::string const text = co_await client.read_all();
    EXPECT_EQ(body_of(text), "POST /half closed");
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

TEST_F(HttpServerTest, aLargeReplyComesWhole) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    co_await client.send("GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    std::string const text = co_await client.read_all();
    EXPECT_EQ(body_of(text), std::string(64'000'000, 'x'));
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

TEST_F(HttpServerTest, emptyLinesBeforeARequestAreIgnored) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string text = co_await exchange(client, "\r\n\r\n" + post("/a", "b"), "/a b");
    EXPECT_EQ(body_of(text), "POST /a b");
    text = co_await exchange(client, "\r\n", "");
    text = co_await exchange(client, "\n" + post("/c", "d"), "/c d");
    EXPECT_EQ(body_of(text), "POST /c d");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aRequestWithoutOneHostIsMalformedUnlessItIsOld) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    for (std::string const hosts : {"", "Host: a\r\nHost: b\r\n", "Host: a\r\nHost: a\r\n"}) {
      RawClient client{io.get_executor()};
      co_await client.connect(at);
      co_await client.send("GET / HTTP/1.1\r\n" + hosts + "\r\n");
      std::string const text = co_await client.read_all();
      EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 400") << hosts;
    }
    RawClient old{io.get_executor()};
    co_await old.connect(at);
    co_await old.send("GET / HTTP/1.0\r\n\r\n");
    std::string const text = co_await old.read_all();
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 200");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, anEncodingOtherThanChunkedIsNotImplemented) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    for (std::string const encoding : {"gzip, chunked", "gzip\r\nTransfer-Encoding: chunked"}) {
      RawClient client{io.get_executor()};
      co_await client.connect(at);
      co_await client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + encoding +
                           "\r\n\r\n1\r\nx\r\n0\r\n\r\n");
      std::string const text = co_await client.read_all();
      EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 501") << encoding;
    }
    EXPECT_EQ(server->counters().requests, 0u);
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, anAbsoluteTargetIsItsPath) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string text =
        co_await exchange(client, "GET http://x/a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a?b=1 ");
    EXPECT_EQ(body_of(text), "GET /a?b=1 ");
    text = co_await exchange(client, "GET HTTP://x HTTP/1.1\r\nHost: x\r\n\r\n", "GET / ");
    EXPECT_EQ(body_of(text), "GET / ");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, anOldClientIsNotToldToContinue) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    co_await client.send("POST /e HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    co_await client.send("ok");
    std::string const text = co_await client.read_all();
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 200");
  };
  test::run(io, test());
}

TEST_F(HttpServerTest, aReplyWithALineBreakInAHeaderIsNotSent) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string const text = co_await exchange(client, post("/split", ""), "\r\n\r\n");
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 500");
    EXPECT_EQ(text.find("Injected"), std::string::npos);
    EXPECT_EQ(server->counters().handler_failures, 1u);
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

TEST_F(HttpServerTest, aHandlerThatThrowsIsAnsweredWith500) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient client{io.get_executor()};
    co_await client.connect(at);
    std::string text = co_await exchange(client, post("/throw", ""), "\r\n\r\n");
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 500");
    text = co_await exchange(client, post("/throw_number", ""), "\r\n\r\n");
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 500");
    text = co_await exchange(client, post("/after", "x"), "x");
    EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 200");
    EXPECT_EQ(server->counters().handler_failures, 2u);
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
