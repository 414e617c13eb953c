// Publisher and Subscriber together, found in a DHT.
#include <list>
#include <set>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "tests/support/in_process_dht.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/reserved_port.hpp"
#include "tests/support/run.hpp"
#include "tests/support/tls_files.hpp"
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/publisher.hpp>
#include <grenache/rpc/subscriber.hpp>

namespace grenache::rpc {
namespace {

using namespace std::chrono_literals;
using net::Awaitable;
using test::InProcessDht;

std::string const kUpgrade =
    "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

struct PubSub : testing::Test {
  boost::asio::io_context io{1};
  InProcessDht dht{io.get_executor(), {.grape_count = 2}};
  std::list<test::ReservedPort> ports;
  std::optional<Link> link;   // to the first grape; publishers are announced at the second
  Subscriber::Options quick;  // in everything that a test would have to wait for

  PubSub() {
    test::run(io, dht.ready());
    Link::Options options;
    options.grapes = {dht.address()};
    options.cache.age_max = 1ms;
    link.emplace(io.get_executor(), options, Random{1});
    quick.lookup_interval = 10ms;
    quick.lookup_retry = 5ms;
    quick.retry_min = 1ms;
    quick.retry_max = 5ms;
  }

  Awaitable<void> announce(std::string name, Endpoint at) {
    (void)co_await dht.announce(std::move(name), at.port, 1);
  }
  std::unique_ptr<Publisher> listen_at(Endpoint const& at, Publisher::Options const& options = {}) {
    auto publisher = std::make_unique<Publisher>(io.get_executor(), options);
    EXPECT_TRUE(publisher->listen(at));
    return publisher;
  }
  /// A port that is nobody else's when its publisher has gone.
  Endpoint new_port() { return ports.emplace_back().endpoint(); }
  /// A publisher of "news"; not from inside of a coroutine.
  std::unique_ptr<Publisher> publish(Publisher::Options const& options) {
    auto publisher = listen_at(new_port(), options);
    test::run(io, announce("news", publisher->local_endpoint()));
    return publisher;
  }
  std::unique_ptr<Publisher> publish() { return publish(Publisher::Options{}); }
  /// The same from inside.
  Awaitable<std::unique_ptr<Publisher>> publish_now() {
    auto publisher = listen_at(new_port());
    co_await announce("news", publisher->local_endpoint());
    co_return publisher;
  }
  std::unique_ptr<Subscriber> subscribe(Subscriber::Options const& options) {
    return std::make_unique<Subscriber>(io.get_executor(), *link, "news", options, Random{2});
  }
  std::unique_ptr<Subscriber> subscribe() { return subscribe(quick); }
  static std::string text_of(RpcResult<Publication> const& result) {
    return result ? result->text : result.error().text();
  }
  /// Lets everything else happen until `done`.
  Awaitable<void> until(std::function<bool()> done) {
    while (!done()) co_await boost::asio::post(io, net::kTuple);
  }
};

TEST_F(PubSub, aSubscriberHearsAllPublishersOfTheName) {
  auto test = [this]() -> Awaitable<void> {
    auto const first = std::make_unique<Publisher>(io.get_executor(), Publisher::Options{});
    Endpoint const at = first->listen(new_port()).value();
    first->announce(*link, "news");
    auto const ready = co_await first->ready(10s);
    EXPECT_TRUE(ready);
    auto const second = co_await publish_now();
    auto const other = listen_at(new_port());
    co_await announce("other", other->local_endpoint());
    auto const subscriber = subscribe();
    subscriber->start();
    auto const connected = co_await subscriber->connected(2, 10s);
    EXPECT_TRUE(connected);
    EXPECT_EQ(first->publish("one \xe2\x82\xac"), 1u);
    auto message = co_await subscriber->next();
    EXPECT_EQ(text_of(message), "one \xe2\x82\xac");
    EXPECT_EQ(message->publisher, at.to_string());
    EXPECT_EQ(second->publish(""), 1u);
    message = co_await subscriber->next();
    EXPECT_EQ(text_of(message), "");
    EXPECT_EQ(message->publisher, second->local_endpoint().to_string());
    EXPECT_EQ(other->publish("to nobody"), 0u);
    EXPECT_EQ(subscriber->counters().messages, 2u);
    EXPECT_EQ(subscriber->counters().connections, 2u);
    co_await subscriber->stop();
    message = co_await subscriber->next();
    EXPECT_EQ(message.error().code, Errc::stopped);
    bool const graceful = co_await first->stop(10s);
    EXPECT_TRUE(graceful);
    co_await link->stop();
    EXPECT_EQ(dht.grape().node().stats().unannounces, 1u);
  };
  test::run(io, test());
}

TEST_F(PubSub, messagesOfAPublisherComeOnceAndInTheirOrder) {
  auto const publisher = publish();
  auto const subscriber = subscribe();
  auto test = [&]() -> Awaitable<void> {
    subscriber->start();
    (void)co_await subscriber->connected(1, 10s);
    for (int i = 0; i < 2000; ++i) publisher->publish(std::to_string(i));
    for (int i = 0; i < 2000; ++i) {
      auto const message = co_await subscriber->next();
      EXPECT_EQ(text_of(message), std::to_string(i));
    }
    EXPECT_EQ(subscriber->counters().messages, 2000u);
    EXPECT_EQ(subscriber->counters().connections, 1u);
    EXPECT_EQ(publisher->counters().delivered, 2000u);
  };
  test::run(io, test());
}

TEST_F(PubSub, publishersThatComeLaterAreFound) {
  auto const subscriber = subscribe();
  auto test = [&]() -> Awaitable<void> {
    subscriber->start();
    co_await until([&] { return subscriber->counters().lookups > 1; });
    auto connected = co_await subscriber->connected(1, 1ms);
    EXPECT_EQ(connected.error().code, Errc::lookup_empty);
    auto const first = co_await publish_now();
    connected = co_await subscriber->connected(1, 10s);
    EXPECT_TRUE(connected);
    auto const second = co_await publish_now();
    connected = co_await subscriber->connected(2, 10s);
    EXPECT_TRUE(connected);
    second->publish("new");
    auto const message = co_await subscriber->next();
    EXPECT_EQ(text_of(message), "new");
  };
  test::run(io, test());
}

TEST_F(PubSub, aDeadPublisherThatComesBackIsHeardAgain) {
  auto publisher = publish();
  auto const steady = publish();
  Endpoint const at = publisher->local_endpoint();
  auto const subscriber = subscribe();
  auto test = [&]() -> Awaitable<void> {
    subscriber->start();
    (void)co_await subscriber->connected(2, 10s);
    publisher.reset();
    co_await until([&] { return subscriber->counters().failed_attempts > 3; });
    EXPECT_EQ(subscriber->publisher_count(), 1u);
    steady->publish("meanwhile");
    auto message = co_await subscriber->next();
    EXPECT_EQ(text_of(message), "meanwhile");
    publisher = listen_at(at);  // the DHT still names it
    auto const connected = co_await subscriber->connected(2, 10s);
    EXPECT_TRUE(connected);
    publisher->publish("back again");
    message = co_await subscriber->next();
    EXPECT_EQ(text_of(message), "back again");
    EXPECT_EQ(subscriber->counters().lost, 1u);
    EXPECT_EQ(subscriber->counters().connections, 3u);
  };
  test::run(io, test());
}

TEST_F(PubSub, aPublisherThatTheGrapeHasForgottenIsTriedNoMore) {
  auto publisher = publish();
  auto const subscriber = subscribe();
  auto test = [&]() -> Awaitable<void> {
    subscriber->start();
    (void)co_await subscriber->connected(1, 10s);
    (void)co_await dht.unannounce("news", publisher->local_endpoint().port, 1);
    auto const lookups = subscriber->counters().lookups;
    co_await until([&] { return subscriber->counters().lookups > lookups + 2; });
    EXPECT_EQ(subscriber->publisher_count(), 1u);  // as long as it is there
    publisher.reset();
    co_await until([&] { return subscriber->publisher_count() == 0; });
    auto const now = subscriber->counters().lookups;
    co_await until([&] { return subscriber->counters().lookups > now + 5; });
    EXPECT_LE(subscriber->counters().failed_attempts, 1u);
  };
  test::run(io, test());
}

TEST_F(PubSub, aDestinationThatIsNoPublisherFailsAlone) {
  auto const subscriber = subscribe();
  auto test = [&]() -> Awaitable<void> {
    (void)co_await dht.announce("news", dht.address().port);
    subscriber->start();
    co_await until([&] { return subscriber->counters().failed_attempts > 0; });
    auto connected = co_await subscriber->connected(1, 1ms);
    EXPECT_EQ(connected.error().code, Errc::request_generic) << connected.error().text();
    auto const publisher = co_await publish_now();
    connected = co_await subscriber->connected(1, 10s);
    EXPECT_TRUE(connected);
    publisher->publish("good");
    auto const message = co_await subscriber->next();
    EXPECT_EQ(text_of(message), "good");
  };
  test::run(io, test());
}

TEST_F(PubSub, aGrapeThatIsGoneIsToldFromNobodyFound) {
  test::ReservedPort const dead;
  Link::Options options;
  options.grapes = {HostPort{"127.0.0.1", dead.number()}};
  Link nowhere{io.get_executor(), options, Random{3}};
  Subscriber subscriber{io.get_executor(), nowhere, "news", quick, Random{4}};
  auto test = [&]() -> Awaitable<void> {
    subscriber.start();
    co_await until([&] { return subscriber.counters().lookups > 1; });
    auto const connected = co_await subscriber.connected(1, 1ms);
    EXPECT_NE(connected.error().code, Errc::lookup_empty);
    EXPECT_NE(connected.error().code, Errc::timeout);
    co_await subscriber.stop();
    co_await nowhere.stop();
  };
  test::run(io, test());
}

TEST_F(PubSub, aHandlerIsCalledForEachMessage) {
  auto const publisher = publish();
  auto const subscriber = subscribe();
  std::vector<std::string> heard;
  auto test = [&]() -> Awaitable<void> {
    subscriber->start([&](Publication publication) {
      heard.push_back(publication.text);
      if (publication.text == "throw") throw std::runtime_error{"a bug"};
    });
    (void)co_await subscriber->connected(1, 10s);
    for (char const* text : {"a", "throw", "b"}) publisher->publish(text);
    co_await until([&] { return heard.size() == 3; });
    EXPECT_EQ(heard, (std::vector<std::string>{"a", "throw", "b"}));
    EXPECT_EQ(subscriber->counters().handler_failures, 1u);
    EXPECT_EQ(subscriber->publisher_count(), 1u);
  };
  test::run(io, test());
}

TEST_F(PubSub, aSubscriberThatDoesNotReadIsDroppedWhileOthersGoOn) {
  Publisher::Options options;
  options.queue_bytes_max = 1'000'000;
  auto const publisher = publish(options);
  auto const subscriber = subscribe();
  auto test = [&]() -> Awaitable<void> {
    test::RawClient lazy{io.get_executor()};
    co_await lazy.connect(publisher->local_endpoint());
    co_await lazy.send(kUpgrade);
    subscriber->start();
    (void)co_await subscriber->connected(1, 10s);
    co_await until([&] { return publisher->subscriber_count() == 2; });
    std::string const text(100'000, 'x');
    std::uint64_t count = 0;
    while (publisher->counters().slow == 0) {
      publisher->publish(text);
      ++count;
      auto const message = co_await subscriber->next();
      EXPECT_EQ(text_of(message).size(), text.size());
    }
    EXPECT_EQ(publisher->subscriber_count(), 1u);
    EXPECT_EQ(subscriber->counters().messages, count);
    EXPECT_EQ(subscriber->counters().lost, 0u);
    publisher->publish("and on");
    auto const message = co_await subscriber->next();
    EXPECT_EQ(text_of(message), "and on");
  };
  test::run(io, test());
}

TEST_F(PubSub, aWebPageOfAnotherOriginCannotSubscribe) {
  Publisher::Options listing;
  listing.web_access->origins = {"http://evil.test"};
  Publisher::Options unchecked;
  unchecked.web_access.reset();
  auto const publisher = publish();
  auto const allowing = publish(listing);
  auto const open = publish(unchecked);
  auto test = [&]() -> Awaitable<void> {
    std::string foreign = kUpgrade;
    foreign.insert(foreign.size() - 2, "Origin: http://evil.test\r\n");
    test::RawClient refused{io.get_executor()};
    co_await refused.connect(publisher->local_endpoint());
    co_await refused.send(foreign);
    std::string text = co_await refused.read_all();
    EXPECT_TRUE(text.starts_with("HTTP/1.1 403 ")) << text;
    EXPECT_EQ(publisher->subscriber_count(), 0u);
    for (auto const* each : {allowing.get(), open.get()}) {
      test::RawClient accepted{io.get_executor()};
      co_await accepted.connect(each->local_endpoint());
      co_await accepted.send(foreign);
      text = co_await accepted.read_until("\r\n\r\n");
      EXPECT_TRUE(text.starts_with("HTTP/1.1 101 ")) << text;
    }
  };
  test::run(io, test());
}

TEST_F(PubSub, aFullQueueStopsReadingAndLosesNothing) {
  auto const publisher = publish();
  Subscriber::Options options = quick;
  options.queue_bytes_max = 2000;
  auto const subscriber = subscribe(options);
  auto test = [&]() -> Awaitable<void> {
    subscriber->start();
    (void)co_await subscriber->connected(1, 10s);
    for (int i = 0; i < 100; ++i) publisher->publish(std::to_string(i) + std::string(1000, '.'));
    for (int i = 0; i < 100; ++i) {
      co_await until([&] { return subscriber->counters().messages > static_cast<unsigned>(i); });
      auto const message = co_await subscriber->next();
      EXPECT_EQ(text_of(message), std::to_string(i) + std::string(1000, '.'));
      EXPECT_LE(subscriber->counters().messages, static_cast<unsigned>(i) + 3);
    }
  };
  test::run(io, test());
}

TEST_F(PubSub, whatWasReceivedBeforeAStopIsStillThere) {
  auto const publisher = publish();
  auto const subscriber = subscribe();
  auto test = [&]() -> Awaitable<void> {
    subscriber->start();
    (void)co_await subscriber->connected(1, 10s);
    publisher->publish("kept");
    co_await until([&] { return subscriber->counters().messages == 1; });
    co_await subscriber->stop();
    EXPECT_EQ(subscriber->publisher_count(), 0u);
    auto message = co_await subscriber->next();
    EXPECT_EQ(text_of(message), "kept");
    message = co_await subscriber->next();
    EXPECT_EQ(message.error().code, Errc::stopped);
  };
  test::run(io, test());
}

TEST_F(PubSub, aPublisherThatStopsSendsEverythingFirst) {
  auto const publisher = publish();
  auto const subscriber = subscribe();
  auto test = [&]() -> Awaitable<void> {
    subscriber->start();
    (void)co_await subscriber->connected(1, 10s);
    for (int i = 0; i < 50; ++i) publisher->publish(std::string(100'000, 'x'));
    bool const graceful = co_await publisher->stop(10s);
    EXPECT_TRUE(graceful);
    EXPECT_EQ(publisher->publish("too late"), 0u);
    for (int i = 0; i < 50; ++i) {
      auto const message = co_await subscriber->next();
      EXPECT_EQ(text_of(message).size(), 100'000u);
    }
    co_await until([&] { return subscriber->publisher_count() == 0; });
  };
  test::run(io, test());
}

TEST_F(PubSub, anyThreadMayPublish) {
  Publisher::Options options;
  options.threads = 2;
  auto const publisher = publish(options);
  auto const one = subscribe();
  auto const two = subscribe();
  auto test = [&]() -> Awaitable<void> {
    one->start();
    two->start();
    (void)co_await one->connected(1, 10s);
    (void)co_await two->connected(1, 10s);
    co_await until([&] { return publisher->subscriber_count() == 2; });
    std::thread background{[&] {
      for (int i = 0; i < 500; ++i) publisher->publish("b" + std::to_string(i));
    }};
    for (int i = 0; i < 500; ++i) publisher->publish("a" + std::to_string(i));
    background.join();
    for (Subscriber* subscriber : {one.get(), two.get()}) {
      std::set<std::string> heard;
      for (int i = 0; i < 1000; ++i) {
        auto const message = co_await subscriber->next();
        heard.insert(text_of(message));
      }
      EXPECT_EQ(heard.size(), 1000u);
    }
    co_await one->stop();
    co_await two->stop();
    bool const graceful = co_await publisher->stop(10s);
    EXPECT_TRUE(graceful);
  };
  test::run(io, test());
}

TEST_F(PubSub, overTlsOnlyWhoIsTrustedHearsAnything) {
  test::Identity const authority = test::make_authority("ca");
  auto const options_of = [&](std::string const& name, std::string const& ca) {
    test::Identity const identity = test::make_identity(name, authority);
    net::TlsOptions options;
    options.certificate = identity.certificate;
    options.key = identity.key;
    options.ca = ca;
    return options;
  };
  Publisher::Options options;
  options.tls = net::TlsContext::make_server(options_of("server", authority.certificate)).value();
  auto const publisher = publish(options);
  quick.tls = net::TlsContext::make_client(options_of("client", authority.certificate)).value();
  auto const subscriber = subscribe();
  quick.tls =
      net::TlsContext::make_client(options_of("client", test::make_authority("x").certificate)).value();
  auto const suspicious = subscribe();
  quick.tls = nullptr;
  auto const plain = subscribe();
  auto test = [&]() -> Awaitable<void> {
    for (Subscriber* each : {subscriber.get(), suspicious.get(), plain.get()}) each->start();
    auto const connected = co_await subscriber->connected(1, 10s);
    EXPECT_TRUE(connected);
    auto const two_more = [&] {
      return suspicious->counters().failed_attempts > 1 && plain->counters().failed_attempts > 1;
    };
    co_await until(two_more);
    auto const refused = co_await suspicious->connected(1, 1ms);
    std::string const why = refused.error().text();
    EXPECT_NE(why.find("wanted 127.0.0.1, found CN=server"), std::string::npos) << why;
    EXPECT_EQ(publisher->publish("secret"), 1u);
    auto const message = co_await subscriber->next();
    EXPECT_EQ(text_of(message), "secret");
    EXPECT_EQ(suspicious->publisher_count() + plain->publisher_count(), 0u);
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::rpc
