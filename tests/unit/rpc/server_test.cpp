// A Server with handlers of each kind, and callers that leave.
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "tests/unit/rpc/server_fixture.hpp"

namespace grenache::rpc {
namespace {

struct ServerTest : ServerFixture {};
struct HttpServerTest : ServerFixture {};
struct WsServerTest : ServerFixture {};
struct TlsServerTest : ServerFixture {};

INSTANTIATE_TEST_SUITE_P(Over, ServerTest,
                         testing::Values(Transport::http, Transport::https, Transport::ws, Transport::wss),
                         name_of_transport);
INSTANTIATE_TEST_SUITE_P(Over, HttpServerTest, testing::Values(Transport::http), name_of_transport);
INSTANTIATE_TEST_SUITE_P(Over, WsServerTest, testing::Values(Transport::ws), name_of_transport);
INSTANTIATE_TEST_SUITE_P(Over, TlsServerTest, testing::Values(Transport::https, Transport::wss),
                         name_of_transport);

TEST_P(ServerTest, aCallbackMayAnswerLaterAndFromAnotherThread) {
  auto test = [this]() -> Awaitable<void> {
    std::jthread elsewhere;
    auto handler = [&](Request request, Responder respond) {
      elsewhere = std::jthread{[request = std::move(request), respond = std::move(respond)] {
        respond(Reply{Value::array({"later", request.key, request.payload})});
      }};
    };
    Server server{io.get_executor(), server_options(transport), Server::CallbackHandler{handler}};
    co_await announce("svc", server.listen(kFreePort).value());
    auto const reply = co_await client->request("svc", "x");
    EXPECT_TRUE(reply);
    EXPECT_EQ(*reply, Value::array({"later", "svc", "x"}));
    EXPECT_EQ(server.counters().requests, 1u);
    co_await client->stop();
    bool const graceful = co_await server.stop(10s);
    EXPECT_TRUE(graceful);
  };
  test::run(io, test());
}

TEST_P(ServerTest, aResponderAnswersOnceAndNoMatterWhoHasGone) {
  auto test = [this]() -> Awaitable<void> {
    std::vector<Responder> kept;
    net::AsyncEvent called{io.get_executor()};
    auto handler = [&](Request const& request, Responder const& respond) {
      if (request.payload == Value{"keep"}) {
        kept.push_back(respond);
        called.notify_all();
        return;
      }
      Responder const copy = respond;
      copy(Reply{"first"});
      respond(Reply{"second"});
    };
    std::optional<Server> server;
    server.emplace(io.get_executor(), server_options(transport), Server::CallbackHandler{handler});
    co_await announce("svc", server->listen(kFreePort).value());
    for (int i = 0; i < 3; ++i) {
      auto const reply = co_await client->request("svc", "x");
      EXPECT_TRUE(reply);
      EXPECT_EQ(*reply, Value{"first"});
    }
    std::vector<RpcResult<Value>> results;
    tasks.spawn(ask("keep", results));
    while (kept.empty()) co_await called.wait();
    co_await client->stop();
    co_await tasks.drained(10s);
    EXPECT_EQ(results.at(0).error().code, Errc::stopped);
    kept.front()(Reply{"to one who has gone"});
    server.reset();
    kept.front()(Reply{"on a server that has gone"});
    kept.clear();
  };
  test::run(io, test());
}

TEST_P(ServerTest, whateverAHandlerThrowsIsAnsweredForIt) {
  auto test = [this]() -> Awaitable<void> {
    auto fail = [](Request&) -> Awaitable<Reply> {
      throw 42;
      co_return Reply{};
    };
    auto fail_back = [](Request const&, Responder const&) { throw 42; };
    Server coroutines{io.get_executor(), server_options(transport), Server::Handler{fail}};
    Server callbacks{io.get_executor(), server_options(transport), Server::CallbackHandler{fail_back}};
    for (Server* const server : {&coroutines, &callbacks}) {
      std::string const name = server == &coroutines ? "coroutines" : "callbacks";
      co_await announce(name, server->listen(kFreePort).value());
      auto const reply = co_await client->request(name, "x");
      EXPECT_EQ(reply.error().text(), "ERR_REQUEST_HANDLER");
      EXPECT_EQ(server->counters().handler_failures, 1u);
    }
  };
  test::run(io, test());
}

TEST_P(HttpServerTest, aCallerThatHasGoneIsNotWaitedFor) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    RawClient caller{io.get_executor()};
    co_await caller.connect(service.at);
    co_await caller.send(post(R"(["rid","svc","wait"])"));
    co_await service.until_entered(1);
    caller.reset();
    co_await until([&] { return service.server->counters().aborted == 1; });
    bool const ended = co_await service.server->stop(10s);
    EXPECT_TRUE(ended);
    EXPECT_EQ(service.server->counters().handler_failures, 0u);
  };
  test::run(io, test());
}

