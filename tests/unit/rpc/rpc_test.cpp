// Server and Client together over each transport, found in a DHT.
#include <map>
#include <set>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "tests/support/misbehaving_grape.hpp"
#include "tests/unit/rpc/rpc_fixture.hpp"
#include <grenache/net/steady_clock.hpp>

namespace grenache::rpc {
namespace {

struct RpcTest : testing::TestWithParam<Transport>, RpcFixture {
  RpcTest() : RpcFixture{GetParam()} {}
};

INSTANTIATE_TEST_SUITE_P(Over, RpcTest,
                         testing::Values(Transport::http, Transport::https, Transport::ws, Transport::wss),
                         name_of_transport);

TEST_P(RpcTest, aServiceThatAnnouncesItselfIsFoundAndCalled) {
  auto test = [this]() -> Awaitable<void> {
    TestService service{io, "A", server_options(transport)};
    service.server->announce(*link, "one");
    service.server->announce(*link, "two");
    auto const ready = co_await service.server->ready(10s);
    EXPECT_TRUE(ready);
    Value const payload = Value::object({{"hello", "world"}, {"n", 1}});
    auto reply = co_await client->request("one", payload);
    EXPECT_TRUE(reply);
    EXPECT_EQ(*reply, Value::array({"A", "one", payload}));
    reply = co_await client->request("two", payload);
    EXPECT_EQ(who(reply), "A");
    bool const graceful = co_await service.server->stop(10s);
    EXPECT_TRUE(graceful);
    EXPECT_FALSE(link->stop_announcing("one", service.at.port));
    co_await client->stop();
    co_await link->stop();
  };
  test::run(io, test());
}

TEST_P(RpcTest, isNotReadyWithoutAGrape) {
  auto test = [this]() -> Awaitable<void> {
    TestService service{io, "A", server_options(transport)};
    test::MisbehavingGrape silent{io.get_executor()};
    silent.hold();
    Link::Options options;
    options.grapes = {silent.address()};
    Link unheard{io.get_executor(), options, Random{3}};
    service.server->announce(unheard, "one");
    auto const ready = co_await service.server->ready(20ms);
    EXPECT_FALSE(ready);
    EXPECT_EQ(ready.error().code, Errc::not_ready);
    silent.release();
    co_await unheard.stop();
  };
  test::run(io, test());
}

TEST_P(RpcTest, theErrorOfTheServiceReachesTheCallerAndIsNotRetried) {
  auto test = [this]() -> Awaitable<void> {
    TestService& a = *co_await serve("A");
    TestService& b = *co_await serve("B");
    auto reply = co_await client->request("svc", "fail");
    EXPECT_EQ(reply.error().code, Errc::remote);
    EXPECT_EQ(reply.error().text(), "ERR_OWN: no");
    EXPECT_EQ(a.request_count + b.request_count, 1);
    reply = co_await client->request("svc", "throw");
    EXPECT_EQ(reply.error().text(), "ERR_REQUEST_HANDLER");
  };
  test::run(io, test());
}

TEST_P(RpcTest, worksInGzipBothWays) {
  auto test = [this]() -> Awaitable<void> {
    (void)co_await serve("A");
    RequestOptions options;
    options.compress = true;
    std::string const large(100'000, 'x');
    auto const reply = co_await client->request("svc", large, options);
    EXPECT_TRUE(reply);
    EXPECT_EQ(*reply->at(2)->as_string(), large);
  };
  test::run(io, test());
}

TEST_P(RpcTest, asksAnotherWhenADestinationIsDead) {
  auto test = [this]() -> Awaitable<void> {
    for (int i = 0; i < 4; ++i) co_await announce("svc", dead());
    (void)co_await serve("A");
    RequestOptions options;
    options.retry_count = 0;  // the dead have not seen the request: asking on is no repetition
    for (int i = 0; i < 10; ++i) {
      auto const reply = co_await client->request("svc", "x", options);
      EXPECT_EQ(who(reply), "A");
    }
  };
  test::run(io, test());
}

TEST_P(RpcTest, repeatsAsOftenAsAllowedAfterALostConnection) {
  auto test = [this]() -> Awaitable<void> {
    TestService& a = *co_await serve("A");
    TestService& b = *co_await serve("B");
    auto lose = [](TestService& service) -> Awaitable<void> {
      co_await service.until_entered(1);
      service.server.reset();
    };
    tasks.spawn(lose(a));
    tasks.spawn(lose(b));
    RequestOptions options;
    options.retry_count = 1;
    auto reply = co_await client->request("svc", "wait", options);
    EXPECT_EQ(reply.error().code, Errc::request_generic);
    EXPECT_EQ(a.request_count, 1);
    EXPECT_EQ(b.request_count, 1);
    auto const lookups = lookup_count();
    reply = co_await client->request("svc", "x", options);  // the failure has emptied the cache
    EXPECT_EQ(lookup_count(), lookups + 1);
    EXPECT_EQ(reply.error().text(), "ERR_REQUEST_GENERIC: Connection refused");
  };
  test::run(io, test());
}

TEST_P(RpcTest, byDefaultDoesNotRepeatWhatMayHaveBeenExecuted) {
  auto test = [this]() -> Awaitable<void> {
    TestService& a = *co_await serve("A");
    std::vector<RpcResult<Value>> results;
    tasks.spawn(ask("wait", results));
    co_await a.until_entered(1);
    TestService& b = *co_await serve("B");
    link->forget("svc");
    a.server.reset();
    co_await tasks.drained(10s);
    EXPECT_EQ(results.at(0).error().code, Errc::request_generic);
    EXPECT_EQ(b.request_count, 0);
  };
  test::run(io, test());
}

TEST_P(RpcTest, aTimeoutCoversLookupAndRequest) {
  auto test = [this]() -> Awaitable<void> {
    (void)co_await serve("A");
    RequestOptions options;
    options.timeout = 20ms;
    auto reply = co_await client->request("svc", "wait", options);
    EXPECT_EQ(reply.error().code, Errc::timeout);
    EXPECT_EQ(reply.error().text(), "ERR_TIMEOUT");
    test::MisbehavingGrape silent{io.get_executor()};
    silent.hold();
    Link::Options grapes;
    grapes.grapes = {silent.address()};
    Link unheard{io.get_executor(), grapes, Random{3}};
    Client waiting{io.get_executor(), unheard, client_options(transport), Random{4}};
    reply = co_await waiting.request("other", "x", options);
    EXPECT_EQ(reply.error().code, Errc::timeout);
    silent.release();
    co_await waiting.stop();
    co_await unheard.stop();
  };
  test::run(io, test());
}

TEST_P(RpcTest, neverCallsItself) {
  auto test = [this]() -> Awaitable<void> {
    TestService& self = *co_await serve("self");
    client->exclude(self.at.to_string());
    auto reply = co_await client->request("svc", "x");
    EXPECT_EQ(reply.error().code, Errc::lookup_empty);
    (void)co_await serve("A");
    link->forget("svc");
    for (int i = 0; i < 5; ++i) {
      reply = co_await client->request("svc", "x");
      EXPECT_EQ(who(reply), "A");
    }
    auto const entries = co_await client->map("svc", "x", MapOptions());
    EXPECT_TRUE(entries);
    EXPECT_EQ(entries->size(), 1u);
    EXPECT_EQ(self.request_count, 0);
  };
  test::run(io, test());
}

TEST_P(RpcTest, mapAsksAllAndOneDeadFailsAlone) {
  auto test = [this]() -> Awaitable<void> {
    (void)co_await serve("A");
    Endpoint const gone = dead();
    co_await announce("svc", gone);
    (void)co_await serve("B");
    auto const entries = co_await client->map("svc", "x", MapOptions());
    EXPECT_TRUE(entries);
    EXPECT_EQ(entries->size(), 3u);
    std::map<std::string, std::string> said;
    for (auto const& [destination, reply] : *entries) {
      said[destination] = reply ? who(reply) : reply.error().text();
    }
    EXPECT_EQ(said[services.front().at.to_string()], "A");
    EXPECT_EQ(said[gone.to_string()], "ERR_REQUEST_GENERIC: Connection refused");
    EXPECT_EQ(said[services.back().at.to_string()], "B");
  };
  test::run(io, test());
}

TEST_P(RpcTest, mapIsBoundedInNumberAndInParallel) {
  auto test = [this]() -> Awaitable<void> {
    Client::Options options = client_options(transport);
    options.map_parallel_max = 2;
    make_client(options);
    for (int i = 0; i < 5; ++i) (void)co_await serve(std::to_string(i));
    MapOptions limited;
    limited.limit = 3;
    auto entries = co_await client->map("svc", "x", limited);
    EXPECT_EQ(entries->size(), 3u);
    std::set<std::string> names;
    for (auto const& entry : *entries) names.insert(who(entry.reply));
    EXPECT_EQ(names.size(), 3u);
    entries = co_await client->map("svc", "x", MapOptions());
    EXPECT_EQ(entries->size(), 5u);
    for (auto const& entry : *entries) EXPECT_TRUE(entry.reply);
    auto const nobody = co_await client->map("nobody", "x", MapOptions());
    EXPECT_EQ(nobody.error().code, Errc::lookup_empty);
  };
  test::run(io, test());
}

TEST_P(RpcTest, manyRequestsShareFewConnections) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    std::vector<RpcResult<Value>> results;
    for (int i = 0; i < 200; ++i) tasks.spawn(ask(Value{i}, results));
    co_await tasks.drained(20s);
    EXPECT_EQ(results.size(), 200u);
    for (auto const& result : results) EXPECT_TRUE(result);
    EXPECT_EQ(service.request_count, 200);
    EXPECT_LE(client->connection_count(), 8u);
    EXPECT_EQ(lookup_count(), 1);
  };
  test::run(io, test());
}

TEST_P(RpcTest, asksAGivenDestination) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    auto reply = co_await client->request_to(service.at.to_string(), "any name", "x", kDefaults);
    EXPECT_TRUE(reply);
    EXPECT_EQ(*reply->at(1), Value{"any name"});
    EXPECT_EQ(lookup_count(), 0);
    reply = co_await client->request_to("nonsense", "svc", "x", kDefaults);
    EXPECT_EQ(reply.error().text(), "ERR_REQUEST_GENERIC: not a destination: nonsense");
  };
  test::run(io, test());
}

