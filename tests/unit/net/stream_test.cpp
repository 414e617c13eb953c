#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "tests/support/run.hpp"
#include "tests/support/tls_files.hpp"
#include <grenache/net/stream.hpp>
#include <grenache/net/tls_tickets.hpp>

namespace grenache::net {
namespace {

using asio::ip::tcp;
using test::Identity;

/// The outcome of a handshake.
struct HandshakeOutcome {
  Error server_error;
  Error client_error;
  std::optional<PeerCertificate> client_seen;  // by the server
  std::optional<PeerCertificate> server_seen;  // by the client
  bool resumed = false;
  std::string echo;
};

struct StreamTest : testing::Test {
  asio::io_context io{1};
  std::string destination = "127.0.0.1:1";  // as the client believes
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

  Awaitable<void> serve(tcp::acceptor& acceptor, std::shared_ptr<TlsContext> tls, HandshakeOutcome& outcome) {
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    Stream stream{std::move(socket), std::move(tls)};
    outcome.server_error = co_await stream.handshake();
    if (outcome.server_error) co_return;
    outcome.client_seen = stream.peer_certificate();
    char bytes[4];
    auto const [failed, size] = co_await stream.async_read_some(asio::buffer(bytes), kTuple);
    if (failed) {
      outcome.server_error = failed;
      co_return;
    }
    (void)co_await asio::async_write(stream, asio::buffer(bytes, size), kTuple);
    co_await stream.finish();
  }
  Awaitable<void> call(tcp::acceptor& acceptor, std::shared_ptr<TlsContext> tls, HandshakeOutcome& outcome) {
    tcp::socket socket{io};
    (void)co_await socket.async_connect(acceptor.local_endpoint(), kTuple);
    Stream stream{std::move(socket), std::move(tls), destination};
    outcome.client_error = co_await stream.handshake();
    if (outcome.client_error) co_return;
    outcome.server_seen = stream.peer_certificate();
    outcome.resumed = stream.resumed();
    (void)co_await asio::async_write(stream, asio::buffer("ping", 4), kTuple);
    char bytes[16];
    // To the end: a refusal of our certificate comes after the handshake in TLS 1.3.
    auto const [failed, size] = co_await asio::async_read(stream, asio::buffer(bytes), kTuple);
    outcome.echo.assign(bytes, size);
    if (size == 0) outcome.client_error = failed;
  }
  HandshakeOutcome handshake(std::shared_ptr<TlsContext> const& server,
                             std::shared_ptr<TlsContext> const& client) {
    HandshakeOutcome outcome;
    tcp::acceptor acceptor{io, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    asio::co_spawn(io, serve(acceptor, server, outcome), asio::detached);
    test::run(io, call(acceptor, client, outcome));
    io.restart();
    io.run_for(std::chrono::seconds{5});  // ends as soon as the server's side has
    return outcome;
  }
  HandshakeOutcome handshake(TlsOptions const& server, TlsOptions const& client) {
    auto const a = TlsContext::make_server(server);
    auto const b = TlsContext::make_client(client);
    EXPECT_TRUE(a && b);
    return a && b ? handshake(*a, *b) : HandshakeOutcome{};
  }
};

TEST_F(StreamTest, withoutTlsBytesGoPlain) {
  HandshakeOutcome const outcome = handshake(std::shared_ptr<TlsContext>{}, std::shared_ptr<TlsContext>{});
  EXPECT_EQ(outcome.echo, "ping");
  EXPECT_FALSE(outcome.server_seen || outcome.client_seen);
}

TEST_F(StreamTest, aServerOfTheAuthorityIsTrusted) {
  HandshakeOutcome const outcome = handshake(server_options(), client_options());
  EXPECT_EQ(outcome.echo, "ping");
  ASSERT_TRUE(outcome.server_seen);
  EXPECT_EQ(outcome.server_seen->subject, "CN=server.test");
  EXPECT_TRUE(outcome.server_seen->verified);
  EXPECT_EQ(outcome.server_seen->pem, server_identity.certificate);
  EXPECT_FALSE(outcome.client_seen);
}

TEST_F(StreamTest, aServerOfAnotherAuthorityIsRefused) {
  TlsOptions client = client_options();
  client.ca = foreign.certificate;
  HandshakeOutcome const outcome = handshake(server_options(), client);
  EXPECT_TRUE(outcome.client_error);
  EXPECT_TRUE(outcome.server_error);
  EXPECT_EQ(outcome.echo, "");
}

TEST_F(StreamTest, theHostNameIsDemandedWhenGiven) {
  TlsOptions client = client_options();
  client.host_name = "server.test";
  EXPECT_EQ(handshake(server_options(), client).echo, "ping");
  client.host_name = "another.test";
  EXPECT_TRUE(handshake(server_options(), client).client_error);
}

TEST_F(StreamTest, theCertificateMustBeMadeForTheAddressThatWasDialled) {
  EXPECT_EQ(handshake(server_options(), client_options()).echo, "ping");
  destination = "server.test:1";
  EXPECT_EQ(handshake(server_options(), client_options()).echo, "ping");
  destination = "[::1]:1";
  EXPECT_EQ(handshake(server_options(), client_options()).echo, "ping");
  for (std::string const another : {"127.0.0.2:1", "[::2]:1", "another.test:1"}) {
    destination = another;
    HandshakeOutcome const outcome = handshake(server_options(), client_options());
    EXPECT_EQ(outcome.client_error.category(), certificate_category()) << another;
    TlsOptions any = client_options();
    any.verify_address = false;
    EXPECT_EQ(handshake(server_options(), any).echo, "ping") << another;
    TlsOptions named = client_options();
    named.host_name = "server.test";
    EXPECT_EQ(handshake(server_options(), named).echo, "ping") << another;
    TlsOptions asking = client_options();
    asking.peer_check = PeerCheck::requested;
    HandshakeOutcome const asked = handshake(server_options(), asking);
    EXPECT_EQ(asked.echo, "ping") << another;
    EXPECT_FALSE(asked.server_seen->verified) << another;
  }
}

TEST_F(StreamTest, aNameThatIsNoneFailsBeforeAnythingIsSent) {
  TlsOptions client = client_options();
  client.host_name = std::string(300, 'x');  // longer than SNI allows
  EXPECT_EQ(handshake(server_options(), client).client_error, TlsErrc::unusable_name);
}

TEST_F(StreamTest, anIntermediateAuthorityIsEnough) {
  test::IdentityOptions may_sign;
  may_sign.is_authority = true;
  Identity const intermediate = test::make_identity("intermediate", authority, may_sign);
  Identity const leaf = test::make_identity("server.test", intermediate);
  TlsOptions server = server_options();
  server.certificate = leaf.certificate;
  server.key = leaf.key;
  TlsOptions client;
  client.ca = intermediate.certificate;
  EXPECT_EQ(handshake(server, client).echo, "ping");
}

TEST_F(StreamTest, aRefusalSaysWhyAndWhoWasWantedAndFound) {
  auto const why = [this](TlsOptions const& server, TlsOptions const& client) {
    auto const a = TlsContext::make_server(server).value();
    auto const b = TlsContext::make_client(client).value();
    return b->explain(handshake(a, b).client_error, HostPort::parse(destination).value());
  };
  TlsOptions stranger = client_options();
  stranger.ca = foreign.certificate;
  std::string text = why(server_options(), stranger);
  EXPECT_TRUE(
      text.starts_with("certificate refused: unable to get local issuer certificate (wanted 127.0.0.1, "
                       "found CN=server.test for server.test, 127.0.0.1, ::1 by CN=test authority until "))
      << text;
  destination = "192.0.2.7:1";
  text = why(server_options(), client_options());
  EXPECT_TRUE(text.starts_with("certificate refused: IP address mismatch (wanted 192.0.2.7, found ")) << text;
  destination = "127.0.0.1:1";
  test::IdentityOptions expired;
  expired.has_expired = true;
  Identity const old = test::make_identity("server.test", authority, expired);
  TlsOptions late = server_options();
  late.certificate = old.certificate;
  late.key = old.key;
  text = why(late, client_options());
  EXPECT_TRUE(text.starts_with("certificate refused: certificate has expired (wanted 127.0.0.1, ")) << text;
  TlsOptions pinning;
  pinning.fingerprints = {Sha256{}};
  text = why(server_options(), pinning);
  EXPECT_NE(text.find("(wanted a pinned certificate, found CN=server.test"), std::string::npos) << text;
}

TEST_F(StreamTest, anExpiredClientCertificateEndsResumption) {
  TlsOptions server = server_options();
  server.ca = authority.certificate;
  server.peer_check = PeerCheck::requested;
  test::IdentityOptions expired;
  expired.has_expired = true;
  Identity const old = test::make_identity("client.test", authority, expired);
  TlsOptions client = client_options();
  client.certificate = old.certificate;
  client.key = old.key;
  auto const a = TlsContext::make_server(server).value();
  auto const b = TlsContext::make_client(client).value();
  EXPECT_FALSE(handshake(a, b).resumed);
  HandshakeOutcome const again = handshake(a, b);
  EXPECT_EQ(again.echo, "ping");
  EXPECT_FALSE(again.resumed);
  EXPECT_FALSE(again.client_seen->verified);
}

TEST(TicketKeys, openWhatTheySealedForTwiceTheirTimeAndAreErasedThen) {
  using namespace std::chrono_literals;
  TicketKeys keys{2h};
  TimePoint const start{1h};
  auto const name_of = [](TicketKeys::Key const& key) {
    return std::string{reinterpret_cast<char const*>(key.name.data()), key.name.size()};
  };
  std::string const first = name_of(*keys.current(start));
  EXPECT_EQ(name_of(*keys.current(start + 119min)), first);
  EXPECT_TRUE(keys.find(first, start + 119min)->is_current);
  std::string const second = name_of(*keys.current(start + 2h));
  EXPECT_NE(second, first);
  EXPECT_FALSE(keys.find(first, start + 239min)->is_current);
  EXPECT_TRUE(keys.find(second, start + 239min)->is_current);
  EXPECT_FALSE(keys.find(first, start + 4h));
  EXPECT_FALSE(keys.find(second, start + 6h));
  EXPECT_FALSE(keys.find("", start + 6h));
}

TEST_F(StreamTest, aPinStandsForAnAuthorityAndIsTheOnlyOneTaken) {
  auto const seen = handshake(server_options(), client_options()).server_seen;
  ASSERT_TRUE(seen);
  TlsOptions client;
  client.fingerprints = {seen->fingerprint};
  HandshakeOutcome const pinned = handshake(server_options(), client);
  EXPECT_EQ(pinned.echo, "ping");
  EXPECT_TRUE(pinned.server_seen && pinned.server_seen->verified);
  client = client_options();
  client.fingerprints = {sha256("another certificate")};
  EXPECT_TRUE(handshake(server_options(), client).client_error);
}

TEST_F(StreamTest, clientsWithoutAGoodCertificateAreRefusedWhenItIsRequired) {
  TlsOptions server = server_options();
  server.ca = authority.certificate;
  TlsOptions client = client_options();
  EXPECT_EQ(handshake(server, client).echo, "");
  client.certificate = client_identity.certificate;
  client.key = client_identity.key;
  HandshakeOutcome const good = handshake(server, client);
  EXPECT_EQ(good.echo, "ping");
  ASSERT_TRUE(good.client_seen);
  EXPECT_EQ(good.client_seen->subject, "CN=client.test");
  EXPECT_TRUE(good.client_seen->verified);
  Identity const stranger = test::make_identity("client.test", foreign);
  client.certificate = stranger.certificate;
  client.key = stranger.key;
  HandshakeOutcome const bad = handshake(server, client);
  EXPECT_TRUE(bad.server_error);
  EXPECT_EQ(bad.echo, "");
}

TEST_F(StreamTest, requestedCertificatesAreShownGoodOrNot) {
  TlsOptions server = server_options();
  server.ca = authority.certificate;
  server.peer_check = PeerCheck::requested;
  TlsOptions client = client_options();
  HandshakeOutcome const without = handshake(server, client);
  EXPECT_EQ(without.echo, "ping");
  EXPECT_FALSE(without.client_seen);
  Identity const stranger = test::make_identity("stranger", foreign);
  client.certificate = stranger.certificate;
  client.key = stranger.key;
  HandshakeOutcome const outcome = handshake(server, client);
  EXPECT_EQ(outcome.echo, "ping");
  ASSERT_TRUE(outcome.client_seen);
  EXPECT_EQ(outcome.client_seen->subject, "CN=stranger");
  EXPECT_FALSE(outcome.client_seen->verified);
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
  EXPECT_FALSE(handshake(*a, *b).resumed);
  HandshakeOutcome const again = handshake(*a, *b);
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
