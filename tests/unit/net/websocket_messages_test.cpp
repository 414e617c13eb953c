// Messages over WebSocket: what they carry, and frames that are none.
#include <mutex>
#include <set>
#include <thread>

#include "tests/unit/net/websocket_fixture.hpp"

namespace grenache::net {
namespace {

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

}  // namespace
}  // namespace grenache::net
