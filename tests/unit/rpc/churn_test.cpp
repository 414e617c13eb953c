// Services that come and go under load.
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <utility>

#include "tests/unit/rpc/rpc_fixture.hpp"

namespace grenache::rpc {
namespace {

constexpr std::size_t kServices = 50;
constexpr int kRequests = 2000;
constexpr int kInFlight = 64;

struct ChurnTest : testing::TestWithParam<Transport>, RpcFixture {
  /// The outcome of one request.
  struct RequestOutcome {
    int handled = 0;
    int returned = 0;
    bool right = false;
  };

  ChurnTest() : RpcFixture{GetParam()} {
    Link::Options options;
    options.cache.age_max = 2ms;
    make_link(options);
    make_client(client_options(transport));
  }

  std::unique_ptr<Server> start() {
    auto handler = [this](Request& request) -> Awaitable<Reply> {
      std::int64_t const number = *request.payload.as_int();
      ++outcomes[number].handled;
      if (number % 3 == 0) (void)co_await pause.wait();
      co_return Reply{Value::array({request.payload})};
    };
    auto server =
        std::make_unique<Server>(io.get_executor(), server_options(transport), Server::Handler{handler});
    EXPECT_TRUE(server->listen(ports.emplace_back().endpoint()));
    return server;
  }
  static Awaitable<void> drain(std::unique_ptr<Server> server) { (void)co_await server->stop(10s); }

  /// Stops one service in good order, lets another die, and starts one in place of each.
  Awaitable<void> churn() {
    for (bool const gracefully : {true, false}) {
      auto const slot = static_cast<std::size_t>(random.below(servers.size()));
      auto gone = std::exchange(servers[slot], start());
      Endpoint const at = servers[slot]->local_endpoint();
      if (gracefully) {
        co_await forget(gone->local_endpoint().port);
        tasks.spawn(drain(std::move(gone)));
      } else {
        dead_ports.push_back(gone->local_endpoint().port);  // the DHT names it until it is too old
        gone.reset();
      }
      co_await announce("svc", at);
    }
    if (dead_ports.size() <= kServices) co_return;
    std::uint16_t const oldest = dead_ports.front();
    dead_ports.pop_front();
    co_await forget(oldest);
  }
  Awaitable<void> forget(std::uint16_t port) { (void)co_await dht.unannounce("svc", port, dht.size() - 1); }

  Awaitable<void> load(unsigned retry_count) {
    RequestOptions options;
    options.retry_count = retry_count;
    while (next < kRequests) {
      std::int64_t const number = next++;
      auto const reply = co_await client->request("svc", number, options);
      RequestOutcome& outcome = outcomes[number];
      ++outcome.returned;
      if (reply) {
        outcome.right = *reply == Value::array({number});
        EXPECT_TRUE(outcome.right) << number;
      } else {
        ++failures[reply.error().text()];
      }
      if (number % 20 == 0) co_await churn();
      if (number % 7 == 0) pause.notify_all();
    }
    ++loads_ended;
  }

  void run_with(unsigned retry_count) {
    auto test = [this, retry_count]() -> Awaitable<void> {
      for (auto& server : servers) {
        server = start();
        co_await announce("svc", server->local_endpoint());
      }
      for (int i = 0; i < kInFlight; ++i) tasks.spawn(load(retry_count));
      while (tasks.size() > 0) {
        co_await tasks.drained(1ms);
        pause.notify_all();
      }
      for (auto& server : servers) (void)co_await server->stop(10s);
      co_await client->stop();
      co_await link->stop();
    };
    test::run(io, test(), 50s);
    EXPECT_EQ(loads_ended, kInFlight);
    EXPECT_EQ(outcomes.size(), std::size_t{kRequests});
  }

  std::list<test::ReservedPort> ports;  // nobody else answers where a server has gone
  std::vector<std::unique_ptr<Server>> servers{kServices};
  std::deque<std::uint16_t> dead_ports;
  net::AsyncEvent pause{io.get_executor()};
  Random random{7};
  std::map<std::int64_t, RequestOutcome> outcomes;
  std::map<std::string, int> failures;
  std::int64_t next = 0;
  int loads_ended = 0;
};

INSTANTIATE_TEST_SUITE_P(Over, ChurnTest, testing::Values(Transport::http, Transport::ws), name_of_transport);

TEST_P(ChurnTest, withoutRetryNoRequestIsHandledTwiceAndEachReturnsOnce) {
  run_with(0);
  int right = 0;
  for (auto const& [number, outcome] : outcomes) {
    EXPECT_EQ(outcome.returned, 1) << number;
    EXPECT_LE(outcome.handled, 1) << number;
    right += outcome.right ? 1 : 0;
  }
  int failed = 0;
  for (auto const& [text, count] : failures) {
    EXPECT_TRUE(text.starts_with("ERR_REQUEST_GENERIC")) << text;  // a connection that died
    failed += count;
  }
  EXPECT_EQ(right + failed, kRequests);
  EXPECT_GT(right, kRequests * 8 / 10);
}

TEST_P(ChurnTest, withRetriesNearlyEveryRequestIsAnswered) {
  run_with(3);
  int right = 0;
  for (auto const& [number, outcome] : outcomes) {
    EXPECT_EQ(outcome.returned, 1) << number;
    EXPECT_LE(outcome.handled, 4) << number;
    right += outcome.right ? 1 : 0;
  }
  EXPECT_GE(right, kRequests - 5) << failures.begin()->first;
}

}  // namespace
}  // namespace grenache::rpc
