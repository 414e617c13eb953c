// RedisClient with real servers: logins, Unix sockets, TLS, sentinels, replicas and servers that say nothing.
#include "exchange/reservation/redis_client.hpp"

#include <filesystem>
#include <fstream>
#include <semaphore>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "tests/support/limit.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/tls_files.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using test::RedisServer;

/// A client that reconnects by itself, with what it was told.
class Session {
 public:
  Session(boost::asio::io_context& io, RedisClient::Options options)
      : io_{io}, client{io.get_executor(), options} {
    client.start([this] { ++connected_count; },
                 [this](std::string const& text) {
                   reason = text;
                   ++lost_count;
                 });
  }
  template <class Condition>
  void until(Condition condition) {
    auto const end = std::chrono::steady_clock::now() + test::limit();
    io_.restart();
    while (!condition() && std::chrono::steady_clock::now() < end) io_.run_one_for(20ms);
    EXPECT_TRUE(condition()) << "waited in vain: " << reason;
  }
  std::string lost_reason() {
    until([&] { return lost_count > 0; });
    return reason;
  }
  Result<RedisReply> command(std::vector<std::string> words) {
    std::optional<Result<RedisReply>> out;
    client.command(std::move(words), [&](Result<RedisReply> reply) { out = std::move(reply); });
    until([&] { return out.has_value(); });
    return out ? *out : make_error_code(RedisErrc::timed_out);
  }

 private:
  boost::asio::io_context& io_;

 public:
  int connected_count = 0;
  int lost_count = 0;
  std::string reason;
  RedisClient client;
};

RedisClient::Options options_of(std::string const& url) {
  RedisClient::Options options;
  options.url = *RedisUrl::parse(url);
  options.connect_timeout = test::limit();
  options.command_timeout = test::limit();
  return options;
}
std::string url_of(std::string const& login, RedisServer const& server) {
  return "redis://" + login + "127.0.0.1:" + std::to_string(server.port());
}

class Client : public testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
  }
  boost::asio::io_context io{1};
};

TEST_F(Client, logsInWithAPasswordOrAUser) {
  RedisServer const server{
      {.arguments = {"--requirepass", "p@s:s/%", "--user", "alice", "on", ">secret", "~*", "+@all"}}};
  for (auto const* login : {":p%40s%3As%2F%25@", "alice:secret@"}) {
    Session session{io, options_of(url_of(login, server))};
    session.until([&] { return session.client.connected(); });
    EXPECT_EQ(session.command({"PING"})->text, "PONG");
  }
}

TEST_F(Client, namesTheReasonOfAFailedLoginWithoutSecrets) {
  RedisServer const server{{.arguments = {"--requirepass", "secret"}}};
  Session wrong{io, options_of(url_of("alice:geheim@", server))};
  EXPECT_TRUE(wrong.lost_reason().starts_with("WRONGPASS")) << wrong.reason;
  Session none{io, options_of(url_of("", server))};
  EXPECT_TRUE(none.lost_reason().starts_with("NOAUTH")) << none.reason;
  RedisServer const open;
  Session needless{io, options_of(url_of("alice:geheim@", open))};
  EXPECT_TRUE(needless.lost_reason().starts_with("WRONGPASS")) << needless.reason;
  Session password{io, options_of(url_of(":geheim@", open))};
  EXPECT_NE(password.lost_reason().find("AUTH"), std::string::npos) << password.reason;
  for (auto const* session : {&wrong, &none, &needless, &password})
    EXPECT_EQ(session->reason.find("geheim"), std::string::npos) << session->reason;
}

