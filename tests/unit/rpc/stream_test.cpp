// Streams both ways, over HTTP and HTTPS.
#include "tests/support/raw_client.hpp"
#include "tests/unit/rpc/rpc_fixture.hpp"

namespace grenache::rpc {
namespace {

/// A service whose stream handler a test chooses.
struct StreamTest : testing::TestWithParam<Transport>, RpcFixture {
  StreamTest() : RpcFixture{GetParam()} {}

  Awaitable<void> serve_streams(Server::StreamHandler handler) {
    auto answer = [](Request& request) -> Awaitable<Reply> { co_return Reply{request.payload}; };
    server.emplace(io.get_executor(), server_options(transport), Server::Handler{answer});
    server->on_stream(std::move(handler));
    at = server->listen(kFreePort).value();
    co_await announce("svc", at);
  }
  Awaitable<RpcResult<ClientStream>> open() {
    StreamOptions options;
    return client->stream("svc", options);
  }
  /// Everything until the end.
  Awaitable<std::string> rest_of(ClientStream& stream) {
    std::string text;
    for (;;) {
      auto const piece = co_await stream.read();
      if (!piece) text += piece.error().text();
      if (!piece || piece->empty()) break;
      text += *piece;
    }
    co_return text;
  }
  Awaitable<void> pour(ClientStream& stream, std::string const& piece, int count) {
    for (int i = 0; i < count; ++i) {
      auto const written = co_await stream.write(piece);
      EXPECT_TRUE(written);
    }
    auto const finished = co_await stream.finish();
    EXPECT_TRUE(finished);
  }

