#include <gtest/gtest.h>

#include "tests/support/faults.hpp"
#include "tests/unit/net/http_pair.hpp"

namespace grenache::net {
namespace {

/// Both plain and TLS.
struct HttpFaultTest : testing::TestWithParam<bool> {
  /// `use` runs with a fault at each of its operations in turn: it must come to an end, soon, and what is
  /// asked afterwards must be answered.
  template <class Use>
  std::size_t walk(Use use) {
    return test::walk_faults([&](test::Fault& fault) {
      HttpPair pair{GetParam()};
      auto run = [&]() -> Awaitable<void> {
        pair.start();
        Error const outcome = co_await use(pair);
        EXPECT_NE(outcome, HttpClientErrc::timed_out);
        if (!fault.happened()) {
          EXPECT_FALSE(outcome) << outcome.message();
        }
        fault.disarm();
        HttpCall after = pair.call("/after", "x");
        after.repeatable = true;  // the server may just be about to close the connection that was kept
        auto const answer = co_await pair.client->request(std::move(after));
        EXPECT_TRUE(answer) << answer.error().message();
        co_await pair.client->stop();
        bool const graceful = co_await pair.server->stop(10s);
        EXPECT_TRUE(graceful);
        EXPECT_EQ(pair.server->connection_count(), 0u);
      };
      test::run(pair.io, run());
    });
  }
};

std::string name_of(testing::TestParamInfo<bool> const& info) { return info.param ? "tls" : "plain"; }
INSTANTIATE_TEST_SUITE_P(Transports, HttpFaultTest, testing::Bool(), name_of);

TEST_P(HttpFaultTest, requestsOnAKeptConnection) {
  std::size_t const runs = walk([](HttpPair& pair) -> Awaitable<Error> {
    Error outcome;
    for (int i = 0; i < 3; ++i) {
      auto const answer = co_await pair.ask("/a", "b");
      if (!answer) outcome = answer.error();
    }
    co_return outcome;
  });
  EXPECT_GT(runs, 10u);
}

TEST_P(HttpFaultTest, largeBodies) {
  std::string const large(300'000, 'x');
  std::size_t const runs = walk([&](HttpPair& pair) -> Awaitable<Error> {
    auto const answer = co_await pair.ask("/a", large.c_str());
    co_return answer ? Error{} : answer.error();
  });
  EXPECT_GT(runs, 10u);
}

TEST_P(HttpFaultTest, aRequestThatMayBeRepeatedIsLostOnlyWithItsFirstConnection) {
  std::size_t const runs = walk([](HttpPair& pair) -> Awaitable<Error> {
    auto const first = co_await pair.ask("/a");
    if (!first) co_return first.error();
    HttpCall second = pair.call("/b");
    second.repeatable = true;
    auto const response = co_await pair.client->request(std::move(second));
    EXPECT_TRUE(response) << response.error().message();
    co_return Error{};
  });
  EXPECT_GT(runs, 5u);
}

TEST_P(HttpFaultTest, streams) {
  std::string const piece(50'000, 'x');
  std::size_t const runs = walk([&](HttpPair& pair) -> Awaitable<Error> {
    auto const received = co_await pair.exchange("/s/echo", piece, 4);
    if (!received) co_return received.error();
    EXPECT_EQ(*received, 4 * piece.size());
    co_return Error{};
  });
  EXPECT_GT(runs, 20u);
}

TEST_P(HttpFaultTest, aRefusedStream) {
  std::size_t const runs = walk([&](HttpPair& pair) -> Awaitable<Error> {
    HttpCall head = pair.call("/s/early");
    auto stream = co_await pair.client->open(std::move(head));
    if (!stream) co_return stream.error();
    auto const received = co_await HttpPair::receive(*stream);
    co_return received ? Error{} : received.error();
  });
  EXPECT_GT(runs, 5u);
}

}  // namespace
}  // namespace grenache::net
