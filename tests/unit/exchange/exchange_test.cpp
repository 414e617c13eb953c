// Whole peers over loopback, with a DHT and, where it is installed, a real Redis.
#include "exchange/exchange.hpp"

#include <optional>

#include <gtest/gtest.h>

#include "tests/support/in_process_dht.hpp"
#include "tests/support/misbehaving_grape.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/reserved_port.hpp"
#include "tests/support/run.hpp"
#include "tests/support/sample_orders.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/client.hpp>

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using json::Value;
using net::Awaitable;
using samples::secret;
using test::InProcessDht;
using test::RedisServer;

OrderTerms const kSell{Side::sell, PriceCents{6'000'000}, Satoshi{kSatoshiPerBtc}};
OrderTerms const kBuy{Side::buy, PriceCents{6'000'000}, Satoshi{kSatoshiPerBtc}};

class ExchangeTest : public testing::Test {
 protected:
  ExchangeTest() { test::run(io_, dht_.ready()); }

  // Each peer has a grape of its own, as far as there are enough.
  Exchange::Options options(std::string name) const {
    Exchange::Options out;
    out.grapes = {dht_.address(peers_.size() % dht_.size())};
    out.bind = IpAddress{127, 0, 0, 1};
    out.poll_interval = 20ms;
    out.peer.name = std::move(name);
    return out;
  }
  Exchange& add(std::uint64_t key, Exchange::Options options) {
    return *peers_.emplace_back(std::make_unique<Exchange>(io_.get_executor(), std::move(options),
                                                           secret(key), Random{1000 + peers_.size()}, log_));
  }
  Exchange& add(std::uint64_t key, std::string name) { return add(key, options(std::move(name))); }

  static Awaitable<void> start(Exchange& peer) {
    auto const failure = co_await peer.start();
    EXPECT_FALSE(failure) << *failure;
  }
  // Waits until all know each other, runs the test, and stops them.
  void play(std::function<Awaitable<void>()> story) {
    test::run(io_, play_story(std::move(story)));
    peers_.clear();
  }
  Awaitable<void> play_story(std::function<Awaitable<void>()> story) {
    for (auto const& peer : peers_) co_await start(*peer);
    for (auto const& peer : peers_) {
      auto const has_met = [&] {
        return peer->peer().endpoint_count() == peers_.size() - 1 && peer->peer().is_synced();
      };
      bool const met = co_await peer->wait_until(has_met, net::steady_now() + 20s);
      EXPECT_TRUE(met);
    }
    co_await story();
    for (auto const& peer : peers_) (void)co_await peer->stop();
  }
  static Awaitable<void> await_order(Exchange& peer, OrderRecord const& order) {
    auto const has_it = [&] { return peer.peer().book().find(key_of(order)) != nullptr; };
    bool const arrived = co_await peer.wait_until(has_it, net::steady_now() + 20s);
    EXPECT_TRUE(arrived);
  }

  boost::asio::io_context io_{1};
  Log log_{LogLevel::error, LogFormat::text};
  InProcessDht dht_{io_.get_executor(), {.grape_count = 3}};
  std::vector<std::unique_ptr<Exchange>> peers_;
};

TEST_F(ExchangeTest, ordersReachAllPeersAndMatch) {
  auto& alice = add(1, "Alice");
  auto& bob = add(2, "Bob");
  auto& carol = add(3, "Carol");
  play([&]() -> Awaitable<void> {
    auto const buy = alice.publish(kBuy);
    EXPECT_TRUE(buy);
    if (!buy) co_return;
    co_await await_order(bob, *buy);
    auto const sell = bob.publish(kSell);
    EXPECT_TRUE(sell);
    if (!sell) co_return;
    for (auto* const peer : {&alice, &carol}) {
      co_await await_order(*peer, *sell);
      auto const matches = peer->matches(buy->id);
      EXPECT_EQ(matches.size(), 1u);
      if (matches.size() == 1) {
        EXPECT_EQ(matches[0].order, *sell);
      }
    }
  });
}

