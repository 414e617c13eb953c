#include <csignal>
#include <optional>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <gtest/gtest.h>

#include "tests/support/run.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/termination_signals.hpp>

namespace grenache::net {
namespace {

/// Sends the signal to this process and waits until a handler has it.
Awaitable<void> send(TerminationSignals& signals, int number) {
  unsigned const before = signals.count();
  std::raise(number);
  co_await signals.received(before + 1);
}

Awaitable<bool> become_ready(AsyncEvent& ready) {
  Wake const wake = co_await ready.wait();
  co_return wake == Wake::notified;
}

TEST(TerminationSignalsTest, keepsASignalThatComesWhileNobodyWaits) {
  asio::io_context io{1};
  auto test = [&]() -> Awaitable<void> {
    TerminationSignals signals{io.get_executor()};
    co_await send(signals, SIGTERM);
    co_await send(signals, SIGINT);
    EXPECT_EQ(signals.count(), 2u);
    co_await signals.received();
    co_await signals.received(2);
  };
  test::run(io, test());
}

TEST(TerminationSignalsTest, keepsASignalOfTheMomentInWhichItsWaitIsCancelled) {
  asio::io_context io{1};
  auto test = [&]() -> Awaitable<void> {
    using namespace asio::experimental::awaitable_operators;
    TerminationSignals signals{io.get_executor()};
    AsyncEvent ready{io.get_executor()};
    signals.on_signal([&] { ready.notify_all(); });  // both sides of the `||` are to complete at once
    asio::post(io, [] { std::raise(SIGTERM); });
    auto starting = become_ready(ready) || signals.received();
    (void)co_await std::move(starting);
    co_await signals.received();
    EXPECT_EQ(signals.count(), 1u);
  };
  test::run(io, test());
}

TEST(TerminationSignalsTest, aSignalThatIsQueuedAtItsEndReachesNobody) {
  asio::io_context io{1};
  bool called = false;
  std::optional<TerminationSignals> signals{std::in_place, io.get_executor()};
  signals->on_signal([&] { called = true; });
  // Asio queues the handlers of a signal together, that of the newest set first.
  asio::signal_set newest{io, SIGTERM};
  newest.async_wait([&](boost::system::error_code error, int) {
    EXPECT_FALSE(error);
    signals.reset();
  });
  std::raise(SIGTERM);
  io.run();
  EXPECT_FALSE(signals);
  EXPECT_FALSE(called);
}

TEST(TerminationSignalsTest, doesNotKeepItsLoopRunningOnceItHasGone) {
  asio::io_context io{1};
  { TerminationSignals const signals{io.get_executor()}; }
  EXPECT_GT(io.run(), 0u);
}

}  // namespace
}  // namespace grenache::net