  std::optional<Server> server;
  Endpoint at;
};

INSTANTIATE_TEST_SUITE_P(Over, StreamTest, testing::Values(Transport::http, Transport::https),
                         name_of_transport);

Awaitable<void> echo(ServerStream& stream) {
  for (;;) {
    auto const piece = co_await stream.read();
    if (!piece || piece->empty()) co_return;
    auto const written = co_await stream.write(*piece);
    if (!written) co_return;
  }
}

TEST_P(StreamTest, echoesPieceByPiece) {
  auto test = [this]() -> Awaitable<void> {
    co_await serve_streams(echo);
    auto stream = co_await open();
    EXPECT_TRUE(stream);
    EXPECT_EQ(stream->destination(), at.to_string());
    for (std::string const text : {"one", "two", "three"}) {
      auto const written = co_await stream->write(text);
      EXPECT_TRUE(written);
      auto const piece = co_await stream->read();
      EXPECT_EQ(*piece, text);
    }
    (void)co_await stream->finish();
    auto const end = co_await stream->read();
    EXPECT_TRUE(end->empty());
    EXPECT_EQ(server->counters().streams, 1u);
    auto const reply = co_await client->request("svc", "as ever");
    EXPECT_EQ(*reply, Value{"as ever"});
  };
  test::run(io, test());
}

TEST_P(StreamTest, muchPassesBothWaysAtOneTime) {
  auto test = [this]() -> Awaitable<void> {
    co_await serve_streams(echo);
    auto stream = co_await open();
    std::string const piece(100'000, 'p');
    tasks.spawn(pour(*stream, piece, 200));
    std::size_t size = 0;
    for (;;) {
      auto const got = co_await stream->read();
      EXPECT_TRUE(got);
      if (!got || got->empty()) break;
      EXPECT_LE(got->size(), 64u * 1024);
      size += got->size();
    }
    EXPECT_EQ(size, 20'000'000u);
    bool const drained = co_await tasks.drained(10s);
    EXPECT_TRUE(drained);
  };
  test::run(io, test());
}

TEST_P(StreamTest, headersTellWhatIsAskedFor) {
  auto test = [this]() -> Awaitable<void> {
    Request got;
    std::string extra;
    auto handler = [&](ServerStream& stream) -> Awaitable<void> {
      got = stream.request();
      extra = stream.header("X-Extra");
      auto const written = co_await stream.write("done");
      EXPECT_TRUE(written);
    };
    co_await serve_streams(handler);
    StreamOptions options;
    options.action = "upload";
    options.args = Value::object({{"name", "f.txt"}});
    options.headers = {{"x-extra", "more"}};
    auto stream = co_await client->stream("svc", options);
    (void)co_await stream->finish();
    auto const text = co_await rest_of(*stream);
    EXPECT_EQ(text, "done");
    EXPECT_EQ(got.key, "svc");
    EXPECT_EQ(got.rid.as_string()->size(), 36u);
    EXPECT_EQ(got.action, "upload");
    EXPECT_EQ(got.args, Value::object({{"name", "f.txt"}}));
    EXPECT_EQ(got.transport, transport);
    EXPECT_EQ(got.certificate.has_value(), uses_tls(transport));
    EXPECT_EQ(extra, "more");
  };
  test::run(io, test());
}

TEST_P(StreamTest, aHeaderCannotBringAnotherWithIt) {
  auto test = [this]() -> Awaitable<void> {
    co_await serve_streams(echo);
    StreamOptions options;
    options.action = "x\r\nevil: 1";
    auto const stream = co_await client->stream("svc", options);
    EXPECT_EQ(stream.error().text(), "ERR_REQUEST_GENERIC: not a header: _a");
  };
  test::run(io, test());
}

TEST_P(StreamTest, aHandlerThatThrowsIsReported) {
  auto test = [this]() -> Awaitable<void> {
    bool write_first = false;
    auto handler = [&](ServerStream& stream) -> Awaitable<void> {
      if (write_first) (void)co_await stream.write("begun");
      throw std::runtime_error{"a bug"};
    };
    co_await serve_streams(handler);
    auto stream = co_await open();
    (void)co_await stream->finish();
    auto text = co_await rest_of(*stream);
    EXPECT_EQ(text, R"(ERR_REQUEST_GENERIC: [null, "ERR_REQUEST_HANDLER", null])");
    write_first = true;
    stream = co_await open();
    (void)co_await stream->finish();
    text = co_await rest_of(*stream);
    EXPECT_TRUE(text.starts_with("begunERR_REQUEST_GENERIC")) << text;  // cut off, and seen to be
    EXPECT_EQ(server->counters().handler_failures, 2u);
  };
  test::run(io, test());
}

TEST_P(StreamTest, oneThatIsDroppedIsSeenByTheService) {
  auto test = [this]() -> Awaitable<void> {
    net::AsyncEvent ended{io.get_executor()};
    std::optional<Error> failure;
    auto handler = [&](ServerStream& stream) -> Awaitable<void> {
      Result<std::string_view> piece = std::string_view{};
      do {
        piece = co_await stream.read();
      } while (piece && !piece->empty());
      failure = piece ? Error{} : piece.error();
      ended.notify_all();
    };
    co_await serve_streams(handler);
    {
      auto stream = co_await open();
      (void)co_await stream->write("half of it");
    }
    while (!failure) co_await ended.wait();
    EXPECT_TRUE(*failure);
  };
  test::run(io, test());
}

TEST_P(StreamTest, aRefusedCertificateIsNamed) {
  if (!uses_tls(transport)) GTEST_SKIP() << "without certificates";
  auto test = [this]() -> Awaitable<void> {
    co_await serve_streams(echo);
    Client::Options options = client_options(transport);
    options.tls.host_name = "other.test";
    make_client(options);
    auto const stream = co_await open();
    std::string const text = stream.error().text();
    EXPECT_NE(text.find("wanted other.test, found CN=server"), std::string::npos) << text;
    bool const graceful = co_await server->stop(10s);
    EXPECT_TRUE(graceful);
  };
  test::run(io, test());
}

TEST_P(StreamTest, theDeadArePassedOver) {
  auto test = [this]() -> Awaitable<void> {
    for (int i = 0; i < 3; ++i) co_await announce("svc", dead());
    co_await serve_streams(echo);
    for (int i = 0; i < 4; ++i) {
      auto stream = co_await open();
      EXPECT_TRUE(stream);
      (void)co_await stream->write("x");
      (void)co_await stream->finish();
      auto const text = co_await rest_of(*stream);
      EXPECT_EQ(text, "x");
    }
    co_await announce("gone", dead());
    StreamOptions options;
    auto const none = co_await client->stream("gone", options);
    EXPECT_EQ(none.error().text(), "ERR_REQUEST_GENERIC: Connection refused");
    auto const nobody = co_await client->stream("nobody", options);
    EXPECT_EQ(nobody.error().code, Errc::lookup_empty);
  };
  test::run(io, test());
}

TEST_P(StreamTest, withoutAHandlerItIsCollectedAndAnsweredAsARequest) {
  auto test = [this]() -> Awaitable<void> {
    (void)co_await serve("A");
    auto stream = co_await open();
    (void)co_await stream->write(R"([null,null,"pay)");
    (void)co_await stream->write(R"(load"])");
    (void)co_await stream->finish();
    auto const text = co_await rest_of(*stream);
    EXPECT_NE(text.find(R"(,null,["A","svc","payload"]])"), std::string::npos) << text;
  };
  test::run(io, test());
}

TEST(StreamServer, aGrHeaderThatIsNoPairIsAnsweredAsInNode) {
  RpcFixture fixture{Transport::http};
  auto test = [&]() -> Awaitable<void> {
    auto answer = [](Request&) -> Awaitable<Reply> { co_return Reply{}; };
    Server server{fixture.io.get_executor(), server_options(Transport::http), Server::Handler{answer}};
    server.on_stream(echo);
    test::RawClient raw{fixture.io.get_executor()};
    co_await raw.connect(server.listen(kFreePort).value());
    co_await raw.send("POST / HTTP/1.1\r\nHost: x\r\n_gr: 7\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    std::string const last = "0\r\n\r\n";
    auto const text = co_await raw.read_until(last);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 500 "));
    EXPECT_NE(text.find(R"([null, "ERR_HEADER_PARSE_GR", null])"), std::string::npos);
    EXPECT_EQ(server.counters().bad_gr_header, 1u);
    EXPECT_EQ(server.counters().streams, 0u);
  };
  test::run(fixture.io, test());
}

TEST(StreamClient, needsHttp) {
  RpcFixture fixture{Transport::ws};
  auto test = [&]() -> Awaitable<void> {
    StreamOptions options;
    auto const stream = co_await fixture.client->stream("svc", options);
    EXPECT_EQ(stream.error().text(), "ERR_REQUEST_GENERIC: streams need HTTP");
  };
  test::run(fixture.io, test());
}

}  // namespace
}  // namespace grenache::rpc
