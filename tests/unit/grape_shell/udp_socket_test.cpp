#include "grape/udp_socket.hpp"

#include <array>
#include <set>
#include <string_view>

#include <boost/asio/ip/multicast.hpp>
#include <gtest/gtest.h>

#include "tests/support/run.hpp"

namespace grenache::grape {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;

Endpoint const kLoopback{IpAddress{127, 0, 0, 1}, 0};

/// Whether `probe`, which is bound to all addresses, gets what it sends to its own port of `group`. A
/// datagram to `self` that is sent afterwards ends the wait.
net::Awaitable<bool> comes_back(udp::socket& probe, asio::ip::address group, asio::ip::address self) {
  std::uint16_t const port = probe.local_endpoint().port();
  boost::system::error_code error;
  probe.send_to(asio::buffer("ask", 3), {group, port}, 0, error);
  if (!error) probe.send_to(asio::buffer("end", 3), {self, port}, 0, error);
  if (error) co_return false;
  std::array<char, 16> bytes{};
  auto const [failed, size] = co_await probe.async_receive(asio::buffer(bytes), net::kTuple);
  co_return !failed && std::string_view(bytes.data(), size) == "ask";
}

asio::ip::address_v6 all_nodes_of(unsigned interface) {
  asio::ip::address_v6 address = asio::ip::make_address_v6("ff02::1");
  address.scope_id(interface);
  return address;
}

/// Finds an interface through which this host gets its own IPv6 multicasts; 0 when there is none.
net::Awaitable<void> find_multicast_interface(asio::io_context& io, unsigned& found) {
  found = 0;
  for (unsigned interface = 1; found == 0 && interface < 64; ++interface) {
    udp::socket probe{io, udp::endpoint{udp::v6(), 0}};
    boost::system::error_code error;
    probe.set_option(asio::ip::multicast::outbound_interface{interface}, error);
    if (error) continue;
    bool const returned =
        co_await comes_back(probe, all_nodes_of(interface), asio::ip::address_v6::loopback());
    if (returned) found = interface;
  }
}

class UdpSockets : public testing::TestWithParam<bool> {
 protected:
  UdpSocket::Options options(std::size_t batch_max = 8) const {
    UdpSocket::Options out;
    out.batch_max = batch_max;
    out.batched = GetParam();
    return out;
  }
  /// Receives `count` datagrams.
  net::Awaitable<void> collect(UdpSocket& socket, std::size_t count, std::vector<std::string>& bytes,
                               std::set<Endpoint>& senders) {
    while (bytes.size() < count) {
      bool const open = co_await socket.readable();
      if (!open) break;
      auto const received = socket.receive();
      EXPECT_LE(received.size(), socket.batch_max());
      for (auto const& one : received) {
        bytes.emplace_back(one.bytes);
        senders.insert(one.from);
      }
    }
  }

