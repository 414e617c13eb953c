// Whole peers over loopback, with a DHT and, where it is installed, a real Redis.
#include "exchange/exchange.hpp"

#include <optional>
#include <variant>

#include <gtest/gtest.h>

#include "exchange/core/trade/invoice.hpp"
#include "exchange/core/trade/take_rules.hpp"
#include "exchange/data_folder.hpp"
#include "tests/support/in_process_dht.hpp"
#include "tests/support/misbehaving_grape.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/reserved_port.hpp"
#include "tests/support/run.hpp"
#include "tests/support/sample_orders.hpp"
#include "tests/support/temporary_folder.hpp"
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

command::AddOrder terms_of(Side side) {
  command::AddOrder out;
  out.side = side;
  out.price = PriceCents{6'000'000};
  out.amount = Satoshi{kSatoshiPerBtc};
  return out;
}

command::AcceptOrder accept_of(OrderRecord const& order, bool pay = false) {
  command::AcceptOrder out;
  out.id = order.id;
  out.pay = pay;
  return out;
}

std::string endpoint_of(Exchange const& peer) { return "127.0.0.1:" + std::to_string(peer.port()); }

result::FailureCode failure_of(CommandResult const& answer) {
  auto const* const failure = std::get_if<result::Failure>(&answer);
  return failure ? failure->code : result::FailureCode{};
}

/// What a command answers, or a default one after a failure of the test.
template <class Wanted, class Kind>
Awaitable<Wanted> must(Exchange& peer, Kind wanted) {
  Command command{std::move(wanted)};
  auto answer = co_await peer.execute(std::move(command));
  auto* const out = std::get_if<Wanted>(&answer);
  auto const* const failure = std::get_if<result::Failure>(&answer);
  EXPECT_TRUE(out) << (failure ? failure->text : "another answer");
  Wanted nothing;
  co_return std::move(out ? *out : nothing);
}

Awaitable<OrderRecord> publish(Exchange& peer, Side side) {
  auto const terms = terms_of(side);
  auto placed = co_await must<result::Placed>(peer, terms);
  co_return std::move(placed.order.order);
}

Awaitable<void> until(Exchange& peer, std::function<bool()> condition) {
  bool const held = co_await peer.wait_until(std::move(condition), net::steady_deadline(20s));
  EXPECT_TRUE(held);
}

Awaitable<void> until_status(Exchange& peer, OrderRecord const& order, OrderStatus status) {
  auto const has_it = [&] {
    auto const* const found = peer.trader().book().find(key_of(order));
    return found && found->status == status;
  };
  co_await until(peer, has_it);
}

/// A client that is no peer.
struct Stranger {
  explicit Stranger(net::Executor executor, std::vector<rpc::GrapeUrl> grapes)
      : link{executor, link_options(std::move(grapes)), Random{7}},
        client{executor, link, rpc::Client::Options{}, Random{8}} {}

  static rpc::Link::Options link_options(std::vector<rpc::GrapeUrl> grapes) {
    rpc::Link::Options out;
    out.grapes = std::move(grapes);
    return out;
  }
  Awaitable<void> stop() {
    co_await client.stop();
    co_await link.stop();
  }

  rpc::Link link;
  rpc::Client client;
};

class ExchangeTest : public testing::Test {
 protected:
  ExchangeTest() { test::run(io_, dht_.ready()); }

  // Each peer has a grape of its own, as far as there are enough.
  Exchange::Options options(std::string name) const {
    Exchange::Options out;
    out.grapes = {dht_.address(peers_.size() % dht_.size())};
    out.requires_grape = true;
    out.bind = IpAddress{127, 0, 0, 1};
    out.is_new_identity = true;
    out.poll_interval = 20ms;
    out.trader.name = std::move(name);
    return out;
  }
  Exchange& add(std::uint64_t key, Exchange::Options options) {
    return *peers_.emplace_back(std::make_unique<Exchange>(io_.get_executor(), std::move(options),
                                                           secret(key), Random{1000 + peers_.size()},
                                                           std::nullopt, log_));
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
        auto const& trader = peer->trader();
        return trader.peers().met().size() == peers_.size() - 1 && trader.is_synced();
      };
      co_await until(*peer, has_met);
    }
    co_await story();
    for (auto const& peer : peers_) (void)co_await peer->stop();
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
    auto const buy = co_await publish(alice, Side::buy);
    co_await until_status(bob, buy, OrderStatus::open);
    auto const sell = co_await publish(bob, Side::sell);
    for (auto* const peer : {&alice, &carol}) {
      co_await until_status(*peer, sell, OrderStatus::open);
      command::ListMatches const question{buy.id};
      auto const matches = co_await must<result::OrderList>(*peer, question);
      EXPECT_EQ(matches.orders.size(), 1u);
      if (matches.orders.size() == 1) {
        EXPECT_EQ(matches.orders[0].order, sell);
      }
    }
  });
}

