// How a WebSocket connection begins, and why it does not.
#include <boost/asio/post.hpp>

#include "tests/support/tls_files.hpp"
#include "tests/unit/net/websocket_fixture.hpp"

namespace grenache::net {
namespace {

/// kUpgrade with a further header line.
std::string with_line(std::string const& line) {
  std::string upgrade = kUpgrade;
  upgrade.insert(upgrade.size() - 2, line + "\r\n");
  return upgrade;
}

TEST_F(WebSocketTest, whatIsNoUpgradeIsToldSo) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    std::string text = co_await exchange("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    EXPECT_TRUE(text.starts_with("HTTP/1.1 426 ")) << text;
    EXPECT_NE(text.find("Upgrade: websocket"), std::string::npos);
    text = co_await exchange("\x16\x03\x01 no HTTP at all\r\n\r\n");
    EXPECT_TRUE(text.starts_with("HTTP/1.1 400 ")) << text;
    text = co_await exchange("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n");
    EXPECT_TRUE(text.starts_with("HTTP/1.1 400 ")) << text;
    std::string other_version = kUpgrade;
    other_version.replace(other_version.find("13"), 2, "12");
    text = co_await exchange(other_version);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 426 ")) << text;
    EXPECT_NE(text.find("Sec-WebSocket-Version: 13"), std::string::npos);
    std::string no_key = kUpgrade;
    no_key.replace(no_key.find("WebSocket-Key"), 13, "WebSocket-Nix");
    text = co_await exchange(no_key);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 400 ")) << text;
    while (server->counters().failed_upgrades < 5) co_await boost::asio::post(io, kTuple);
    EXPECT_TRUE(sessions.empty());
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aHeaderThatAProxyMayReadDifferentlyIsRefused) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    std::string no_host = kUpgrade;
    no_host.replace(no_host.find("Host: x"), 7, "X-Host: x");
    std::string const text = co_await exchange(no_host);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 400 ")) << text;
    std::vector<std::pair<std::string, std::string>> const cases{
        {"400", "Host: x"},
        {"400", "Host: y"},
        {"501", "Transfer-Encoding: gzip, chunked"},
        {"501", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"},
        {"400", "Transfer-Encoding: x chunked"},
        {"400", "Sec-WebSocket-Version: 13"},
        {"400", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="},
    };
    for (auto const& [status, line] : cases) {
      std::string const answer = co_await exchange(with_line(line));
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + status + " ")) << line << '\n' << answer;
    }
    EXPECT_TRUE(sessions.empty());
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, anUpgradeWithABodyIsRefused) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    for (std::string const line : {"Content-Length: 5", "Transfer-Encoding: chunked"}) {
      std::string const text = co_await exchange(with_line(line));
      EXPECT_TRUE(text.starts_with("HTTP/1.1 400 ")) << line << '\n' << text;
    }
    EXPECT_TRUE(sessions.empty());
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send(with_line("Content-Length: 0"));
    std::string const text = co_await raw.read_until("\r\n\r\n");
    EXPECT_TRUE(text.starts_with("HTTP/1.1 101 ")) << text;
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, theTargetOfASessionIsThePathOfAnAbsoluteOne) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    std::string absolute = kUpgrade;
    absolute.replace(absolute.find("/ws"), 3, "http://x/path?query");
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send(absolute);
    co_await until_open(1);
    EXPECT_EQ(sessions.front()->target(), "/path?query");
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aForeignWebPageGetsNoSession) {
  WebSocketServer::Options options;
  options.web_access.emplace();
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    std::string rebound = with_line("User-Agent: Mozilla/5.0");
    rebound.replace(rebound.find("/ws"), 3, "http://evil.example/ws");
    for (std::string const& foreign :
         {with_line("Origin: http://evil.example"),
          with_line("Origin: http://x\r\nOrigin: http://evil.example"), rebound}) {
      std::string const text = co_await exchange(foreign);
      EXPECT_TRUE(text.starts_with("HTTP/1.1 403 ")) << foreign << text;
    }
    auto const program = co_await connect_plainly();
    EXPECT_TRUE(program);
    co_await until_open(1);
    EXPECT_EQ(server->counters().failed_upgrades, 3u);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aSlowUpgradeIsCutOff) {
  WebSocketServer::Options options;
  options.handshake_max = 20ms;
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    std::string const text = co_await exchange(kUpgrade.substr(0, kUpgrade.size() - 1));
    EXPECT_EQ(text, "");
    EXPECT_EQ(server->counters().timed_out, 1u);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, emptyLinesBeforeTheUpgradeAreIgnored) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send("\r\n");
    co_await raw.send("\r\n" + kUpgrade);
    std::string const text = co_await raw.read_until("\r\n\r\n");
    EXPECT_TRUE(text.starts_with("HTTP/1.1 101 ")) << text;
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, anUpgradeMayNameItsConnectionOptionsInTwoLines) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    std::string upgrade = kUpgrade;
    upgrade.replace(upgrade.find("Connection: "), 12, "Connection: keep-alive\r\nConnection: ");
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send(upgrade);
    std::string const text = co_await raw.read_until("\r\n\r\n");
    EXPECT_TRUE(text.starts_with("HTTP/1.1 101 ")) << text;
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, theFirstSubprotocolOfferedIsChosen) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    for (std::string const offer : {"", "Sec-WebSocket-Protocol: chat.v2, chat\r\n"}) {
      std::string upgrade = kUpgrade;
      upgrade.insert(upgrade.size() - 2, offer);
      RawClient raw{io.get_executor()};
      co_await raw.connect(server->local_endpoint());
      co_await raw.send(upgrade);
      std::string const text = co_await raw.read_until("\r\n\r\n");
      EXPECT_TRUE(text.starts_with("HTTP/1.1 101 ")) << text;
      bool const chosen = text.find("\r\nSec-WebSocket-Protocol: chat.v2\r\n") != std::string::npos;
      EXPECT_EQ(chosen, !offer.empty());
      EXPECT_EQ(text.find("Sec-WebSocket-Protocol") != std::string::npos, !offer.empty());
    }
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aFrameBeforeTheUpgradeIsAnsweredIsAnError) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    std::string const text = co_await exchange(kUpgrade + frame(0x81, "early"));
    EXPECT_TRUE(text.starts_with("HTTP/1.1 400 ")) << text;
  };
  test::run(io, test());
}

