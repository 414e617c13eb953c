// How a Link announces services, again and again, and takes them back.
#include <filesystem>
#include <functional>
#include <set>

#include "tests/support/temporary_folder.hpp"
#include "tests/unit/rpc/link_fixture.hpp"

namespace grenache::rpc {
namespace {

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

TEST_F(LinkTest, announcesAgainWhenTheGrapeWasKilledAndRestartedWithItsState) {
  test::TemporaryFolder const folder;
  auto const state = folder.path() / "state";
  auto const older_state = folder.path() / "older";
  InProcessDht::Options keeping;
  keeping.grape.state_folder = state;
  InProcessDht network{io.get_executor(), keeping};
  test::run(io, network.ready());
  auto test = [&]() -> Awaitable<void> {
    co_await network.stop(0);  // saves its id
    std::filesystem::copy(state, older_state, std::filesystem::copy_options::recursive);
    network.restart(0);
    Link::Options options = patient({network.address()});
    options.announce_interval = 1h;
    options.announce_retry = 1h;
    options.watch_interval = 300ms;  // so that it hardly ever meets the grape while it is stopped
    Link link{io.get_executor(), options, Random{1}};
    link.start_announcing("svc", 7000);
    auto const confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    auto const id = network.grape().node().id();
    auto const asked = network.grape().status().http.requests;
    while (network.grape().status().http.requests == asked) co_await a_moment();  // until the link looks
    co_await network.stop(0);
    std::filesystem::remove_all(state);  // what it would have after SIGKILL: none of the service
    std::filesystem::copy(older_state, state, std::filesystem::copy_options::recursive);
    network.restart(0);
    EXPECT_EQ(network.grape().node().id(), id);
    co_await until_listed(network, "svc");
    co_await link.stop();
  };
  test::run(io, test());
}

/// A grape that restarts without a lost connection: only its answer to GET /health shows it.
struct RestartedGrapeTest : MisledLinkTest {
  Awaitable<void> expect_announced_again_after(std::function<void()> restart) {
    Link::Options options = one_grape();
    options.announce_interval = 1h;
    options.announce_retry = 1h;
    options.watch_interval = 1ms;
    Link link{io.get_executor(), options, Random{1}};
    grape->id = "first";
    grape->run = "1";
    link.start_announcing("svc", 7000);
    auto const confirmed = co_await link.announced("svc", 7000, 10s);
    EXPECT_TRUE(confirmed);
    auto const watched = grape->health_count;
    while (grape->health_count < watched + 2) co_await a_moment();
    grape->services.clear();
    restart();
    while (grape->services["svc"].empty()) co_await grape->announced.wait();
    co_await link.stop();
    EXPECT_TRUE(grape->services["svc"].empty());
  }
};

TEST_F(RestartedGrapeTest, isToldOfTheServicesAgainWhenItsRunChanges) {
  test::run(io, expect_announced_again_after([this] { grape->run = "2"; }));
}

TEST_F(RestartedGrapeTest, isToldOfTheServicesAgainWhenItsIdChanges) {
  test::run(io, expect_announced_again_after([this] { grape->id = "second"; }));
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

}  // namespace
}  // namespace grenache::rpc
