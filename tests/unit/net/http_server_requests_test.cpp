// Requests of all forms, valid and not, and the replies of an HttpServer.
#include "tests/unit/net/http_server_fixture.hpp"

namespace grenache::net {
namespace {

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
    for (char const byte : request) {
      co_await client.send(std::string(1, byte));
      co_await client.until_read();
    }
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
    auto const closed = [this] {
      return server->counters().connections == 1 && server->connection_count() == 0;
    };
    co_await until(closed);
    std::string const text = co_await client.read_all();
    EXPECT_EQ(body_of(text), "POST /last l");
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
      co_await client.until_read();
      co_await client.send(piece);
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
                                     "Host: x\r\nOrigin: http://x\r\nOrigin: http://evil.example\r\n",
                                     "Host: evil.example\r\nUser-Agent: Mozilla/5.0\r\n"}) {
      RawClient client{io.get_executor()};
      co_await client.connect(at);
      co_await client.send("POST /a HTTP/1.1\r\n" + header + "Content-Length: 1\r\n\r\nb");
      std::string const text = co_await client.read_all();
      EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 403") << header;
      EXPECT_EQ(body_of(text), "NO");
    }
    EXPECT_EQ(server->counters().forbidden, 3u);
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

}  // namespace
}  // namespace grenache::net