TEST_F(ExchangeTest, aNewcomerGetsTheOrdersThatWereThere) {
  auto& alice = add(1, "Alice");
  auto& bob = add(2, "Bob");
  test::run(io_, [](Exchange& a, Exchange& b) -> Awaitable<void> {
    co_await start(a);
    auto const buy = co_await publish(a, Side::buy);
    co_await start(b);
    co_await until_status(b, buy, OrderStatus::open);
    (void)co_await a.stop();
    (void)co_await b.stop();
  }(alice, bob));
}

TEST_F(ExchangeTest, connectSaysWhoAnswers) {
  auto& alice = add(1, "Alice");
  auto& bob = add(2, "Bob");
  play([&]() -> Awaitable<void> {
    command::Connect const question{endpoint_of(bob)};
    auto const connected = co_await must<result::Connected>(alice, question);
    EXPECT_EQ(connected.peer, bob.trader().id());
    EXPECT_EQ(connected.name, "Bob");
    Command self{command::Connect{endpoint_of(alice)}};
    auto const refused = co_await alice.execute(std::move(self));
    EXPECT_EQ(failure_of(refused), result::FailureCode::invalid);
  });
}

// The answers to a hundred concurrent takers with different keys.
struct Race {
  struct Won {
    std::string invoice;
    std::string take_id;  // in the store
  };
  std::vector<Won> won;
  std::vector<Refusal> refusals;
  std::vector<std::string> others;
};

Awaitable<void> ask(rpc::Client& client, std::string endpoint, ExecuteOrderMessage message, Race& race) {
  rpc::RequestOptions const request;
  auto payload = to_json(message);
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
    race.won.push_back(
        {response->lightning_invoice, store_take_id(response->take_id, message.take->taker.hex())});
  } else {
    race.others.push_back(response.error().message());
  }
}

Awaitable<Race> race_for(net::Executor executor, OrderRecord order, std::vector<std::uint16_t> ports) {
  constexpr std::uint64_t kTakers = 100;
  Stranger stranger{executor, {}};
  Race race;
  net::TaskGroup tasks{executor};
  for (std::uint64_t i = 0; i < kTakers; ++i) {
    TakeTerms take{samples::uuid(i), order.remaining, order.price, {}, net::wall_now(), {}};
    sign_take(take, order.id, *order.maker, secret(100 + i));
    ExecuteOrderMessage const message{{1, CreatorType::client, {}}, order.id, take};
    tasks.spawn(ask(stranger.client, "127.0.0.1:" + std::to_string(ports[i % ports.size()]), message, race));
  }
  bool const ended = co_await tasks.drained(20s);
  EXPECT_TRUE(ended);
  co_await stranger.stop();
  co_return race;
}

void expect_one_winner(Race const& race, OrderRecord const& order) {
  EXPECT_EQ(race.won.size(), 1u);
  EXPECT_EQ(race.refusals.size(), 99u);
  EXPECT_TRUE(race.others.empty()) << race.others.front();
  for (auto const& refusal : race.refusals) {
    EXPECT_EQ(refusal.code, RefusalCode::reserved) << refusal.reason;
    EXPECT_GT(refusal.retry_after, 800s);
    EXPECT_LE(refusal.retry_after, 900s);
  }
  for (auto const& [invoice, take_id] : race.won) {
    ExpectedInvoice const expected{*order.maker, order.id, take_id, order.amount};
    EXPECT_TRUE(check_invoice(invoice, expected, net::wall_now()));
  }
}

TEST_F(ExchangeTest, aHundredTakersOfOneOrderGetOneInvoice) {
  auto& bob = add(2, "Bob");
  play([&]() -> Awaitable<void> {
    auto const sell = co_await publish(bob, Side::sell);
    std::vector<std::uint16_t> const ports{bob.port()};
    auto const race = co_await race_for(io_.get_executor(), sell, ports);
    expect_one_winner(race, sell);
  });
}

