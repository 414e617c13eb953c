// A Server and callers that send what they should not, and web pages.
#include "tests/unit/rpc/server_fixture.hpp"
#include <grenache/net/gzip.hpp>

namespace grenache::rpc {
namespace {

struct HttpServerInputTest : ServerFixture {};
struct WsServerInputTest : ServerFixture {};
struct WebPageTest : ServerFixture {
  /// The status line, without reason, of the answer to a request or an upgrade with these header lines.
  Awaitable<std::string> status_for(Endpoint to, std::string headers) {
    std::string const lines = "Connection: close, Upgrade\r\n" + headers;
    std::string const upgrade = "GET /ws HTTP/1.1\r\n" + lines +
                                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    std::string const request = "POST / HTTP/1.1\r\n" + lines +
                                "Content-Length: " + std::to_string(kGood.size()) + "\r\n\r\n" + kGood;
    std::string bytes = transport == Transport::ws ? upgrade : request;
    std::string const text = co_await exchange(to, std::move(bytes));
    co_return text.substr(0, std::string_view{"HTTP/1.1 200"}.size());
  }
  [[nodiscard]] std::string served() const {
    return transport == Transport::ws ? "HTTP/1.1 101" : "HTTP/1.1 200";
  }
};

INSTANTIATE_TEST_SUITE_P(Over, HttpServerInputTest, testing::Values(Transport::http), name_of_transport);
INSTANTIATE_TEST_SUITE_P(Over, WsServerInputTest, testing::Values(Transport::ws), name_of_transport);
INSTANTIATE_TEST_SUITE_P(Over, WebPageTest, testing::Values(Transport::http, Transport::ws),
                         name_of_transport);

// Web pages

TEST_P(WebPageTest, aWebPageOfAnotherOriginCannotCallIt) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    std::string const browser = "User-Agent: Mozilla/5.0\r\n";
    for (std::string const headers :
         {"Host: 127.0.0.1\r\nOrigin: http://evil.test\r\n", "Host: 127.0.0.1\r\nOrigin: null\r\n",
          "Host: evil.test\r\nOrigin: http://evil.test\r\n", "Host: evil.test\r\n"}) {
      std::string const status = co_await status_for(service.at, browser + headers);
      EXPECT_EQ(status, "HTTP/1.1 403") << headers;
    }
    EXPECT_EQ(service.request_count, 0);
    auto const counters = service.server->counters();
    EXPECT_EQ(transport == Transport::ws ? counters.handshake_failures : counters.forbidden, 4u);
    for (std::string const headers : {"Host: svc.test\r\n", "Host: svc.test\r\nUser-Agent: curl/7.88.1\r\n",
                                      "Host: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"}) {
      std::string const status = co_await status_for(service.at, headers);
      EXPECT_EQ(status, served()) << headers;
    }
    co_await expect_serves(service);
  };
  test::run(io, test());
}

TEST_P(WebPageTest, webPagesAndNamesCanBeListedOrTheCheckTurnedOff) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options options = server_options(transport);
    options.web_access = net::WebAccess{{"svc.test"}, {"https://app.test"}};
    TestService& service = *co_await serve("A", options);
    options.web_access.reset();
    TestService& open = *co_await serve("B", options);
    std::string const listed = "Host: svc.test\r\nOrigin: https://app.test\r\n";
    std::string const foreign = "Host: evil.test\r\nOrigin: http://evil.test\r\n";
    std::string status = co_await status_for(service.at, listed);
    EXPECT_EQ(status, served());
    status = co_await status_for(service.at, foreign);
    EXPECT_EQ(status, "HTTP/1.1 403");
    status = co_await status_for(open.at, foreign);
    EXPECT_EQ(status, served());
  };
  test::run(io, test());
}

TEST_P(HttpServerInputTest, aRefusedWebPageIsToldSoInTheEnvelope) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    std::string const text = co_await exchange(service.at, post(kGood, "Origin: http://evil.test\r\n"));
    EXPECT_EQ(test::body_of(text), R"([null, "ERR_REQUEST_FORBIDDEN", null])");
  };
  test::run(io, test());
}

// Over HTTP