TEST_F(ExchangeTest, aNewcomerGetsTheOrdersThatWereThere) {
  auto& alice = add(1, "Alice");
  auto& bob = add(2, "Bob");
  test::run(io_, [](Exchange& a, Exchange& b) -> Awaitable<void> {
    co_await start(a);
    auto const buy = a.publish(kBuy);
    co_await start(b);
    EXPECT_TRUE(buy);
    if (buy) co_await await_order(b, *buy);
    (void)co_await a.stop();
    (void)co_await b.stop();
  }(alice, bob));
}

TEST_F(ExchangeTest, pingsSayWhoAnswers) {
  auto& alice = add(1, "Alice");
  auto& bob = add(2, "Bob");
  play([&]() -> Awaitable<void> {
    auto const out = co_await alice.ping("127.0.0.1:" + std::to_string(bob.port()));
    auto const* const pong = std::get_if<output::PongReceived>(&out);
    EXPECT_TRUE(pong);
    if (!pong) co_return;
    EXPECT_EQ(pong->peer, bob.peer().id());
    EXPECT_EQ(pong->name, "Bob");
  });
}

// The answers to a hundred concurrent takers with different keys.
struct Race {
  std::vector<std::string> invoices;
  std::vector<Refusal> refusals;
  std::vector<std::string> others;
};

Awaitable<void> ask(rpc::Client& client, std::string endpoint, json::Value payload, Race& race) {
  rpc::RequestOptions const request;
  auto const reply = co_await client.request_to(std::move(endpoint), "exchange", std::move(payload), request);
  if (!reply) {
    auto const refusal = parse_refusal(reply.error().text());
    if (refusal) {
      race.refusals.push_back(*refusal);
    } else {
      race.others.push_back(reply.error().text());
    }
    co_return;
  }
  auto const response = parse_execute_response(*reply);
  if (response) {
    race.invoices.push_back(response->lightning_invoice);
  } else {
    race.others.push_back(response.error().message());
  }
}

Awaitable<Race> race_for(net::Executor executor, HostPort grape, OrderRecord order,
                         std::vector<std::uint16_t> ports) {
  constexpr std::uint64_t kTakers = 100;
  rpc::Link::Options link_options;
  link_options.grapes = {grape};
  rpc::Link link{executor, link_options, Random{7}};
  rpc::Client client{executor, link, rpc::Client::Options{}, Random{8}};
  Race race;
  net::TaskGroup tasks{executor};
  for (std::uint64_t i = 0; i < kTakers; ++i) {
    TakeTerms take{samples::uuid(i), order.remaining, order.price, {}, net::wall_now(), {}};
    sign_take(take, order.id, *order.maker, secret(100 + i));
    ExecuteOrderMessage const message{{1, CreatorType::client, {}}, order.id, take};
    tasks.spawn(ask(client, "127.0.0.1:" + std::to_string(ports[i % ports.size()]), to_json(message), race));
  }
  bool const ended = co_await tasks.drained(20s);
  EXPECT_TRUE(ended);
  co_await client.stop();
  co_await link.stop();
  co_return race;
}

void expect_one_winner(Race const& race, OrderRecord const& order) {
  EXPECT_EQ(race.invoices.size(), 1u);
  EXPECT_EQ(race.refusals.size(), 99u);
  EXPECT_TRUE(race.others.empty()) << race.others.front();
  for (auto const& refusal : race.refusals) {
    EXPECT_EQ(refusal.code, RefusalCode::reserved) << refusal.reason;
    EXPECT_GT(refusal.retry_after, 800s);
    EXPECT_LE(refusal.retry_after, 900s);
  }
  for (auto const& invoice : race.invoices) {
    EXPECT_TRUE(check_invoice(invoice, *order.maker, order.amount, net::wall_now()));
  }
}

TEST_F(ExchangeTest, aHundredTakersOfOneOrderGetOneInvoice) {
  auto& bob = add(2, "Bob");
  play([&]() -> Awaitable<void> {
    auto const sell = bob.publish(kSell);
    EXPECT_TRUE(sell);
    if (!sell) co_return;
    std::vector<std::uint16_t> const ports{bob.port()};
    auto const race = co_await race_for(io_.get_executor(), dht_.address(), *sell, ports);
    expect_one_winner(race, *sell);
  });
}

