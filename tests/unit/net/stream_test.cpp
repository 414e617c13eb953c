#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "tests/support/run.hpp"
#include "tests/support/tls_files.hpp"
#include <grenache/net/stream.hpp>

namespace grenache::net {
namespace {

using asio::ip::tcp;
using test::Identity;

/// What one handshake came to.
struct Meeting {
  Error server_error;
  Error client_error;
  std::optional<PeerCertificate> client_seen;  // by the server
  std::optional<PeerCertificate> server_seen;  // by the client
  bool resumed = false;
  std::string echo;
};

struct StreamTest : testing::Test {
  asio::io_context io{1};
  Identity const authority = test::make_authority("test authority");
  Identity const foreign = test::make_authority("foreign authority");
  Identity const server_identity = test::make_identity("server.test", authority);
  Identity const client_identity = test::make_identity("client.test", authority);

  TlsOptions server_options() const {
    TlsOptions options;
    options.certificate = server_identity.certificate;
    options.key = server_identity.key;
    return options;
  }
  TlsOptions client_options() const {
    TlsOptions options;
    options.ca = authority.certificate;
    return options;
  }

  Awaitable<void> serve(tcp::acceptor& acceptor, std::shared_ptr<TlsContext> tls, Meeting& meeting) {
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    Stream stream{std::move(socket), std::move(tls)};
    meeting.server_error = co_await stream.handshake();
    if (meeting.server_error) co_return;
    meeting.client_seen = stream.peer_certificate();
    char bytes[4];
    auto const [failed, size] = co_await stream.async_read_some(asio::buffer(bytes), kTuple);
    if (failed) {
      meeting.server_error = failed;
      co_return;
    }
    (void)co_await asio::async_write(stream, asio::buffer(bytes, size), kTuple);
    co_await stream.finish();
  }
  Awaitable<void> call(tcp::acceptor& acceptor, std::shared_ptr<TlsContext> tls, Meeting& meeting) {
    tcp::socket socket{io};
    (void)co_await socket.async_connect(acceptor.local_endpoint(), kTuple);
    Stream stream{std::move(socket), std::move(tls), "the server"};
    meeting.client_error = co_await stream.handshake();
    if (meeting.client_error) co_return;
    meeting.server_seen = stream.peer_certificate();
    meeting.resumed = stream.resumed();
    (void)co_await asio::async_write(stream, asio::buffer("ping", 4), kTuple);
    char bytes[16];
    // To the end: a refusal of our certificate comes after the handshake in TLS 1.3.
    auto const [failed, size] = co_await asio::async_read(stream, asio::buffer(bytes), kTuple);
    meeting.echo.assign(bytes, size);
    if (size == 0) meeting.client_error = failed;
  }
  Meeting meet(std::shared_ptr<TlsContext> const& server, std::shared_ptr<TlsContext> const& client) {
    Meeting meeting;
    tcp::acceptor acceptor{io, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    asio::co_spawn(io, serve(acceptor, server, meeting), asio::detached);
    test::run(io, call(acceptor, client, meeting));
    io.restart();
    io.run_for(std::chrono::seconds{5});  // ends as soon as the server's side has
    return meeting;
  }
  Meeting meet(TlsOptions const& server, TlsOptions const& client) {
    auto const a = TlsContext::make_server(server);
    auto const b = TlsContext::make_client(client);
    EXPECT_TRUE(a && b);
    return a && b ? meet(*a, *b) : Meeting{};
  }
};

TEST_F(StreamTest, withoutTlsBytesGoPlain) {
  Meeting const meeting = meet(std::shared_ptr<TlsContext>{}, std::shared_ptr<TlsContext>{});
  EXPECT_EQ(meeting.echo, "ping");
  EXPECT_FALSE(meeting.server_seen || meeting.client_seen);
}

TEST_F(StreamTest, aServerOfTheAuthorityIsTrusted) {
  Meeting const meeting = meet(server_options(), client_options());
  EXPECT_EQ(meeting.echo, "ping");
  ASSERT_TRUE(meeting.server_seen);
  EXPECT_EQ(meeting.server_seen->subject, "CN=server.test");
  EXPECT_TRUE(meeting.server_seen->verified);
  EXPECT_EQ(meeting.server_seen->pem, server_identity.certificate);
  EXPECT_FALSE(meeting.client_seen);
}

TEST_F(StreamTest, aServerOfAnotherAuthorityIsRefused) {
  TlsOptions client = client_options();
  client.ca = foreign.certificate;
  Meeting const meeting = meet(server_options(), client);
  EXPECT_TRUE(meeting.client_error);
  EXPECT_TRUE(meeting.server_error);
  EXPECT_EQ(meeting.echo, "");
}

TEST_F(StreamTest, theHostNameIsDemandedWhenGiven) {
  TlsOptions client = client_options();
  client.host_name = "server.test";
  EXPECT_EQ(meet(server_options(), client).echo, "ping");
  client.host_name = "another.test";
  EXPECT_TRUE(meet(server_options(), client).client_error);
}

TEST_F(StreamTest, aPinStandsForAnAuthorityAndIsTheOnlyOneTaken) {
  auto const seen = meet(server_options(), client_options()).server_seen;
  ASSERT_TRUE(seen);
  TlsOptions client;
  client.fingerprints = {seen->fingerprint};
  Meeting const pinned = meet(server_options(), client);
  EXPECT_EQ(pinned.echo, "ping");
  EXPECT_TRUE(pinned.server_seen && pinned.server_seen->verified);
  client = client_options();
  client.fingerprints = {sha256("another certificate")};
  EXPECT_TRUE(meet(server_options(), client).client_error);
}

TEST_F(StreamTest, clientsWithoutAGoodCertificateAreRefusedWhenItIsRequired) {
  TlsOptions server = server_options();
  server.ca = authority.certificate;
  TlsOptions client = client_options();
  EXPECT_EQ(meet(server, client).echo, "");
  client.certificate = client_identity.certificate;
  client.key = client_identity.key;
  Meeting const good = meet(server, client);
  EXPECT_EQ(good.echo, "ping");
  ASSERT_TRUE(good.client_seen);
  EXPECT_EQ(good.client_seen->subject, "CN=client.test");
  EXPECT_TRUE(good.client_seen->verified);
  Identity const stranger = test::make_identity("client.test", foreign);
  client.certificate = stranger.certificate;
  client.key = stranger.key;
  Meeting const bad = meet(server, client);
  EXPECT_TRUE(bad.server_error);
  EXPECT_EQ(bad.echo, "");
}

TEST_F(StreamTest, requestedCertificatesAreShownGoodOrNot) {
  TlsOptions server = server_options();
  server.ca = authority.certificate;
  server.peer_check = PeerCheck::requested;
  TlsOptions client = client_options();
  Meeting const without = meet(server, client);
  EXPECT_EQ(without.echo, "ping");
  EXPECT_FALSE(without.client_seen);
  Identity const stranger = test::make_identity("stranger", foreign);
  client.certificate = stranger.certificate;
  client.key = stranger.key;
  Meeting const meeting = meet(server, client);
  EXPECT_EQ(meeting.echo, "ping");
  ASSERT_TRUE(meeting.client_seen);
  EXPECT_EQ(meeting.client_seen->subject, "CN=stranger");
  EXPECT_FALSE(meeting.client_seen->verified);
}

TEST_F(StreamTest, sessionsAreResumedWithTheCertificatesOfTheFirstTime) {
  TlsOptions server = server_options();
  server.ca = authority.certificate;
  TlsOptions client = client_options();
  client.certificate = client_identity.certificate;
  client.key = client_identity.key;
  auto const a = TlsContext::make_server(server);
  auto const b = TlsContext::make_client(client);
  ASSERT_TRUE(a && b);
  EXPECT_FALSE(meet(*a, *b).resumed);
  Meeting const again = meet(*a, *b);
  EXPECT_TRUE(again.resumed);
  EXPECT_EQ(again.echo, "ping");
  ASSERT_TRUE(again.client_seen && again.server_seen);
  EXPECT_EQ(again.client_seen->subject, "CN=client.test");
  EXPECT_TRUE(again.client_seen->verified && again.server_seen->verified);
}

TEST_F(StreamTest, contextsSayWhatIsWrongWithTheirOptions) {
  auto const server_error = [](TlsOptions const& options) {
    auto const made = TlsContext::make_server(options);
    return made ? Error{} : made.error();
  };
  TlsOptions options;
  EXPECT_EQ(server_error(options), TlsErrc::no_certificate);
  options = server_options();
  options.key = client_identity.key;
  EXPECT_EQ(server_error(options), TlsErrc::bad_certificate);
  options.key = "no PEM";
  EXPECT_EQ(server_error(options), TlsErrc::bad_key);
  options.certificate = "no PEM";
  EXPECT_EQ(server_error(options), TlsErrc::bad_certificate);
  options = server_options();
  options.ca = "no PEM";
  EXPECT_EQ(server_error(options), TlsErrc::bad_ca);
  auto const client = TlsContext::make_client(TlsOptions{});
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error(), TlsErrc::nothing_to_verify_by);
}

}  // namespace
}  // namespace grenache::net
