#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "tests/support/raw_client.hpp"
#include "tests/unit/net/http_pair.hpp"
#include <grenache/net/address.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/stream.hpp>

namespace grenache::net {
namespace {

using test::identities;
using test::RawClient;

struct HttpTlsTest : testing::Test, HttpPair {
  HttpTlsTest() : HttpPair{true} {}

  void use_server(TlsOptions const& tls) { server_options.tls = TlsContext::make_server(tls).value(); }
  void use_client(TlsOptions const& tls) { options.tls = TlsContext::make_client(tls).value(); }
  /// Asks once with what was set up; the answer must be `expected`, or an error where that is empty.
  void expect(std::string const& expected) {
    auto test = [&]() -> Awaitable<void> {
      start();
      auto const answer = co_await ask("/a", "b");
      EXPECT_EQ(answer.has_value(), !expected.empty()) << (answer ? *answer : answer.error().message());
      if (answer) {
        EXPECT_EQ(*answer, expected);
      }
      co_await client->stop();
      co_await server->stop(10s);
    };
    test::run(io, test());
  }
};

/// A TLS client that sends exactly what a test wants to send.
struct RawTlsClient {
  explicit RawTlsClient(asio::io_context& io)
      : stream{Stream::Socket{io.get_executor()}, test::make_client_tls(), "127.0.0.1:1"} {}

  Awaitable<void> connect(Endpoint to) {
    co_await stream.socket().async_connect(to_asio<asio::ip::tcp>(to), kTuple);
    Error const error = co_await stream.handshake();
    EXPECT_FALSE(error) << error.message();
  }
  Awaitable<void> send(std::string text) { co_await asio::async_write(stream, asio::buffer(text), kTuple); }
  Awaitable<std::string> read_until(std::string end) {
    std::string text;
    while (!text.ends_with(end)) {
      std::string part(4096, '\0');
      auto const [error, size] = co_await stream.async_read_some(asio::buffer(part), kTuple);
      if (error) break;
      text.append(part, 0, size);
    }
    co_return text;
  }