TEST_P(HttpServerInputTest, whatIsNoRequestIsAnsweredAndCounted) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    std::string const parse_error = R"([null, "ERR_REQUEST_PARSE", null])";
    for (std::string const body : {"", "not json", "[1,", "null", "\xff\xfe"}) {
      auto const text = co_await exchange(service.at, post(body));
      EXPECT_TRUE(text.starts_with("HTTP/1.1 400 ")) << body;
      EXPECT_EQ(test::body_of(text), parse_error) << body;
    }
    EXPECT_EQ(service.server->counters().not_json, 5u);
    EXPECT_EQ(service.request_count, 0);
    co_await expect_serves(service);
  };
  test::run(io, test());
}

TEST_P(HttpServerInputTest, whatIsMissingOrOfAnotherTypeIsNullAsInNode) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    auto text = co_await exchange(service.at, post("{}"));
    EXPECT_EQ(test::body_of(text), R"([null,null,["A","",null]])");
    text = co_await exchange(service.at, post("[]"));
    EXPECT_EQ(test::body_of(text), R"([null,null,["A","",null]])");
    text = co_await exchange(service.at, post("[7,{},[1]]"));
    EXPECT_EQ(test::body_of(text), R"([7,null,["A","",[1]]])");
    text = co_await exchange(service.at, post("17"));
    EXPECT_EQ(test::body_of(text), R"([null,null,["A","",null]])");
    co_await expect_serves(service);
  };
  test::run(io, test());
}

TEST_P(HttpServerInputTest, oneTooLargeIsRefusedWith413) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options options = server_options(transport);
    options.body_bytes_max = 1000;
    TestService& service = *co_await serve("A", options);
    auto const text = co_await exchange(service.at, post(std::string(2000, '1')), false);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 413 "));
    EXPECT_EQ(test::body_of(text), R"([null, "ERR_REQUEST_SIZE", null])");
    EXPECT_EQ(service.server->counters().too_large, 1u);
    auto const reply = co_await client->request("svc", std::string(2000, 'x'));
    EXPECT_EQ(reply.error().code, Errc::request_size);
    co_await expect_serves(service);
  };
  test::run(io, test());
}

TEST_P(HttpServerInputTest, aBombIsNotExpanded) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options options = server_options(transport);
    options.expanded_bytes_max = 10'000;
    TestService& service = *co_await serve("A", options);
    std::string const bomb = net::gzip(std::string(1'000'000, ' ') + kGood);
    auto const text = co_await exchange(service.at, post(bomb, "grc-compress: gzip\r\n"));
    EXPECT_EQ(test::body_of(text), R"([null, "ERR_REQUEST_PARSE", null])");
    EXPECT_EQ(service.request_count, 0);

    Client::Options small = client_options(transport);
    small.expanded_bytes_max = 1'000;
    make_client(small);
    RequestOptions compressed;
    compressed.compress = true;
    auto const reply = co_await client->request("svc", std::string(5'000, 'x'), compressed);
    EXPECT_EQ(reply.error().code, Errc::reply_encoding_compression);
    EXPECT_EQ(service.request_count, 1);
  };
  test::run(io, test());
}

TEST_P(HttpServerInputTest, aSmallBodyMayNotExpandToMuchTextOrManyValues) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    std::string many = R"(["rid","svc",[0)";
    for (int i = 0; i < 100'000; ++i) many += ",0";
    many += "]]";
    std::string const long_text = R"(["rid","svc",")" + std::string(1024 * 1024, 'x') + "\"]";
    for (std::string const& body : {many, long_text}) {
      auto text = co_await exchange(service.at, post(net::gzip(body), "grc-compress: gzip\r\n"));
      EXPECT_TRUE(text.starts_with("HTTP/1.1 400 "));
      EXPECT_EQ(test::body_of(text), R"([null, "ERR_REQUEST_PARSE", null])");
      EXPECT_EQ(service.request_count, 0);
    }
    EXPECT_EQ(service.server->counters().not_json, 2u);
    std::string const in_bounds = R"(["rid","svc",")" + std::string(1024 * 1024 - 100, 'x') + "\"]";
    (void)co_await exchange(service.at, post(net::gzip(in_bounds), "grc-compress: gzip\r\n"));
    EXPECT_EQ(service.request_count, 1);
  };
  test::run(io, test());
}

