#include <set>

#include <gtest/gtest.h>

#include "tests/support/in_process_dht.hpp"
#include "tests/support/misbehaving_grape.hpp"
#include "tests/support/reserved_port.hpp"
#include "tests/support/run.hpp"
#include "tests/support/tls_files.hpp"
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/link.hpp>

namespace grenache::rpc {
namespace {

using namespace std::chrono_literals;
using net::Awaitable;
using test::InProcessDht;
using test::MisbehavingGrape;
using Destinations = std::vector<std::string>;

struct LinkFixture : testing::Test {
  boost::asio::io_context io{1};
  net::TaskGroup tasks{io.get_executor()};

  static Link::Options patient(std::vector<GrapeUrl> grapes) {
    Link::Options options;
    options.grapes = std::move(grapes);
    options.try_timeout = 10s;
    options.hedge_delay = 10s;
    options.unannounce_max = 10s;
    return options;
  }
  /// For what no event tells.
  Awaitable<void> a_moment() {
    net::AsyncEvent never{io.get_executor()};
    (void)co_await never.wait(net::steady_now() + 1ms);
  }
  Awaitable<void> stop(Link& link) { co_await link.stop(); }
  Awaitable<void> look_up(Link& link, std::string name, std::vector<RpcResult<Destinations>>& results) {
    auto result = co_await link.lookup(std::move(name));
    results.push_back(std::move(result));
  }
};

/// Beside real grapes: two of one network, and one of another.
struct LinkTest : LinkFixture {
  InProcessDht dht{io.get_executor(), {.grape_count = 2}};
  InProcessDht elsewhere{io.get_executor()};

  LinkTest() { test::run(io, dht.ready()); }
  Link::Options one_grape() const { return patient({dht.address()}); }
  Link::Options lone_grape() const { return patient({elsewhere.address()}); }
  /// Of the first of the network.
  [[nodiscard]] grape::NodeStats stats() const { return dht.grape().node().stats(); }
  Awaitable<void> until_listed(InProcessDht& at, std::string name) {
    for (;;) {
      auto const found = co_await at.lookup(name, at.size() - 1);
      if (!found.empty()) co_return;
      co_await a_moment();
    }
  }
};

/// Beside grapes that do not answer, or not as they should.
struct MisledLinkTest : LinkFixture {
  std::optional<MisbehavingGrape> grape{std::in_place, io.get_executor()};
  std::optional<MisbehavingGrape> other{std::in_place, io.get_executor()};