TEST_P(HttpServerTest, aCallbackKeepsThePlaceOfACallerThatHasGone) {
  auto test = [this]() -> Awaitable<void> {
    std::vector<Responder> kept;
    net::AsyncEvent called{io.get_executor()};
    auto keep = [&](Request const&, Responder const& respond) {
      kept.push_back(respond);
      called.notify_all();
    };
    Server::Options options = server_options(transport);
    options.connection_count_max = 1;
    Server server{io.get_executor(), options, Server::CallbackHandler{keep}};
    Endpoint const at = server.listen(kFreePort).value();
    RawClient first{io.get_executor()};
    co_await first.connect(at);
    co_await first.send(post(R"(["rid","svc","x"])"));
    while (kept.empty()) co_await called.wait();
    first.close();
    RawClient second{io.get_executor()};
    co_await second.connect(at);
    co_await until([&] { return server.counters().connections_refused == 1; });
    kept.front()(Reply{"to one who has gone"});
    kept.clear();
    bool const graceful = co_await server.stop(10s);
    EXPECT_TRUE(graceful);
    EXPECT_EQ(server.counters().aborted, 0u);
  };
  test::run(io, test());
}

TEST_P(ServerTest, whatWasParsedCountsAsHeldUntilItIsAnswered) {
  auto test = [this]() -> Awaitable<void> {
    std::vector<Responder> kept;
    net::AsyncEvent called{io.get_executor()};
    auto keep = [&](Request const&, Responder const& respond) {
      kept.push_back(respond);
      called.notify_all();
    };
    Server server{io.get_executor(), server_options(transport), Server::CallbackHandler{keep}};
    co_await announce("svc", server.listen(kFreePort).value());
    Value::Array const payload(30'000, Value{1});  // a text of 60 kB
    std::size_t const parsed_bytes = payload.size() * sizeof(Value);
    std::vector<RpcResult<Value>> results;
    for (int i = 0; i < 3; ++i) tasks.spawn(ask(payload, results));
    while (kept.size() < 3) co_await called.wait();
    co_await until([&] { return server.held_bytes() >= 3 * parsed_bytes; });
    EXPECT_LE(server.held_bytes(), 6 * parsed_bytes);
    for (Responder const& respond : kept) respond(Reply{"done"});
    kept.clear();
    (void)co_await tasks.drained(10s);
    EXPECT_EQ(results.size(), 3u);
    co_await until([&] { return server.held_bytes() == 0; });
  };
  test::run(io, test());
}

TEST_P(ServerTest, overTheBudgetRequestsAreParsedOneAtATime) {
  auto test = [this]() -> Awaitable<void> {
    std::vector<Responder> kept;
    std::size_t called_count = 0;
    net::AsyncEvent called{io.get_executor()};
    auto keep = [&](Request const& request, Responder const& respond) {
      if (request.payload == Value{"small"}) return respond(Reply{"at once"});
      ++called_count;
      kept.push_back(respond);
      called.notify_all();
    };
    Server::Options options = server_options(transport);
    options.held_bytes_max = 100'000;
    Server server{io.get_executor(), options, Server::CallbackHandler{keep}};
    std::string const at = server.listen(kFreePort).value().to_string();
    Value::Array const payload(30'000, Value{1});
    std::list<Client> clients;
    std::vector<RpcResult<Value>> results;
    auto ask_alone = [&](Client& each) -> Awaitable<void> {
      auto result = co_await each.request_to(at, "svc", payload, kDefaults);
      results.push_back(std::move(result));
    };
    for (unsigned i = 0; i < 4; ++i) {
      auto& each = clients.emplace_back(io.get_executor(), *link, client_options(transport), Random{i});
      tasks.spawn(ask_alone(each));
    }
    while (kept.size() < 2) co_await called.wait();
    for (int i = 0; i < 20; ++i) {  // meanwhile the others have arrived
      auto const small = co_await client->request_to(at, "svc", "small", kDefaults);
      EXPECT_EQ(*small, Value{"at once"});
    }
    EXPECT_EQ(kept.size(), 2u) << "one that had room, and one that may exceed the budget";
    while (results.size() < 4) {
      for (Responder const& respond : std::exchange(kept, {})) respond(Reply{"done"});
      (void)co_await called.wait(net::steady_now() + 1ms);
    }
    EXPECT_EQ(called_count, 4u);
    for (auto const& result : results) EXPECT_TRUE(result);
    co_await until([&] { return server.held_bytes() == 0; });
    for (auto& each : clients) co_await each.stop();
  };
  test::run(io, test());
}

TEST_P(ServerTest, aResponderThatIsDroppedAnswersForTheHandler) {
  auto test = [this]() -> Awaitable<void> {
    auto handler = [](Request const& request, Responder const&) {
      if (request.payload == Value{"throw"}) throw std::runtime_error{"a bug"};
    };
    Server server{io.get_executor(), server_options(transport), Server::CallbackHandler{handler}};
    co_await announce("svc", server.listen(kFreePort).value());
    for (char const* const payload : {"drop", "throw"}) {
      auto const reply = co_await client->request("svc", payload);
      EXPECT_EQ(reply.error().text(), "ERR_REQUEST_HANDLER");
    }
    EXPECT_EQ(server.counters().handler_failures, 2u);
  };
  test::run(io, test());
}

TEST_P(ServerTest, threadsHandleRequestsAtTheSameTime) {
  auto test = [this]() -> Awaitable<void> {
    std::mutex mutex;
    std::condition_variable entered;
    std::set<std::thread::id> threads;
    Server::Options options = server_options(transport);
    options.threads = 2;
    auto meet = [&](Request&) -> Awaitable<Reply> {  // answers when each thread is in a handler
      std::unique_lock lock{mutex};
      threads.insert(std::this_thread::get_id());
      entered.notify_all();
      bool const met = entered.wait_for(lock, test::limit(), [&] { return threads.size() == 2; });
      co_return Reply{met};
    };
    Server server{io.get_executor(), options, Server::Handler{meet}};
    std::string const at = server.listen(kFreePort).value().to_string();
    Client other{io.get_executor(), *link, client_options(transport), Random{3}};
    auto ask = [&](Client& each) -> Awaitable<void> {
      auto const reply = co_await each.request_to(at, "svc", "x", kDefaults);
      EXPECT_TRUE(reply);
      EXPECT_EQ(*reply, Value{true});
    };
    tasks.spawn(ask(other));
    co_await ask(*client);
    co_await tasks.drained(10s);
    EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
    EXPECT_EQ(server.counters().requests, 2u);
    co_await other.stop();
    bool const graceful = co_await server.stop(10s);
    EXPECT_TRUE(graceful);
  };
  test::run(io, test());
}

TEST_P(ServerTest, aHandlerThatNeverEndsIsCutOffByAStop) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    std::vector<RpcResult<Value>> results;
    tasks.spawn(ask("wait", results));
    co_await service.until_entered(1);
    bool const graceful = co_await service.server->stop(20ms);
    EXPECT_FALSE(graceful);
    co_await tasks.drained(10s);
    EXPECT_EQ(results.size(), 1u);
  };
  test::run(io, test());
}

