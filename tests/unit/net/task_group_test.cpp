#include <stdexcept>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include "tests/support/run.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::net {
namespace {

using namespace std::chrono_literals;

struct TaskGroupTest : testing::Test {
  asio::io_context io{1};
  TaskGroup group{io.get_executor()};
  AsyncEvent event{io.get_executor()};
  int ended = 0;

  Awaitable<void> wait_for_event() {
    Wake const wake = co_await event.wait();
    if (wake != Wake::timed_out) ++ended;
  }
  Awaitable<void> wait_for_total() {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    Wake const wake = co_await event.wait();
    if (wake == Wake::cancelled) ++ended;
  }
  Awaitable<void> fail() {
    throw std::runtime_error{"a bug"};
    co_return;
  }
};

TEST_F(TaskGroupTest, isDrainedWhenItsTasksHaveEnded) {
  auto test = [this]() -> Awaitable<void> {
    group.spawn(wait_for_event());
    group.spawn(wait_for_event());
    bool const too_early = co_await group.drained(1ms);
    EXPECT_FALSE(too_early);
    EXPECT_EQ(group.size(), 2u);
    event.notify_all();
    bool const drained = co_await group.drained(10s);
    EXPECT_TRUE(drained);
    EXPECT_EQ(ended, 2);
  };
  test::run(io, test());
}

TEST_F(TaskGroupTest, totalReachesThoseWhoAskedForItAndTerminalEverybody) {
  auto test = [this]() -> Awaitable<void> {
    group.spawn(wait_for_event());
    group.spawn(wait_for_total());
    bool drained = co_await group.drained(1ms);
    group.cancel(asio::cancellation_type::total);
    drained = co_await group.drained(1ms);
    EXPECT_FALSE(drained);
    EXPECT_EQ(ended, 1);
    group.cancel(asio::cancellation_type::terminal);
    drained = co_await group.drained(10s);
    EXPECT_TRUE(drained);
    EXPECT_EQ(ended, 2);
  };
  test::run(io, test());
}

TEST_F(TaskGroupTest, anExceptionOfAnIsolatedTaskEndsThatTaskAlone) {
  auto test = [this]() -> Awaitable<void> {
    group.spawn_isolated(fail());
    bool const drained = co_await group.drained(10s);
    EXPECT_TRUE(drained);
    EXPECT_EQ(group.failure_count(), 1u);
  };
  test::run(io, test());
}

TEST_F(TaskGroupTest, anExceptionOfAnyOtherTaskLeavesRun) {
  group.spawn(wait_for_event());
  group.spawn(fail());
  EXPECT_THROW(io.run(), std::runtime_error);
  EXPECT_EQ(group.size(), 1u);
  event.notify_all();
  io.run();
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(group.size(), 0u);
}

TEST_F(TaskGroupTest, isStoppingOnceItWasCancelled) {
  group.spawn(wait_for_event());
  io.poll();
  EXPECT_FALSE(group.stopping());
  group.cancel(asio::cancellation_type::total);
  EXPECT_TRUE(group.stopping());
  group.cancel(asio::cancellation_type::terminal);
  io.run();
  EXPECT_EQ(ended, 1);
}

TEST_F(TaskGroupTest, anEventWakesTheOneWhoWaitsLongest) {
  auto test = [this]() -> Awaitable<void> {
    group.spawn(wait_for_event());
    group.spawn(wait_for_event());
    bool drained = co_await group.drained(1ms);
    event.notify_one();
    drained = co_await group.drained(1ms);
    EXPECT_FALSE(drained);
    EXPECT_EQ(ended, 1);
    EXPECT_EQ(event.waiter_count(), 1u);
    Wake const wake = co_await event.wait(steady_now());
    EXPECT_EQ(wake, Wake::timed_out);
  };
  test::run(io, test());
}

TEST_F(TaskGroupTest, tasksMayOutliveTheirOwners) {
  auto own_io = std::make_unique<asio::io_context>(1);
  {
    TaskGroup own_group{own_io->get_executor()};
    AsyncEvent own_event{own_io->get_executor()};
    auto waits = [](AsyncEvent& e) -> Awaitable<void> { co_await e.wait(); };
    own_group.spawn(waits(own_event));
    own_io->poll();
    EXPECT_EQ(own_event.waiter_count(), 1u);
  }
  own_io.reset();
}

}  // namespace
}  // namespace grenache::net
