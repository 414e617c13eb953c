#include <chrono>
#include <optional>
#include <semaphore>
#include <string>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "tests/support/run.hpp"
#include <grenache/net/resolver.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::net {
namespace {

using namespace std::chrono_literals;

/// A name server that answers when a test lets it. Lookups that still wait at the end are let go.
struct ResolverTest : testing::Test {
  struct Server {
    std::counting_semaphore<> may_answer{0};
    std::atomic<int> asked = 0;
  };
  std::shared_ptr<Server> names = std::make_shared<Server>();
  std::optional<asio::io_context> io{std::in_place, 1};

  HostPort const service{"service", 7};
  HostPort const nobody{"nobody", 7};
  HostPort const address{"::1", 7};

  ~ResolverTest() override { names->may_answer.release(100); }

  Resolver::Lookup lookup() {
    return [server = names](HostPort const& host) -> Result<TcpEndpoints> {
      ++server->asked;
      server->may_answer.acquire();
      if (host.host == "nobody") return Error{asio::error::host_not_found};
      return TcpEndpoints{{asio::ip::address_v4::loopback(), host.port}};
    };
  }
};

TEST_F(ResolverTest, aNameIsLookedUpAndAnAddressIsNot) {
  auto test = [this]() -> Awaitable<void> {
    Resolver resolver{io->get_executor(), lookup()};
    names->may_answer.release(2);
    auto found = co_await resolver.resolve(service, TimePoint::max());
    EXPECT_EQ(found.value().at(0).port(), 7);
    found = co_await resolver.resolve(nobody, TimePoint::max());
    EXPECT_EQ(found.error(), asio::error::host_not_found);
    found = co_await resolver.resolve(address, TimePoint::max());
    EXPECT_EQ(found.value().at(0).address().to_string(), "::1");
    EXPECT_EQ(names->asked, 2);
  };
  test::run(*io, test());
}

TEST_F(ResolverTest, aLookupThatHangsIsSharedAndHoldsUpNobody) {
  auto test = [this]() -> Awaitable<void> {
    Resolver resolver{io->get_executor(), lookup()};
    for (int i = 0; i < 3; ++i) {
      auto const late = co_await resolver.resolve(service, steady_deadline(1ms));
      EXPECT_EQ(late.error(), asio::error::timed_out);
    }
    TaskGroup tasks{io->get_executor()};
    Error failure;
    auto wait = [&]() -> Awaitable<void> {
      auto const found = co_await resolver.resolve(service, TimePoint::max());
      failure = found.error();
    };
    tasks.spawn(wait());
    (void)co_await tasks.drained(1ms);
    resolver.cancel();
    co_await tasks.drained(10s);
    EXPECT_EQ(failure, asio::error::operation_aborted);
    while (names->asked == 0) co_await asio::post(*io, kTuple);
    EXPECT_EQ(names->asked, 1);
  };
  test::run(*io, test());
}

TEST_F(ResolverTest, itsEndAndThatOfTheContextDoNotWaitForALookup) {
  std::optional<Resolver> resolver{std::in_place, io->get_executor(), lookup()};
  auto wait = [&]() -> Awaitable<void> { (void)co_await resolver->resolve(service, TimePoint::max()); };
  TaskGroup tasks{io->get_executor()};
  tasks.spawn(wait());
  while (names->asked == 0) io->poll();
  resolver.reset();
  io.reset();
  EXPECT_EQ(names->asked, 1);
}

}  // namespace
}  // namespace grenache::net
