#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/raw_client.hpp"
#include "tests/unit/net/http_pair.hpp"

namespace grenache::net {
namespace {

using test::RawClient;

constexpr std::size_t kMiB = 1024 * 1024;
// Buffered by the system per connection: its two socket buffers grow to some MiB each.
constexpr std::size_t kSystemBytes = 24 * kMiB;

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kGrowthMax = 512 * kMiB;  // AddressSanitizer keeps for a while what was freed
#else
constexpr std::size_t kGrowthMax = 32 * kMiB;
#endif

/// The most memory that was resident since forget_resident_max().
std::size_t resident_max() {
  std::ifstream status{"/proc/self/status"};
  std::size_t kib = 0;
  for (std::string word; status >> word;) {
    if (word == "VmHWM:") status >> kib;
  }
  return kib * 1024;
}
/// Resets the peak of memory, which earlier tests of this process have raised.
void forget_resident_max() { std::ofstream{"/proc/self/clear_refs"} << "5"; }

/// Both plain and TLS.
struct HttpStreamTest : testing::TestWithParam<bool>, HttpPair {
  HttpStreamTest() : HttpPair{GetParam()} {}
};

std::string name_of(testing::TestParamInfo<bool> const& info) { return info.param ? "tls" : "plain"; }
INSTANTIATE_TEST_SUITE_P(Transports, HttpStreamTest, testing::Bool(), name_of);

TEST_P(HttpStreamTest, whatIsSentComesBackUnchangedOnAConnectionThatIsKept) {
  auto test = [this]() -> Awaitable<void> {
    start();
    for (std::size_t const size : {1ul, 16'367ul, 16'368ul, 16'369ul, 65'536ul, 65'537ul, 1'000'000ul}) {
      std::string piece(size, '\0');
      for (std::size_t i = 0; i < size; ++i) piece[i] = static_cast<char>(i * 7 + i / 251);
      std::string text;
      auto const received = co_await exchange("/s/echo", piece, 3, &text);
      EXPECT_EQ(received.value(), 3 * size);
      EXPECT_EQ(text, piece + piece + piece);
    }
    std::string nothing;
    auto const received = co_await exchange("/s/echo", "", 0, &nothing);
    EXPECT_EQ(received.value(), 0u);
    auto const answer = co_await ask("/after", "x");
    EXPECT_TRUE(answer);
    EXPECT_EQ(client->counters().connections, 1u);
    EXPECT_EQ(client->connection_count(), 1u);
    EXPECT_TRUE(stream_errors.empty());
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, theResponseIsThereWithItsHeadersBeforeTheRequestHasEnded) {
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpCall head = call("/s/echo");
    auto stream = co_await client->open(std::move(head));
    auto const response = co_await stream->response();
    EXPECT_EQ(response->status, 200u);
    HttpHeaders const wanted{{"X-Stream", "yes"}};
    EXPECT_NE(std::ranges::find(response->headers, wanted.front()), response->headers.end());
    for (std::string const word : {"one", "two"}) {
      co_await stream->write(word);
      auto const piece = co_await stream->read();
      EXPECT_EQ(piece.value(), word);
    }
    co_await stream->finish();
    auto const end = co_await stream->read();
    EXPECT_EQ(end.value(), "");
    auto const still = co_await stream->response();
    EXPECT_EQ(still->status, 200u);
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, aLongStreamTakesConstantMemory) {
  auto test = [&]() -> Awaitable<void> {
    start();
    forget_resident_max();
    std::size_t const before = resident_max();
    auto const received = co_await exchange("/s/echo", std::string(64 * 1024, 'x'), 4096);
    EXPECT_EQ(received.value(), 256 * kMiB);
    EXPECT_GT(before, 0u);
    EXPECT_LT(resident_max() - before, kGrowthMax);
  };
  test::run(io, test(), 120s);
}

TEST_P(HttpStreamTest, aServerThatDoesNotReadStopsTheWriter) {
  options.stream_idle_max = 100ms;
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpCall head = call("/s/hold");
    auto stream = co_await client->open(std::move(head));
    std::string const piece(64 * 1024, 'x');
    std::size_t sent = 0;
    Result<void> outcome{};
    while (outcome && sent < 1024 * kMiB) {
      outcome = co_await stream->write(piece);
      if (outcome) sent += piece.size();
    }
    EXPECT_EQ(outcome.error(), HttpClientErrc::timed_out);
    EXPECT_LT(sent, kSystemBytes);
    auto const again = co_await stream->write(piece);
    EXPECT_EQ(again.error(), HttpClientErrc::timed_out);
    release.notify_all();
    co_await server->stop(10s);
    EXPECT_EQ(stream_errors.size(), 1u);
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, aClientThatDoesNotReadStopsTheWriter) {
  server_options.stream_idle_max = 100ms;
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpCall head = call("/s/give?" + std::to_string(1024 * kMiB));
    auto stream = co_await client->open(std::move(head));
    co_await stream->finish();
    while (stream_errors.empty()) co_await tasks.drained(1ms), co_await asio::post(io, kTuple);
    EXPECT_EQ(stream_errors.at(0), HttpServerErrc::timed_out);
    EXPECT_LT(given, kSystemBytes);
    EXPECT_EQ(server->counters().timed_out, 1u);
    auto const received = co_await receive(*stream);
    EXPECT_FALSE(received);
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, aNewConnectionTakesThePlaceOfAStreamThatWaitsForItsPeer) {
  server_options.connection_count_max = 1;
  auto test = [this]() -> Awaitable<void> {
    start();
    for (std::string const& target : {"/s/give?" + std::to_string(1024 * kMiB), std::string{"/s/count"}}) {
      std::size_t const before = server->counters().requests;
      stream_errors.clear();
      HttpCall head = call(target);
      auto stream = co_await client->open(std::move(head));
      EXPECT_TRUE(stream);
      while (server->counters().requests == before) co_await asio::post(io, kTuple);
      HttpClient other{io.get_executor(), options};
      HttpCall one = call("/a", "b");
      auto const answer = co_await other.request(std::move(one));
      EXPECT_TRUE(answer);
      while (stream_errors.empty()) co_await asio::post(io, kTuple);
      co_await other.stop();
    }
    EXPECT_EQ(server->counters().connections_refused, 0u);
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, aSilentClientIsGivenUp) {
  server_options.stream_idle_max = 30ms;
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpCall head = call("/s/count");
    auto stream = co_await client->open(std::move(head));
    co_await stream->write("some");
    auto const response = co_await stream->response();
    EXPECT_FALSE(response);
    EXPECT_EQ(stream_errors.at(0), HttpServerErrc::timed_out);
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, aSilentServerIsGivenUp) {
  options.stream_idle_max = 30ms;
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpCall head = call("/s/hold");
    auto stream = co_await client->open(std::move(head));
    auto const response = co_await stream->response();
    EXPECT_EQ(response.error(), HttpClientErrc::timed_out);
    release.notify_all();
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, anAnswerMayComeBeforeTheRequestIsRead) {
  auto test = [this]() -> Awaitable<void> {
    start();
    std::string text;
    HttpCall head = call("/s/early");
    auto stream = co_await client->open(std::move(head));
    co_await stream->write("unread");
    auto const received = co_await receive(*stream, &text);
    EXPECT_TRUE(received);
    EXPECT_EQ(text, "no");
    auto const answer = co_await ask("/after");
    EXPECT_TRUE(answer);
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, aReplyThatStopsInTheMiddleIsAnErrorForTheClient) {
  auto test = [this]() -> Awaitable<void> {
    start();
    auto const received = co_await exchange("/s/cut", "x", 1);
    EXPECT_FALSE(received);
    EXPECT_EQ(client->connection_count(), 0u);
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, aHandlerThatThrowsOrSaysNothingIsAnsweredWith500) {
  auto test = [this]() -> Awaitable<void> {
    start();
    for (std::string const target : {"/s/throw", "/s/silent"}) {
      HttpCall head = call(target);
      auto stream = co_await client->open(std::move(head));
      auto const response = co_await stream->response();
      EXPECT_EQ(response->status, 500u);
    }
    EXPECT_EQ(server->counters().handler_failures, 2u);
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, aStreamThatIsDroppedEndsTheHandlerAndFreesTheConnection) {
  auto test = [this]() -> Awaitable<void> {
    start();
    {
      HttpCall head = call("/s/count");
      auto stream = co_await client->open(std::move(head));
      co_await stream->write("some");
      while (server->counters().requests == 0) co_await asio::post(io, kTuple);
      EXPECT_EQ(client->connection_count(), 1u);
    }
    EXPECT_EQ(client->connection_count(), 0u);
    bool const graceful = co_await server->stop(10s);
    EXPECT_TRUE(graceful);
    EXPECT_EQ(stream_errors.size(), 1u);
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, stopOfTheClientFailsTheStream) {
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpCall head = call("/s/hold");
    auto stream = co_await client->open(std::move(head));
    while (held == 0) co_await entered.wait();
    Error seen;
    auto wait = [&]() -> Awaitable<void> {
      auto const response = co_await stream->response();
      seen = response.error();
    };
    tasks.spawn(wait());
    co_await asio::post(io, kTuple);
    co_await client->stop();
    EXPECT_EQ(seen, HttpClientErrc::stopped);
    auto const write = co_await stream->write("x");
    EXPECT_EQ(write.error(), HttpClientErrc::stopped);
    HttpCall late = call("/s/echo");
    auto const refused = co_await client->open(std::move(late));
    EXPECT_EQ(refused.error(), HttpClientErrc::stopped);
    release.notify_all();
  };
  test::run(io, test());
}

TEST_P(HttpStreamTest, aRequestThatIsNoStreamKeepsItsLimits) {
  server_options.body_bytes_max = 10;
  auto test = [this]() -> Awaitable<void> {
    start();
    for (std::string const body : {"", "0123456789"}) {
      auto const answer = co_await ask("/a", body.c_str());
      EXPECT_EQ(answer.value().substr(0, 8 + body.size()), "POST /a " + body);
    }
    HttpCall large = call("/a", "01234567890");
    auto const refused = co_await client->request(std::move(large));
    EXPECT_EQ(refused->status, 413u);
    HttpCall head = call("/a");
    auto stream = co_await client->open(std::move(head));
    co_await stream->write("01234567890");
    auto const response = co_await stream->response();
    EXPECT_EQ(response->status, 413u);
  };
  test::run(io, test());
}

struct HttpRawStreamTest : testing::Test, HttpPair {
  Awaitable<std::string> talk(std::string request) {
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send(std::move(request));
    std::string text = co_await raw.read_all();
    co_return text;
  }
};

TEST_F(HttpRawStreamTest, understandsContentLengthAndHttp10) {
  server_options.body_bytes_max = 2;  // does not concern streams
  auto test = [this]() -> Awaitable<void> {
    start();
    std::string text = co_await talk(
        "POST /s/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_NE(text.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
    EXPECT_NE(text.find("Connection: close\r\n"), std::string::npos);
    EXPECT_NE(text.find("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), std::string::npos);
    text = co_await talk("POST /s/echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_EQ(text.find("chunked"), std::string::npos);
    EXPECT_EQ(test::body_of(text), "hello");
    text = co_await talk("GET /s/count HTTP/1.0\r\n\r\n");
    EXPECT_EQ(test::body_of(text), "0");
    text = co_await talk("HEAD /s/give?100 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(test::body_of(text), "");
  };
  test::run(io, test());
}

TEST_F(HttpRawStreamTest, tellsAWaitingClientToContinueWhenItWantsTheBody) {
  auto test = [this]() -> Awaitable<void> {
    start();
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send(
        "POST /s/count HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    std::string text = co_await raw.read_until("\r\n\r\n");
    EXPECT_EQ(text, "HTTP/1.1 100 Continue\r\n\r\n");
    co_await raw.send("ok");
    text = co_await raw.read_until("0\r\n\r\n");
    EXPECT_NE(text.find("\r\n1\r\n2\r\n"), std::string::npos);
  };
  test::run(io, test());
}

TEST_F(HttpRawStreamTest, aMalformedChunkIsAnsweredAndCounted) {
  auto test = [this]() -> Awaitable<void> {
    server_options.malformed.body = "WHAT?";
    start();
    std::string const head = "POST /s/count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::string const& bad : {std::string{"zz\r\n\r\n"}, "5;" + std::string(100'000, 'x')}) {
      std::string const text = co_await talk(head + "3\r\nabc\r\n" + bad);
      EXPECT_EQ(test::body_of(text), "WHAT?");
    }
    EXPECT_EQ(server->counters().malformed, 2u);
    EXPECT_EQ(stream_errors.at(0), HttpServerErrc::malformed_request);
  };
  test::run(io, test());
}

TEST_F(HttpRawStreamTest, aRequestThatIsCutOffIsToldToTheHandler) {
  auto test = [this]() -> Awaitable<void> {
    start();
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send("POST /s/count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    raw.shutdown_send();
    std::string const text = co_await raw.read_all();
    EXPECT_EQ(text, "");
    EXPECT_EQ(stream_errors.at(0), HttpServerErrc::connection_lost);
    EXPECT_EQ(server->counters().handler_failures, 0u);
  };
  test::run(io, test());
}

TEST_F(HttpRawStreamTest, cutAnywhereTheRequestIsReadAllTheSame) {
  auto test = [this]() -> Awaitable<void> {
    start();
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    std::string const request =
        "POST /s/count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
    for (char const byte : request) co_await raw.send(std::string(1, byte));
    std::string const text = co_await raw.read_until("0\r\n\r\n");
    EXPECT_NE(text.find("\r\n2\r\n13\r\n"), std::string::npos);
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::net