TEST_P(RpcTest, stopFailsWhatIsUnderWay) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    std::vector<RpcResult<Value>> results;
    tasks.spawn(ask("wait", results));
    co_await service.until_entered(1);
    co_await client->stop();
    co_await tasks.drained(10s);
    EXPECT_EQ(results.at(0).error().code, Errc::stopped);
  };
  test::run(io, test());
}

TEST_P(RpcTest, aRequestUnderWayIsAnsweredBeforeTheServerStops) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    std::vector<RpcResult<Value>> results;
    tasks.spawn(ask("wait", results));
    co_await service.until_entered(1);
    bool graceful = false;
    auto stop = [&]() -> Awaitable<void> { graceful = co_await service.server->stop(20s); };
    tasks.spawn(stop());
    co_await tasks.drained(5ms);
    EXPECT_EQ(tasks.size(), 2u);
    service.release.notify_all();
    co_await tasks.drained(10s);
    EXPECT_TRUE(graceful);
    EXPECT_EQ(who(results.at(0)), "A");
  };
  test::run(io, test());
}

TEST_P(RpcTest, requestsInFlightFailAtOnceWhenTheServerDies) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    RequestOptions patient;
    patient.timeout = 1h;
    patient.retry_count = 0;
    std::vector<RpcResult<Value>> results;
    auto once = [&]() -> Awaitable<void> {
      auto result = co_await client->request("svc", "wait", patient);
      results.push_back(std::move(result));
    };
    for (int i = 0; i < 3; ++i) tasks.spawn(once());
    co_await service.until_entered(3);
    service.server.reset();
    co_await tasks.drained(10s);
    EXPECT_EQ(results.size(), 3u);
    for (auto const& result : results) EXPECT_EQ(result.error().code, Errc::request_generic);
  };
  test::run(io, test());
}