  Stream stream;
};

TEST_F(HttpTlsTest, theHandlerSeesTheCertificateThatWasDemanded) {
  expect("POST /a b CN=client.test verified");
  EXPECT_EQ(server->counters().handshakes_failed, 0u);
}

TEST_F(HttpTlsTest, aClientWithoutACertificateIsRefusedWhereOneIsDemanded) {
  TlsOptions nobody;
  nobody.ca = identities().authority.certificate;
  use_client(nobody);
  expect("");
  EXPECT_EQ(server->counters().handshakes_failed, 1u);
  EXPECT_EQ(server->counters().requests, 0u);
}

TEST_F(HttpTlsTest, aClientWithAForeignCertificateIsRefusedWhereOneIsDemanded) {
  use_client(test::tls_options(identities().foreign, identities().authority));
  expect("");
  EXPECT_EQ(server->counters().handshakes_failed, 1u);
  EXPECT_EQ(server->counters().requests, 0u);
}

TEST_F(HttpTlsTest, aForeignCertificateIsShownWhereItIsOnlyAskedFor) {
  TlsOptions curious = test::server_tls();
  curious.peer_check = PeerCheck::requested;
  use_server(curious);
  use_client(test::tls_options(identities().foreign, identities().authority));
  expect("POST /a b CN=client.test unverified");
}

TEST_F(HttpTlsTest, noCertificateIsNoneWhereItIsOnlyAskedFor) {
  TlsOptions curious = test::server_tls();
  curious.peer_check = PeerCheck::requested;
  use_server(curious);
  TlsOptions nobody;
  nobody.ca = identities().authority.certificate;
  use_client(nobody);
  expect("POST /a b");
}

TEST_F(HttpTlsTest, aServerOfAForeignAuthorityIsNotTalkedTo) {
  use_server(test::tls_options(identities().foreign, identities().authority));
  expect("");
  EXPECT_EQ(server->counters().handshakes_failed, 1u);
}

TEST_F(HttpTlsTest, aPinnedServerIsTakenWhoeverSignedItAndNoOther) {
  auto fingerprint = [this] {
    Sha256 out;
    auto test = [&]() -> Awaitable<void> {
      start();
      RawTlsClient raw{io};
      co_await raw.connect(server->local_endpoint());
      out = raw.stream.peer_certificate()->fingerprint;
    };
    test::run(io, test());
    return out;
  };
  TlsOptions pinning = test::client_tls();
  pinning.ca.clear();
  pinning.fingerprints = {fingerprint()};
  use_client(pinning);
  expect("POST /a b CN=client.test verified");
  use_server(test::tls_options(identities().foreign, identities().authority));
  expect("");
}

TEST_F(HttpTlsTest, theNameIsCheckedWhenOneIsGiven) {
  TlsOptions named = test::client_tls();
  named.host_name = "server.test";
  use_client(named);
  expect("POST /a b CN=client.test verified");
  named.host_name = "other.test";
  use_client(named);
  expect("");
}

TEST_F(HttpTlsTest, connectionsAreKeptAndLaterOnesResumeTheSession) {
  auto test = [this]() -> Awaitable<void> {
    start();
    for (int i = 0; i < 3; ++i) {
      auto const answer = co_await ask("/a", "b");
      EXPECT_TRUE(answer);
    }
    EXPECT_EQ(client->counters().connections, 1u);
    for (int i = 0; i < 2; ++i) {
      HttpCall last = call("/b");
      last.headers = {{"Connection", "close"}};
      auto const closed = co_await client->request(std::move(last));
      EXPECT_TRUE(closed);
    }
    auto const again = co_await ask("/c");
    EXPECT_EQ(again.value(), "POST /c  CN=client.test verified");
    EXPECT_EQ(client->counters().connections, 3u);
    EXPECT_EQ(client->counters().resumed, 2u);
  };
  test::run(io, test());
}

TEST_F(HttpTlsTest, aSessionIsNotResumedOnceTheServersCertificateHasExpired) {
  auto test = [this]() -> Awaitable<void> {
    Result<HttpResponse> last = HttpClientErrc::stopped;
    HttpCall one;
    test::IdentityOptions shown;
    // Until two requests are quick enough: the second resumes the session of the first.
    for (shown.valid_s = 1; (!client || client->counters().resumed == 0) && shown.valid_s < 1000;
         shown.valid_s *= 2) {
      test::Identity const brief = test::make_identity("server.test", identities().authority, shown);
      use_server(test::tls_options(brief, identities().authority));
      server.reset();
      start();
      one = call("/a");
      one.headers = {{"Connection", "close"}};
      (void)co_await client->request(one);
      last = co_await client->request(one);
    }
    EXPECT_GT(client->counters().resumed, 0u);
    AsyncEvent never{io.get_executor()};
    while (last) {
      (void)co_await never.wait(steady_deadline(50ms));
      last = co_await client->request(one);
    }
    EXPECT_EQ(last.error().category(), certificate_category()) << last.error().message();
  };
  test::run(io, test());
}

/// A client that sends nothing, and one that begins a handshake.
struct SlowHandshakes {
  explicit SlowHandshakes(asio::io_context& io) : silent{io.get_executor()}, slow{io.get_executor()} {}

  Awaitable<void> connect(Endpoint to) {
    co_await silent.connect(to);
    co_await slow.connect(to);
    std::string const part_of_hello{"\x16\x03\x01\x02", 4};
    co_await slow.send(part_of_hello);
  }