TEST_F(ExchangeTest, twoProcessesOfOneMakerOnOneRedisGiveOneInvoice) {
  if (!RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
  RedisServer redis;
  auto with_redis = options("Bob");
  with_redis.redis = RedisUrl::parse(redis.url());
  auto& bob = add(2, with_redis);
  auto& twin = add(2, with_redis);
  play([&]() -> Awaitable<void> {
    auto const sell = bob.publish(kSell);
    EXPECT_TRUE(sell);
    if (!sell) co_return;
    co_await await_order(twin, *sell);
    std::vector<std::uint16_t> const ports{bob.port(), twin.port()};
    auto const race = co_await race_for(io_.get_executor(), dht_.address(), *sell, ports);
    expect_one_winner(race, *sell);
  });
}

TEST_F(ExchangeTest, aTakeIsRefusedWhileRedisIsGoneAndGrantedOnceItIsBack) {
  if (!RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
  RedisServer redis;
  auto with_redis = options("Bob");
  with_redis.redis = RedisUrl::parse(redis.url());
  auto& bob = add(2, with_redis);
  auto& alice = add(1, "Alice");
  play([&]() -> Awaitable<void> {
    auto const sell = bob.publish(kSell);
    EXPECT_TRUE(sell);
    if (!sell) co_return;
    redis.kill();
    auto const lost = co_await alice.take(*sell, sell->amount);
    auto const* const refused = std::get_if<output::TakeRefused>(&lost);
    EXPECT_TRUE(refused);
    if (refused) {
      EXPECT_EQ(refused->refusal.code, RefusalCode::unavailable);
    }
    redis.restart();
    auto const end = net::steady_now() + 20s;
    for (bool is_granted = false; !is_granted && net::steady_now() < end;) {
      auto const out = co_await alice.take(*sell, sell->amount);
      auto const* const granted = std::get_if<output::TakeGranted>(&out);
      is_granted = granted != nullptr;
      if (!granted) continue;
      auto const shown =
          co_await bob.show_reservation(sell->id, granted->response.take_id, alice.peer().id());
      EXPECT_TRUE(shown);
      if (!shown) co_return;
      EXPECT_NE(shown->key.find(bob.peer().id().hex()), std::string::npos);
      EXPECT_LE(shown->remaining_life, 900s);
      EXPECT_GT(shown->remaining_life, 800s);
      co_return;
    }
    ADD_FAILURE() << "never granted";
  });
}

TEST_F(ExchangeTest, answersBothFormsOfPayloadsInTheirOwnForm) {
  auto& bob = add(2, "Bob");
  play([&]() -> Awaitable<void> {
    EXPECT_TRUE(bob.publish(kSell));
    rpc::Link::Options link_options;
    link_options.grapes = {dht_.address()};
    rpc::Link link{io_.get_executor(), link_options, Random{7}};
    rpc::Client client{io_.get_executor(), link, rpc::Client::Options{}, Random{8}};
    auto const question = to_json(GetOrderbookMessage{{1500, CreatorType::client, net::wall_now()}});
    auto const as_object = co_await client.request("exchange", question);
    auto const text = json::to_text(question);
    auto const as_text = co_await client.request("exchange", Value(text));
    EXPECT_TRUE(as_object && as_text);
    if (!as_object || !as_text) co_return;
    EXPECT_TRUE(as_object->as_array());
    EXPECT_TRUE(as_text->as_string());
    if (!as_text->as_string()) co_return;
    EXPECT_EQ(json::to_text(*as_object), *as_text->as_string());
    auto const list = parse_orders(*as_object, 10);
    EXPECT_TRUE(list);
    if (list) {
      EXPECT_EQ(list->orders.size(), 1u);
    }

    auto const nonsense = co_await client.request("exchange", Value("nonsense"));
    EXPECT_FALSE(nonsense);
    if (!nonsense) {
      EXPECT_EQ(parse_refusal(nonsense.error().text())->code, RefusalCode::invalid);
    }
    co_await client.stop();
    co_await link.stop();
  });
}

TEST_F(ExchangeTest, servesTheOriginalsClient) {
  auto& bob = add(2, "Bob");
  play([&]() -> Awaitable<void> {
    auto const sell = bob.publish(kSell);
    EXPECT_TRUE(sell);
    if (!sell) co_return;
    rpc::Link::Options link_options;
    link_options.grapes = {dht_.address()};
    rpc::Link link{io_.get_executor(), link_options, Random{7}};
    rpc::Client client{io_.get_executor(), link, rpc::Client::Options{}, Random{8}};
    auto const text =
        R"({"type":"ExecuteOrderMessage","exchangeId":1500,"creatorType":"client","createdAt":1,)"
        R"("orderId":")" +
        sell->id + R"("})";
    auto const reply = co_await client.request("exchange", Value(text));
    EXPECT_TRUE(reply && reply->as_string()) << "an answer is JSON text, as the original parses it";
    if (!reply || !reply->as_string()) co_return;
    auto const body = json::parse(*reply->as_string());
    EXPECT_TRUE(body);
    if (!body) co_return;
    auto const* const invoice = body->find_string("lightningInvoice");
    EXPECT_TRUE(invoice && check_invoice(*invoice, bob.peer().id(), sell->amount, net::wall_now()));
    EXPECT_TRUE(body->find_int("exiresAt"));
    co_await client.stop();
    co_await link.stop();
  });
}