TEST_P(HttpServerInputTest, aGrHeaderThatIsNoPairIsAnsweredAsInNode) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    auto const text = co_await exchange(service.at, post(kGood, "_gr: {nonsense\r\n"));
    EXPECT_TRUE(text.starts_with("HTTP/1.1 500 "));
    EXPECT_EQ(test::body_of(text), R"([null, "ERR_HEADER_PARSE_GR", null])");
    EXPECT_EQ(service.server->counters().bad_gr_header, 1u);
    co_await expect_serves(service);
  };
  test::run(io, test());
}

TEST_P(HttpServerInputTest, actionAndArgumentsComeInHeaders) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    (void)co_await exchange(service.at, post(kGood, "_a: upload\r\n_ar: {\"n\":1}\r\n"));
    EXPECT_EQ(service.last.action, "upload");
    EXPECT_EQ(service.last.args, Value::object({{"n", 1}}));
    (void)co_await exchange(service.at, post(kGood, "_ar: nonsense\r\n"));
    EXPECT_EQ(service.last.action, "");
    EXPECT_TRUE(service.last.args.is_null());
    EXPECT_EQ(service.request_count, 2);
  };
  test::run(io, test());
}

TEST_P(HttpServerInputTest, whatIsNoHttpIsAnsweredAndCounted) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    auto const text = co_await exchange(service.at, "\x16\x03\x01 nonsense\r\n\r\n");
    EXPECT_TRUE(text.starts_with("HTTP/1.1 400 "));
    EXPECT_EQ(service.server->counters().not_http, 1u);
    co_await expect_serves(service);
  };
  test::run(io, test());
}

TEST_P(HttpServerInputTest, oneWhoStopsInTheMiddleHoldsUpNobody) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options options = server_options(transport);
    options.body_max = 1s;  // not for the honest callers: each of their requests comes in one piece
    TestService& service = *co_await serve("A", options);
    std::string const all = post(kGood);
    RawClient slow{io.get_executor()};
    co_await slow.connect(service.at);
    co_await slow.send(all.substr(0, all.size() - 3));
    co_await expect_serves(service);
    std::string const told = co_await slow.read_all();
    EXPECT_TRUE(told.starts_with("HTTP/1.1 408 ")) << told;
    EXPECT_EQ(service.server->counters().too_slow, 1u);
    auto const text = co_await exchange(service.at, all.substr(0, all.size() - 3));  // half-closed
    EXPECT_EQ(text.find("rid"), std::string::npos);
    co_await expect_serves(service);
    EXPECT_EQ(service.request_count, 2);
  };
  test::run(io, test());
}

// Over WebSocket

TEST_P(WsServerInputTest, whatIsNoRequestIsAnsweredOnAConnectionThatGoesOn) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    auto connection = co_await connect(service.at);
    EXPECT_TRUE(connection);
    for (std::string const message : {"", "not json", "[1,", "null"}) {
      auto const answer = co_await say(*connection, message);
      EXPECT_EQ(answer, R"([null, "ERR_REQUEST_PARSE", null])") << message;
    }
    EXPECT_EQ(service.server->counters().not_json, 4u);
    auto answer = co_await say(*connection, "{}");
    EXPECT_EQ(answer, R"([null,null,["A","",null]])");
    answer = co_await say(*connection, "[7,{},[1]]");
    EXPECT_EQ(answer, R"([7,null,["A","",[1]]])");
    answer = co_await say(*connection, kGood);
    EXPECT_EQ(answer, R"(["rid",null,["A","svc","x"]])");
    co_await expect_serves(service);
  };
  test::run(io, test());
}

TEST_P(WsServerInputTest, oneTooLargeEndsItsConnectionAlone) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options options = server_options(transport);
    options.body_bytes_max = 1000;
    TestService& service = *co_await serve("A", options);
    auto other = co_await connect(service.at);
    auto connection = co_await connect(service.at);
    connection->send('"' + std::string(2000, 'x') + '"');
    auto const answer = co_await connection->receive();
    EXPECT_FALSE(answer);
    auto const counted = [&] { return service.server->counters().too_large == 1; };
    co_await until(counted);
    auto const text = co_await say(*other, kGood);
    EXPECT_EQ(text, R"(["rid",null,["A","svc","x"]])");
  };
  test::run(io, test());
}

TEST_P(WsServerInputTest, whoAsksForAPageIsToldSo) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    auto const text = co_await exchange(service.at, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", false);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 426 "));
    auto const counted = [&] { return service.server->counters().handshake_failures == 1; };
    co_await until(counted);
    co_await expect_serves(service);
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::rpc
