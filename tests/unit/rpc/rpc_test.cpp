// Server and Client together, found through a fake grape.
#include <list>

#include <gtest/gtest.h>

#include "proto/net/async_event.hpp"
#include "proto/net/gzip.hpp"
#include "proto/net/http_client.hpp"
#include "proto/net/task_group.hpp"
#include "proto/rpc/client.hpp"
#include "proto/rpc/server.hpp"
#include "tests/support/fake_grape.hpp"
#include "tests/support/run.hpp"

namespace grenache::rpc {
namespace {

using namespace std::chrono_literals;
using json::Value;
using net::Awaitable;
using test::FakeGrape;

Endpoint const kFreePort{IpAddress{127, 0, 0, 1}, 0};
RequestOptions const kDefaults{};

/// A service that answers with its name and the payload. "wait" waits for release, "fail" is an error,
/// "throw" a bug.
struct Service {
  Service(boost::asio::io_context& io, std::string n, Server::Options options = {})
      : name{std::move(n)},
        entered{io.get_executor()},
        release{io.get_executor()},
        server{std::in_place, io.get_executor(), options,
               [this](Request& request) { return answer(request); }} {
    at = server->listen(kFreePort).value();
  }
  Awaitable<Reply> answer(Request& request) {
    ++request_count;
    std::string const* const text = request.payload.as_string();
    std::string const what = text ? *text : "";
    if (what == "fail") co_return Reply::failure("ERR_OWN: no");
    if (what == "throw") throw std::runtime_error{"a bug"};
    if (what == "wait") {
      entered.notify_all();
      co_await release.wait();
    }
    co_return Reply{Value::array({name, request.key, request.payload})};
  }
  Awaitable<void> until_entered(int count) {
    while (request_count < count) co_await entered.wait();
  }

  std::string name;
  int request_count = 0;
  net::AsyncEvent entered;
  net::AsyncEvent release;
  Endpoint at;
  std::optional<Server> server;
};

struct RpcTest : testing::Test {
  boost::asio::io_context io{1};
  net::TaskGroup tasks{io.get_executor()};
  FakeGrape grape{io.get_executor()};
  std::optional<Link> link;
  std::optional<Client> client;
  std::list<Service> services;

