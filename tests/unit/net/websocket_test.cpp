#include <mutex>
#include <set>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "tests/support/raw_client.hpp"
#include "tests/support/run.hpp"
#include "tests/support/tls_files.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/net/websocket.hpp>

namespace grenache::net {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using Session = WebSocketServer::Session;
using test::RawClient;

Endpoint const kFreePort{IpAddress{127, 0, 0, 1}, 0};
std::string const kUpgrade =
    "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

constexpr unsigned kText = 0x1;
constexpr unsigned kBinary = 0x2;
constexpr unsigned kFin = 0x80;

/// A short frame as a client sends it; the mask is zero, which leaves the bytes as they are.
std::string frame(unsigned first, std::string const& payload, bool masked = true) {
  std::string out;
  out += static_cast<char>(first);
  out += static_cast<char>(payload.size() | (masked ? 0x80u : 0u));
  if (masked) out += "\0\0\0\0"s;
  return out + payload;
}

/// The frame with which a server closes.
std::string close_frame(unsigned code) {
  return "\x88\x02"s + static_cast<char>(code >> 8) + static_cast<char>(code & 0xff);
}

/// What came after the answer to the upgrade.
std::string frames_of(std::string const& text) {
  auto const end = text.find("\r\n\r\n");
  return end == std::string::npos ? "no upgrade: " + text : text.substr(end + 4);
}

struct WebSocketTest : testing::Test {
  boost::asio::io_context io{1};
  TaskGroup tasks{io.get_executor()};
  AsyncEvent happened{io.get_executor()};
  std::vector<Session> sessions;
  std::vector<std::string> messages;
  std::vector<Error> ends;
  std::function<void(Session const&, std::string)> on_message = [](Session const& session, std::string text) {
    session->send(std::move(text));
  };
  std::optional<WebSocketServer> server;
  std::shared_ptr<TlsContext> client_tls;

  Endpoint serve(WebSocketServer::Options const& options = {}) {
    WebSocketServer::Handlers handlers;
    handlers.on_open = [this](Session const& session) {
      sessions.push_back(session);
      happened.notify_all();
    };
    handlers.on_message = [this](Session const& session, std::string text) {
      messages.push_back(text);
      on_message(session, std::move(text));
      happened.notify_all();
    };
    handlers.on_close = [this](Session const&, Error const& why) {
      ends.push_back(why);
      happened.notify_all();
    };
    server.emplace(io.get_executor(), options, std::move(handlers));
    return server->listen(kFreePort).value();
  }

  Awaitable<Result<WebSocketConnection>> connect(WebSocketConnection::Options options) {
    options.tls = client_tls;
    HostPort to;
    to.host = "127.0.0.1";
    to.port = server->local_endpoint().port;
    return WebSocketConnection::connect(io.get_executor(), to, options, steady_now() + 10s);
  }
  Awaitable<Result<WebSocketConnection>> connect_plainly() {
    WebSocketConnection::Options options;
    return connect(options);
  }

  Awaitable<void> until_ended(std::size_t count) {
    while (ends.size() < count) co_await happened.wait();
  }
  Awaitable<void> until_open(std::size_t count) {
    while (sessions.size() < count) co_await happened.wait();
  }
  Awaitable<void> until_messages(std::size_t count) {
    while (messages.size() < count) co_await happened.wait();
  }

