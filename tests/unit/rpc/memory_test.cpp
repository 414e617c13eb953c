// A Link that runs out of memory: whoever waits hears of it, or the exception leaves io_context::run().
#include <new>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "tests/support/allocation_fault.hpp"
#include "tests/unit/rpc/rpc_fixture.hpp"
#include <grenache/net/http_server.hpp>

namespace grenache::rpc {
namespace {

// So large that only what is made of the name is allocated in this size, not what Asio needs.
std::string const kName(100'000, 'n');
constexpr std::size_t kAllocationsMax = 1000;

/// While an exception leaves run(), what its coroutine held may refer to itself: it is released with the
/// process.
struct LeaksAreAllowed {
#ifdef __SANITIZE_ADDRESS__
  __lsan::ScopedDisabler disabler;
#endif
};

/// A Link to a server that takes names of this length: it finds one peer of each, and stores each once.
struct Poor {
  explicit Poor(Link::Options options = {})
      : server{io.get_executor(), net::HttpServer::Options{},
               [](net::HttpRequest& request) { return answer(request); }} {
    Endpoint const at = server.listen(kFreePort).value();
    options.grapes = {HostPort{"127.0.0.1", at.port}};
    link.emplace(io.get_executor(), options, Random{1});
  }
  static Awaitable<net::HttpReply> answer(net::HttpRequest& request) {
    net::HttpReply reply;
    reply.body = request.target == "/lookup" ? R"(["127.0.0.1:1"])" : "1";
    co_return reply;
  }
  Awaitable<void> look_up(std::string name, int& ended) {
    auto const result = co_await link->lookup(std::move(name));
    EXPECT_TRUE(result || result.error().code != Errc::stopped);
    ++ended;
  }
  Awaitable<void> announced() {
    auto const confirmed = co_await link->announced(kName, 7000, Duration::max());
    EXPECT_TRUE(confirmed);
  }
  /// True when an exception left io_context::run() before `task` had ended.
  bool run_fails(Awaitable<void> task) {
    try {
      test::run(io, std::move(task));
    } catch (std::bad_alloc const&) {
      return true;
    }
    return false;
  }

  LeaksAreAllowed leaks;
  boost::asio::io_context io{1};
  net::TaskGroup tasks{io.get_executor()};
  net::HttpServer server;
  std::optional<Link> link;
};

/// Calls `use` with the first allocation failing, with the second, …, until none does.
std::size_t walk(std::function<void(std::size_t nth, bool& happened)> const& use) {
  for (std::size_t nth = 1; nth <= kAllocationsMax; ++nth) {
    bool happened = false;
    use(nth, happened);
    if (!happened) return nth - 1;
  }
  ADD_FAILURE() << "the walk does not come to an end";
  return kAllocationsMax;
}

TEST(LinkWithoutMemory, aLookupEndsForAllWhoWaitOrLeavesRun) {
  auto const use = [](std::size_t nth, bool& happened) {
    Poor poor;
    int ended = 0;
    auto const ask = [&]() -> Awaitable<void> {
      for (int i = 0; i < 3; ++i) poor.tasks.spawn(poor.look_up(kName, ended));
      (void)co_await poor.tasks.drained(Duration::max());
    };
    bool failed = false;
    {
      test::AllocationFault const fault{kName.size(), nth};
      failed = poor.run_fails(ask());
      happened = fault.happened();
    }
    EXPECT_TRUE(failed || ended == 3) << nth;
    if (failed) return;
    // Nothing of the failed one is left for the next.
    test::run(poor.io, poor.look_up(kName, ended));
    EXPECT_EQ(ended, 4) << nth;
  };
  EXPECT_GT(walk(use), 3u);
}

TEST(LinkWithoutMemory, anAnnouncementIsConfirmedOrLeavesRun) {
  auto const use = [](std::size_t nth, bool& happened) {
    Link::Options options;
    options.announce_retry = 1ms;
    Poor poor{options};
    test::AllocationFault const fault{kName.size(), nth};
    bool failed = false;
    try {
      poor.link->start_announcing(kName, 7000);
      failed = poor.run_fails(poor.announced());
    } catch (std::bad_alloc const&) {
      failed = true;  // at the one who asks
    }
    happened = fault.happened();
    EXPECT_TRUE(happened || !failed) << nth;
  };
  EXPECT_GT(walk(use), 3u);
}

}  // namespace
}  // namespace grenache::rpc