  RpcTest() {
    Link::Options options;
    options.grapes = {grape.address()};
    link.emplace(io.get_executor(), options, Random{1});
    make_client(Client::Options{});
  }
  void make_client(Client::Options const& options) {
    client.emplace(io.get_executor(), *link, options, Random{2});
  }
  Service& serve(std::string name, Server::Options options = {}) {
    Service& service = services.emplace_back(io, std::move(name), options);
    grape.add("svc", service.at.to_string());
    return service;
  }
  /// A destination where nobody listens.
  std::string dead() {
    Service gone{io, "gone"};
    return gone.at.to_string();
  }
  Awaitable<void> ask(Value payload, std::vector<RpcResult<Value>>& results) {
    auto result = co_await client->request("svc", std::move(payload), kDefaults);
    results.push_back(std::move(result));
  }
};

/// The first item of a reply: who has answered.
std::string who(RpcResult<Value> const& reply) {
  Value const* const name = reply ? reply->at(0) : nullptr;
  return name && name->as_string() ? *name->as_string() : "";
}

TEST_F(RpcTest, aServiceThatAnnouncesItselfIsFoundAndCalled) {
  auto test = [this]() -> Awaitable<void> {
    Service service{io, "A"};
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

TEST_F(RpcTest, isNotReadyWithoutAGrape) {
  auto test = [this]() -> Awaitable<void> {
    Service service{io, "A"};
    grape.hold();
    service.server->announce(*link, "one");
    auto const ready = co_await service.server->ready(20ms);
    EXPECT_FALSE(ready);
    EXPECT_EQ(ready.error().code, Errc::not_ready);
    grape.release();
    co_await link->stop();
  };
  test::run(io, test());
}

TEST_F(RpcTest, theErrorOfTheServiceReachesTheCallerAndIsNotRetried) {
  auto test = [this]() -> Awaitable<void> {
    Service& a = serve("A");
    Service& b = serve("B");
    auto reply = co_await client->request("svc", "fail");
    EXPECT_EQ(reply.error().code, Errc::remote);
    EXPECT_EQ(reply.error().text(), "ERR_OWN: no");
    EXPECT_EQ(a.request_count + b.request_count, 1);
    reply = co_await client->request("svc", "throw");
    EXPECT_EQ(reply.error().text(), "ERR_REQUEST_HANDLER");
  };
  test::run(io, test());
}

TEST_F(RpcTest, worksInGzipBothWays) {
  auto test = [this]() -> Awaitable<void> {
    serve("A");
    RequestOptions options;
    options.compress = true;
    std::string const large(100'000, 'x');
    auto const reply = co_await client->request("svc", large, options);
    EXPECT_TRUE(reply);
    EXPECT_EQ(*reply->at(2)->as_string(), large);
  };
  test::run(io, test());
}

TEST_F(RpcTest, aBombIsNeitherExpandedByTheServerNorByTheClient) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options server_options;
    server_options.expanded_bytes_max = 10'000;
    Service& service = serve("A", server_options);
    RequestOptions options;
    options.compress = true;
    auto reply = co_await client->request("svc", std::string(20'000, 'x'), options);
    EXPECT_EQ(reply.error().code, Errc::request_generic);
    EXPECT_EQ(service.request_count, 0);

    Client::Options client_options;
    client_options.expanded_bytes_max = 1'000;
    make_client(client_options);
    reply = co_await client->request("svc", std::string(5'000, 'x'), options);
    EXPECT_EQ(reply.error().code, Errc::reply_encoding_compression);
    EXPECT_EQ(service.request_count, 1);
  };
  test::run(io, test());
}

TEST_F(RpcTest, aRequestTooLargeIsRefusedInWords) {
  auto test = [this]() -> Awaitable<void> {
    Server::Options server_options;
    server_options.body_bytes_max = 1000;
    serve("A", server_options);
    auto const reply = co_await client->request("svc", std::string(2'000, 'x'));
    EXPECT_EQ(reply.error().text(), "ERR_REQUEST_GENERIC: [null, \"ERR_REQUEST_SIZE\", null]");
  };
  test::run(io, test());
}

TEST_F(RpcTest, asksAnotherWhenADestinationIsDead) {
  auto test = [this]() -> Awaitable<void> {
    for (int i = 0; i < 4; ++i) grape.add("svc", dead());
    serve("A");
    RequestOptions options;
    options.retry_count = 0;  // the dead have not seen the request: asking on is no repetition
    for (int i = 0; i < 10; ++i) {
      auto const reply = co_await client->request("svc", "x", options);
      EXPECT_EQ(who(reply), "A");
    }
  };
  test::run(io, test());
}

TEST_F(RpcTest, repeatsAsOftenAsAllowedAfterALostConnection) {
  auto test = [this]() -> Awaitable<void> {
    Service& a = serve("A");
    Service& b = serve("B");
    auto lose = [](Service& service) -> Awaitable<void> {
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
    int const lookups = grape.lookup_count;
    reply = co_await client->request("svc", "x", options);  // the failure has emptied the cache
    EXPECT_EQ(grape.lookup_count, lookups + 1);
    EXPECT_EQ(reply.error().text(), "ERR_REQUEST_GENERIC: Connection refused");
  };
  test::run(io, test());
}

TEST_F(RpcTest, doesNotRepeatWhatMustNotHappenTwice) {
  auto test = [this]() -> Awaitable<void> {
    Service& a = serve("A");
    std::vector<RpcResult<Value>> results;
    RequestOptions options;
    options.retry_count = 0;
    auto once = [&]() -> Awaitable<void> {
      auto result = co_await client->request("svc", "wait", options);
      results.push_back(std::move(result));
    };
    tasks.spawn(once());
    co_await a.until_entered(1);
    Service& b = serve("B");
    link->forget("svc");
    a.server.reset();
    co_await tasks.drained(10s);
    EXPECT_EQ(results.at(0).error().code, Errc::request_generic);
    EXPECT_EQ(b.request_count, 0);
  };
  test::run(io, test());
}

TEST_F(RpcTest, aTimeoutCoversLookupAndRequest) {
  auto test = [this]() -> Awaitable<void> {
    serve("A");
    RequestOptions options;
    options.timeout = 20ms;
    auto reply = co_await client->request("svc", "wait", options);
    EXPECT_EQ(reply.error().code, Errc::timeout);
    EXPECT_EQ(reply.error().text(), "ERR_TIMEOUT");
    grape.hold();
    reply = co_await client->request("other", "x", options);
    EXPECT_EQ(reply.error().code, Errc::timeout);
    grape.release();
  };
  test::run(io, test());
}

TEST_F(RpcTest, neverCallsItself) {
  auto test = [this]() -> Awaitable<void> {
    Service& self = serve("self");
    client->exclude(self.at.to_string());
    auto reply = co_await client->request("svc", "x");
    EXPECT_EQ(reply.error().code, Errc::lookup_empty);
    serve("A");
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

TEST_F(RpcTest, mapAsksAllAndOneDeadFailsAlone) {
  auto test = [this]() -> Awaitable<void> {
    serve("A");
    std::string const gone = dead();
    grape.add("svc", gone);
    serve("B");
    auto const entries = co_await client->map("svc", "x", MapOptions());
    EXPECT_TRUE(entries);
    EXPECT_EQ(entries->size(), 3u);
    EXPECT_EQ(who(entries->at(0).reply), "A");
    EXPECT_EQ(entries->at(1).destination, gone);
    EXPECT_EQ(entries->at(1).reply.error().text(), "ERR_REQUEST_GENERIC: Connection refused");
    EXPECT_EQ(who(entries->at(2).reply), "B");
  };
  test::run(io, test());
}

TEST_F(RpcTest, mapIsBoundedInNumberAndInParallel) {
  auto test = [this]() -> Awaitable<void> {
    Client::Options options;
    options.map_parallel_max = 2;
    make_client(options);
    for (int i = 0; i < 5; ++i) serve(std::to_string(i));
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

TEST_F(RpcTest, manyRequestsShareFewConnections) {
  auto test = [this]() -> Awaitable<void> {
    Service& service = serve("A");
    std::vector<RpcResult<Value>> results;
    for (int i = 0; i < 200; ++i) tasks.spawn(ask(Value{i}, results));
    co_await tasks.drained(20s);
    EXPECT_EQ(results.size(), 200u);
    for (auto const& result : results) EXPECT_TRUE(result);
    EXPECT_EQ(service.request_count, 200);
    EXPECT_LE(client->connection_count(), 8u);
    EXPECT_EQ(grape.lookup_count, 1);
  };
  test::run(io, test());
}

TEST_F(RpcTest, asksAGivenDestination) {
  auto test = [this]() -> Awaitable<void> {
    Service& service = serve("A");
    auto reply = co_await client->request_to(service.at.to_string(), "any name", "x", kDefaults);
    EXPECT_TRUE(reply);
    EXPECT_EQ(*reply->at(1), Value{"any name"});
    EXPECT_EQ(grape.lookup_count, 0);
    reply = co_await client->request_to("nonsense", "svc", "x", kDefaults);
    EXPECT_EQ(reply.error().text(), "ERR_REQUEST_GENERIC: not a destination: nonsense");
  };
  test::run(io, test());
}

TEST_F(RpcTest, stopFailsWhatIsUnderWay) {
  auto test = [this]() -> Awaitable<void> {
    Service& service = serve("A");
    std::vector<RpcResult<Value>> results;
    tasks.spawn(ask("wait", results));
    co_await service.until_entered(1);
    co_await client->stop();
    co_await tasks.drained(10s);
    EXPECT_EQ(results.at(0).error().code, Errc::stopped);
  };
  test::run(io, test());
}

TEST_F(RpcTest, aRequestUnderWayIsAnsweredBeforeTheServerStops) {
  auto test = [this]() -> Awaitable<void> {
    Service& service = serve("A");
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

}  // namespace
}  // namespace grenache::rpc
