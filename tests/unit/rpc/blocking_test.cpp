// A service and a client that block, each with threads of its own.
#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>

#include <boost/asio/ip/tcp.hpp>

#include "tests/unit/rpc/rpc_fixture.hpp"
#include <grenache/net/address.hpp>
#include <grenache/net/local_address.hpp>
#include <grenache/rpc/blocking.hpp>

namespace grenache::rpc {
namespace {

/// A DHT on a thread of its own. Services and clients ask different grapes.
struct BlockingTest : testing::Test {
  BlockingTest() {
    test::run(io, dht.ready());
    io.restart();
    thread = std::thread{[this] { io.run(); }};
  }
  ~BlockingTest() override {
    io.stop();
    thread.join();
  }
  static BlockingServer::Options local(Transport transport) {
    BlockingServer::Options options;
    options.server = server_options(transport);
    options.bind = kFreePort;
    return options;
  }

  boost::asio::io_context io{1};
  InProcessDht dht{io.get_executor(), {.grape_count = 2}};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{io.get_executor()};
  std::string const url = dht.url(0);
  std::string const other_url = dht.url(1);
  std::thread thread;
};

TEST_F(BlockingTest, aServiceAndAClientInTenLines) {
  for (Transport const transport : {Transport::http, Transport::wss}) {
    auto echo = [](Request& request) { return Reply{std::move(request.payload)}; };
    BlockingServer server{other_url, "echo " + std::string{to_string(transport)}, echo, local(transport)};
    auto const started = server.start();
    ASSERT_TRUE(started) << started.error().text();

    BlockingClient client{url, client_options(transport)};
    auto const reply = client.request("echo " + std::string{to_string(transport)}, "hello");
    ASSERT_TRUE(reply) << reply.error().text();
    EXPECT_EQ(*reply, Value{"hello"});
    auto const found = client.lookup("echo " + std::string{to_string(transport)});
    EXPECT_EQ(*found, std::vector<std::string>{started->to_string()});
    auto const entries = client.map("echo " + std::string{to_string(transport)}, 7);
    EXPECT_EQ(entries->at(0).reply.value(), Value{7});
  }
}

TEST_F(BlockingTest, handlersMayBlockAndRunSideBySide) {
  std::mutex mutex;
  std::condition_variable both;
  int inside = 0;
  auto meet = [&](Request&) {
    std::unique_lock lock{mutex};
    ++inside;
    both.notify_all();
    both.wait(lock, [&] { return inside >= 2; });
    return Reply{"met"};
  };
  auto options = local(Transport::ws);
  options.server.threads = 2;
  BlockingServer server{other_url, "meet", meet, options};
  ASSERT_TRUE(server.start());
  auto call = [&] {
    BlockingClient client{url, client_options(Transport::ws)};
    auto const reply = client.request("meet", nullptr);
    EXPECT_TRUE(reply);
  };
  std::thread other{call};
  call();
  other.join();
}

TEST_F(BlockingTest, oneThatThrowsIsAnswered) {
  auto fail = [](Request&) -> Reply { throw std::runtime_error{"a bug"}; };
  BlockingServer server{other_url, "fail", fail, local(Transport::http)};
  ASSERT_TRUE(server.start());
  BlockingClient client{url};
  EXPECT_EQ(client.request("fail", "x").error().text(), "ERR_REQUEST_HANDLER");
}

TEST_F(BlockingTest, whatIsWrongIsSaid) {
  BlockingClient nowhere{"ftp://x"};
  EXPECT_EQ(nowhere.request("a", 1).error().text(), "ERR_GRAPE_UNREACHABLE: not the URL of a grape: ftp://x");
  BlockingClient none{""};
  EXPECT_EQ(none.lookup("a").error().text(), "ERR_GRAPE_UNREACHABLE: no grape given");
  test::ReservedPort const dead;
  BlockingClient client{url + ",http://" + dead.endpoint().to_string()};
  EXPECT_EQ(client.request("nobody", 1).error().code, Errc::lookup_empty);

  auto echo = [](Request& request) { return Reply{request.payload}; };
  BlockingServer first{url, "echo", echo, local(Transport::http)};
  auto const at = first.start();
  ASSERT_TRUE(at);
  auto options = local(Transport::http);
  options.bind = *at;
  BlockingServer second{url, "echo", echo, options};
  EXPECT_EQ(second.start().error().text(), "ERR_REQUEST_GENERIC: cannot listen: Address already in use");
}

TEST_F(BlockingTest, aServiceIsReachedAtAllAddressesUnlessToldWhereToListen) {
  auto echo = [](Request& request) { return Reply{request.payload}; };
  BlockingServer server{other_url, "echo", echo};
  auto const started = server.start();
  ASSERT_TRUE(started) << started.error().text();
  EXPECT_EQ(started->address, net::all_addresses());
  for (char const* const text : {"127.0.0.1", "::1"}) {
    IpAddress const address = *IpAddress::parse(text);
    if (!net::is_of_this_host(address)) continue;
    boost::asio::io_context own_io{1};
    boost::asio::ip::tcp::socket socket{own_io};
    boost::system::error_code error;
    socket.connect(net::to_asio<boost::asio::ip::tcp>({address, started->port}), error);
    EXPECT_FALSE(error) << text << ": " << error.message();
  }
  BlockingClient client{url};
  auto const reply = client.request("echo", 1);
  EXPECT_TRUE(reply) << reply.error().text();
}

TEST_F(BlockingTest, runServesOnAfterAHangupAndTakesItsAnnouncementBackAtASignal) {
  auto echo = [](Request& request) { return Reply{request.payload}; };
  std::optional<BlockingServer> server;
  server.emplace(other_url, "echo", echo, local(Transport::http));
  std::thread caller{[&] {
    BlockingClient client{url};
    while (!client.request("echo", 1)) continue;
    std::raise(SIGHUP);
    auto const reply = client.request("echo", 2);
    EXPECT_TRUE(reply);
    std::raise(SIGTERM);
  }};
  auto const ended = server->run();
  caller.join();
  EXPECT_TRUE(ended);
  server.reset();
  BlockingClient client{url};
  EXPECT_EQ(client.lookup("echo").error().code, Errc::lookup_empty);
}

TEST_F(BlockingTest, runServesUntilASignal) {
  std::atomic<bool> answered = false;
  auto echo = [&](Request& request) {
    answered = true;
    return Reply{request.payload};
  };
  BlockingServer server{other_url, "echo", echo, local(Transport::http)};
  std::thread caller{[&] {
    BlockingClient client{url};
    while (!answered) (void)client.request("echo", 1);
    std::raise(SIGTERM);
  }};
  auto const ended = server.run();
  caller.join();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(answered);
}

}  // namespace
}  // namespace grenache::rpc