TEST_F(Client, doesNotRepeatAPasswordThatTheServerRepeats) {
  tcp::acceptor acceptor{io, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
  tcp::socket socket{io};
  boost::asio::streambuf input;
  std::string const answer = "-ERR unknown command `AUTH`, with args beginning with: `geheim`\r\n";
  acceptor.async_accept(socket, [&](Error) {
    boost::asio::async_read_until(socket, input, "geheim", [&](Error, std::size_t) {
      boost::asio::async_write(socket, boost::asio::buffer(answer), [](Error, std::size_t) {});
    });
  });
  Session session{
      io, options_of("redis://:geheim@127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()))};
  EXPECT_EQ(session.lost_reason(), "ERR");
}

TEST_F(Client, connectsToAUnixSocket) {
  test::TemporaryFolder const folder;
  std::string const path = (folder.path() / "redis.sock").string();
  RedisServer const server{{.arguments = {"--unixsocket", path}}};
  Session session{io, options_of("unix:" + path + "?db=3")};
  session.until([&] { return session.client.connected(); });
  EXPECT_NE(session.command({"CLIENT", "INFO"})->text.find(" db=3 "), std::string::npos);
}

class TlsClient : public Client {
 protected:
  void SetUp() override {
    Client::SetUp();
    if (IsSkipped()) return;
    auto const identity = test::make_identity("redis", authority);
    write("cert.pem", identity.certificate);
    write("key.pem", identity.key);
    write("ca.pem", authority.certificate);
    server.emplace(RedisServer::Options{.arguments = {"--tls-port", std::to_string(tls_port.number()),
                                                      "--tls-cert-file", file("cert.pem"), "--tls-key-file",
                                                      file("key.pem"), "--tls-ca-cert-file", file("ca.pem"),
                                                      "--tls-auth-clients", "no"}});
  }
  RedisClient::Options options(std::string const& ca) const {
    auto made = options_of("rediss://127.0.0.1:" + std::to_string(tls_port.number()));
    made.tls_ca = ca;
    return made;
  }
  std::string file(std::string const& name) const { return (folder.path() / name).string(); }
  void write(std::string const& name, std::string const& text) const { std::ofstream{file(name)} << text; }

  test::Identity const authority = test::make_authority("authority");
  test::TemporaryFolder folder;
  test::ReservedPort tls_port;
  std::optional<RedisServer> server;
};

TEST_F(TlsClient, connectsWhenTheCertificateIsValid) {
  Session session{io, options(authority.certificate)};
  session.until([&] { return session.client.connected(); });
  EXPECT_EQ(session.command({"PING"})->text, "PONG");
}

TEST_F(TlsClient, refusesACertificateOfAnUnknownAuthority) {
  Session system{io, options("")};
  EXPECT_NE(system.lost_reason().find("certificate"), std::string::npos) << system.reason;
  Session other{io, options(test::make_authority("another").certificate)};
  EXPECT_NE(other.lost_reason().find("certificate"), std::string::npos) << other.reason;
}

TEST_F(Client, refusesAReplica) {
  test::TemporaryFolder const folder;
  RedisServer const master{{.arguments = {"--dir", folder.path().string()}}};
  RedisServer const replica{{.arguments = {"--replicaof", "127.0.0.1", std::to_string(master.port()), "--dir",
                                           folder.path().string()}}};
  Session session{io, options_of(replica.url())};
  EXPECT_EQ(session.lost_reason(), "the server is not a master");
}

TEST_F(Client, reconnectsWhenTheMasterBecomesAReplica) {
  RedisServer const server;
  RedisServer const other;
  Session session{io, options_of(server.url())};
  session.until([&] { return session.client.connected(); });
  ASSERT_TRUE(session.command({"REPLICAOF", "127.0.0.1", std::to_string(other.port())}));
  auto const refused = session.command({"SET", "a", "b"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), RedisErrc::not_executed);
  session.until([&] { return session.reason == "the server is not a master"; });
}

TEST_F(Client, followsMoved) {
  RedisServer const target;
  tcp::acceptor acceptor{io, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
  tcp::socket socket{io};
  boost::asio::streambuf input;
  std::string const login = "+OK\r\n*1\r\n$6\r\nmaster\r\n";
  std::string const moved = "-MOVED 1 127.0.0.1:" + std::to_string(target.port()) + "\r\n";
  acceptor.async_accept(socket, [&](Error) {
    boost::asio::async_write(socket, boost::asio::buffer(login), [](Error, std::size_t) {});
    boost::asio::async_read_until(socket, input, "moving", [&](Error, std::size_t) {
      boost::asio::async_write(socket, boost::asio::buffer(moved), [](Error, std::size_t) {});
    });
  });
  Session session{io, options_of("redis://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()))};
  session.until([&] { return session.client.connected(); });
  auto const reply = session.command({"GET", "moving"});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error(), RedisErrc::not_executed);
  session.until([&] { return session.connected_count == 2; });
  EXPECT_TRUE(session.command({"SET", "here", "1"}));
}

class SentinelClient : public Client {
 protected:
  void SetUp() override {
    Client::SetUp();
    if (IsSkipped()) return;
    for (auto const* name : {"master", "replica"}) std::filesystem::create_directory(folder.path() / name);
    master.emplace(RedisServer::Options{
        .arguments = {"--dir", (folder.path() / "master").string(), "--repl-diskless-sync-delay", "0"}});
    auto const port = std::to_string(master->port());
    replica.emplace(RedisServer::Options{
        .arguments = {"--dir", (folder.path() / "replica").string(), "--replicaof", "127.0.0.1", port}});
    Session session{io, options_of(master->url())};
    session.until([&] { return session.client.connected(); });
    auto const has_replica = [&] {
      (void)session.command({"SET", "seen", "1"});
      auto const count = session.command({"WAIT", "1", "100"});
      return count && count->integer == 1;
    };
    auto const end = std::chrono::steady_clock::now() + test::limit();
    bool ready = false;
    while (!ready && std::chrono::steady_clock::now() < end) ready = has_replica();
    ASSERT_TRUE(ready);
    auto const config = (folder.path() / "sentinel.conf").string();
    std::ofstream{config} << "sentinel monitor main 127.0.0.1 " << port << " 1\n"
                          << "sentinel down-after-milliseconds main 300\n"
                          << "sentinel failover-timeout main 3000\n";
    sentinel.emplace(RedisServer::Options{.sentinel_config = config});
  }
  std::string url(std::string const& name) const {
    // The first one does not answer.
    return "redis+sentinel://127.0.0.1:" + std::to_string(silent.number()) +
           ",127.0.0.1:" + std::to_string(sentinel->port()) + "/" + name;
  }

  test::TemporaryFolder folder;
  test::ReservedPort silent;
  std::optional<RedisServer> master, replica, sentinel;
};

TEST_F(SentinelClient, followsTheMasterThroughAFailover) {
  Session session{io, options_of(url("main"))};
  session.until([&] { return session.client.connected(); });
  ASSERT_TRUE(session.command({"SET", "kept", "yes"}));
  ASSERT_EQ(session.command({"WAIT", "1", "0"})->integer, 1);
  master->kill();
  session.until([&] { return session.connected_count == 2; });
  EXPECT_EQ(session.command({"GET", "kept"})->text, "yes");
  EXPECT_TRUE(session.command({"SET", "kept", "still"}));
}

TEST_F(SentinelClient, saysThatNoSentinelKnowsTheMaster) {
  Session session{io, options_of(url("other"))};
  EXPECT_NE(session.lost_reason().find("does not know the master"), std::string::npos) << session.reason;
}

TEST_F(Client, theNextAddressIsTriedWhenOneRefusesOrSaysNothing) {
  RedisServer const server;
  // The system accepts connections for it, and nothing answers them.
  tcp::acceptor silent{io, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
  // The server listens on 127.0.0.1 alone.
  tcp::endpoint const refusing{boost::asio::ip::make_address("127.0.0.2"), server.port()};
  tcp::endpoint const answering{boost::asio::ip::address_v4::loopback(), server.port()};
  for (auto const& first : {refusing, silent.local_endpoint()}) {
    auto options = options_of("redis://two.addresses");
    options.connect_timeout = 1s;
    options.name_lookup = [first, answering](HostPort const&) -> Result<net::TcpEndpoints> {
      return net::TcpEndpoints{first, answering};
    };
    Session session{io, options};
    session.until([&] { return session.client.connected(); });
  }
}

TEST(RedisClient, waitsForNoNameServer) {
  auto const may_answer = std::make_shared<std::counting_semaphore<>>(0);
  std::optional<boost::asio::io_context> io{std::in_place, 1};
  auto options = options_of("redis://slow.name");
  options.connect_timeout = 1ms;
  options.name_lookup = [may_answer](HostPort const&) -> Result<net::TcpEndpoints> {
    may_answer->acquire();
    return net::TcpEndpoints{};
  };
  {
    Session session{*io, options};
    EXPECT_NE(session.lost_reason().find("cannot resolve slow.name: "), std::string::npos);
  }
  io.reset();
  may_answer->release(100);
}

TEST(RedisClient, tellsWhyItCannotConnect) {
  boost::asio::io_context io{1};
  Session session{io, options_of("redis://127.0.0.1:1")};
  EXPECT_NE(session.lost_reason().find("refused"), std::string::npos);
  EXPECT_FALSE(session.client.connected());
}

TEST_F(Client, replacesAConnectionOnWhichTwoCommandsInARowTimeOut) {
  RedisServer server;
  auto options = options_of(server.url());
  options.command_timeout = 100ms;
  Session session{io, options};
  session.until([&] { return session.connected_count == 1; });
  server.freeze();
  EXPECT_EQ(session.command({"PING"}).error(), RedisErrc::timed_out);
  EXPECT_EQ(session.lost_count, 0);
  EXPECT_EQ(session.command({"PING"}).error(), RedisErrc::timed_out);
  EXPECT_EQ(session.lost_reason(), "Redis does not answer");
  server.thaw();
  session.until([&] { return session.connected_count == 2; });
}

TEST_F(Client, keepsAConnectionThatAnswersLate) {
  RedisServer server;
  auto options = options_of(server.url());
  options.command_timeout = 100ms;
  Session session{io, options};
  session.until([&] { return session.connected_count == 1; });
  for (int i = 0; i < 2; ++i) {
    server.freeze();
    EXPECT_EQ(session.command({"PING"}).error(), RedisErrc::timed_out);
    server.thaw();
    session.until([&] { return session.command({"PING"}).has_value(); });
  }
  EXPECT_EQ(session.lost_count, 0);
}

TEST_F(Client, aReplyThatIsNotRedisEndsTheConnection) {
  tcp::acceptor acceptor{io, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
  tcp::socket socket{io};
  std::string const http = "HTTP/1.1 400 Bad Request\r\n\r\n";
  acceptor.async_accept(socket, [&](Error) {
    boost::asio::async_write(socket, boost::asio::buffer(http), [](Error, std::size_t) {});
  });
  Session session{io, options_of("redis://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()))};
  EXPECT_NE(session.lost_reason(), "");
  EXPECT_EQ(session.connected_count, 0);
}

}  // namespace
}  // namespace grenache::exchange