  RawClient silent;
  RawClient slow;
};

TEST_F(HttpTlsTest, othersAreServedDuringASlowHandshake) {
  server_options.handshake_max = 1h;
  auto test = [this]() -> Awaitable<void> {
    SlowHandshakes clients{io};
    co_await clients.connect(start());
    auto const answer = co_await ask("/a");
    EXPECT_TRUE(answer);
    EXPECT_EQ(server->connection_count(), 3u);
  };
  test::run(io, test());
}

TEST_F(HttpTlsTest, aSlowHandshakeIsGivenUp) {
  server_options.handshake_max = 20ms;
  auto test = [this]() -> Awaitable<void> {
    SlowHandshakes clients{io};
    co_await clients.connect(start());
    for (RawClient* const each : {&clients.silent, &clients.slow}) {
      std::string const nothing = co_await each->read_all();
      EXPECT_EQ(nothing, "");
    }
    EXPECT_EQ(server->counters().handshakes_failed, 2u);
    EXPECT_EQ(server->counters().timed_out, 0u);
  };
  test::run(io, test());
}

TEST_F(HttpTlsTest, plainHttpOnATlsPortIsClosed) {
  auto test = [this]() -> Awaitable<void> {
    Endpoint const at = start();
    RawClient plain{io.get_executor()};
    co_await plain.connect(at);
    co_await plain.send("GET / HTTP/1.1\r\n\r\n");
    std::string const text = co_await plain.read_all();
    EXPECT_EQ(text.find("HTTP"), std::string::npos);
    EXPECT_EQ(server->counters().handshakes_failed, 1u);
    EXPECT_EQ(server->counters().requests, 0u);
  };
  test::run(io, test());
}

TEST_F(HttpTlsTest, aPlainServerIsAnErrorForATlsClient) {
  server_options.tls = nullptr;
  expect("");
}

TEST_F(HttpTlsTest, theTimeoutCoversAHandshakeThatNobodyAnswers) {
  auto test = [this]() -> Awaitable<void> {
    start();
    asio::ip::tcp::acceptor deaf{io, to_asio<asio::ip::tcp>(kLoopback)};
    HttpCall one = call("/a");
    one.destination.port = deaf.local_endpoint().port();
    one.timeout = 30ms;
    auto const answer = co_await client->request(std::move(one));
    EXPECT_EQ(answer.error(), HttpClientErrc::timed_out);
    EXPECT_EQ(client->connection_count(), 0u);
  };
  test::run(io, test());
}

std::string post(std::string const& target, std::string const& body, std::string const& headers = {}) {
  return "POST " + target + " HTTP/1.1\r\nHost: x\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST_F(HttpTlsTest, pipelinedRequestsAreAnsweredInOrder) {
  auto test = [this]() -> Awaitable<void> {
    start();
    RawTlsClient raw{io};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send(post("/1", "x") + post("/s/count", "four") + post("/3", "z"));
    std::string const text = co_await raw.read_until("/3 z CN=client.test verified");
    auto const first = text.find("POST /1 x");
    auto const second = text.find("\r\n4\r\n0\r\n");
    auto const third = text.find("POST /3 z");
    EXPECT_LT(first, second);
    EXPECT_LT(second, third);
    EXPECT_NE(third, std::string::npos);
  };
  test::run(io, test());
}

TEST_F(HttpTlsTest, aPeerThatHasClosedItsSendingHalfIsAnswered) {
  auto test = [this]() -> Awaitable<void> {
    start();
    RawTlsClient raw{io};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send(post("/half", "closed"));
    Error ignored;
    raw.stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    std::string const text = co_await raw.read_until("verified");
    EXPECT_EQ(test::body_of(text), "POST /half closed CN=client.test verified");
  };
  test::run(io, test());
}

TEST_F(HttpTlsTest, aHandlerWhosePeerHasGoneIsCancelled) {
  auto test = [this]() -> Awaitable<void> {
    start();
    {
      RawTlsClient raw{io};
      co_await raw.connect(server->local_endpoint());
      co_await raw.send(post("/wait", "b"));
      while (held == 0) co_await entered.wait();
      co_await raw.stream.finish();  // what it says comes before the end
    }
    AsyncEvent never{io.get_executor()};
    while (server->connection_count() > 0) co_await never.wait(steady_deadline(1ms));
    EXPECT_EQ(server->counters().aborted, 1u);
  };
  test::run(io, test());
}

TEST_F(HttpTlsTest, largeBodiesPassBothWays) {
  auto test = [this]() -> Awaitable<void> {
    server_options.body_bytes_max = 8'000'000;
    start();
    std::string const large(5'000'000, 'x');
    auto const answer = co_await ask("/large", large.c_str());
    EXPECT_EQ(answer.value(), "POST /large " + large + " CN=client.test verified");
  };
  test::run(io, test());
}

TEST_F(HttpTlsTest, anAnswerThatComesBeforeTheBodyIsSentIsRead) {
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpCall large = call("/a", std::string(3'000'000, 'x'));  // the server's limit is 1 MiB
    auto const result = co_await client->request(std::move(large));
    EXPECT_TRUE(result) << result.error().message();
    if (result) {
      EXPECT_EQ(result->status, 413u);
    }
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::net