  asio::io_context io_{1};
};

TEST_P(UdpSockets, carriesMoreThanOneBatchInOrder) {
  UdpSocket a{io_.get_executor(), options()};
  UdpSocket b{io_.get_executor(), options()};
  auto const from = a.open(kLoopback);
  auto const to = b.open(kLoopback);
  ASSERT_TRUE(from && to);
  for (int i = 0; i < 21; ++i) a.send(*to, "datagram " + std::to_string(i));
  a.flush();
  std::vector<std::string> bytes;
  std::set<Endpoint> senders;
  test::run(io_, collect(b, 21, bytes, senders));
  ASSERT_EQ(bytes.size(), 21u);
  for (int i = 0; i < 21; ++i) EXPECT_EQ(bytes[static_cast<std::size_t>(i)], "datagram " + std::to_string(i));
  EXPECT_EQ(senders, std::set<Endpoint>{*from});
  EXPECT_EQ(a.counters().sent, 21u);
  EXPECT_EQ(b.counters().received, 21u);
  if (GetParam()) {
    EXPECT_EQ(a.counters().send_calls, 3u);
  } else {
    EXPECT_EQ(a.counters().send_calls, 21u);
  }
}

TEST_P(UdpSockets, carriesTheLargestDatagramAndTheEmptyOne) {
  UdpSocket a{io_.get_executor(), options()};
  UdpSocket b{io_.get_executor(), options()};
  auto const from = a.open(kLoopback);
  auto const to = b.open(kLoopback);
  ASSERT_TRUE(from && to);
  std::string const largest(65'507, 'x');
  a.send(*to, largest);
  a.send(*to, "");
  a.flush();
  std::vector<std::string> bytes;
  std::set<Endpoint> senders;
  test::run(io_, collect(b, 2, bytes, senders));
  EXPECT_EQ(bytes, (std::vector<std::string>{largest, ""}));
}

TEST_P(UdpSockets, losesOnlyTheDatagramThatCannotGo) {
  UdpSocket a{io_.get_executor(), options()};
  UdpSocket b{io_.get_executor(), options()};
  ASSERT_TRUE(a.open(kLoopback));
  auto const to = b.open(kLoopback);
  ASSERT_TRUE(to);
  a.send(*to, "one");
  a.send(*Endpoint::parse("[::1]:9"), "an IPv4 socket does not get there");
  a.send(*to, std::string(70'000, 'x'));
  a.send(*to, "two");
  a.flush();
  std::vector<std::string> bytes;
  std::set<Endpoint> senders;
  test::run(io_, collect(b, 2, bytes, senders));
  EXPECT_EQ(bytes, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(a.counters().send_failures, 2u);
}

TEST_P(UdpSockets, boundToAllAddressesSpeaksBothFamilies) {
  UdpSocket both{io_.get_executor(), options()};
  auto const at = both.open({*IpAddress::parse("::"), 0});
  if (!at) GTEST_SKIP() << "no IPv6 here: " << at.error().message();
  UdpSocket v4{io_.get_executor(), options()};
  UdpSocket v6{io_.get_executor(), options()};
  auto const from4 = v4.open(kLoopback);
  auto const from6 = v6.open({*IpAddress::parse("::1"), 0});
  if (!from4 || !from6) GTEST_SKIP() << "no IPv6 here";
  v4.send({kLoopback.address, at->port}, "4");
  v6.send({*IpAddress::parse("::1"), at->port}, "6");
  v4.flush();
  v6.flush();
  std::vector<std::string> bytes;
  std::set<Endpoint> senders;
  test::run(io_, collect(both, 2, bytes, senders));
  EXPECT_EQ(senders, (std::set<Endpoint>{*from4, *from6}));
  for (Endpoint const& sender : senders) both.send(sender, "back");
  both.flush();
  std::vector<std::string> back;
  std::set<Endpoint> ignored;
  test::run(io_, collect(v4, 1, back, ignored));
  test::run(io_, collect(v6, 2, back, ignored));
  EXPECT_EQ(back, (std::vector<std::string>{"back", "back"}));
}

TEST_P(UdpSockets, boundToAllAddressesAnswersFromTheOneThatWasAsked) {
  for (char const* all : {"0.0.0.0", "::"}) {
    SCOPED_TRACE(all);
    UdpSocket server{io_.get_executor(), options()};
    UdpSocket client{io_.get_executor(), options()};
    auto const at = server.open({*IpAddress::parse(all), 0});
    if (!at) {  // no IPv6 on this host
      EXPECT_STREQ(all, "::");
      continue;
    }
    ASSERT_TRUE(client.open(kLoopback));
    Endpoint const second{IpAddress{127, 0, 0, 2}, at->port};
    client.send(second, "ask");
    client.flush();
    auto const answer = [&]() -> net::Awaitable<void> {
      (void)co_await server.readable();
      auto const received = server.receive();
      EXPECT_EQ(received.size(), 1u);
      for (auto const& one : received) {
        EXPECT_EQ(one.at, second.address);
        server.send(one.from, "answer", one.at);
        server.send(one.from, "no answer");
      }
      server.flush();
    };
    test::run(io_, answer());
    std::vector<std::string> bytes;
    std::set<Endpoint> senders;
    test::run(io_, collect(client, 2, bytes, senders));
    EXPECT_EQ(senders, (std::set<Endpoint>{second, {kLoopback.address, at->port}}));
  }
}

TEST_P(UdpSockets, anAnswerToABroadcastLeavesFromAnAddressOfThisHost) {
  auto const broadcast = asio::ip::make_address("127.255.255.255");
  bool returned = false;
  auto const try_broadcast = [&]() -> net::Awaitable<void> {
    udp::socket probe{io_, udp::endpoint{udp::v4(), 0}};
    probe.set_option(asio::socket_base::broadcast{true});
    returned = co_await comes_back(probe, broadcast, asio::ip::address_v4::loopback());
  };
  test::run(io_, try_broadcast());
  if (!returned) GTEST_SKIP() << "this host does not get its own broadcasts";
  for (char const* all : {"0.0.0.0", "::"}) {
    SCOPED_TRACE(all);
    UdpSocket server{io_.get_executor(), options()};
    auto const at = server.open({*IpAddress::parse(all), 0});
    if (!at) {  // no IPv6 here
      EXPECT_STREQ(all, "::");
      continue;
    }
    udp::socket client{io_, udp::endpoint{asio::ip::address_v4::loopback(), 0}};
    client.set_option(asio::socket_base::broadcast{true});
    client.send_to(asio::buffer("ask", 3), {broadcast, at->port});
    std::array<char, 16> bytes{};
    udp::endpoint from;
    auto const ask = [&]() -> net::Awaitable<void> {
      (void)co_await server.readable();
      for (auto const& one : server.receive()) server.send(one.from, "answer", one.at);
      server.flush();
      (void)co_await client.async_receive_from(asio::buffer(bytes), from, net::kTuple);
    };
    test::run(io_, ask());
    EXPECT_EQ(from, (udp::endpoint{asio::ip::address_v4::loopback(), at->port}));
  }
}

TEST_P(UdpSockets, aMulticastAddressIsNoneToAnswerFrom) {
  UdpSocket server{io_.get_executor(), options()};
  auto const at = server.open({*IpAddress::parse("::"), 0});
  if (!at) GTEST_SKIP() << "no IPv6 here: " << at.error().message();
  unsigned interface = 0;
  test::run(io_, find_multicast_interface(io_, interface));
  if (interface == 0) GTEST_SKIP() << "this host does not get its own IPv6 multicasts";
  udp::socket client{io_, udp::v6()};
  client.set_option(asio::ip::multicast::outbound_interface{interface});
  client.send_to(asio::buffer("ask", 3), {all_nodes_of(interface), at->port});
  auto const ask = [&]() -> net::Awaitable<void> {
    (void)co_await server.readable();
    auto const received = server.receive();
    EXPECT_EQ(received.size(), 1u);
    for (auto const& one : received) EXPECT_EQ(one.at, std::nullopt);
  };
  test::run(io_, ask());
}

TEST_P(UdpSockets, closingEndsTheWait) {
  UdpSocket socket{io_.get_executor(), options()};
  ASSERT_TRUE(socket.open(kLoopback));
  asio::post(io_, [&] { socket.close(); });
  bool open = true;
  auto const wait = [&]() -> net::Awaitable<void> { open = co_await socket.readable(); };
  test::run(io_, wait());
  EXPECT_FALSE(open);
  EXPECT_TRUE(socket.receive().empty());
  socket.send(kLoopback, "nowhere");
  socket.flush();
}

TEST(UdpSocket, saysWhyItCannotBind) {
  asio::io_context io{1};
  UdpSocket one{io.get_executor()};
  UdpSocket two{io.get_executor()};
  auto const at = one.open(kLoopback);
  ASSERT_TRUE(at);
  auto const refused = two.open(*at);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), asio::error::address_in_use);
}

INSTANTIATE_TEST_SUITE_P(Calls, UdpSockets, testing::Values(true, false),
                         [](auto const& one) { return one.param ? "inBatches" : "oneByOne"; });

}  // namespace
}  // namespace grenache::grape
