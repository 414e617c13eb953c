// How a Link finds services, and how it tells that it cannot.
#include <string_view>

#include "tests/support/tls_files.hpp"
#include "tests/unit/rpc/link_fixture.hpp"

namespace grenache::rpc {
namespace {

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

TEST(RpcError, hasTheGrenacheNameAsItsMessage) {
  Error const error = Errc::lookup_empty;
  EXPECT_STREQ(error.category().name(), "grenache.rpc");
  EXPECT_EQ(error.message(), "ERR_GRAPE_LOOKUP_EMPTY");
  EXPECT_EQ(error, Errc::lookup_empty);
  EXPECT_NE(error, Errc::not_ready);
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

TEST(LinkWithoutGrapes, failsEveryLookupAndAnnouncementAtOnce) {
  boost::asio::io_context io{1};
  auto test = [&io]() -> Awaitable<void> {
    Link link{io.get_executor(), Link::Options{}, Random{1}};
    auto const found = co_await link.lookup("svc");
    EXPECT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::grape_unreachable);
    EXPECT_EQ(found.error().detail, "no grape is configured");
    auto const count = co_await link.announce("svc", 7000);
    EXPECT_FALSE(count);
    link.start_announcing("svc", 7000);
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