TEST_P(RpcTest, callbacksAreCalledOnceAndNeverFromInside) {
  auto test = [this]() -> Awaitable<void> {
    (void)co_await serve("A");
    net::AsyncEvent called{io.get_executor()};
    std::vector<std::string> said;
    auto told = [&](RpcResult<Value> const& reply) {
      said.push_back(reply ? who(reply) : reply.error().text());
      called.notify_all();
    };
    client->request("svc", "x", kDefaults, told);
    client->request("nobody", "x", kDefaults, told);
    EXPECT_TRUE(said.empty());
    while (said.size() < 2) co_await called.wait();
    EXPECT_EQ((std::set<std::string>{said.begin(), said.end()}),
              (std::set<std::string>{"A", "ERR_GRAPE_LOOKUP_EMPTY"}));

    std::optional<RpcResult<std::vector<Client::MapEntry>>> entries;
    auto mapped = [&](RpcResult<std::vector<Client::MapEntry>> result) {
      entries = std::move(result);
      called.notify_all();
    };
    client->map("svc", "x", MapOptions(), mapped);
    while (!entries) co_await called.wait();
    EXPECT_EQ(entries->value().size(), 1u);
  };
  test::run(io, test());
}

TEST_P(RpcTest, aClientThatGoesTellsItsCallbacks) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    net::AsyncEvent called{io.get_executor()};
    std::string said;
    client->request("svc", "wait", kDefaults, [&](RpcResult<Value> const& reply) {
      said = reply.error().text();
      called.notify_all();
    });
    co_await service.until_entered(1);
    client.reset();
    while (said.empty()) co_await called.wait();
    EXPECT_EQ(said, "ERR_STOPPED");
  };
  test::run(io, test());
}