  Link::Options one_grape() const { return patient({grape->address()}); }
  Link::Options two_grapes() const { return patient({grape->address(), other->address()}); }
};

TEST(GrapeUrl, isAnHttpUrlOrHostAndPort) {
  for (std::string_view const text :
       {"http://127.0.0.1:30001", "http://127.0.0.1:30001/", "127.0.0.1:30001"}) {
    auto const url = parse_grape_url(text);
    ASSERT_TRUE(url) << text;
    EXPECT_EQ(url->to_string(), "http://127.0.0.1:30001");
    EXPECT_EQ(url->at.host, "127.0.0.1");
    EXPECT_EQ(url->at.port, 30001);
    EXPECT_FALSE(url->uses_tls);
    EXPECT_EQ(url->base_path, "");
  }
  for (std::string_view const text :
       {"", "http://", "https://", "ftp://a:1", "a", "http://a:0", "a:70000", "http://u:p@a:1",
        "http://a:1/b?c", "http://a:1/b#c", "http://a:1/b c", "http://a:1/b\r\nX: y", "http://a:1?b"}) {
    EXPECT_FALSE(parse_grape_url(text)) << text;
  }
}

TEST(GrapeUrl, mayBeHttpsAndHaveAPath) {
  std::pair<std::string_view, std::string_view> const urls[] = {
      {"https://grape.example.com", "https://grape.example.com:443"},
      {"https://grape.example.com/dht/", "https://grape.example.com:443/dht"},
      {"https://grape.example.com:8443/a/b", "https://grape.example.com:8443/a/b"},
      {"http://proxy/grape", "http://proxy:80/grape"},
      {"http://[::1]:30001/x", "http://[::1]:30001/x"},
      {"https://[::1]", "https://[::1]:443"},
  };
  for (auto const& [text, whole] : urls) {
    auto const url = parse_grape_url(text);
    ASSERT_TRUE(url) << text;
    EXPECT_EQ(url->to_string(), whole);
    EXPECT_EQ(url->uses_tls, text.starts_with("https"));
  }
}

TEST(Jitter, isHalfToOneAndAHalf) {
  Random random{1};
  std::set<Duration> seen;
  for (int i = 0; i < 1000; ++i) {
    Duration const wait = jittered(2min, random);
    EXPECT_GE(wait, 1min);
    EXPECT_LE(wait, 3min);
    seen.insert(wait);
  }
  EXPECT_GT(seen.size(), 900u);
  EXPECT_LT(*seen.begin(), 70s);
  EXPECT_GT(*seen.rbegin(), 170s);
}

TEST_F(LinkTest, findsWhatWasAnnounced) {
  auto test = [this]() -> Awaitable<void> {
    Link link{io.get_executor(), one_grape(), Random{1}};
    auto const count = co_await link.announce("rpc_test", 1337);
    EXPECT_TRUE(count);
    EXPECT_EQ(*count, 1u);
    auto const found = co_await link.lookup("rpc_test");
    EXPECT_TRUE(found);
    EXPECT_EQ(*found, Destinations{"127.0.0.1:1337"});
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(LinkTest, asksOnceWhatIsCachedOrUnderWay) {
  auto test = [this]() -> Awaitable<void> {
    co_await dht.announce("svc", 1, 1);
    Link link{io.get_executor(), one_grape(), Random{1}};
    std::vector<RpcResult<Destinations>> results;
    for (int i = 0; i < 5; ++i) tasks.spawn(look_up(link, "svc", results));
    co_await tasks.drained(10s);
    EXPECT_EQ(results.size(), 5u);
    for (auto const& result : results) EXPECT_TRUE(result);
    auto found = co_await link.lookup("svc");
    EXPECT_TRUE(found);
    EXPECT_EQ(stats().lookups, 1u);
    link.forget("svc");
    found = co_await link.lookup("svc");
    EXPECT_EQ(stats().lookups, 2u);
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, tellsAGrapeThatHasNotJoinedFromOneThatKnowsNobody) {
  auto test = [this]() -> Awaitable<void> {
    Link link{io.get_executor(), one_grape(), Random{1}};
    grape->health = "joining";
    auto result = co_await link.lookup("svc");
    EXPECT_EQ(result.error().code, Errc::not_ready);
    EXPECT_EQ(result.error().text(), "ERR_GRAPE_NOT_READY: the grape is joining");
    grape->health.clear();
    result = co_await link.lookup("svc");
    EXPECT_EQ(result.error().code, Errc::lookup_empty);
    co_await link.stop();
  };
  test::run(io, test());
}

TEST(RpcError, hasTheGrenacheNameAsItsMessage) {
  Error const error = Errc::lookup_empty;
  EXPECT_STREQ(error.category().name(), "grenache.rpc");
  EXPECT_EQ(error.message(), "ERR_GRAPE_LOOKUP_EMPTY");
  EXPECT_EQ(error, Errc::lookup_empty);
  EXPECT_NE(error, Errc::not_ready);
}

TEST_F(LinkTest, tellsEmptyFromUnreachable) {
  auto test = [this]() -> Awaitable<void> {
    Link link{io.get_executor(), lone_grape(), Random{1}};
    auto result = co_await link.lookup("nobody");
    EXPECT_EQ(result.error().code, Errc::lookup_empty);
    EXPECT_EQ(result.error().text(), "ERR_GRAPE_LOOKUP_EMPTY");
    result = co_await link.lookup("nobody");
    EXPECT_EQ(elsewhere.grape().node().stats().lookups, 2u);  // not cached: somebody may have come

    co_await elsewhere.stop();
    result = co_await link.lookup("nobody");
    EXPECT_EQ(result.error().code, Errc::grape_unreachable);
    EXPECT_EQ(result.error().text(), "ERR_GRAPE_UNREACHABLE: Connection refused");
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(LinkTest, tellsWhatAGrapeRefuses) {
  auto test = [this]() -> Awaitable<void> {
    Link link{io.get_executor(), one_grape(), Random{1}};
    std::string const too_long(2000, 'x');
    auto const result = co_await link.lookup(too_long);
    EXPECT_EQ(result.error().text(), "ERR_GRAPE_GENERIC: ERR_GRAPE_LOOKUP");
    auto const announced = co_await link.announce(too_long, 1);
    EXPECT_EQ(announced.error().code, Errc::grape_refused);
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(LinkTest, asksAnotherGrapeWhenOneIsGone) {
  auto test = [this]() -> Awaitable<void> {
    co_await dht.announce("svc", 2, 1);
    co_await elsewhere.stop();
    Link link{io.get_executor(), patient({elsewhere.address(), dht.address()}), Random{1}};
    auto const found = co_await link.lookup("svc");
    EXPECT_TRUE(found);
    EXPECT_EQ(*found, Destinations{"127.0.0.1:2"});
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, asksAnotherGrapeAsWellWhenOneIsSlow) {
  auto test = [this]() -> Awaitable<void> {
    other->add("svc", "127.0.0.1:2");
    Link::Options options = two_grapes();
    options.hedge_delay = 1ms;
    grape->hold();
    Link link{io.get_executor(), options, Random{1}};
    auto found = co_await link.lookup("svc");
    EXPECT_TRUE(found);
    EXPECT_EQ(*found, Destinations{"127.0.0.1:2"});
    EXPECT_EQ(other->lookup_count, 1);
    link.forget("svc");
    found = co_await link.lookup("svc");  // the slow one is passed over now
    EXPECT_TRUE(found);
    EXPECT_EQ(other->lookup_count, 2);
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, theSlowGrapeMayStillBeTheFirstToAnswer) {
  auto test = [this]() -> Awaitable<void> {
    grape->add("svc", "127.0.0.1:1");
    Link::Options options = two_grapes();
    options.hedge_delay = 1ms;
    grape->hold();
    other->hold();
    Link link{io.get_executor(), options, Random{1}};
    std::vector<RpcResult<Destinations>> results;
    tasks.spawn(look_up(link, "svc", results));
    while (other->lookup_count == 0) co_await a_moment();
    grape->release();
    co_await tasks.drained(10s);
    EXPECT_TRUE(results.at(0));
    EXPECT_EQ(*results.at(0), Destinations{"127.0.0.1:1"});
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, speaksHttpsAndABasePath) {
  auto test = [this]() -> Awaitable<void> {
    auto const authority = test::make_authority("authority");
    auto const identity = test::make_identity("localhost", authority);
    net::TlsOptions tls;
    tls.certificate = identity.certificate;
    tls.key = identity.key;
    net::HttpServer::Options server;
    server.tls = net::TlsContext::make_server(tls).value();
    MisbehavingGrape proxied{io.get_executor(), 0, server, "/dht"};
    proxied.add("svc", "127.0.0.1:3");
    GrapeUrl url{proxied.address()};
    url.uses_tls = true;
    url.base_path = "/dht";
    Link::Options options = one_grape();
    options.grapes = {url};
    options.tls.ca = authority.certificate;
    Link link{io.get_executor(), options, Random{1}};
    auto const found = co_await link.lookup("svc");
    EXPECT_TRUE(found);
    EXPECT_EQ(*found, Destinations{"127.0.0.1:3"});
    co_await link.stop();

    options.tls.ca.clear();  // then the authorities of the system count
    Link stranger{io.get_executor(), options, Random{1}};
    auto const refused = co_await stranger.lookup("svc");
    EXPECT_EQ(refused.error().code, Errc::grape_unreachable);
    co_await stranger.stop();

    options.tls.ca = "no PEM";
    Link wrong{io.get_executor(), options, Random{1}};
    auto const failed = co_await wrong.lookup("svc");
    EXPECT_EQ(failed.error().text(), "ERR_GRAPE_UNREACHABLE: the TLS authorities are not PEM");
    co_await wrong.stop();
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, aDeadlineEndsTheWaitButNotTheSharedLookup) {
  auto test = [this]() -> Awaitable<void> {
    grape->add("svc", "127.0.0.1:1");
    grape->hold();
    Link link{io.get_executor(), one_grape(), Random{1}};
    std::vector<RpcResult<Destinations>> results;
    tasks.spawn(look_up(link, "svc", results));
    auto const result = co_await link.lookup("svc", net::steady_now() + 20ms);
    EXPECT_EQ(result.error().code, Errc::timeout);
    grape->release();
    co_await tasks.drained(10s);
    EXPECT_TRUE(results.at(0));
    EXPECT_EQ(grape->lookup_count, 1);
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(LinkTest, announcesAgainAndAgainUntilStopped) {
  auto test = [this]() -> Awaitable<void> {
    Link::Options options = one_grape();
    options.announce_interval = 2ms;
    Link link{io.get_executor(), options, Random{1}};
    link.start_announcing("svc", 7000);
    link.start_announcing("svc", 7000);
    auto const confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    auto found = co_await dht.lookup("svc", 1);
    EXPECT_EQ(found, Destinations{"127.0.0.1:7000"});
    while (stats().announces < 5) co_await a_moment();
    EXPECT_TRUE(link.stop_announcing("svc", 7000));
    EXPECT_FALSE(link.stop_announcing("svc", 7000));
    co_await link.stop();
    auto const count = stats().announces;
    Link later{io.get_executor(), options, Random{2}};
    later.start_announcing("later", 7001);
    while (stats().announces < count + 5) co_await a_moment();
    co_await later.stop();
    found = co_await dht.lookup("svc", 1);
    EXPECT_EQ(found, Destinations{});  // nobody has announced it again
  };
  test::run(io, test());
}

TEST_F(LinkTest, takesAServiceBackWhenItIsStopped) {
  auto test = [this]() -> Awaitable<void> {
    Link link{io.get_executor(), one_grape(), Random{1}};
    link.start_announcing("stopped", 7000);
    link.start_announcing("dropped with the link", 7001);
    for (std::string const name : {"stopped", "dropped with the link"}) {
      std::uint16_t const at = name == "stopped" ? 7000 : 7001;
      auto const confirmed = co_await link.announced(name, at, 10s);
      EXPECT_TRUE(confirmed);
      auto const found = co_await dht.lookup(name, 1);
      EXPECT_EQ(found.size(), 1u);
    }
    link.stop_announcing("stopped", 7000);
    co_await link.stop();
    for (std::string const name : {"stopped", "dropped with the link"}) {
      auto const found = co_await dht.lookup(name, 1);
      EXPECT_EQ(found, Destinations{}) << name;
    }
    EXPECT_EQ(stats().unannounces, 2u);
  };
  test::run(io, test());
}

TEST_F(LinkTest, announcesAgainWhatWasTakenBackTooEarly) {
  auto test = [this]() -> Awaitable<void> {
    Link link{io.get_executor(), one_grape(), Random{1}};
    link.start_announcing("svc", 7000);
    auto confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    link.stop_announcing("svc", 7000);
    link.start_announcing("svc", 7000);
    confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    auto const found = co_await dht.lookup("svc", 1);
    EXPECT_EQ(found, Destinations{"127.0.0.1:7000"});
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, aGrapeThatCannotTakeBackIsNoReasonToFail) {
  auto test = [this]() -> Awaitable<void> {
    grape->knows_unannounce = false;
    Link link{io.get_executor(), one_grape(), Random{1}};
    link.start_announcing("svc", 7000);
    auto const confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    co_await link.stop();
    EXPECT_EQ(grape->unannounce_count, 1);
  };
  test::run(io, test());
}

TEST_F(LinkTest, anAnnouncementIsConfirmedWhenTheGrapeComesBack) {
  auto test = [this]() -> Awaitable<void> {
    Link::Options options = lone_grape();
    options.watch_interval = 1ms;
    co_await elsewhere.stop(0);
    Link link{io.get_executor(), options, Random{1}};
    link.start_announcing("svc", 7000);
    Errc failure = Errc::not_ready;
    while (failure == Errc::not_ready) {
      auto const confirmed = co_await link.announced("svc", 7000, 1ms);
      EXPECT_FALSE(confirmed);
      failure = confirmed.error().code;
    }
    EXPECT_EQ(failure, Errc::grape_unreachable);
    elsewhere.restart(0);
    auto const confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(LinkTest, announcesAgainWhenTheGrapeWasRestarted) {
  auto test = [this]() -> Awaitable<void> {
    Link::Options options = lone_grape();
    options.announce_interval = 1h;
    options.announce_retry = 1h;
    options.watch_interval = 1ms;
    Link link{io.get_executor(), options, Random{1}};
    link.start_announcing("svc", 7000);
    auto const confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    co_await elsewhere.stop(0);
    elsewhere.restart(0);  // knows nobody
    co_await until_listed(elsewhere, "svc");
    co_await link.stop();
    auto const found = co_await elsewhere.lookup("svc");
    EXPECT_EQ(found, Destinations{});
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, announcesAgainWhenAnotherGrapeAnswersOnTheSameConnection) {
  auto test = [this]() -> Awaitable<void> {
    Link::Options options = one_grape();
    options.announce_interval = 1h;
    options.announce_retry = 1h;
    options.watch_interval = 1ms;
    Link link{io.get_executor(), options, Random{1}};
    grape->id = "first";
    link.start_announcing("svc", 7000);
    auto const confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    auto const watched = grape->health_count;
    while (grape->health_count < watched + 2) co_await a_moment();
    grape->services.clear();
    grape->id = "second";
    while (grape->services["svc"].empty()) co_await grape->announced.wait();
    co_await link.stop();
    EXPECT_TRUE(grape->services["svc"].empty());
  };
  test::run(io, test());
}

TEST_F(LinkTest, announcesAtAnotherGrapeWhenOneIsLost) {
  auto test = [this]() -> Awaitable<void> {
    Link::Options options = patient({elsewhere.address(), dht.address()});
    options.announce_interval = 1h;
    options.watch_interval = 1ms;
    Link link{io.get_executor(), options, Random{1}};
    link.start_announcing("svc", 7000);
    auto const confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    EXPECT_EQ(stats().announces, 0u);
    co_await elsewhere.stop();
    co_await until_listed(dht, "svc");
    co_await link.stop();
    auto const found = co_await dht.lookup("svc", 1);
    EXPECT_EQ(found, Destinations{});
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, isTakenBackAtEachGrapeThatMayListIt) {
  auto test = [this]() -> Awaitable<void> {
    Link::Options options = two_grapes();
    options.hedge_delay = 1ms;
    grape->hold();
    Link link{io.get_executor(), options, Random{1}};
    link.start_announcing("svc", 7000);
    auto const confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);  // by the other one; the first lists it, but does not answer
    EXPECT_EQ(grape->services["svc"].size(), 1u);
    EXPECT_EQ(other->services["svc"].size(), 1u);
    tasks.spawn(stop(link));
    while (grape->unannounce_count == 0) co_await grape->unannounced.wait();
    grape->release();
    co_await tasks.drained(10s);
    EXPECT_TRUE(grape->services["svc"].empty());
    EXPECT_TRUE(other->services["svc"].empty());
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, nothingIsLeftOfAnAnnouncementThatWasNeverConfirmed) {
  auto test = [this]() -> Awaitable<void> {
    grape->hold();
    Link link{io.get_executor(), one_grape(), Random{1}};
    link.start_announcing("svc", 7000);
    while (grape->announce_count == 0) co_await grape->announced.wait();
    auto const confirmed = co_await link.announced("svc", 7000, 1ms);
    EXPECT_EQ(confirmed.error().code, Errc::not_ready);
    tasks.spawn(stop(link));
    while (grape->unannounce_count == 0) co_await grape->unannounced.wait();
    EXPECT_TRUE(grape->services["svc"].empty());
    grape->release();
    co_await tasks.drained(10s);
  };
  test::run(io, test());
}

TEST_F(LinkTest, anotherGrapeTakesBackWhatALostOneHasAnnounced) {
  InProcessDht::Options hasty{.grape_count = 2};
  hasty.grape.node.transactions.late = 100ms;  // to notice soon that a grape is gone
  InProcessDht network{io.get_executor(), hasty};
  test::run(io, network.ready());
  auto test = [&]() -> Awaitable<void> {
    Link::Options options = patient({network.address(0), network.address(1)});
    options.watch_interval = 1h;
    Link link{io.get_executor(), options, Random{1}};
    link.start_announcing("svc", 7000);
    auto const confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    std::uint32_t stored = 0;
    while (stored < 1) stored = co_await network.announce("svc", 7000, 0);
    co_await network.stop(0);
    co_await link.stop();
    auto const found = co_await network.lookup("svc", 1);
    EXPECT_EQ(found, Destinations{});
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, aGrapeThatHangsDoesNotDelayStoppingForEver) {
  auto test = [this]() -> Awaitable<void> {
    Link::Options options = one_grape();
    options.unannounce_max = 1ms;
    Link link{io.get_executor(), options, Random{1}};
    link.start_announcing("svc", 7000);
    auto const confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    grape->hold();
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(LinkTest, isReadyAsSoonAsAGrapeAnswers) {
  auto test = [this]() -> Awaitable<void> {
    Link::Options options = lone_grape();
    options.ready_poll = 5ms;
    co_await elsewhere.stop(0);
    Link link{io.get_executor(), options, Random{1}};
    auto const before = co_await link.wait_ready(20ms);
    EXPECT_TRUE(!before && before.error().code == Errc::grape_unreachable);
    elsewhere.restart(0);
    auto const ready = co_await link.wait_ready(10s);
    EXPECT_TRUE(ready);
    EXPECT_EQ(elsewhere.grape().node().stats().lookups, 0u);
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, isReadyAlthoughTheFirstGrapeHangs) {
  auto test = [this]() -> Awaitable<void> {
    Link::Options options = two_grapes();
    options.hedge_delay = 1ms;
    grape->hold();
    Link link{io.get_executor(), options, Random{1}};
    auto const ready = co_await link.wait_ready(Duration::max());
    EXPECT_TRUE(ready);
    co_await link.stop();
  };
  test::run(io, test());
}

TEST_F(MisledLinkTest, stopFailsWhatIsUnderWay) {
  auto test = [this]() -> Awaitable<void> {
    grape->hold();
    Link::Options options = one_grape();
    options.unannounce_max = 1ms;
    Link link{io.get_executor(), options, Random{1}};
    std::vector<RpcResult<Destinations>> results;
    tasks.spawn(look_up(link, "svc", results));
    link.start_announcing("svc", 7000);
    while (grape->announce_count == 0) co_await grape->announced.wait();
    co_await link.stop();
    co_await tasks.drained(10s);
    EXPECT_EQ(results.at(0).error().code, Errc::stopped);
    auto const late = co_await link.lookup("svc");
    EXPECT_EQ(late.error().code, Errc::stopped);
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::rpc
