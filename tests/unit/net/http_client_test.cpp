#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

#include "tests/support/raw_client.hpp"
#include "tests/support/reserved_port.hpp"
#include "tests/support/run.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/http_client.hpp>
#include <grenache/net/http_server.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::net {
namespace {

using namespace std::chrono_literals;

Endpoint const kFreePort{IpAddress{127, 0, 0, 1}, 0};

/// A server of HTTP that answers what it got; /wait waits for `release`.
struct HttpClientTest : testing::Test {
  asio::io_context io{1};
  TaskGroup tasks{io.get_executor()};
  AsyncEvent release{io.get_executor()};
  AsyncEvent entered{io.get_executor()};
  int waiting = 0;
  HttpClient::Options options;
  std::optional<HttpServer> server;
  std::optional<HttpClient> client;

  void start() {
    HttpServer::Options server_options;
    server.emplace(io.get_executor(), server_options,
                   [this](HttpRequest& request) { return handle(request); });
    ASSERT_TRUE(server->listen(kFreePort));
    client.emplace(io.get_executor(), options);
  }
  Awaitable<HttpReply> handle(HttpRequest& request) {
    HttpReply reply;
    if (request.target == "/wait") {
      ++waiting;
      entered.notify_all();
      co_await release.wait();
    }
    if (request.target == "/404") reply.status = 404;
    reply.body =
        std::string{request.method} + ' ' + std::string{request.header("x-name")} + ' ' + request.body;
    co_return reply;
  }
  Awaitable<void> until_waiting(int count) {
    while (waiting < count) co_await entered.wait();
  }
  HttpCall call(std::string target, std::string body = "body") const {
    HttpCall call;
    call.destination = {"127.0.0.1", server->local_endpoint().port};
    call.target = std::move(target);
    call.body = std::move(body);
    call.timeout = 20s;
    return call;
  }
  Awaitable<void> make(HttpCall call, std::vector<Result<HttpResponse>>& results) {
    auto result = co_await client->request(std::move(call));
    results.push_back(std::move(result));
  }
};

/// Listens and does with each connection what the test says.
struct RawServer {
  explicit RawServer(asio::io_context& io)
      : acceptor{io, to_asio<asio::ip::tcp>(kFreePort)}, port{acceptor.local_endpoint().port()} {}

  Awaitable<asio::ip::tcp::socket> accept() {
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    EXPECT_FALSE(error);
    co_return std::move(socket);
  }
  /// Reads one request whose body ends with "body".
  static Awaitable<void> read_request(asio::ip::tcp::socket& socket) {
    std::string text;
    while (!text.ends_with("body")) {
      std::string part(4096, '\0');
      auto const [error, size] = co_await socket.async_read_some(asio::buffer(part), kTuple);
      if (error) co_return;
      text.append(part, 0, size);
    }
  }
  static Awaitable<void> write(asio::ip::tcp::socket& socket, std::string text) {
    co_await asio::async_write(socket, asio::buffer(text), kTuple);
  }
  HttpCall call() const {
    HttpCall call;
    call.destination = {"127.0.0.1", port};
    call.body = "body";
    call.timeout = 20s;
    return call;
  }

