// A Server as clients see it that do what they should not, and handlers of each kind.
#include <set>
#include <thread>

#include "tests/support/raw_client.hpp"
#include "tests/unit/rpc/rpc_fixture.hpp"
#include <grenache/net/gzip.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/websocket.hpp>

namespace grenache::rpc {
namespace {

using test::RawClient;

std::string const kGood = R"(["rid","svc","x"])";

std::string post(std::string_view body, std::string_view headers = "") {
  return "POST / HTTP/1.1\r\nHost: x\r\n" + std::string{headers} +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body};
}

struct ServerTest : testing::TestWithParam<Transport>, RpcFixture {
  ServerTest() : RpcFixture{GetParam()} {}

  /// Sends `bytes` and returns everything that the server answers.
  Awaitable<std::string> exchange(Endpoint to, std::string bytes, bool half_close = true) {
    RawClient raw{io.get_executor()};
    bool const connected = co_await raw.connect(to);
    EXPECT_TRUE(connected);
    co_await raw.send(std::move(bytes));
    if (half_close) raw.shutdown_send();
    std::string text = co_await raw.read_all();
    co_return text;
  }
  Awaitable<Result<net::WebSocketConnection>> connect(Endpoint to) {
    net::WebSocketConnection::Options const options;
    HostPort const host{to.address.to_string(), to.port};
    return net::WebSocketConnection::connect(io.get_executor(), host, options, net::steady_now() + 10s);
  }
  /// The answer to one message.
  Awaitable<std::string> say(net::WebSocketConnection& connection, std::string message) {
    connection.send(std::move(message));
    auto const answer = co_await connection.receive();
    co_return answer ? *answer : answer.error().message();
  }
  /// Others are served as if nothing had happened.
  Awaitable<void> expect_serves(TestService& service) {
    auto const reply = co_await client->request_to(service.at.to_string(), "svc", "x", kDefaults);
    EXPECT_EQ(who(reply), service.name);
  }
};

struct HttpServerTest : ServerTest {};
struct PlainServerTest : ServerTest {
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
struct WsServerTest : ServerTest {};
struct TlsServerTest : ServerTest {};

INSTANTIATE_TEST_SUITE_P(Over, ServerTest,
                         testing::Values(Transport::http, Transport::https, Transport::ws, Transport::wss),
                         name_of_transport);
INSTANTIATE_TEST_SUITE_P(Over, PlainServerTest, testing::Values(Transport::http, Transport::ws),
                         name_of_transport);
INSTANTIATE_TEST_SUITE_P(Over, HttpServerTest, testing::Values(Transport::http), name_of_transport);
INSTANTIATE_TEST_SUITE_P(Over, WsServerTest, testing::Values(Transport::ws), name_of_transport);
INSTANTIATE_TEST_SUITE_P(Over, TlsServerTest, testing::Values(Transport::https, Transport::wss),
                         name_of_transport);

// Handlers

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
    std::set<std::thread::id> threads;
    Server::Options options = server_options(transport);
    options.threads = 2;
    auto handler = [&](Request& request) -> Awaitable<Reply> {
      {
        std::lock_guard const lock{mutex};
        threads.insert(std::this_thread::get_id());
      }
      co_return Reply{Value::array({"T", request.key, request.payload})};
    };
    Server server{io.get_executor(), options, Server::Handler{handler}};
    std::string const at = server.listen(kFreePort).value().to_string();
    std::list<Client> clients;
    for (unsigned i = 0; i < 4; ++i) {
      auto& each = clients.emplace_back(io.get_executor(), *link, client_options(transport), Random{i});
      for (int k = 0; k < 10; ++k) {
        auto const reply = co_await each.request_to(at, "svc", "x", kDefaults);
        EXPECT_EQ(who(reply), "T");
      }
    }
    EXPECT_EQ(threads.size(), 2u);
    EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
    EXPECT_EQ(server.counters().requests, 40u);
    for (auto& each : clients) co_await each.stop();
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

// Web pages

TEST_P(PlainServerTest, aWebPageOfAnotherOriginCannotCallIt) {
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

TEST_P(PlainServerTest, webPagesAndNamesCanBeListedOrTheCheckTurnedOff) {
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

TEST_P(HttpServerTest, aRefusedWebPageIsToldSoInTheEnvelope) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    std::string const text = co_await exchange(service.at, post(kGood, "Origin: http://evil.test\r\n"));
    EXPECT_EQ(test::body_of(text), R"([null, "ERR_REQUEST_FORBIDDEN", null])");
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

// Bad input over HTTP

TEST_P(HttpServerTest, whatIsNoRequestIsAnsweredAndCounted) {
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

TEST_P(HttpServerTest, whatIsMissingOrOfAnotherTypeIsNullAsInNode) {
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

TEST_P(HttpServerTest, oneTooLargeIsRefusedWith413) {
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

TEST_P(HttpServerTest, aBombIsNotExpanded) {
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

TEST_P(HttpServerTest, aSmallBodyMayNotExpandToMuchTextOrManyValues) {
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

TEST_P(HttpServerTest, aGrHeaderThatIsNoPairIsAnsweredAsInNode) {
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

TEST_P(HttpServerTest, actionAndArgumentsComeInHeaders) {
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

TEST_P(HttpServerTest, whatIsNoHttpIsAnsweredAndCounted) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    auto const text = co_await exchange(service.at, "\x16\x03\x01 nonsense\r\n\r\n");
    EXPECT_TRUE(text.starts_with("HTTP/1.1 400 "));
    EXPECT_EQ(service.server->counters().not_http, 1u);
    co_await expect_serves(service);
  };
  test::run(io, test());
}

TEST_P(HttpServerTest, oneWhoStopsInTheMiddleHoldsUpNobody) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options options = server_options(transport);
    options.body_max = 1s;  // of the honest callers too
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

// Bad input over WebSocket

TEST_P(WsServerTest, whatIsNoRequestIsAnsweredOnAConnectionThatGoesOn) {
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

TEST_P(WsServerTest, oneTooLargeEndsItsConnectionAlone) {
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

TEST_P(WsServerTest, whoAsksForAPageIsToldSo) {
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

}  // namespace
}  // namespace grenache::rpc
