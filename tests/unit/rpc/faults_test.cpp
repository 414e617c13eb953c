// Each operation of a client, its grape and its services fails once.
#include "tests/support/faults.hpp"

#include "tests/unit/rpc/rpc_fixture.hpp"

namespace grenache::rpc {
namespace {

struct FaultTest : testing::TestWithParam<Transport> {};

INSTANTIATE_TEST_SUITE_P(Over, FaultTest,
                         testing::Values(Transport::http, Transport::https, Transport::ws, Transport::wss),
                         name_of_transport);

/// A client that asks a service, maps it, and sends much; all of it again once nothing fails any more. One
/// grape alone, so that no operation is one between grapes.
struct Walk : RpcFixture {
  explicit Walk(Transport t) : RpcFixture{t, 1} {}

  Awaitable<void> use(bool must_succeed) {
    RequestOptions options;
    options.retry_count = 3;
    for (std::size_t const size : {1u, 100'000u}) {
      int const before = handled();
      auto const reply = co_await client->request("svc", std::string(size, 'x'), options);
      // An answer, or an error that names a cause; and never more than one attempt beside the retries.
      EXPECT_LE(handled() - before, 4);
      if (reply) {
        EXPECT_EQ(reply->at(2)->as_string()->size(), size);
      } else {
        EXPECT_NE(reply.error().text(), "");
      }
      EXPECT_TRUE(reply || !must_succeed) << reply.error().text();
    }
    MapOptions const mapping;
    auto const entries = co_await client->map("svc", "x", mapping);
    EXPECT_TRUE(entries || !must_succeed) << entries.error().text();
    if (!entries) co_return;
    for (auto const& entry : *entries) {
      EXPECT_TRUE(entry.reply || !must_succeed) << entry.reply.error().text();
    }
  }
  [[nodiscard]] int handled() const {
    int sum = 0;
    for (TestService const& each : services) sum += each.request_count;
    return sum;
  }

  Awaitable<void> run(test::Fault& fault) {
    (void)co_await serve("A");
    (void)co_await serve("B");
    fault.arm();
    co_await use(false);
    fault.disarm();
    link->forget("svc");
    co_await use(true);
    co_await client->stop();
    for (TestService& each : services) {
      bool const graceful = co_await each.server->stop(10s);
      EXPECT_TRUE(graceful);
    }
    co_await link->stop();
  }
};

TEST_P(FaultTest, whateverFailsRequestsEndAndTheNextOnesSucceed) {
  auto const run = [](test::Fault& fault) {
    fault.disarm();
    Walk walk{GetParam()};
    test::run(walk.io, walk.run(fault));
  };
  std::size_t const count = test::walk_faults(run);
  EXPECT_GT(count, 20u);
  RecordProperty("operations", static_cast<int>(count));
}

/// A stream that is echoed, with a fault somewhere.
struct StreamWalk : RpcFixture {
  explicit StreamWalk(Transport t) : RpcFixture{t, 1} {
    auto answer = [](Request&) -> Awaitable<Reply> { co_return Reply{}; };
    server.emplace(io.get_executor(), server_options(transport), Server::Handler{answer});
    server->on_stream([this](ServerStream& stream) { return echo(stream); });
    at = server->listen(kFreePort).value();
  }
  Awaitable<void> echo(ServerStream& stream) {
    for (;;) {
      auto const piece = co_await stream.read();
      if (!piece || piece->empty()) co_return;
      auto const written = co_await stream.write(*piece);
      if (!written) co_return;
    }
  }
  /// Returns the echoed bytes; nothing when the stream was cut off or refused.
  Awaitable<std::optional<std::string>> use() {
    StreamOptions options;
    auto stream = co_await client->stream("svc", options);
    if (!stream) co_return std::nullopt;
    (void)co_await stream->write("half ");
    (void)co_await stream->write("whole");
    (void)co_await stream->finish();
    std::string text;
    for (;;) {
      auto const piece = co_await stream->read();
      if (!piece) co_return std::nullopt;
      if (piece->empty()) co_return text;
      text += *piece;
    }
  }
  Awaitable<void> run(test::Fault& fault) {
    co_await announce("svc", at);
    fault.arm();
    auto text = co_await use();
    EXPECT_EQ(text.value_or("half whole"), "half whole");  // whole, or seen to be cut off
    fault.disarm();
    link->forget("svc");
    text = co_await use();
    EXPECT_EQ(text, "half whole");
    co_await client->stop();
    bool const graceful = co_await server->stop(10s);
    EXPECT_TRUE(graceful);
    co_await link->stop();
  }
  std::optional<Server> server;
  Endpoint at;
};

struct StreamFaultTest : testing::TestWithParam<Transport> {};

INSTANTIATE_TEST_SUITE_P(Over, StreamFaultTest, testing::Values(Transport::http, Transport::https),
                         name_of_transport);

TEST_P(StreamFaultTest, aStreamIsWholeOrSeenToBeCutOff) {
  auto const run = [](test::Fault& fault) {
    fault.disarm();
    StreamWalk walk{GetParam()};
    test::run(walk.io, walk.run(fault));
  };
  EXPECT_GT(test::walk_faults(run), 10u);
}

}  // namespace
}  // namespace grenache::rpc