TEST_P(RpcTest, oneThatIsCancelledEndsAtOnceAndAlone) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    std::vector<RpcResult<Value>> results;
    tasks.spawn(ask("wait", results));
    net::TaskGroup cancelled{io.get_executor()};
    cancelled.spawn(ask("wait", results));
    co_await service.until_entered(2);
    cancelled.cancel(net::asio::cancellation_type::terminal);
    co_await cancelled.drained(10s);
    EXPECT_EQ(results.at(0).error().code, Errc::stopped);
    service.release.notify_all();
    co_await tasks.drained(10s);
    EXPECT_EQ(who(results.at(1)), "A");
  };
  test::run(io, test());
}

TEST_P(RpcTest, aTimeoutIsNotEarlyAndHarmsNobodyElse) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    std::vector<RpcResult<Value>> results;
    tasks.spawn(ask("wait", results));
    co_await service.until_entered(1);
    RequestOptions hasty;
    for (hasty.timeout = 30ms; service.request_count < 2; hasty.timeout *= 2) {  // until it got that far
      TimePoint const begin = net::steady_now();
      auto const late = co_await client->request("svc", "wait", hasty);
      EXPECT_EQ(late.error().code, Errc::timeout);
      EXPECT_GE(net::steady_now() - begin, hasty.timeout);
    }
    service.release.notify_all();  // the late answer is nobody's
    auto const reply = co_await client->request("svc", "x");
    EXPECT_EQ(who(reply), "A");
    co_await tasks.drained(10s);
    EXPECT_EQ(who(results.at(0)), "A");
  };
  test::run(io, test());
}

TEST_P(RpcTest, noTimeoutIsNoTimeout) {
  auto test = [this]() -> Awaitable<void> {
    (void)co_await serve("A");
    RequestOptions patient;
    patient.timeout = Duration::max();
    auto const reply = co_await client->request("svc", "x", patient);
    EXPECT_EQ(who(reply), "A");
    MapOptions mapping;
    mapping.timeout = Duration::max();
    auto const entries = co_await client->map("svc", "x", mapping);
    EXPECT_EQ(who(entries->at(0).reply), "A");
  };
  test::run(io, test());
}

TEST_P(RpcTest, aDestinationThatWasDeadIsTriedAgainLater) {
  auto test = [this]() -> Awaitable<void> {
    Client::Options options = client_options(transport);
    options.dead.age_max = 20ms;
    make_client(options);
    TestService& a = *co_await serve("A");
    a.server.reset();
    (void)co_await serve("B");
    for (int i = 0; i < 5; ++i) {
      auto const reply = co_await client->request("svc", "x");
      EXPECT_EQ(who(reply), "B");
    }
    auto handler = [&a](Request& request) { return a.answer(request); };
    a.server.emplace(io.get_executor(), server_options(transport), Server::Handler{handler});
    EXPECT_TRUE(a.server->listen(a.at));
    std::string answered;
    while (answered != "A") {
      auto const reply = co_await client->request("svc", "x");
      EXPECT_TRUE(reply);
      answered = who(reply);
    }
  };
  test::run(io, test());
}

