#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "tests/support/run.hpp"
#include <grenache/net/worker.hpp>

namespace grenache::net {
namespace {

using namespace std::chrono_literals;
using Phase = Worker::Phase;

struct TestWorker : Worker {
  using Worker::Worker;

  struct Guest : Connection {
    using Connection::Connection;
    void cut(Cut) override { ++static_cast<TestWorker&>(worker()).cuts; }
    void drain() override { ++static_cast<TestWorker&>(worker()).drain_count; }
  };
  void start(asio::ip::tcp::socket, Endpoint const&) override {
    if (out_of_memory) throw std::bad_alloc{};
    guests.push_back(std::make_unique<Guest>(shared_from_this()));
  }

  std::vector<std::unique_ptr<Guest>> guests;
  int cuts = 0;
  int drain_count = 0;
  bool out_of_memory = false;
};

struct WorkerTest : testing::Test {
  asio::io_context io{1};
  std::shared_ptr<TestWorker> worker =
      std::make_shared<TestWorker>(io.get_executor(), Worker::Limits{1, 1'000'000});

  ~WorkerTest() override { worker->guests.clear(); }
  void come() { worker->admit(asio::ip::tcp::socket{io}, Endpoint{}); }
  TestWorker::Guest& first() { return *worker->guests.at(0); }
};

TEST_F(WorkerTest, aConnectionThatIsReadyToBeAnsweredMakesRoomForTheNext) {
  come();
  first().enter(Phase::serving);
  asio::post(io,
             [this] { first().enter(Phase::idle); });  // has been answered, but its thread does not know yet
  come();
  EXPECT_EQ(worker->guests.size(), 1u);
  io.run();
  EXPECT_EQ(worker->guests.size(), 2u);
  EXPECT_EQ(worker->cuts, 1);
  EXPECT_EQ(worker->counted(&Worker::Counters::evicted), 1u);
  EXPECT_EQ(worker->counted(&Worker::Counters::refused), 0u);
  EXPECT_EQ(worker->counted(&Worker::Counters::connections), 2u);
}

TEST_F(WorkerTest, refusesWhileAllOthersAreServed) {
  come();
  first().enter(Phase::serving);
  come();
  io.run();
  EXPECT_EQ(worker->guests.size(), 1u);
  EXPECT_EQ(worker->counted(&Worker::Counters::refused), 1u);
}

TEST_F(WorkerTest, aConnectionThatCannotBeStartedEndsAlone) {
  worker->out_of_memory = true;
  come();
  EXPECT_EQ(worker->counted(&Worker::Counters::failed), 1u);
  EXPECT_EQ(worker->connection_count(), 0u);
  worker->out_of_memory = false;
  come();
  EXPECT_EQ(worker->connection_count(), 1u);
}

TEST_F(WorkerTest, aStopCancelsAgainWhatWaitsAgain) {
  int waits = 0;
  auto stubborn = [&]() -> Awaitable<void> {
    AsyncEvent never{io.get_executor()};
    for (; waits < 3; ++waits) co_await never.wait();
  };
  worker->tasks().spawn_isolated(stubborn());
  auto test = [&]() -> Awaitable<void> {
    bool const graceful = co_await Worker::stop(worker, 1ms);
    EXPECT_FALSE(graceful);
    EXPECT_EQ(waits, 3);
    EXPECT_EQ(worker->tasks().size(), 0u);
  };
  test::run(io, test());
}

TEST_F(WorkerTest, nobodyIsStartedOnceAStopHasBegun) {
  come();
  auto test = [&]() -> Awaitable<void> {
    bool const graceful = co_await Worker::stop(worker, 1s);
    EXPECT_TRUE(graceful);
  };
  test::run(io, test());
  EXPECT_EQ(worker->drain_count, 1);
  come();
  EXPECT_EQ(worker->guests.size(), 1u);
}

}  // namespace
}  // namespace grenache::net
