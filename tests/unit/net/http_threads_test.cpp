#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/raw_client.hpp"
#include "tests/unit/net/http_pair.hpp"

namespace grenache::net {
namespace {

/// Both plain and TLS; the server on two threads.
struct HttpThreadsTest : testing::TestWithParam<bool>, HttpPair {
  std::mutex mutex;
  std::set<std::thread::id> threads;

  HttpThreadsTest() : HttpPair{GetParam()} {
    server_options.threads = 2;
    server_options.stream_handler = [this](HttpExchange& exchange) -> Awaitable<void> {
      note_thread();
      co_await echo(exchange);
    };
  }
  // Before the members that its threads use.
  ~HttpThreadsTest() override { server.reset(); }

  Endpoint start() {
    server.emplace(io.get_executor(), server_options, [this](HttpRequest& request) { return note(request); });
    client.emplace(io.get_executor(), options);
    return server->listen(kLoopback).value();
  }
  void note_thread() {
    std::lock_guard const lock{mutex};
    threads.insert(std::this_thread::get_id());
  }
  void expect_both_threads() {
    std::lock_guard const lock{mutex};
    EXPECT_EQ(threads.size(), 2u);
    EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
  }
  Awaitable<HttpReply> note(HttpRequest& request) {
    note_thread();
    if (request.target == "/wait") {
      auto const here = co_await asio::this_coro::executor;
      AsyncEvent never{here};
      co_await never.wait();
    }
    HttpReply reply = co_await handle(request);
    co_return reply;
  }
  Awaitable<void> ask_often(int times, int& answered) {
    for (int i = 0; i < times; ++i) {
      auto const answer = co_await ask("/a", "b");
      EXPECT_TRUE(answer) << answer.error().message();
      ++answered;
    }
  }
};

std::string name_of(testing::TestParamInfo<bool> const& info) { return info.param ? "tls" : "plain"; }
INSTANTIATE_TEST_SUITE_P(Transports, HttpThreadsTest, testing::Bool(), name_of);

TEST_P(HttpThreadsTest, connectionsAreSpreadOverTheThreads) {
  auto test = [this]() -> Awaitable<void> {
    start();
    int answered = 0;
    for (int i = 0; i < 8; ++i) tasks.spawn(ask_often(50, answered));
    co_await tasks.drained(20s);
    EXPECT_EQ(answered, 400);
    EXPECT_EQ(server->counters().requests, 400u);
    EXPECT_EQ(server->counters().connections, 8u);
    EXPECT_EQ(server->connection_count(), 8u);
    bool const graceful = co_await server->stop(10s);
    EXPECT_TRUE(graceful);
    EXPECT_EQ(server->connection_count(), 0u);
    expect_both_threads();
  };
  test::run(io, test());
}

TEST_P(HttpThreadsTest, streamsRunThereToo) {
  auto test = [this]() -> Awaitable<void> {
    start();
    auto stream_once = [&]() -> Awaitable<void> {
      auto const received = co_await exchange("/s/echo", std::string(100'000, 'x'), 10);
      EXPECT_EQ(received.value(), 1'000'000u);
    };
    for (int i = 0; i < 4; ++i) tasks.spawn(stream_once());
    co_await tasks.drained(20s);
    EXPECT_EQ(tasks.size(), 0u);
    expect_both_threads();
  };
  test::run(io, test());
}

TEST_P(HttpThreadsTest, eachThreadHasItsShareOfTheConnections) {
  server_options.connection_count_max = 2;
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpClient::Options one = options;
    std::vector<std::unique_ptr<HttpClient>> clients;
    for (int i = 0; i < 6; ++i) {
      clients.push_back(std::make_unique<HttpClient>(io.get_executor(), one));
      HttpCall next = call("/a");
      auto const answer = co_await clients.back()->request(std::move(next));
      EXPECT_TRUE(answer);
    }
    EXPECT_EQ(server->counters().connections_evicted, 4u);
  };
  test::run(io, test());
}

TEST_P(HttpThreadsTest, stopCutsOffWhatDoesNotFinishInTime) {
  auto test = [this]() -> Awaitable<void> {
    start();
    auto wait = [&]() -> Awaitable<void> {
      auto const answer = co_await ask("/wait");
      EXPECT_EQ(answer.error(), HttpClientErrc::connection_lost);
    };
    tasks.spawn(wait());
    while (server->counters().requests == 0) co_await asio::post(io, kTuple);
    bool const graceful = co_await server->stop(1ms);
    EXPECT_FALSE(graceful);
    EXPECT_EQ(server->connection_count(), 0u);
    co_await tasks.drained(20s);
    EXPECT_EQ(tasks.size(), 0u);
  };
  test::run(io, test());
}

TEST_P(HttpThreadsTest, mayBeDestroyedWithoutAStop) {
  auto test = [this]() -> Awaitable<void> {
    start();
    auto wait = [&]() -> Awaitable<void> {
      auto const answer = co_await ask("/wait");
      EXPECT_EQ(answer.error(), HttpClientErrc::connection_lost);
    };
    tasks.spawn(wait());
    auto const answer = co_await ask("/a");
    EXPECT_TRUE(answer);
    while (server->counters().requests < 2) co_await asio::post(io, kTuple);
    server.reset();
    co_await tasks.drained(20s);
    EXPECT_EQ(tasks.size(), 0u);
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::net
