#include "exchange/console/playbook.hpp"

#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/support/in_process_dht.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/reserved_port.hpp"
#include "tests/support/run.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using test::InProcessDht;
using test::RedisServer;

class PlaybookTest : public testing::Test {
 protected:
  PlaybookTest() { test::run(io_, dht_.ready()); }

  std::optional<std::string> play(PlaybookOptions options, Narrator::Form form) {
    options.poll_interval = 20ms;
    options.sell_delay = 100ms;
    Narrator narrator{out_, form, false};
    std::optional<std::string> failure;
    test::run(io_, run_play(std::move(options), narrator, failure));
    return failure;
  }
  net::Awaitable<void> run_play(PlaybookOptions options, Narrator& narrator,
                                std::optional<std::string>& failure) {
    auto random = Random::from_system();
    failure =
        co_await exchange::play(io_.get_executor(), std::move(options), std::move(random), narrator, log_);
  }

  boost::asio::io_context io_{1};
  Log log_{LogLevel::error, LogFormat::text};
  InProcessDht dht_{io_.get_executor(), {.grape_count = 2}};
  test::ReservedPort const dead_;
  std::ostringstream out_;
};

TEST_F(PlaybookTest, tellsTheWholeTradeAsJsonLines) {
  PlaybookOptions options;
  options.grapes = {dht_.address()};
  auto const failure = play(options, Narrator::Form::json);
  EXPECT_FALSE(failure) << *failure;

  std::set<std::string> steps;
  std::istringstream lines{out_.str()};
  for (std::string line; std::getline(lines, line);) {
    auto const object = json::parse(line);
    ASSERT_TRUE(object) << line;
    auto const* const ok = object->find("ok")->as_bool();
    EXPECT_TRUE(ok && *ok) << line;
    steps.insert(*object->find_string("step"));
  }
  for (auto const* const step :
       {"grape", "start", "sync", "ping", "publish", "match", "execute", "check", "repeat", "refused", "pay",
        "filled", "trade", "partial", "expired", "cancel", "restored", "done"}) {
    EXPECT_TRUE(steps.contains(step)) << step;
  }
}

TEST_F(PlaybookTest, tellsAPersonTheInvoiceAndWhenToAskAgain) {
  PlaybookOptions options;
  options.grapes = {dht_.address()};
  auto const failure = play(options, Narrator::Form::text);
  EXPECT_FALSE(failure) << *failure;
  auto const text = out_.str();
  EXPECT_NE(text.find("lnbcrt"), std::string::npos);
  EXPECT_NE(text.find("ask again in"), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST_F(PlaybookTest, showsTheReservationInRedis) {
  if (!RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
  RedisServer redis;
  PlaybookOptions options;
  options.grapes = {dht_.address()};
  options.redis = *RedisUrl::parse(redis.url());
  auto const failure = play(options, Narrator::Form::text);
  EXPECT_FALSE(failure) << *failure;
  EXPECT_NE(out_.str().find("grenache:exchange:"), std::string::npos);
}

TEST_F(PlaybookTest, saysWhatItWaitsForAndThenThatNoGrapeAnswers) {
  PlaybookOptions options;
  options.grapes = {HostPort{"127.0.0.1", dead_.number()}};
  options.grape_limit = 10ms;
  auto const failure = play(options, Narrator::Form::text);
  ASSERT_TRUE(failure);
  EXPECT_NE(failure->find("http://" + dead_.endpoint().to_string()), std::string::npos) << *failure;
  EXPECT_NE(out_.str().find("waiting up to"), std::string::npos) << out_.str();
}

TEST_F(PlaybookTest, aRedisThatIsNotThereEndsIt) {
  PlaybookOptions options;
  options.grapes = {dht_.address()};
  std::string const url = "redis://" + dead_.endpoint().to_string() + "/0";
  options.redis = *RedisUrl::parse(url);
  auto const failure = play(options, Narrator::Form::json);
  ASSERT_TRUE(failure);
  EXPECT_NE(failure->find(url), std::string::npos) << *failure;
  EXPECT_NE(out_.str().find("\"step\":\"failed\",\"ok\":false"), std::string::npos) << out_.str();
}

}  // namespace
}  // namespace grenache::exchange