  /// Everything that comes back for these bytes.
  Awaitable<std::string> exchange(std::string bytes) {
    RawClient raw{io.get_executor()};
    bool const connected = co_await raw.connect(server->local_endpoint());
    EXPECT_TRUE(connected);
    co_await raw.send(std::move(bytes));
    std::string const text = co_await raw.read_all();
    co_return text;
  }
  /// The server's last words after these frames, and why the session has ended.
  void expect_ends_with(std::string const& frames, std::string const& last, WebSocketErrc why) {
    auto test = [&]() -> Awaitable<void> {
      RawClient raw{io.get_executor()};
      co_await raw.connect(server->local_endpoint());
      co_await raw.send(kUpgrade);
      std::string text = co_await raw.read_until("\r\n\r\n");
      co_await raw.send(frames);
      text = co_await raw.read_all();
      EXPECT_EQ(text, last);
      raw.close();
      co_await until_ended(1);
      EXPECT_EQ(ends.front(), why);
    };
    test::run(io, test());
  }
};

TEST_F(WebSocketTest, messagesGoBothWays) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    auto connection = co_await connect_plainly();
    EXPECT_TRUE(connection);
    for (std::string const& text : {"hello"s, ""s, "\xc3\xa4"s, std::string(1'000'000, 'x')}) {
      EXPECT_TRUE(connection->send(text));
      auto const answer = co_await connection->receive();
      EXPECT_EQ(answer.value(), text);
    }
    EXPECT_EQ(sessions.at(0)->target(), "/ws");
    EXPECT_EQ(sessions.at(0)->peer().address, (IpAddress{127, 0, 0, 1}));
    EXPECT_EQ(server->counters().messages, 4u);
    co_await connection->close();
    co_await until_ended(1);
    EXPECT_EQ(ends.front(), WebSocketErrc::closed);
    auto const after = co_await connection->receive();
    EXPECT_EQ(after.error(), WebSocketErrc::closed);
    EXPECT_FALSE(connection->send("too late"));
    EXPECT_FALSE(sessions.at(0)->send("too late"));
    EXPECT_EQ(server->session_count(), 0u);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, manyMessagesKeepTheirOrder) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    auto connection = co_await connect_plainly();
    for (int i = 0; i < 5000; ++i) {
      connection->send(std::to_string(i) + std::string(static_cast<std::size_t>(i), '.'));
    }
    for (int i = 0; i < 5000; ++i) {
      auto const answer = co_await connection->receive();
      EXPECT_EQ(answer.value(), std::to_string(i) + std::string(static_cast<std::size_t>(i), '.'));
    }
    EXPECT_EQ(connection->session()->queued_bytes(), 0u);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, whatIsNotUtf8GoesAsABinaryFrame) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    auto connection = co_await connect_plainly();
    connection->send("\xff\xfe");
    auto const answer = co_await connection->receive();
    EXPECT_EQ(answer.value(), "\xff\xfe");
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, fragmentsAreJoinedWithPingsBetweenThem) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send(kUpgrade);
    std::string text = co_await raw.read_until("\r\n\r\n");
    std::string const hello = frame(kText, "Hel") + frame(0x89, "?") + frame(0, "") + frame(kFin, "lo");
    co_await raw.send(hello + frame(kFin | kBinary, "bin"));
    text = co_await raw.read_until("bin");
    EXPECT_EQ(text, frame(0x8a, "?", false) + frame(0x81, "Hello", false) + frame(0x81, "bin", false));
    co_await raw.send(frame(0x88, "\x03\xe8"));
    text = co_await raw.read_all();
    EXPECT_EQ(text, close_frame(1000));
    EXPECT_EQ(messages, (std::vector<std::string>{"Hello", "bin"}));
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aMessageOverTheLimitEndsWith1009) {
  WebSocketServer::Options options;
  options.message_bytes_max = 10;
  serve(options);
  expect_ends_with(frame(0x81, std::string(11, 'x')), close_frame(1009), WebSocketErrc::message_too_large);
  EXPECT_EQ(server->counters().too_large, 1u);
}

TEST_F(WebSocketTest, fragmentsOverTheLimitTogetherEndWith1009) {
  WebSocketServer::Options options;
  options.message_bytes_max = 10;
  serve(options);
  expect_ends_with(frame(kText, std::string(6, 'x')) + frame(0, std::string(6, 'x')), close_frame(1009),
                   WebSocketErrc::message_too_large);
  EXPECT_TRUE(messages.empty());
}

TEST_F(WebSocketTest, aLengthThatIsOnlyClaimedEndsWith1009) {
  serve();
  expect_ends_with("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"s, close_frame(1009),
                   WebSocketErrc::message_too_large);
}

TEST_F(WebSocketTest, badUtf8EndsWith1007) {
  serve();
  expect_ends_with(frame(0x81, "\xc3\x28"), close_frame(1007), WebSocketErrc::malformed);
  EXPECT_EQ(server->counters().malformed, 1u);
}

