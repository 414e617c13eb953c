// Services in a network of several grapes, each peer at a grape of its own.
#include <algorithm>
#include <set>

#include "tests/unit/rpc/rpc_fixture.hpp"

namespace grenache::rpc {
namespace {

using Destinations = std::vector<std::string>;

struct DhtTest : testing::Test {
  explicit DhtTest(InProcessDht::Options options = {.grape_count = 3}) : dht{io.get_executor(), options} {
    test::run(io, dht.ready());
    for (std::size_t i = 0; i < dht.size(); ++i) {
      Link::Options link_options;
      link_options.grapes = {dht.address(i)};
      link_options.cache.age_max = Duration::zero();  // what the network says now
      links.emplace_back(io.get_executor(), link_options, Random{i + 1});
    }
  }
  Link& link(std::size_t grape) { return *std::next(links.begin(), static_cast<std::ptrdiff_t>(grape)); }
  /// A service that has announced itself through `grape`.
  Awaitable<TestService*> serve(std::string name, std::size_t grape) {
    TestService& service = services.emplace_back(io, std::move(name), server_options(Transport::http));
    service.server->announce(link(grape), "svc");
    auto const ready = co_await service.server->ready(10s);
    EXPECT_TRUE(ready);
    co_return &service;
  }
  static Awaitable<void> stop(TestService& service) {
    bool const graceful = co_await service.server->stop(10s);
    EXPECT_TRUE(graceful);
  }
  Awaitable<std::string> ask(std::size_t grape) {
    Client client{io.get_executor(), link(grape), Client::Options{}, Random{9}};
    auto const reply = co_await client.request("svc", "x");
    co_await client.stop();
    co_return reply ? who(reply) : reply.error().text();
  }
  Awaitable<void> stop_links() {
    for (Link& each : links) co_await each.stop();
  }

  boost::asio::io_context io{1};
  InProcessDht dht;
  std::list<Link> links;  // one to each grape
  std::list<TestService> services;
};

/// Grapes notice soon that another one is gone.
struct HastyDhtTest : DhtTest {
  HastyDhtTest() : DhtTest{hasty()} {}
  static InProcessDht::Options hasty() {
    InProcessDht::Options options{.grape_count = 3};
    options.grape.node.transactions.late = 100ms;
    return options;
  }
};

TEST_F(DhtTest, aServiceAnnouncedAtOneGrapeIsFoundThroughAllOthers) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A", 0);
    for (std::size_t grape = 0; grape < dht.size(); ++grape) {
      auto const found = co_await link(grape).lookup("svc");
      EXPECT_EQ(*found, Destinations{service.at.to_string()}) << grape;
      auto const answer = co_await ask(grape);
      EXPECT_EQ(answer, "A") << grape;
    }
    co_await stop_links();
  };
  test::run(io, test());
}

TEST_F(DhtTest, afterItsStopNobodyFindsAServiceAtAnyGrape) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A", 1);
    auto answer = co_await ask(2);
    EXPECT_EQ(answer, "A");
    co_await stop(service);
    co_await link(1).stop();  // has taken it back
    for (std::size_t grape = 0; grape < dht.size(); ++grape) {
      auto const found = co_await dht.lookup("svc", grape);
      EXPECT_EQ(found, Destinations{}) << grape;
    }
    answer = co_await ask(2);
    EXPECT_EQ(answer, "ERR_GRAPE_LOOKUP_EMPTY");
    co_await stop_links();
  };
  test::run(io, test());
}

TEST_F(DhtTest, twoServicesOfOneNameAreFoundTogetherAndGoOneByOne) {
  auto test = [this]() -> Awaitable<void> {
    TestService& a = *co_await serve("A", 0);
    TestService& b = *co_await serve("B", 1);
    Destinations both{a.at.to_string(), b.at.to_string()};
    std::ranges::sort(both);
    for (std::size_t grape = 0; grape < dht.size(); ++grape) {
      auto const found = co_await dht.lookup("svc", grape);
      EXPECT_EQ(found, both) << grape;
    }
    std::set<std::string> answers;
    while (answers.size() < 2) {
      auto const answer = co_await ask(2);
      answers.insert(answer);
    }
    EXPECT_EQ(answers, (std::set<std::string>{"A", "B"}));

    co_await stop(a);
    co_await link(0).stop();
    for (std::size_t grape = 0; grape < dht.size(); ++grape) {
      auto const found = co_await dht.lookup("svc", grape);
      EXPECT_EQ(found, Destinations{b.at.to_string()}) << grape;
    }
    co_await stop_links();
  };
  test::run(io, test());
}

TEST_F(DhtTest, aGrapeThatJoinsLaterFindsWhatIsThere) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A", 0);
    grape::Grape::Options newcomer;
    newcomer.bind = IpAddress{127, 0, 0, 1};
    newcomer.bootstrap = {{"127.0.0.1", dht.grape(2).dht_endpoint().port}};
    Log const log{LogLevel::error, LogFormat::text};
    grape::Grape late{io.get_executor(), newcomer, log};
    EXPECT_FALSE(late.start());
    Link::Options at_newcomer;
    at_newcomer.grapes = {HostPort{"127.0.0.1", late.api_endpoint().port}};
    Link newest{io.get_executor(), at_newcomer, Random{7}};
    auto const found = co_await newest.lookup("svc");  // waits until the grape has joined
    EXPECT_TRUE(found);
    EXPECT_EQ(*found, Destinations{service.at.to_string()});
    co_await newest.stop();
    co_await stop_links();
    co_await late.stop();
  };
  test::run(io, test());
}

TEST_F(HastyDhtTest, aServiceStaysFindableWhenItsGrapeOfThreeStops) {
  auto test = [this]() -> Awaitable<void> {
    TestService& service = *co_await serve("A", 0);
    std::uint32_t stored = 0;
    while (stored < 2) stored = co_await dht.announce("svc", service.at.port, 0);
    co_await dht.stop(0);
    auto const found = co_await dht.lookup("svc", 1);
    EXPECT_EQ(found, Destinations{service.at.to_string()});
    auto const answer = co_await ask(2);
    EXPECT_EQ(answer, "A");
    co_await stop_links();
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::rpc
