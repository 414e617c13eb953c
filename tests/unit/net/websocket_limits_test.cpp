// The limits of a WebSocket server, and how it stops.
#include <mutex>

#include "tests/unit/net/websocket_fixture.hpp"

namespace grenache::net {
namespace {

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
  auto test = [this]() -> Awaitable<void> {
    WebSocketServer::Options options;
    int answered = 0;
    // Until the peer is quick enough: it has half of the limit for each answer, on a busy machine too.
    for (options.idle_max = 100ms; answered < 3 && options.idle_max < 30s; options.idle_max *= 2) {
      Endpoint const at = serve(options);
      RawClient raw{io.get_executor()};
      co_await raw.connect(at);
      co_await raw.send(kUpgrade);
      std::string text = co_await raw.read_until("\r\n\r\n");
      for (answered = 0; answered < 3; ++answered) {
        text = co_await raw.read_until("\x89\x00"s);
        if (text != "\x89\x00"s) break;
        co_await raw.send(frame(0x8a, ""));
      }
    }
    EXPECT_EQ(answered, 3) << "a peer that does not answer is sent only one ping";
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

TEST_F(WebSocketTest, withoutALimitAWriteHasAllTheTime) {
  WebSocketServer::Options options;
  options.write_max = Duration::max();
  serve(options);
  auto test = [this]() -> Awaitable<void> {
    auto connection = co_await connect_plainly();
    co_await until_open(1);
    EXPECT_TRUE(sessions[0]->send(std::string(4'000'000, 'x')));
    auto const message = co_await connection->receive();
    EXPECT_EQ(message.value().size(), 4'000'000u);
    EXPECT_TRUE(ends.empty());
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
    EXPECT_EQ(server->counters().evicted, 19u);
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

TEST_F(WebSocketTest, aHoldCountsForTheBudgetUntilItEnds) {
  std::vector<WebSocketSession::Hold> holds;
  on_message = [&](Session const& session, std::string const&) { holds.push_back(session->hold(100'000)); };
  serve();
  auto test = [&]() -> Awaitable<void> {
    auto connection = co_await connect_plainly();
    connection->send("x");
    connection->send("x");
    co_await until_messages(2);
    EXPECT_EQ(sessions[0]->held_bytes(), 200'000u);
    co_await until([this] { return server->held_bytes() == 200'000; });
    holds.pop_back();
    co_await until([this] { return server->held_bytes() == 100'000; });
    connection->drop();
    co_await until_ended(1);
    EXPECT_EQ(server->held_bytes(), 100'000u) << "its request is still in progress";
    holds.clear();
    co_await until([this] { return server->held_bytes() == 0; });
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, overTheBudgetASessionWithLargeRequestsInProgressIsReadNoFurther) {
  WebSocketServer::Options options;
  options.held_bytes_max = 150'000;
  std::vector<WebSocketSession::Hold> holds;
  on_message = [&](Session const& session, std::string const& text) {
    if (text == "large") holds.push_back(session->hold(100'000));
  };
  serve(options);
  auto test = [&]() -> Awaitable<void> {
    auto connection = co_await connect_plainly();
    for (int i = 0; i < 4; ++i) connection->send("large");
    co_await until_messages(2);
    auto other = co_await connect_plainly();
    other->send("small");
    co_await until_messages(3);
    EXPECT_EQ(messages.back(), "small");
    holds.pop_back();
    co_await until_messages(4);
    EXPECT_EQ(messages.back(), "large");
    holds.clear();
    co_await until_messages(5);
    holds.clear();
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, overTheBudgetOneMessageWithALargeHoldAtATimeIsHandled) {
  WebSocketServer::Options options;
  options.held_bytes_max = 150'000;
  options.hold_bytes_per_byte = 1000;
  std::vector<WebSocketSession::Hold> holds;
  on_message = [&](Session const& session, std::string const& text) {
    holds.push_back(session->hold(text.size() * 1000));
  };
  serve(options);
  auto test = [&]() -> Awaitable<void> {
    std::vector<WebSocketConnection> connections;
    for (int i = 0; i < 4; ++i) {
      auto connection = co_await connect_plainly();
      connection->send(std::string(200, 'x'));
      connections.push_back(std::move(*connection));
    }
    co_await until_messages(2);  // the first fills the budget, one more may exceed it
    auto other = co_await connect_plainly();
    other->send("small");
    co_await until_messages(3);
    EXPECT_EQ(messages.back(), "small");
    EXPECT_EQ(server->held_bytes(), 400'000u);
    while (messages.size() < 5) {
      holds.clear();
      co_await happened.wait();
    }
    holds.clear();
    co_await until([this] { return server->held_bytes() == 0; });
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aSessionThatHasEndedKeepsItsPlaceUntilItsAnswersAreThere) {
  WebSocketServer::Options options;
  options.connection_count_max = 1;
  WebSocketSession::Hold hold;
  on_message = [&](Session const& session, std::string const&) { hold = session->hold(); };
  serve(options);
  auto test = [&]() -> Awaitable<void> {
    auto first = co_await connect_plainly();
    first->send("wait");
    co_await until_messages(1);
    first->drop();
    co_await until_ended(1);
    EXPECT_EQ(server->session_count(), 0u);
    auto second = co_await connect_plainly();
    EXPECT_FALSE(second);
    EXPECT_EQ(server->counters().refused, 1u);
    hold = {};
    second = co_await connect_plainly();
    EXPECT_TRUE(second);
  };
  test::run(io, test());
}

TEST_F(WebSocketTest, aPeerThatDisconnectsWhileItIsNotReadIsNoticed) {
  WebSocketServer::Options options;
  options.hold_count_max = 1;
  WebSocketSession::Hold hold;
  on_message = [&](Session const& session, std::string const&) { hold = session->hold(); };
  serve(options);
  auto test = [&]() -> Awaitable<void> {
    auto connection = co_await connect_plainly();
    connection->send("wait");
    connection->send("not read");
    co_await until_messages(1);
    connection->drop();
    co_await until_ended(1);
    EXPECT_EQ(ends.front(), WebSocketErrc::connection_lost);
    EXPECT_EQ(messages.size(), 1u);
    hold = {};
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
    co_await until_open(2);
    bool const graceful = co_await server->stop(20ms);
    EXPECT_FALSE(graceful);
    EXPECT_EQ(server->session_count(), 0u);
    EXPECT_EQ(ends, (std::vector<Error>{2, WebSocketErrc::stopped}));
  };
  test::run(io, test());
  hold = {};
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
    EXPECT_FALSE(connection->send("nobody there"));
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

}  // namespace
}  // namespace grenache::net
