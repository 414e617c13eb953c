// A Listener continues after an accept that failed.
#include <cerrno>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "tests/support/faults.hpp"
#include <grenache/net/address.hpp>
#include <grenache/net/listener.hpp>

namespace grenache::net {
namespace {

using asio::ip::tcp;

struct ListenerTest : testing::Test {
  asio::io_context io{1};
  Listener listener{io.get_executor(), 0};
  std::vector<tcp::socket> accepted;
  int exhausted_count = 0;

  ListenerTest() {
    Listener::Handlers handlers;
    handlers.accepted = [this](std::size_t, tcp::socket socket, Endpoint const&) {
      accepted.push_back(std::move(socket));
    };
    handlers.exhausted = [this](std::size_t) {
      ++exhausted_count;
      return false;
    };
    listener.listen({IpAddress{127, 0, 0, 1}, 0}, std::move(handlers)).value();
    io.poll();
  }
  ~ListenerTest() override { listener.close(); }

  /// Runs what is ready when a connection has come, whose first accept(2) fails.
  void accept_with(int error) {
    tcp::socket client{io};
    client.connect(to_asio<tcp>(listener.local_endpoint()));
    test::Fault const fault{1, error};
    io.poll();
    EXPECT_TRUE(fault.happened());
  }
};

TEST_F(ListenerTest, acceptsTheNextConnectionAtOnceAfterOneThatFailed) {
  std::size_t count = 0;
  for (int const error :
       {ECONNABORTED, EPROTO, ENETDOWN, ENETUNREACH, EHOSTUNREACH, EHOSTDOWN, ENONET, EOPNOTSUPP, EPERM}) {
    accept_with(error);
    EXPECT_EQ(accepted.size(), ++count) << "errno " << error;
  }
  EXPECT_EQ(exhausted_count, 0);
}

TEST_F(ListenerTest, asksForRoomWhenDescriptorsOrMemoryAreExhausted) {
  accept_with(EMFILE);
  EXPECT_EQ(exhausted_count, 1);
  while (accepted.empty()) io.run_one();  // after a pause
  accept_with(ENOBUFS);
  EXPECT_EQ(exhausted_count, 2);
  while (accepted.size() < 2) io.run_one();
}

}  // namespace
}  // namespace grenache::net
