// An embedded grape must stop even if the disk or the resolver hangs.
#include "grape/grape.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/run.hpp"
#include "tests/support/temporary_folder.hpp"

namespace grenache::grape {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

IpAddress const kLoopback{127, 0, 0, 1};

/// A resolver that hangs until it is released; then every resolution fails.
class HangingResolver {
 public:
  ~HangingResolver() { release(); }
  NameLookup lookup() {
    return [state = state_](std::string const&) -> Result<std::vector<IpAddress>> {
      std::unique_lock lock{state->mutex};
      state->entered = true;
      state->changed.notify_all();
      state->changed.wait(lock, [&] { return state->released; });
      return make_error_code(boost::system::errc::host_unreachable);
    };
  }
  void wait_until_entered() {
    std::unique_lock lock{state_->mutex};
    state_->changed.wait(lock, [this] { return state_->entered; });
  }
  void release() {
    std::scoped_lock const lock{state_->mutex};
    state_->released = true;
    state_->changed.notify_all();
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool entered = false;
    bool released = false;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

class GrapeTest : public testing::Test {
 protected:
  static Grape::Options options() {
    Grape::Options out;
    out.bind = kLoopback;
    return out;
  }
  /// Waits until `condition` holds, up to the limit of a test.
  template <class Condition>
  net::Awaitable<void> until(Condition condition) {
    boost::asio::steady_timer timer{io_};
    while (!condition()) {
      timer.expires_after(milliseconds{1});
      (void)co_await timer.async_wait(net::kTuple);
    }
  }

  boost::asio::io_context io_{1};
  Log log_{LogLevel::error, LogFormat::text};
};

TEST_F(GrapeTest, stopsWhileANameIsBeingResolved) {
  HangingResolver resolver;
  auto with_name = options();
  with_name.bootstrap = {{"seed.test", 1}};
  with_name.name_lookup = resolver.lookup();
  Grape grape{io_.get_executor(), with_name, log_};
  ASSERT_FALSE(grape.start());
  io_.poll();
  resolver.wait_until_entered();
  test::run(io_, grape.stop());
  io_.restart();
  io_.run_for(seconds{30});
  EXPECT_TRUE(io_.stopped()) << "nothing is left to run";
}

TEST_F(GrapeTest, isDestroyedWithoutAStopWhileANameIsBeingResolved) {
  HangingResolver resolver;
  auto with_name = options();
  with_name.bootstrap = {{"seed.test", 1}};
  with_name.name_lookup = resolver.lookup();
  std::optional<Grape> grape{std::in_place, io_.get_executor(), with_name, log_};
  ASSERT_FALSE(grape->start());
  io_.poll();
  resolver.wait_until_entered();
  boost::asio::post(io_, [&] {
    grape.reset();
    resolver.release();
  });
  io_.run();
  EXPECT_TRUE(io_.stopped());
}

TEST_F(GrapeTest, findsItsBootstrapHostAtItsNewAddress) {
  Grape host{io_.get_executor(), options(), log_};
  ASSERT_FALSE(host.start());
  std::atomic<int> calls{0};
  auto with_name = options();
  with_name.bootstrap = {{"seed.test", host.dht_endpoint().port}};
  // Nobody listens at the first address.
  with_name.name_lookup = [&calls](std::string const&) -> Result<std::vector<IpAddress>> {
    return std::vector{++calls == 1 ? IpAddress{127, 0, 0, 99} : kLoopback};
  };
  Grape guest{io_.get_executor(), with_name, log_};
  ASSERT_FALSE(guest.start());
  test::run(io_, until([&] { return guest.status().health() == Health::ok; }));
  EXPECT_EQ(guest.node().node_count(), 1u);
  EXPECT_GE(calls, 2);
  test::run(io_, guest.stop());
  test::run(io_, host.stop());
}

TEST_F(GrapeTest, onAllAddressesAnswersFromTheOneThatWasAsked) {
  auto everywhere = options();
  everywhere.bind = IpAddress{};
  Grape grape{io_.get_executor(), everywhere, log_};
  ASSERT_FALSE(grape.start());
  Endpoint const second{IpAddress{127, 0, 0, 2}, grape.dht_endpoint().port};
  UdpSocket client{io_.get_executor()};
  ASSERT_TRUE(client.open({kLoopback, 0}));
  client.send(second, dht::encode_query("aa", NodeId{}, dht::Ping{}));
  client.flush();
  std::optional<Endpoint> from;
  auto const hear = [&]() -> net::Awaitable<void> {
    (void)co_await client.readable();
    for (auto const& one : client.receive()) from = one.from;
  };
  test::run(io_, hear());
  EXPECT_EQ(from, second);
  test::run(io_, grape.stop());
}

TEST_F(GrapeTest, stopsInTimeWhileTheDiskHangs) {
  test::TemporaryFolder folder;
  // Opening a pipe without a reader hangs, like a disk that does not answer.
  auto const draft = folder.path() / "state.new";
  ASSERT_EQ(::mkfifo(draft.c_str(), 0600), 0);
  auto with_state = options();
  with_state.state_folder = folder.path();
  with_state.last_save_max = milliseconds{50};
  {
    Grape grape{io_.get_executor(), with_state, log_};
    ASSERT_FALSE(grape.start());
    test::run(io_, grape.stop());
  }
  EXPECT_EQ(StateFolder::open(folder.path()).error(), boost::system::errc::resource_unavailable_try_again)
      << "a write is under way, nobody may write beside it";
  int const reader = ::open(draft.c_str(), O_RDONLY);
  ASSERT_GE(reader, 0);
  while (!StateFolder::open(folder.path())) std::this_thread::yield();
  ::close(reader);
}

TEST_F(GrapeTest, savesItsStateAtTheEnd) {
  test::TemporaryFolder folder;
  auto with_state = options();
  with_state.state_folder = folder.path();
  NodeId id;
  {
    Grape grape{io_.get_executor(), with_state, log_};
    ASSERT_FALSE(grape.start());
    id = grape.node().id();
    test::run(io_, until([&] { return grape.node().is_ready(); }));
    test::run(io_, grape.stop());
  }
  auto const state = StateFolder::open(folder.path());
  ASSERT_TRUE(state);
  auto const loaded = state->load({});
  ASSERT_TRUE(loaded.snapshot) << loaded.warning;
  EXPECT_EQ(loaded.snapshot->ids.v4, id);
}

TEST_F(GrapeTest, aStartThatFailsLeavesTheStateAsItWas) {
  test::TemporaryFolder folder;
  auto with_state = options();
  with_state.state_folder = folder.path();
  NodeId id;
  {
    Grape grape{io_.get_executor(), with_state, log_};
    ASSERT_FALSE(grape.start());
    id = grape.node().id();
    test::run(io_, grape.stop());
  }
  Grape other{io_.get_executor(), options(), log_};
  ASSERT_FALSE(other.start());
  auto udp_taken = with_state;
  udp_taken.dht_port = other.dht_endpoint().port;
  auto tcp_taken = with_state;
  tcp_taken.api_port = other.api_endpoint().port;
  for (auto const& taken : {udp_taken, tcp_taken}) {
    Grape grape{io_.get_executor(), taken, log_};
    ASSERT_TRUE(grape.start());
    test::run(io_, grape.stop());
  }
  test::run(io_, other.stop());
  auto const state = StateFolder::open(folder.path());
  ASSERT_TRUE(state);
  auto const loaded = state->load({});
  ASSERT_TRUE(loaded.snapshot) << loaded.warning;
  EXPECT_EQ(loaded.snapshot->ids.v4, id);
}

}  // namespace
}  // namespace grenache::grape