/// A peer that is ready, and whose grape keeps the next lookups waiting.
class ExchangeWithAHungGrape : public testing::Test {
 protected:
  ExchangeWithAHungGrape() {
    Exchange::Options options;
    options.grapes = {grape_->address()};
    options.bind = IpAddress{127, 0, 0, 1};
    options.poll_interval = 20ms;
    peer_.emplace(io_.get_executor(), options, secret(1), Random{1}, log_);
    test::run(io_, until_a_lookup_hangs());
  }
  Awaitable<void> until_a_lookup_hangs() {
    auto const failure = co_await peer_->start();
    EXPECT_FALSE(failure) << *failure;
    int const before = grape_->lookup_count;
    grape_->hold();
    net::AsyncEvent never{io_.get_executor()};
    while (grape_->lookup_count == before) (void)co_await never.wait(net::steady_deadline(1ms));
  }
  // Lets the coroutines of the former peer run on: they must not use it.
  void destroy() {
    peer_.reset();
    grape_->release();
    test::run(io_, until_the_grape_has_answered());
  }
  Awaitable<void> until_the_grape_has_answered() {
    rpc::Link::Options options;
    options.grapes = {grape_->address()};
    rpc::Link link{io_.get_executor(), options, Random{7}};
    auto const ready = co_await link.wait_ready(test::limit());
    EXPECT_TRUE(ready);
    co_await link.stop();
  }

  boost::asio::io_context io_{1};
  Log log_{LogLevel::error, LogFormat::text};
  std::optional<test::MisbehavingGrape> grape_{std::in_place, io_.get_executor()};
  std::optional<Exchange> peer_;
};

TEST_F(ExchangeWithAHungGrape, stopsDuringALookup) {
  auto stop = [this]() -> Awaitable<void> {
    bool const ended = co_await peer_->stop();
    EXPECT_TRUE(ended);
  };
  test::run(io_, stop());
  destroy();
}

TEST_F(ExchangeWithAHungGrape, mayBeDestroyedDuringALookup) { destroy(); }

TEST_F(ExchangeTest, saysWhyItCannotStart) {
  auto& running = add(1, "first");
  play([&]() -> Awaitable<void> {
    auto taken = options("second");
    taken.port = running.port();
    auto& second = add(2, taken);
    auto const in_use = co_await second.start();
    EXPECT_TRUE(in_use && in_use->find("in use") != std::string::npos &&
                in_use->find(std::to_string(running.port())) != std::string::npos);

    test::ReservedPort const dead;
    auto lonely = options("third");
    lonely.grapes = {HostPort{"127.0.0.1", dead.number()}};
    lonely.start_limit = 10ms;
    auto& third = add(3, lonely);
    auto const no_grape = co_await third.start();
    EXPECT_TRUE(no_grape && no_grape->find("http://" + dead.endpoint().to_string()) != std::string::npos);

    auto redisless = options("fourth");
    std::string const url = "redis://" + dead.endpoint().to_string() + "/0";
    redisless.redis = RedisUrl::parse(url);
    auto& fourth = add(4, redisless);
    auto const no_redis = co_await fourth.start();
    EXPECT_TRUE(no_redis && no_redis->find(url) != std::string::npos);
  });
}

}  // namespace
}  // namespace grenache::exchange