TEST_F(ExchangeTest, twoProcessesOfOneMakerOnOneRedisGiveOneInvoice) {
  if (!RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
  RedisServer redis;
  auto with_redis = options("Bob");
  with_redis.redis = *RedisUrl::parse(redis.url());
  auto& bob = add(2, with_redis);
  auto& twin = add(2, with_redis);
  play([&]() -> Awaitable<void> {
    auto const sell = co_await publish(bob, Side::sell);
    co_await until_status(twin, sell, OrderStatus::open);
    std::vector<std::uint16_t> const ports{bob.port(), twin.port()};
    auto const race = co_await race_for(io_.get_executor(), sell, ports);
    expect_one_winner(race, sell);
  });
}

TEST_F(ExchangeTest, aTakeIsRefusedWhileRedisIsGoneAndGrantedOnceItIsBack) {
  if (!RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
  RedisServer redis;
  auto with_redis = options("Bob");
  with_redis.redis = *RedisUrl::parse(redis.url());
  with_redis.redis_grace = 100ms;
  auto& bob = add(2, with_redis);
  auto impatient = options("Alice");
  impatient.trader.purchases.patience = 1ms;
  auto& alice = add(1, impatient);
  play([&]() -> Awaitable<void> {
    auto const sell = co_await publish(bob, Side::sell);
    co_await until_status(alice, sell, OrderStatus::open);
    redis.kill();
    Command first{accept_of(sell)};
    auto const lost = co_await alice.execute(std::move(first));
    EXPECT_EQ(failure_of(lost), result::FailureCode::unavailable);
    redis.restart();
    auto const end = net::steady_deadline(20s);
    while (net::steady_now() < end) {
      Command again{accept_of(sell)};
      auto const answer = co_await alice.execute(std::move(again));
      auto const* const view = std::get_if<result::PurchaseView>(&answer);
      if (!view) continue;
      auto const shown = co_await bob.show_reservation(sell.id, view->take_id, alice.trader().id());
      EXPECT_TRUE(shown);
      if (!shown) co_return;
      EXPECT_NE(shown->key.find(bob.trader().id().hex()), std::string::npos);
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
    (void)co_await publish(bob, Side::sell);
    std::vector<rpc::GrapeUrl> const grapes{dht_.address()};
    Stranger stranger{io_.get_executor(), grapes};
    auto& client = stranger.client;
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
    co_await stranger.stop();
  });
}

TEST_F(ExchangeTest, servesTheOriginalsClient) {
  auto& bob = add(2, "Bob");
  play([&]() -> Awaitable<void> {
    auto const sell = co_await publish(bob, Side::sell);
    std::vector<rpc::GrapeUrl> const grapes{dht_.address()};
    Stranger stranger{io_.get_executor(), grapes};
    auto& client = stranger.client;
    auto const text =
        R"({"type":"ExecuteOrderMessage","exchangeId":1500,"creatorType":"client","createdAt":1,)"
        R"("orderId":")" +
        sell.id + R"("})";
    auto const reply = co_await client.request("exchange", Value(text));
    EXPECT_TRUE(reply && reply->as_string()) << "an answer is JSON text, as the original parses it";
    if (!reply || !reply->as_string()) co_return;
    auto const body = json::parse(*reply->as_string());
    EXPECT_TRUE(body);
    if (!body) co_return;
    auto const* const invoice = body->find_string("lightningInvoice");
    ExpectedInvoice const expected{bob.trader().id(), sell.id, "@003:1500", sell.amount};
    EXPECT_TRUE(invoice && check_invoice(*invoice, expected, net::wall_now()));
    EXPECT_TRUE(body->find_int("exiresAt"));
    co_await stranger.stop();
  });
}

/// A peer that is ready, and whose grape keeps the next lookups waiting.
class ExchangeWithAHungGrape : public testing::Test {
 protected:
  ExchangeWithAHungGrape() {
    Exchange::Options options;
    options.grapes = {grape_->address()};
    options.requires_grape = true;
    options.bind = IpAddress{127, 0, 0, 1};
    options.poll_interval = 20ms;
    peer_.emplace(io_.get_executor(), options, secret(1), Random{1}, std::nullopt, log_);
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
    redisless.redis = *RedisUrl::parse(url);
    auto& fourth = add(4, redisless);
    auto const no_redis = co_await fourth.start();
    EXPECT_TRUE(no_redis && no_redis->find(url) != std::string::npos);
  });
}