TEST_P(RpcTest, tooLargeARequestIsNotSentAndTooLargeAReplyNotRead) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    Client::Options options = client_options(transport);
    options.request_bytes_max = 1'000;
    options.reply_bytes_max = 500;
    make_client(options);
    auto reply = co_await client->request("svc", std::string(2'000, 'x'));
    EXPECT_EQ(reply.error().code, Errc::request_size);
    EXPECT_EQ(service.request_count, 0);
    reply = co_await client->request("svc", std::string(600, 'x'));
    EXPECT_EQ(reply.error().code, Errc::reply_size);
    EXPECT_EQ(service.request_count, 1);  // no other would answer better
    reply = co_await client->request("svc", "x");
    EXPECT_EQ(who(reply), "A");
  };
  test::run(io, test());
}

TEST_P(RpcTest, requestsThatWaitAreBounded) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    Client::Options options = client_options(transport);
    options.connections_per_destination_max = 1;
    options.waiting_max = uses_websocket(transport) ? 3 : 2;
    make_client(options);
    std::vector<RpcResult<Value>> results;
    for (int i = 0; i < 3; ++i) tasks.spawn(ask("wait", results));
    co_await service.until_entered(1);
    auto const reply = co_await client->request("svc", "x");
    EXPECT_EQ(reply.error().code, Errc::request_limit);
    while (results.size() < 3) {
      service.release.notify_all();
      co_await tasks.drained(1ms);
    }
    for (auto const& result : results) EXPECT_EQ(who(result), "A");
  };
  test::run(io, test());
}

TEST_P(RpcTest, anIdleConnectionIsClosedAndMadeAgain) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A");
    Client::Options options = client_options(transport);
    options.idle_max = 20ms;
    make_client(options);
    auto const closed = [this] { return client->connection_count() == 0; };
    for (unsigned count = 1; count <= 2; ++count) {
      auto const reply = co_await client->request("svc", "x");
      EXPECT_EQ(who(reply), "A");
      EXPECT_EQ(service.server->counters().connections, count);
      co_await until(closed);
    }
  };
  test::run(io, test());
}

TEST_P(RpcTest, manyDestinationsShareABoundedNumberOfConnections) {
  auto test = [this]() -> Awaitable<void> {
    Client::Options options = client_options(transport);
    options.connections_max = 2;
    make_client(options);
    for (int i = 0; i < 5; ++i) (void)co_await serve(std::to_string(i));
    for (auto& service : services) {
      auto const reply = co_await client->request_to(service.at.to_string(), "svc", "x", kDefaults);
      EXPECT_EQ(who(reply), service.name);
      EXPECT_LE(client->connection_count(), 3u);  // the one that makes room may still be closing
    }
  };
  test::run(io, test());
}

TEST_P(RpcTest, unicodeAndAMegabytePassUnharmed) {
  auto test = [this]() -> Awaitable<void> {
    (void)co_await serve("A");
    for (std::string const& text :
         {std::string{"h\xc3\xa9llo \xf0\x9f\x98\x80 \x01\""}, std::string(1'000'000, 'm')}) {
      auto const reply = co_await client->request("svc", text);
      EXPECT_TRUE(reply);
      EXPECT_EQ(*reply->at(2)->as_string(), text);
    }
    auto const reply = co_await client->request("svc", nullptr);
    EXPECT_EQ(*reply, Value::array({"A", "svc", nullptr}));
  };
  test::run(io, test());
}

TEST_P(RpcTest, anotherGrapeIsAskedWhenTheFirstHasGone) {
  auto test = [this]() -> Awaitable<void> {
    (void)co_await serve("A");
    InProcessDht elsewhere{io.get_executor()};  // another network, which knows nobody
    Link::Options options;
    options.grapes = {elsewhere.address(), dht.address()};
    Link two{io.get_executor(), options, Random{3}};
    Client either{io.get_executor(), two, client_options(transport), Random{4}};
    auto reply = co_await either.request("svc", "x");
    EXPECT_EQ(reply.error().code, Errc::lookup_empty);
    co_await elsewhere.stop();
    reply = co_await either.request("svc", "x");
    EXPECT_EQ(who(reply), "A");
    co_await either.stop();
    co_await two.stop();
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::rpc