/// A TCP server that says one thing to all who come.
struct RawServer {
  RawServer(boost::asio::io_context& io, std::string t)
      : acceptor{io, boost::asio::ip::tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}},
        text{std::move(t)} {
    tasks.emplace(io.get_executor());
    tasks->spawn(run());
  }
  ~RawServer() { acceptor.close(); }
  Awaitable<void> run() {
    for (;;) {
      auto [error, socket] = co_await acceptor.async_accept(kTuple);
      if (error) co_return;
      sockets.push_back(std::move(socket));
      co_await boost::asio::async_write(sockets.back(), boost::asio::buffer(text), kTuple);
    }
  }
  [[nodiscard]] HostPort at() const { return {"localhost", acceptor.local_endpoint().port()}; }
  boost::asio::ip::tcp::acceptor acceptor;
  std::vector<boost::asio::ip::tcp::socket> sockets;
  std::string text;
  std::optional<TaskGroup> tasks;
};

TEST_F(WebSocketTest, theClientTellsWhyItCouldNotConnect) {
  RawServer silent{io, ""};
  RawServer http{io, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"};
  RawServer noise{io, "\x16\x03\x01 this is no HTTP at all\r\n\r\n"};
  auto test = [&]() -> Awaitable<void> {
    WebSocketConnection::Options const options;
    auto const executor = io.get_executor();
    TimePoint const late = steady_now() + 10s;
    auto connection =
        co_await WebSocketConnection::connect(executor, silent.at(), options, steady_now() + 20ms);
    EXPECT_EQ(connection.error(), WebSocketErrc::timed_out);
    connection = co_await WebSocketConnection::connect(executor, http.at(), options, late);
    EXPECT_EQ(connection.error(), WebSocketErrc::refused);
    connection = co_await WebSocketConnection::connect(executor, noise.at(), options, late);
    EXPECT_EQ(connection.error(), WebSocketErrc::refused);
    HostPort nowhere = silent.at();
    silent.acceptor.close();
    nowhere.host = "127.0.0.1";
    connection = co_await WebSocketConnection::connect(executor, nowhere, options, late);
    EXPECT_EQ(connection.error(), boost::asio::error::connection_refused);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, tlsShowsEachSideTheOther) {
  test::Identity const authority = test::make_authority("ca");
  auto const options_of = [&](std::string const& name) {
    test::Identity const identity = test::make_identity(name, authority);
    TlsOptions options;
    options.certificate = identity.certificate;
    options.key = identity.key;
    options.ca = authority.certificate;
    return options;
  };
  WebSocketServer::Options options;
  options.tls = TlsContext::make_server(options_of("server")).value();
  serve(options);
  auto test = [&]() -> Awaitable<void> {
    client_tls = TlsContext::make_client(options_of("client")).value();
    auto connection = co_await connect_plainly();
    EXPECT_TRUE(connection);
    std::string const text(300'000, 'x');
    for (int i = 0; i < 3; ++i) connection->send(text);
    for (int i = 0; i < 3; ++i) {
      auto const answer = co_await connection->receive();
      EXPECT_EQ(answer.value(), text);
    }
    EXPECT_EQ(sessions.at(0)->certificate().value().subject, "CN=client");
    EXPECT_TRUE(sessions.at(0)->certificate()->verified);
    EXPECT_EQ(connection->session()->certificate().value().subject, "CN=server");
    co_await connection->close();
    co_await until_ended(1);
    EXPECT_EQ(ends.front(), WebSocketErrc::closed);
    client_tls = nullptr;
    auto const plain = co_await connect_plainly();
    EXPECT_FALSE(plain);
    EXPECT_EQ(server->counters().failed_upgrades, 1u);
    TlsOptions stranger;
    stranger.ca = authority.certificate;
    client_tls = TlsContext::make_client(stranger).value();
    auto const unknown = co_await connect_plainly();
    EXPECT_FALSE(unknown);
    while (server->counters().failed_upgrades < 2) co_await boost::asio::post(io, kTuple);
    EXPECT_EQ(sessions.size(), 1u);
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::net