TEST_F(WebSocketTest, aTextCutInsideACharacterEndsWith1007) {
  serve();
  expect_ends_with(frame(kText, "a\xc3") + frame(kFin, "b"), close_frame(1007), WebSocketErrc::malformed);
}

TEST_F(WebSocketTest, aFrameWithoutMaskEndsWith1002) {
  serve();
  expect_ends_with(frame(0x81, "hello", false), close_frame(1002), WebSocketErrc::malformed);
}

TEST_F(WebSocketTest, compressedReservedAndStrayFramesEndWith1002) {
  for (unsigned const first : {0xc1u, 0x83u, 0x8bu, 0x80u, 0x09u}) {
    ends.clear();
    serve();
    expect_ends_with(frame(first, "x"), close_frame(1002), WebSocketErrc::malformed);
  }
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

TEST_F(WebSocketTest, aForeignWebPageGetsNoSession) {
  WebSocketServer::Options options;
  options.web_access.emplace();
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    std::string foreign = kUpgrade;
    foreign.replace(foreign.find("Host: x"), 7, "Host: 127.0.0.1\r\nOrigin: http://evil.example");
    std::string const text = co_await exchange(foreign);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 403 ")) << text;
    auto const program = co_await connect_plainly();
    EXPECT_TRUE(program);
    co_await until_open(1);
    EXPECT_EQ(server->counters().failed_upgrades, 1u);
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

TEST_F(WebSocketTest, aSilentPeerIsPingedAndThenDropped) {
  WebSocketServer::Options options;
  options.idle_max = 40ms;
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    std::string const text = co_await exchange(kUpgrade);
    EXPECT_EQ(frames_of(text), "\x89\x00"s);
    co_await until_ended(1);
    EXPECT_EQ(ends.front(), WebSocketErrc::timed_out);
    EXPECT_EQ(server->counters().timed_out, 1u);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aQuietPeerThatAnswersPingsStays) {
  WebSocketServer::Options options;
  options.idle_max = 4s;  // the peer has half of it to answer, however busy the machine is
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send(kUpgrade);
    std::string text = co_await raw.read_until("\r\n\r\n");
    for (int i = 0; i < 2; ++i) {
      text = co_await raw.read_until("\x89\x00"s);
      EXPECT_EQ(text, "\x89\x00"s);
      co_await raw.send(frame(0x8a, ""));
    }
    EXPECT_TRUE(ends.empty());
    EXPECT_TRUE(sessions.at(0)->is_open());
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, whoDoesNotReadIsDroppedWhileOthersGoOn) {
  WebSocketServer::Options options;
  options.write_queue_bytes_max = 1'000'000;
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    RawClient lazy{io.get_executor()};
    co_await lazy.connect(server->local_endpoint());
    co_await lazy.send(kUpgrade);
    co_await until_open(1);
    auto connection = co_await connect_plainly();
    co_await until_open(2);
    auto const text = std::make_shared<std::string const>(100'000, 'x');
    int count = 0;
    while (sessions[0]->send(text)) {
      ++count;
      EXPECT_TRUE(sessions[1]->send(text));
      auto const message = co_await connection->receive();
      EXPECT_EQ(message.value().size(), text->size());
    }
    EXPECT_GE(count, 10);
    co_await until_ended(1);
    EXPECT_EQ(ends.front(), WebSocketErrc::queue_full);
    EXPECT_EQ(server->counters().slow, 1u);
    EXPECT_EQ(server->session_count(), 1u);
    sessions[1]->send("still here");
    auto const message = co_await connection->receive();
    EXPECT_EQ(message.value(), "still here");
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aWriteThatTakesTooLongEndsTheSession) {
  WebSocketServer::Options options;
  options.write_max = 30ms;
  options.rate_min = 1'000'000'000;  // what the system's buffers take counts for nothing
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    RawClient lazy{io.get_executor()};
    co_await lazy.connect(server->local_endpoint());
    co_await lazy.send(kUpgrade);
    co_await until_open(1);
    EXPECT_TRUE(sessions[0]->send(std::string(30'000'000, 'x')));
    co_await until_ended(1);
    EXPECT_EQ(ends.front(), WebSocketErrc::timed_out);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aNewConnectionTakesThePlaceOfTheSessionThatIsQuietLongest) {
  WebSocketServer::Options options;
  options.connection_count_max = 2;
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    auto first = co_await connect_plainly();
    auto second = co_await connect_plainly();
    co_await until_open(2);
    first->send("I am here");
    auto const answer = co_await first->receive();
    EXPECT_TRUE(answer);
    auto third = co_await connect_plainly();
    EXPECT_TRUE(third);
    auto const lost = co_await second->receive();
    EXPECT_FALSE(lost);
    co_await until_ended(1);
    EXPECT_EQ(ends.front(), WebSocketErrc::evicted);
    first->send("still here");
    auto const again = co_await first->receive();
    EXPECT_EQ(again.value(), "still here");
    EXPECT_EQ(server->counters().evicted, 1u);
    EXPECT_EQ(server->counters().refused, 0u);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aSessionThatIsEvictedIsToldToTryAgainLater) {
  WebSocketServer::Options options;
  options.connection_count_max = 1;
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send(kUpgrade);
    co_await until_open(1);
    auto other = co_await connect_plainly();
    EXPECT_TRUE(other);
    std::string const text = co_await raw.read_all();
    EXPECT_EQ(frames_of(text), close_frame(1013));
    EXPECT_EQ(server->counters().evicted, 1u);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aNewConnectionTakesThePlaceOfOneThatSaysNothing) {
  WebSocketServer::Options options;
  options.connection_count_max = 3;
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    auto session = co_await connect_plainly();
    co_await until_open(1);
    std::vector<RawClient> silent;
    for (int i = 0; i < 20; ++i) {
      silent.emplace_back(io.get_executor());
      co_await silent.back().connect(server->local_endpoint());
    }
    auto other = co_await connect_plainly();
    EXPECT_TRUE(other);
    session->send("still here");
    auto const answer = co_await session->receive();
    EXPECT_EQ(answer.value(), "still here");
    EXPECT_EQ(server->counters().refused, 0u);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aSessionThatWaitsForAnAnswerKeepsItsPlace) {
  WebSocketServer::Options options;
  options.connection_count_max = 1;
  WebSocketSession::Hold hold;
  on_message = [&](Session const& session, std::string const&) { hold = session->hold(); };
  serve(options);
  auto test = [&]() -> Awaitable<void> {
    auto first = co_await connect_plainly();
    first->send("wait");
    co_await until_messages(1);
    auto second = co_await connect_plainly();
    EXPECT_FALSE(second);
    EXPECT_EQ(server->counters().refused, 1u);
    sessions[0]->send("the answer");
    hold = {};
    auto const answer = co_await first->receive();
    EXPECT_EQ(answer.value(), "the answer");
    second = co_await connect_plainly();
    EXPECT_TRUE(second);
  };
  test::run(io, test());
  hold = {};
}

TEST_F(WebSocketTest, overTheBudgetOneMessageAtATimeIsReadToItsEnd) {
  WebSocketServer::Options options;
  options.held_bytes_max = 300'000;
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    int answered = 0;
    auto ask = [&](char fill) -> Awaitable<void> {
      auto connection = co_await connect_plainly();
      std::string const text(3'000'000, fill);
      for (int i = 0; i < 3; ++i) {
        connection->send(text);
        auto const answer = co_await connection->receive();
        EXPECT_EQ(answer.value(), text);
      }
      ++answered;
    };
    for (char const fill : {'a', 'b', 'c', 'd', 'e'}) tasks.spawn(ask(fill));
    co_await tasks.drained(20s);
    EXPECT_EQ(answered, 5);
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

TEST_F(WebSocketTest, aSessionWithTooManyAnswersOutstandingIsReadNoFurther) {
  WebSocketServer::Options options;
  options.hold_count_max = 2;
  std::vector<WebSocketSession::Hold> holds;
  on_message = [&](Session const& session, std::string const&) { holds.push_back(session->hold()); };
  serve(options);
  auto test = [&]() -> Awaitable<void> {
    auto connection = co_await connect_plainly();
    for (int i = 0; i < 5; ++i) connection->send("x");
    co_await until_messages(2);
    auto other = co_await connect_plainly();
    other->send("other");
    co_await until_messages(3);
    EXPECT_EQ(messages, (std::vector<std::string>{"x", "x", "other"}));
    holds.clear();
    co_await until_messages(5);
    holds.clear();
    co_await until_messages(6);
    holds.clear();
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aGracefulStopWaitsForAnswersAndClosesWith1001) {
  WebSocketSession::Hold hold;
  on_message = [&](Session const& session, std::string const&) { hold = session->hold(); };
  serve();
  auto test = [&]() -> Awaitable<void> {
    RawClient raw{io.get_executor()};
    co_await raw.connect(server->local_endpoint());
    co_await raw.send(kUpgrade);
    std::string text = co_await raw.read_until("\r\n\r\n");
    co_await raw.send(frame(0x81, "wait"));
    co_await until_messages(1);
    auto idle = co_await connect_plainly();
    co_await until_open(2);
    bool graceful = false;
    auto stop = [&]() -> Awaitable<void> { graceful = co_await server->stop(10s); };
    tasks.spawn(stop());
    auto const closed = co_await idle->receive();
    EXPECT_EQ(closed.error(), WebSocketErrc::closed);
    co_await until_ended(1);
    EXPECT_EQ(ends.size(), 1u);  // the other one waits
    co_await raw.send(frame(0x81, "not any more"));
    sessions[0]->send("the answer");
    hold = {};
    text = co_await raw.read_until(close_frame(1001));
    EXPECT_EQ(text, frame(0x81, "the answer", false) + close_frame(1001));
    co_await raw.send(frame(0x88, "\x03\xe9"));
    raw.shutdown_send();
    co_await tasks.drained(10s);
    EXPECT_TRUE(graceful);
    EXPECT_EQ(messages.size(), 1u);
    auto const refused = co_await connect_plainly();
    EXPECT_FALSE(refused);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aStopCutsOffWhatDoesNotEndInTime) {
  WebSocketSession::Hold hold;
  on_message = [&](Session const& session, std::string const&) { hold = session->hold(); };
  serve();
  auto test = [&]() -> Awaitable<void> {
    RawClient silent{io.get_executor()};  // does not answer the close frame
    co_await silent.connect(server->local_endpoint());
    co_await silent.send(kUpgrade);
    RawClient upgrading{io.get_executor()};
    co_await upgrading.connect(server->local_endpoint());
    auto busy = co_await connect_plainly();
    busy->send("wait");
    co_await until_messages(1);
    bool const graceful = co_await server->stop(20ms);
    EXPECT_FALSE(graceful);
    EXPECT_EQ(server->session_count(), 0u);
    EXPECT_EQ(ends, (std::vector<Error>{2, WebSocketErrc::stopped}));
  };
  test::run(io, test());
  hold = {};
}

TEST_F(WebSocketTest, aHandlerThatThrowsEndsItsSessionAlone) {
  on_message = [](Session const& session, std::string const& text) {
    if (text == "throw") throw std::runtime_error{"a bug"};
    session->send(text);
  };
  serve();
  auto test = [this]() -> Awaitable<void> {
    auto good = co_await connect_plainly();
    auto bad = co_await connect_plainly();
    bad->send("throw");
    auto message = co_await bad->receive();
    EXPECT_EQ(message.error(), WebSocketErrc::closed);
    EXPECT_EQ(server->counters().handler_failures, 1u);
    good->send("fine");
    message = co_await good->receive();
    EXPECT_EQ(message.value(), "fine");
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, whoeverWaitsHearsAtOnceThatTheConnectionHasDied) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    auto connection = co_await connect_plainly();
    co_await until_open(1);
    server.reset();
    auto const message = co_await connection->receive();
    EXPECT_EQ(message.error(), WebSocketErrc::connection_lost);
    EXPECT_FALSE(sessions[0]->send("nobody there"));
    EXPECT_TRUE(ends.empty());  // no handler is called after the server has gone
    bool queued = true;
    while (queued) {  // the client's own end is noticed too
      queued = connection->send("x");
    }
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, theClientHasLimitsOfItsOwn) {
  on_message = [](Session const& session, std::string const&) { session->send(std::string(101, 'x')); };
  serve();
  auto test = [this]() -> Awaitable<void> {
    WebSocketConnection::Options options;
    options.message_bytes_max = 100;
    auto connection = co_await connect(options);
    connection->send("more");
    auto const message = co_await connection->receive();
    EXPECT_EQ(message.error(), WebSocketErrc::message_too_large);
    co_await until_ended(1);
    EXPECT_EQ(ends.front(), WebSocketErrc::closed);
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

TEST_F(WebSocketTest, aFrameBeforeTheUpgradeIsAnsweredIsAnError) {
  serve();
  auto test = [this]() -> Awaitable<void> {
    std::string const text = co_await exchange(kUpgrade + frame(0x81, "early"));
    EXPECT_TRUE(text.starts_with("HTTP/1.1 400 ")) << text;
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, sessionsOfThreadsAnswerFromAnywhere) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  WebSocketServer::Options options;
  options.threads = 2;
  WebSocketServer::Handlers handlers;
  handlers.on_message = [&](Session const& session, std::string text) {
    {
      std::lock_guard const lock{mutex};
      threads.insert(std::this_thread::get_id());
    }
    auto answer = [hold = session->hold(), session, text = std::move(text)] { session->send(text); };
    std::thread{std::move(answer)}.detach();
  };
  server.emplace(io.get_executor(), options, std::move(handlers));
  ASSERT_TRUE(server->listen(kFreePort));
  auto test = [&]() -> Awaitable<void> {
    std::vector<WebSocketConnection> connections;
    for (int i = 0; i < 4; ++i) {
      auto connection = co_await connect_plainly();
      connections.push_back(std::move(*connection));
    }
    for (int round = 0; round < 20; ++round) {
      for (auto& connection : connections) connection.send(std::to_string(round));
      for (auto& connection : connections) {
        auto const answer = co_await connection.receive();
        EXPECT_EQ(answer.value(), std::to_string(round));
      }
    }
    EXPECT_EQ(threads.size(), 2u);
    EXPECT_EQ(threads.count(std::this_thread::get_id()), 0u);
    EXPECT_EQ(server->session_count(), 4u);
    connections.pop_back();
    for (auto& connection : connections) {
      auto read = [&]() -> Awaitable<void> { (void)co_await connection.receive(); };
      tasks.spawn(read());
    }
    bool const graceful = co_await server->stop(10s);
    EXPECT_TRUE(graceful);
    EXPECT_EQ(server->counters().messages, 80u);
    co_await tasks.drained(10s);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aServerWithThreadsMayGoWithoutAStop) {
  std::vector<Session> kept;
  std::mutex mutex;
  WebSocketServer::Options options;
  options.threads = 2;
  WebSocketServer::Handlers handlers;
  handlers.on_open = [&](Session const& session) {
    session->send("hello");
    std::lock_guard const lock{mutex};
    kept.push_back(session);
  };
  server.emplace(io.get_executor(), options, std::move(handlers));
  ASSERT_TRUE(server->listen(kFreePort));
  auto test = [&]() -> Awaitable<void> {
    auto first = co_await connect_plainly();
    auto second = co_await connect_plainly();
    auto message = co_await first->receive();
    EXPECT_EQ(message.value(), "hello");
    message = co_await second->receive();
    EXPECT_EQ(message.value(), "hello");
    server.reset();
    EXPECT_FALSE(kept.at(0)->send("nobody there"));
    message = co_await first->receive();
    EXPECT_FALSE(message);
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
    if (unknown) {  // TLS 1.3: the client hears of it a moment later
      EXPECT_EQ(server->session_count(), 0u);
    }
    EXPECT_EQ(sessions.size(), 1u);
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::net