TEST_P(ServerTest, aRequestTellsWhereItComesFrom) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    co_await expect_serves(service);
    EXPECT_EQ(service.last.transport, transport);
    EXPECT_EQ(service.last.peer.address, (IpAddress{127, 0, 0, 1}));
    EXPECT_EQ(service.last.certificate.has_value(), uses_tls(transport));
    if (uses_tls(transport)) {
      EXPECT_EQ(service.last.certificate->subject, "CN=client");
      EXPECT_TRUE(service.last.certificate->verified);
    }
  };
  test::run(io, test());
}

TEST_P(WsServerTest, answersComeInTheOrderInWhichTheyAreReady) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    auto connection = co_await connect(service.at);
    connection->send(R"(["slow","svc","wait"])");
    co_await service.until_entered(1);
    auto answer = co_await say(*connection, R"(["fast","svc","x"])");
    EXPECT_EQ(answer, R"(["fast",null,["A","svc","x"]])");
    service.release.notify_all();
    auto const late = co_await connection->receive();
    EXPECT_EQ(*late, R"(["slow",null,["A","svc","wait"]])");
  };
  test::run(io, test());
}

TEST_P(WsServerTest, oneWithTooManyRequestsUnderWayIsReadNoFurther) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options options = server_options(transport);
    options.requests_per_connection_max = 3;
    TestService& service = *co_await serve("A", options);
    auto connection = co_await connect(service.at);
    for (int i = 0; i < 10; ++i) connection->send(R"(["rid","svc","wait"])");
    co_await service.until_entered(3);
    co_await expect_serves(service);  // another connection
    EXPECT_EQ(service.request_count, 4);
    service.release.notify_all();
    for (int i = 0; i < 3; ++i) (void)co_await connection->receive();
    co_await service.until_entered(7);
  };
  test::run(io, test());
}