  asio::ip::tcp::acceptor acceptor;
  std::uint16_t port;
};

std::string ok(std::string const& body, std::string const& headers = {}) {
  return "HTTP/1.1 200 OK\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

TEST_F(HttpClientTest, keepsItsConnectionForTheNextRequest) {
  auto test = [this]() -> Awaitable<void> {
    start();
    for (int i = 0; i < 3; ++i) {
      HttpCall one = call("/a");
      one.headers = {{"X-Name", "value"}};
      auto const response = co_await client->request(std::move(one));
      EXPECT_TRUE(response);
      EXPECT_EQ(response->status, 200u);
      EXPECT_EQ(response->body, "POST value body");
    }
    HttpCall missing = call("/404");
    auto const response = co_await client->request(std::move(missing));
    EXPECT_EQ(response->status, 404u);
    EXPECT_EQ(client->counters().connections, 1u);
    EXPECT_EQ(server->counters().connections, 1u);
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, aNameIsResolved) {
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpCall named = call("/a");
    named.destination.host = "localhost";
    auto const response = co_await client->request(std::move(named));
    EXPECT_TRUE(response);
    HttpCall unknown = call("/a");
    unknown.destination.host = "no-such-host.invalid";
    auto const refused = co_await client->request(std::move(unknown));
    EXPECT_EQ(refused.error(), HttpClientErrc::not_resolved);
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, requestsShareTheConnectionsOfAHostAndWaitTheirTurn) {
  auto test = [this]() -> Awaitable<void> {
    options.connections_per_host_max = 2;
    options.waiting_max = 3;
    start();
    std::vector<Result<HttpResponse>> results;
    for (int i = 0; i < 6; ++i) tasks.spawn(make(call("/wait"), results));
    co_await until_waiting(2);
    // Two are under way, three wait, and there is no room for the sixth.
    EXPECT_EQ(client->connection_count(), 2u);
    EXPECT_EQ(results.size(), 1u);
    EXPECT_EQ(results.at(0).error(), HttpClientErrc::too_many_waiting);
    for (int done = 2; done <= 5; ++done) {
      release.notify_all();
      co_await until_waiting(std::min(5, done + 1));
    }
    while (tasks.size() > 0) {
      release.notify_all();
      co_await tasks.drained(1ms);
    }
    EXPECT_EQ(results.size(), 6u);
    for (std::size_t i = 1; i < results.size(); ++i) EXPECT_TRUE(results[i]);
    EXPECT_EQ(server->counters().connections, 2u);
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, anIdleConnectionToOneHostMakesRoomForAnother) {
  auto test = [this]() -> Awaitable<void> {
    options.connections_max = 1;
    start();
    RawServer other{io};
    HttpCall first = call("/a");
    auto response = co_await client->request(std::move(first));
    EXPECT_TRUE(response);
    auto serve = [&]() -> Awaitable<void> {
      auto socket = co_await other.accept();
      co_await RawServer::read_request(socket);
      co_await RawServer::write(socket, ok("other"));
    };
    tasks.spawn(serve());
    HttpCall second = other.call();
    response = co_await client->request(std::move(second));
    EXPECT_TRUE(response);
    EXPECT_EQ(client->connection_count(), 1u);
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, thoseWhoWaitForDifferentHostsAreServedInTurn) {
  auto test = [this]() -> Awaitable<void> {
    options.connections_max = 1;
    options.connections_per_host_max = 1;
    start();
    HttpServer::Options const server_options;
    HttpServer other{io.get_executor(), server_options,
                     [this](HttpRequest& request) { return handle(request); }};
    Endpoint const other_at = other.listen(kFreePort).value();
    std::vector<Result<HttpResponse>> results;
    tasks.spawn(make(call("/wait"), results));
    co_await until_waiting(1);
    for (int i = 0; i < 3; ++i) {
      HttpCall elsewhere = call("/a");
      elsewhere.destination.port = other_at.port;
      tasks.spawn(make(std::move(elsewhere), results));
      tasks.spawn(make(call("/b"), results));
    }
    HttpCall hasty = call("/c");
    hasty.destination = {"127.0.0.1", 1};
    hasty.timeout = 1ms;
    auto const late = co_await client->request(std::move(hasty));
    EXPECT_EQ(late.error(), HttpClientErrc::timed_out);
    EXPECT_EQ(results.size(), 0u);
    release.notify_all();
    co_await tasks.drained(10s);
    EXPECT_EQ(results.size(), 7u);
    for (auto const& result : results) EXPECT_TRUE(result);
    EXPECT_EQ(client->connection_count(), 1u);
    EXPECT_GE(client->counters().connections, 2u);
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, noTimeoutIsNoTimeout) {
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpCall patient = call("/a");
    patient.timeout = Duration::max();
    auto const answer = co_await client->request(std::move(patient));
    EXPECT_TRUE(answer);
    HttpCall head = call("/a");
    head.timeout = Duration::max();
    auto const stream = co_await client->open(std::move(head));
    EXPECT_TRUE(stream);
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, aTimeoutCoversEverything) {
  auto test = [this]() -> Awaitable<void> {
    options.connections_per_host_max = 1;
    start();
    HttpCall slow = call("/wait");
    Result<HttpResponse> result = HttpClientErrc::stopped;
    for (slow.timeout = 20ms; waiting == 0; slow.timeout *= 2) {  // until the server has it in time
      result = co_await client->request(slow);
      EXPECT_EQ(result.error(), HttpClientErrc::timed_out);
      EXPECT_EQ(client->connection_count(), 0u);
    }

    // Waiting for the only connection counts too; the one who has it is not disturbed.
    std::vector<Result<HttpResponse>> results;
    int const before = waiting;
    tasks.spawn(make(call("/wait"), results));
    co_await until_waiting(before + 1);
    HttpCall queued = call("/a");
    queued.timeout = 20ms;
    result = co_await client->request(std::move(queued));
    EXPECT_EQ(result.error(), HttpClientErrc::timed_out);
    EXPECT_TRUE(results.empty());
    release.notify_all();
    co_await tasks.drained(10s);
    EXPECT_TRUE(results.at(0));
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, timeoutsComeInTheOrderOfTheirDeadlines) {
  auto test = [this]() -> Awaitable<void> {
    start();
    std::vector<int> order;
    TimePoint last_asked;
    auto wait = [&](int units, Duration unit) -> Awaitable<void> {
      HttpCall slow = call("/wait");
      slow.timeout = units * unit;
      last_asked = steady_now();
      auto const result = co_await client->request(std::move(slow));
      EXPECT_EQ(result.error(), HttpClientErrc::timed_out);
      order.push_back(units);
    };
    TimePoint begun;
    for (Duration unit = 20ms; order.empty() || last_asked - begun >= unit; unit *= 2) {
      order.clear();
      begun = steady_now();
      for (int const units : {3, 1, 2}) tasks.spawn(wait(units, unit));
      co_await tasks.drained(20s);
    }
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, whatWouldEndAHeaderIsNotSent) {
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpCall const good = call("/a");
    std::vector<HttpCall> bad(6, good);
    bad[0].headers = {{"X", "a\r\nInjected: b"}};
    bad[1].headers = {{"X", std::string{"a\0b", 3}}};
    bad[2].headers = {{"X: a\nInjected", "b"}};
    bad[3].headers = {{"", "b"}};
    bad[4].target = "/a HTTP/1.1\r\nInjected: b";
    bad[5].method = "GET / HTTP/1.1\r\nX:";
    for (HttpCall const& each : bad) {
      auto const response = co_await client->request(each);
      EXPECT_EQ(response.error(), HttpClientErrc::invalid_request);
      auto const stream = co_await client->open(each);
      EXPECT_EQ(stream.error(), HttpClientErrc::invalid_request);
    }
    EXPECT_EQ(client->connection_count(), 0u);
    auto const response = co_await client->request(good);
    EXPECT_TRUE(response);
    EXPECT_EQ(server->counters().requests, 1u);
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, saysThatNobodyListens) {
  auto test = [this]() -> Awaitable<void> {
    start();
    test::ReservedPort const unused;
    HttpCall dead = call("/a");
    dead.destination.port = unused.number();
    auto const result = co_await client->request(std::move(dead));
    EXPECT_EQ(result.error(), asio::error::connection_refused);
    EXPECT_EQ(client->connection_count(), 0u);
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, aRequestUnderWayFailsAtOnceWhenTheServerDies) {
  auto test = [this]() -> Awaitable<void> {
    start();
    std::vector<Result<HttpResponse>> results;
    tasks.spawn(make(call("/wait"), results));
    co_await until_waiting(1);
    server.reset();
    co_await tasks.drained(10s);
    EXPECT_EQ(results.at(0).error(), HttpClientErrc::connection_lost);
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, aKeptConnectionThatTheServerClosedIsNotUsedAgain) {
  auto test = [this]() -> Awaitable<void> {
    start();
    RawServer raw{io};
    auto serve = [&]() -> Awaitable<void> {
      for (int i = 0; i < 2; ++i) {
        auto socket = co_await raw.accept();
        co_await RawServer::read_request(socket);
        co_await RawServer::write(socket, ok("fine"));
      }
    };
    tasks.spawn(serve());
    for (int i = 0; i < 2; ++i) {
      HttpCall one = raw.call();
      auto const result = co_await client->request(std::move(one));
      EXPECT_TRUE(result) << result.error();
      // The server's coroutine closes its end before this one goes on.
      co_await asio::post(io, asio::use_awaitable);
    }
    EXPECT_EQ(client->counters().connections, 2u);
    EXPECT_EQ(client->counters().repeated, 0u);
  };
  test::run(io, test());
}

/// Answers the first request on a connection and drops the connection at the second.
Awaitable<void> serve_once_then_drop(RawServer& raw, int* connections) {
  for (;;) {
    auto socket = co_await raw.accept();
    ++*connections;
    co_await RawServer::read_request(socket);
    co_await RawServer::write(socket, ok("fine"));
    co_await RawServer::read_request(socket);
  }
}

TEST_F(HttpClientTest, repeatsOnAFreshConnectionOnlyWhatMayBeRepeated) {
  auto test = [this]() -> Awaitable<void> {
    start();
    RawServer raw{io};
    int connections = 0;
    tasks.spawn(serve_once_then_drop(raw, &connections));
    HttpCall first = raw.call();
    auto result = co_await client->request(std::move(first));
    EXPECT_TRUE(result);
    HttpCall second = raw.call();
    second.repeatable = true;
    result = co_await client->request(std::move(second));
    EXPECT_TRUE(result);
    EXPECT_EQ(client->counters().repeated, 1u);
    EXPECT_EQ(connections, 2);
    HttpCall third = raw.call();
    result = co_await client->request(std::move(third));
    EXPECT_EQ(result.error(), HttpClientErrc::connection_lost);
    tasks.cancel(asio::cancellation_type::terminal);
    raw.acceptor.close();
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, judgesResponses) {
  struct Case {
    std::string response;
    std::optional<std::string> body;
    Error error;
  };
  std::vector<Case> const cases{
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "abc", {}},
      {"HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", {}},
      {"HTTP/1.1 100 Continue\r\n\r\n" + ok("after"), "after", {}},
      {ok("spare") + "more", "spare", {}},
      {"HTTP/1.1 204 No Content\r\n\r\n", "", {}},
      {"nonsense\r\n\r\n", {}, HttpClientErrc::malformed_response},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n",
       {},
       HttpClientErrc::malformed_response},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ncut", {}, HttpClientErrc::connection_lost},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
       {},
       HttpClientErrc::connection_lost},
      {"", {}, HttpClientErrc::connection_lost},
      {ok(std::string(101, 'x')), {}, HttpClientErrc::response_too_large},
      {"HTTP/1.1 200 OK\r\n\r\n" + std::string(101, 'x'), {}, HttpClientErrc::response_too_large},
  };
  auto test = [&]() -> Awaitable<void> {
    options.body_bytes_max = 100;
    start();
    for (Case const& each : cases) {
      RawServer raw{io};
      auto serve = [&]() -> Awaitable<void> {
        auto socket = co_await raw.accept();
        co_await RawServer::read_request(socket);
        co_await RawServer::write(socket, each.response);
      };
      tasks.spawn(serve());
      HttpCall one = raw.call();
      auto const result = co_await client->request(std::move(one));
      if (each.body) {
        EXPECT_TRUE(result) << each.response;
        if (result) {
          EXPECT_EQ(result->body, *each.body);
        }
      } else {
        EXPECT_FALSE(result) << each.response;
        if (!result) {
          EXPECT_EQ(result.error(), each.error) << each.response;
        }
      }
      co_await tasks.drained(10s);
    }
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, keepsAConnectionNoLongerThanTheServerDoes) {
  auto test = [this]() -> Awaitable<void> {
    start();
    RawServer raw{io};
    auto serve = [&]() -> Awaitable<void> {
      auto socket = co_await raw.accept();
      co_await RawServer::read_request(socket);
      co_await RawServer::write(socket, ok("short", "Keep-Alive: timeout=1\r\n"));
    };
    tasks.spawn(serve());
    HttpCall one = raw.call();
    auto const result = co_await client->request(std::move(one));
    EXPECT_TRUE(result);
    EXPECT_EQ(client->connection_count(), 0u);
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, readsAnAnswerThatComesBeforeTheBodyIsSent) {
  auto test = [this]() -> Awaitable<void> {
    start();
    HttpCall large = call("/a", std::string(3'000'000, 'x'));  // the server's limit is 1 MiB
    auto const result = co_await client->request(std::move(large));
    EXPECT_TRUE(result);
    if (result) {
      EXPECT_EQ(result->status, 413u);
    }
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, stopFailsWhatIsUnderWayAndWhatComesLater) {
  auto test = [this]() -> Awaitable<void> {
    options.connections_per_host_max = 1;
    start();
    std::vector<Result<HttpResponse>> results;
    tasks.spawn(make(call("/wait"), results));
    tasks.spawn(make(call("/wait"), results));
    co_await until_waiting(1);
    co_await client->stop();
    EXPECT_EQ(results.size(), 2u);
    for (auto const& result : results) EXPECT_EQ(result.error(), HttpClientErrc::stopped);
    HttpCall late = call("/a");
    auto const refused = co_await client->request(std::move(late));
    EXPECT_EQ(refused.error(), HttpClientErrc::stopped);
    EXPECT_EQ(client->connection_count(), 0u);
  };
  test::run(io, test());
}

TEST_F(HttpClientTest, aCancelledCallerGetsItsConnectionBack) {
  auto test = [this]() -> Awaitable<void> {
    start();
    std::vector<Result<HttpResponse>> results;
    tasks.spawn(make(call("/wait"), results));
    co_await until_waiting(1);
    tasks.cancel(asio::cancellation_type::terminal);
    co_await tasks.drained(10s);
    EXPECT_EQ(results.at(0).error(), asio::error::operation_aborted);
    EXPECT_EQ(client->connection_count(), 0u);
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::net