/// Peers that know no grape.
class ExchangeWithoutGrape : public testing::Test {
 protected:
  static Exchange::Options options(std::string name) {
    Exchange::Options out;
    out.bind = IpAddress{127, 0, 0, 1};
    out.trader.name = std::move(name);
    return out;
  }
  std::unique_ptr<Exchange> make(std::uint64_t key, Exchange::Options options) {
    return std::make_unique<Exchange>(io_.get_executor(), std::move(options), secret(key), Random{key},
                                      std::nullopt, log_);
  }
  static Awaitable<void> start(Exchange& peer) {
    auto const failure = co_await peer.start();
    EXPECT_FALSE(failure) << *failure;
  }
  /// A started peer with a data folder.
  struct Kept {
    std::optional<FileLock> lock;
    std::unique_ptr<Exchange> peer;
  };
  Awaitable<Kept> start_kept() {
    auto opened = open_data_folder(folder_.path() / "data", random_);
    if (!opened) throw std::runtime_error{opened.error()};
    Kept out{std::move(opened->lock), nullptr};
    out.peer = std::make_unique<Exchange>(io_.get_executor(), options("Erin"), opened->identity,
                                          random_.fork(), std::move(opened->journal), log_);
    co_await start(*out.peer);
    co_return out;
  }
  Awaitable<std::string> ask_for_invoice(Stranger& stranger, Exchange& maker, Value payload) {
    rpc::RequestOptions const request;
    auto const endpoint = endpoint_of(maker);
    auto const reply = co_await stranger.client.request_to(endpoint, "exchange", std::move(payload), request);
    EXPECT_TRUE(reply) << reply.error().text();
    auto const response = reply ? parse_execute_response(*reply) : Error{};
    EXPECT_TRUE(response);
    co_return response ? response->lightning_invoice : std::string{};
  }

  boost::asio::io_context io_{1};
  Log log_{LogLevel::error, LogFormat::text};
  test::TemporaryFolder folder_;
  Random random_{99};
};

TEST_F(ExchangeWithoutGrape, twoPeersThatMeetByConnectTradeAndRememberIt) {
  auto story = [this]() -> Awaitable<void> {
    auto const alice = make(1, options("Alice"));
    co_await start(*alice);
    auto knows_alice = options("Bob");
    knows_alice.connect = {endpoint_of(*alice)};
    auto const bob = make(2, knows_alice);
    std::vector<event::TradeDone> trades;
    auto const listener = bob->subscribe([&](Event const& event) {
      if (auto const* const trade = std::get_if<event::TradeDone>(&event)) trades.push_back(*trade);
    });
    co_await start(*bob);
    auto const sell = co_await publish(*bob, Side::sell);
    co_await until_status(*alice, sell, OrderStatus::open);

    auto const wanted = accept_of(sell, true);
    auto const bought = co_await must<result::PurchaseView>(*alice, wanted);
    EXPECT_EQ(bought.state, result::PurchaseState::settled);
    EXPECT_FALSE(bought.preimage.empty());
    co_await until_status(*alice, sell, OrderStatus::filled);
    co_await until_status(*bob, sell, OrderStatus::filled);
    EXPECT_EQ(trades.size(), 1u);
    bob->unsubscribe(listener);

    command::ListTrades const all;
    auto const of_alice = co_await must<result::History>(*alice, all);
    auto const of_bob = co_await must<result::History>(*bob, all);
    EXPECT_EQ(of_alice.rows.size(), 1u);
    EXPECT_EQ(of_bob.rows.size(), 1u);
    command::Explain const why{sell.id.substr(0, 8)};
    auto const told_alice = co_await must<result::History>(*alice, why);
    EXPECT_EQ(told_alice.words.size(), 2u) << "the take and the trade";
    auto const told_bob = co_await must<result::History>(*bob, why);
    EXPECT_EQ(told_bob.words.size(), 3u) << "the order, the sale and the trade";
    EXPECT_NE(told_alice.words.back().find("bought 1 BTC at 60000 USD"), std::string::npos)
        << told_alice.words.back();
    EXPECT_NE(told_bob.words.front().find("FILLED"), std::string::npos) << told_bob.words.front();
    EXPECT_NE(told_bob.words.back().find("sold 1 BTC at 60000 USD"), std::string::npos)
        << told_bob.words.back();
    command::Explain const unknown{"ffffffff"};
    auto const nothing = co_await must<result::History>(*bob, unknown);
    EXPECT_TRUE(nothing.rows.empty());

    command::ShowStatus const question;
    auto const status = co_await must<result::StatusView>(*alice, question);
    EXPECT_EQ(status.grape, "none");
    EXPECT_EQ(status.data_dir, "");
    EXPECT_EQ(status.peer_count, 1u);
    (void)co_await alice->stop();
    (void)co_await bob->stop();
  };
  test::run(io_, story());
}