TEST_P(WsServerTest, aHandlerWhoseCallerHasGoneIsCancelledUntilItEnds) {
  auto test = [this]() -> Awaitable<void> {
    int entered = 0;
    int cancelled = 0;
    net::AsyncEvent never{io.get_executor()};
    auto stubborn = [&](Request&) -> Awaitable<Reply> {
      ++entered;
      for (int i = 0; i < 3; ++i) {
        net::Wake const wake = co_await never.wait();
        if (wake == net::Wake::cancelled) ++cancelled;
      }
      throw std::runtime_error{"cancelled"};
    };
    Server::Options options = server_options(transport);
    options.requests_per_connection_max = 2;  // it is read no further, and still notices
    Server server{io.get_executor(), options, Server::Handler{stubborn}};
    Endpoint const at = server.listen(kFreePort).value();
    auto connection = co_await connect(at);
    for (int i = 0; i < 3; ++i) connection->send(kGood);
    co_await until([&] { return entered == 2; });
    connection->drop();
    co_await until([&] { return cancelled == 6; });
    EXPECT_EQ(entered, 2);
    bool const graceful = co_await server.stop(10s);
    EXPECT_TRUE(graceful);
    EXPECT_EQ(server.counters().handler_failures, 0u);
  };
  test::run(io, test());
}

TEST_P(WsServerTest, aCallbackKeepsThePlaceOfACallerThatHasGone) {
  auto test = [this]() -> Awaitable<void> {
    std::vector<Responder> kept;
    net::AsyncEvent called{io.get_executor()};
    auto keep = [&](Request const&, Responder const& respond) {
      kept.push_back(respond);
      called.notify_all();
    };
    Server::Options options = server_options(transport);
    options.connection_count_max = 1;
    Server server{io.get_executor(), options, Server::CallbackHandler{keep}};
    Endpoint const at = server.listen(kFreePort).value();
    auto first = co_await connect(at);
    first->send(kGood);
    while (kept.empty()) co_await called.wait();
    first->drop();
    auto second = co_await connect(at);
    EXPECT_FALSE(second);
    EXPECT_EQ(server.counters().connections_refused, 1u);
    kept.front()(Reply{"to one who has gone"});
    kept.clear();
    bool const graceful = co_await server.stop(10s);
    EXPECT_TRUE(graceful);
  };
  test::run(io, test());
}

TEST_P(WsServerTest, aCallerThatHasGoneMissesItsAnswerAlone) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    auto connection = co_await connect(service.at);
    connection->send(R"(["rid","svc","wait"])");
    co_await service.until_entered(1);
    connection->drop();
    co_await expect_serves(service);
    service.release.notify_all();
    bool const graceful = co_await service.server->stop(10s);
    EXPECT_TRUE(graceful);
  };
  test::run(io, test());
}

// TLS

TEST_P(TlsServerTest, whoHasNoCertificateOrAForeignOneIsNotServed) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    test::Identity const nobody;
    for (test::Identity const& identity : {nobody, identities().stranger}) {
      Client::Options options = client_options(transport);
      options.tls = tls_of(identity);
      make_client(options);
      auto const reply = co_await client->request("svc", "x");
      EXPECT_EQ(reply.error().code, Errc::request_generic);
      EXPECT_NE(reply.error().detail, "");
    }
    EXPECT_EQ(service.request_count, 0);
    auto const counted = [&] { return service.server->counters().handshake_failures >= 2; };
    co_await until(counted);
    make_client(client_options(transport));
    co_await expect_serves(service);
  };
  test::run(io, test());
}

TEST_P(TlsServerTest, aServerThatIsNotWhoItShouldBeIsNotAsked) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options options = server_options(transport);
    options.tls = tls_of(identities().stranger);
    TestService& service = *co_await serve("A", options);
    auto const reply = co_await client->request("svc", "x");
    EXPECT_EQ(reply.error().code, Errc::request_generic);
    EXPECT_EQ(service.request_count, 0);
  };
  test::run(io, test());
}

TEST_P(TlsServerTest, badPemIsAnErrorOfListenAndOfEachRequest) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options options = server_options(transport);
    options.tls.key = "no key";
    auto handler = [](Request&) -> Awaitable<Reply> { co_return Reply{}; };
    Server server{io.get_executor(), options, Server::Handler{handler}};
    auto const bound = server.listen(kFreePort);
    EXPECT_EQ(bound.error(), net::TlsErrc::bad_key);

    (void)co_await serve("A");
    Client::Options bad = client_options(transport);
    bad.tls.ca = "no authority";
    make_client(bad);
    auto const reply = co_await client->request("svc", "x");
    EXPECT_EQ(reply.error().code, Errc::request_generic);
    EXPECT_EQ(reply.error().detail, make_error_code(net::TlsErrc::bad_ca).message());
  };
  test::run(io, test());
}

TEST_P(TlsServerTest, plainBytesAreNoHandshake) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    (void)co_await exchange(service.at, post(kGood));
    auto const counted = [&] { return service.server->counters().handshake_failures == 1; };
    co_await until(counted);
    co_await expect_serves(service);
    EXPECT_EQ(service.request_count, 1);
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::rpc