TEST_F(ExchangeWithoutGrape, aPeerThatDiesKeepsItsOrdersAndItsPromises) {
  auto story = [this]() -> Awaitable<void> {
    Stranger stranger{io_.get_executor(), {}};
    auto before = co_await start_kept();
    auto const sell = co_await publish(*before.peer, Side::sell);
    TakeTerms take{samples::uuid(1), sell.remaining, sell.price, {}, net::wall_now(), {}};
    sign_take(take, sell.id, *sell.maker, secret(5));
    auto const wanted = to_json(ExecuteOrderMessage{{1, CreatorType::client, {}}, sell.id, take});
    auto const invoice = co_await ask_for_invoice(stranger, *before.peer, wanted);
    EXPECT_FALSE(invoice.empty());
    before.peer.reset();
    before.lock.reset();

    auto after = co_await start_kept();
    EXPECT_EQ(after.peer->trader().id(), *sell.maker);
    auto const* const own = after.peer->trader().own_orders().find(sell.id);
    EXPECT_TRUE(own && own->record == sell);
    auto const again = co_await ask_for_invoice(stranger, *after.peer, wanted);
    EXPECT_EQ(again, invoice);
    TakeTerms other = take;
    sign_take(other, sell.id, *sell.maker, secret(6));
    auto const late = to_json(ExecuteOrderMessage{{1, CreatorType::client, {}}, sell.id, other});
    rpc::RequestOptions const request;
    auto const endpoint = endpoint_of(*after.peer);
    auto const refused = co_await stranger.client.request_to(endpoint, "exchange", late, request);
    EXPECT_FALSE(refused);
    if (!refused) {
      EXPECT_EQ(parse_refusal(refused.error().text())->code, RefusalCode::reserved);
    }
    bool const ended = co_await after.peer->stop();
    EXPECT_TRUE(ended);
    co_await stranger.stop();
  };
  test::run(io_, story());
}

TEST_F(ExchangeWithoutGrape, aDataFolderIsOpenedOnce) {
  auto const path = folder_.path() / "data";
  auto first = open_data_folder(path, random_);
  ASSERT_TRUE(first) << first.error();
  auto const second = open_data_folder(path, random_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find(path.string()), std::string::npos) << second.error();
  auto const other = open_data_folder(folder_.path() / "other", random_);
  EXPECT_TRUE(other);
  first = std::string{"closed"};
  auto const third = open_data_folder(path, random_);
  EXPECT_TRUE(third);
}

TEST_F(ExchangeWithoutGrape, stopAnswersEveryCommand) {
  auto story = [this]() -> Awaitable<void> {
    auto const alice = make(1, options("Alice"));
    co_await start(*alice);
    auto knows_alice = options("Bob");
    knows_alice.connect = {endpoint_of(*alice)};
    auto const bob = make(2, knows_alice);
    co_await start(*bob);
    auto const sell = co_await publish(*bob, Side::sell);
    co_await until_status(*alice, sell, OrderStatus::open);
    (void)co_await bob->stop();

    std::vector<CommandResult> answers;
    auto const keep = [&](CommandResult answer) { answers.push_back(std::move(answer)); };
    alice->execute(accept_of(sell), keep);  // goes on asking the maker
    bool const ended = co_await alice->stop();
    EXPECT_TRUE(ended);
    EXPECT_EQ(answers.size(), 1u);
    if (!answers.empty()) {
      EXPECT_EQ(failure_of(answers[0]), result::FailureCode::stopped);
    }
    Command late{command::ShowStatus{}};
    auto const refused = co_await alice->execute(std::move(late));
    EXPECT_EQ(failure_of(refused), result::FailureCode::stopped);
    Command history{command::ListTrades{}};
    auto const no_history = co_await alice->execute(std::move(history));
    EXPECT_EQ(failure_of(no_history), result::FailureCode::stopped);
    EXPECT_EQ(answers.size(), 1u);
  };
  test::run(io_, story());
}

TEST_F(ExchangeTest, aPeerStartsWithoutItsGrapeAndFindsTheOthersOnceItIsBack) {
  auto& alice = add(1, "Alice");
  auto lonely = options("Bob");
  lonely.requires_grape = false;
  auto& bob = add(2, lonely);
  auto story = [&]() -> Awaitable<void> {
    co_await start(alice);
    co_await dht_.stop(1);
    co_await start(bob);
    auto const order = co_await publish(bob, Side::sell);
    command::ShowStatus const question;
    auto const status = co_await must<result::StatusView>(bob, question);
    EXPECT_NE(status.grape, "");
    EXPECT_EQ(status.peer_count, 0u);
    dht_.restart(1);
    co_await dht_.ready();
    co_await until_status(alice, order, OrderStatus::open);
    (void)co_await alice.stop();
    (void)co_await bob.stop();
  };
  test::run(io_, story());
}

}  // namespace
}  // namespace grenache::exchange
