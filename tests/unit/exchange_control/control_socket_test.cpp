#include "exchange/control/control_socket.hpp"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "exchange/control/control_client.hpp"
#include "exchange/control/data_dir.hpp"
#include "exchange/control/unix_socket.hpp"
#include "tests/support/run.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/unit/exchange_control/samples.hpp"
#include <grenache/net/steady_clock.hpp>

namespace grenache::exchange {
namespace {

namespace asio = boost::asio;
using net::Awaitable;

struct ControlSocketTest : testing::Test {
  using Done = std::function<void(CommandResult)>;

  void open(ControlLimits limits = {}) {
    ControlHandlers handlers{.execute =
                                 [this](exchange::Command command, Done done) {
                                   commands.push_back(std::move(command));
                                   waiting.push_back(std::move(done));
                                   most_waiting = std::max(most_waiting, waiting.size() - answered_count);
                                 },
                             .stop = [this] { ++stop_count; }};
    socket = std::make_unique<ControlSocket>(io.get_executor(), std::move(handlers), limits);
    auto const failure = socket->listen(path());
    ASSERT_EQ(failure, std::nullopt);
  }

  [[nodiscard]] std::filesystem::path path() const { return control_socket_path(folder.path()); }
  [[nodiscard]] std::filesystem::path data_dir() const { return folder.path(); }

  void connect(ControlClient& client) {
    auto const failure = client.connect(data_dir());
    ASSERT_EQ(failure, std::nullopt);
  }

  /// Answers the command `index`.
  void answer(std::size_t index, CommandResult result) {
    ++answered_count;
    waiting[index](std::move(result));
  }

  Awaitable<void> until(std::function<bool()> condition) {
    while (!condition()) co_await asio::post(io, asio::use_awaitable);
  }
  Awaitable<void> until_commands(std::size_t count) {
    std::function<bool()> condition = [this, count] { return commands.size() >= count; };
    co_await until(std::move(condition));
  }
  Awaitable<void> until_connections(std::size_t count) {
    std::function<bool()> condition = [this, count] { return socket->connection_count() == count; };
    co_await until(std::move(condition));
  }

  static Awaitable<ControlReply> next(ControlClient& client) {
    return client.next(net::steady_deadline(test::limit()));
  }
  Awaitable<void> send(UnixSocket& raw, std::string text) {
    auto const bytes = asio::buffer(text);
    auto const [error, size] = co_await asio::async_write(raw, bytes, net::kTuple);
    EXPECT_FALSE(error);
  }
  /// Everything until the end of the stream.
  static Awaitable<std::string> read_all(UnixSocket& raw) {
    std::string out;
    std::array<char, 4096> part;
    for (;;) {
      auto const room = asio::buffer(part);
      auto const [error, size] = co_await raw.async_read_some(room, net::kTuple);
      if (error) co_return out;
      out.append(part.data(), size);
    }
  }

  test::TemporaryFolder folder;
  asio::io_context io{1};
  std::vector<exchange::Command> commands;
  std::vector<Done> waiting;
  std::size_t answered_count = 0;
  std::size_t most_waiting = 0;
  int stop_count = 0;
  std::unique_ptr<ControlSocket> socket;
};

json::Value request(std::string const& text) { return *json::parse(text); }

TEST_F(ControlSocketTest, answersCarryTheIdOfTheirRequest) {
  open();
  auto const test = [this]() -> Awaitable<void> {
    UnixSocket raw{io};
    EXPECT_TRUE(connect_to(path(), raw));
    co_await send(raw,
                  "{\"command\":\"cancel\",\"arguments\":{\"id\":\"aaaa\"},\"id\":\"one\"}\n"
                  "{\"command\":\"cancel\",\"arguments\":{\"id\":\"bbbb\"},\"id\":2}\n");
    co_await until_commands(2);
    EXPECT_EQ(std::get<command::CancelOrder>(commands[0]).id, "aaaa");
    answer(1, result::Failure{result::FailureCode::not_found, "no such order", "see orders"});
    answer(0, result::Connected{"a:1", "Bob", {}});
    raw.shutdown(UnixSocket::shutdown_send);
    auto const text = co_await read_all(raw);
    EXPECT_EQ(
        text,
        "{\"id\":2,\"error\":{\"code\":\"notFound\",\"text\":\"no such order\",\"hint\":\"see orders\"}}\n"
        "{\"id\":\"one\",\"result\":{\"type\":\"connected\",\"endpoint\":\"a:1\",\"name\":\"Bob\",\"peer\":"
        "null}}\n");
    co_await until_connections(0);
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, answersAreTextIfTheRequestSaysSo) {
  open();
  auto const test = [this]() -> Awaitable<void> {
    UnixSocket raw{io};
    EXPECT_TRUE(connect_to(path(), raw));
    co_await send(raw,
                  "{\"command\":\"peers\",\"form\":\"text\"}\n{\"command\":\"help\",\"arguments\":{"
                  "\"command\":\"peers\"},"
                  "\"form\":\"text\",\"id\":1}");
    raw.shutdown(UnixSocket::shutdown_send);  // the last line needs no newline
    co_await until_commands(1);
    answer(0, result::PeerList{});
    auto const text = co_await read_all(raw);
    EXPECT_NE(text.find(R"({"id":null,"result":"No peers.\n"})"), std::string::npos) << text;
    EXPECT_NE(text.find(R"({"id":1,"result":"peers\n  List the peers.\n  Example: peers\n"})"),
              std::string::npos)
        << text;
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, linesThatAreNotRequestsAreRefusedAndTheConnectionStays) {
  open();
  auto const test = [this]() -> Awaitable<void> {
    UnixSocket raw{io};
    EXPECT_TRUE(connect_to(path(), raw));
    co_await send(
        raw,
        "orders\n\n  \r\n[]\n{\"command\":\"nonsense\",\"id\":1}\n{\"command\":\"orders\",\"id\":[]}\n"
        "{\"command\":\"orders\",\"form\":\"xml\",\"id\":2}\n{\"command\":\"orders\",\"colour\":1}\n"
        "{\"command\":\"orders\",\"width\":19}\n"
        "{\"command\":\"cancel\",\"id\":3}\n" +
            std::string(100, '[') + "\n{\"command\":\"orders\",\"id\":4}\n");
    co_await until_commands(1);
    answer(0, result::OrderList{});
    raw.shutdown(UnixSocket::shutdown_send);
    auto const text = co_await read_all(raw);
    std::vector<std::string> const parts{"not JSON",
                                         "not a JSON object",
                                         "there is no command 'nonsense'",
                                         "id must be a text or a number",
                                         "form must be",
                                         "colour must be",
                                         "width must be",
                                         "cancel: id is missing",
                                         "not JSON",
                                         "\"id\":4,\"result\""};
    std::size_t at = 0;
    for (auto const& part : parts) {
      at = text.find(part, at);
      EXPECT_NE(at, std::string::npos) << part << " in " << text;
      if (at == std::string::npos) co_return;
    }
    EXPECT_EQ(std::ranges::count(text, '\n'), std::ssize(parts)) << "blank lines are no requests";
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, aLineThatIsTooLongEndsTheConnection) {
  open({.line_size_max = 100});
  auto const test = [this]() -> Awaitable<void> {
    UnixSocket raw{io};
    EXPECT_TRUE(connect_to(path(), raw));
    co_await send(raw, std::string(101, ' '));
    auto const text = co_await read_all(raw);
    EXPECT_NE(text.find("longer than 100 bytes"), std::string::npos) << text;
    co_await until_connections(0);
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, commandsBeyondTheBoundWait) {
  open({.pending_count_max = 2});
  auto const test = [this]() -> Awaitable<void> {
    UnixSocket raw{io};
    EXPECT_TRUE(connect_to(path(), raw));
    std::string lines;
    for (int i = 0; i < 10; ++i) lines += "{\"command\":\"peers\"}\n";
    co_await send(raw, std::move(lines));
    for (std::size_t i = 0; i < 10; ++i) {
      co_await until_commands(i + 1);
      answer(i, result::PeerList{});
    }
    EXPECT_LE(most_waiting, 2u);
    raw.shutdown(UnixSocket::shutdown_send);
    auto const text = co_await read_all(raw);
    EXPECT_EQ(std::ranges::count(text, '\n'), 10);
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, clientsBeyondTheBoundAreToldSo) {
  open({.connection_count_max = 1});
  auto const test = [this]() -> Awaitable<void> {
    UnixSocket first{io};
    EXPECT_TRUE(connect_to(path(), first));
    co_await until_connections(1);
    UnixSocket second{io};
    EXPECT_TRUE(connect_to(path(), second));
    auto const text = co_await read_all(second);
    EXPECT_NE(text.find("too many clients"), std::string::npos);
    first.close();
    co_await until_connections(0);
    ControlClient third{io.get_executor()};
    connect(third);
    co_await until_connections(1);
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, watchersGetEventsInTheirForm) {
  open();
  auto const test = [this]() -> Awaitable<void> {
    ControlClient json_client{io.get_executor()};
    ControlClient text_client{io.get_executor()};
    connect(json_client);
    connect(text_client);
    auto const deadline = net::steady_deadline(test::limit());
    auto const watching = co_await json_client.call(request(R"({"command":"watch","id":1})"), deadline);
    EXPECT_EQ(json::to_text(watching.line), R"({"id":1,"result":{"type":"watching"}})");
    auto const text_watching =
        co_await text_client.call(request(R"({"command":"watch","form":"text"})"), deadline);
    EXPECT_EQ(json::to_text(text_watching.line), R"({"id":null,"result":""})");
    socket->publish(event::Warning{"low on funds"});
    auto const event = co_await next(json_client);
    EXPECT_EQ(json::to_text(event.line), R"({"event":{"type":"warning","text":"low on funds"}})");
    auto const text_event = co_await next(text_client);
    EXPECT_NE(text_event.line.find_string("event")->find(" warning: low on funds\n"), std::string::npos);
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, clientsThatDoNotWatchGetNoEvents) {
  open();
  auto const test = [this]() -> Awaitable<void> {
    ControlClient client{io.get_executor()};
    connect(client);
    co_await until_connections(1);
    socket->publish(event::Warning{"low on funds"});
    auto const help =
        co_await client.call(request(R"({"command":"help","id":1})"), net::steady_deadline(test::limit()));
    EXPECT_EQ(help.line.find_int("id"), 1);
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, aWatcherThatNeverReadsIsDroppedAtTheBoundOfItsOutput) {
  open({.output_size_max = 10'000});
  auto const test = [this]() -> Awaitable<void> {
    ControlClient client{io.get_executor()};
    connect(client);
    (void)co_await client.call(request(R"({"command":"watch"})"), net::steady_deadline(test::limit()));
    std::string const text(1'000, 'x');
    std::size_t count = 0;
    while (socket->connection_count() > 0 && count < 10'000) {
      socket->publish(event::Warning{text});
      ++count;
      co_await asio::post(io, asio::use_awaitable);
    }
    EXPECT_LT(count, 10'000u) << "the buffers of the system are below 10 MB";
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, aClientWhoseOutputDoesNotMoveIsDropped) {
  open({.write_timeout = std::chrono::milliseconds{20}});
  auto const test = [this]() -> Awaitable<void> {
    UnixSocket raw{io};
    EXPECT_TRUE(connect_to(path(), raw));
    co_await send(raw, "{\"command\":\"orders\"}\n");
    co_await until_commands(1);
    // More than the system buffers, in one answer, which may exceed the bound of the output.
    answer(0, result::History{{}, std::vector<std::string>(5'000, std::string(1'000, 'x'))});
    co_await until_connections(0);
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, aLargeAnswerReachesAClientThatReads) {
  open();
  auto const test = [this]() -> Awaitable<void> {
    UnixSocket raw{io};
    EXPECT_TRUE(connect_to(path(), raw));
    co_await send(raw, "{\"command\":\"orders\"}\n");
    raw.shutdown(UnixSocket::shutdown_send);
    co_await until_commands(1);
    answer(0, result::History{{}, std::vector<std::string>(5'000, std::string(1'000, 'x'))});
    auto const text = co_await read_all(raw);
    EXPECT_GT(text.size(), 5'000'000u);
    EXPECT_TRUE(text.ends_with("]}}\n"));
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, theFileIsPrivateAndRemovedAtTheEnd) {
  open();
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  socket.reset();
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(ControlSocketTest, aStaleFileIsReplacedAndAListenerIsNot) {
  {
    UnixAcceptor stale{io};
    ASSERT_TRUE(listen_at(path(), stale));
  }
  ASSERT_TRUE(std::filesystem::exists(path())) << "left behind, as by a crash";
  open();
  ControlSocket second{io.get_executor(), {}};
  auto const failure = second.listen(path());
  ASSERT_TRUE(failure);
  EXPECT_NE(failure->find("another exchange runs with this data dir"), std::string::npos) << *failure;
  ControlClient client{io.get_executor()};
  EXPECT_EQ(client.connect(data_dir()), std::nullopt) << "the first one still listens";
}

TEST_F(ControlSocketTest, filesAndPathsThatCannotBeASocketAreRefusedInWords) {
  std::ofstream{path()} << "mine";
  ControlSocket control{io.get_executor(), {}};
  EXPECT_NE(control.listen(path())->find("in the way"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_regular_file(path())) << "and not removed";
  EXPECT_NE(control.listen(folder.path() / std::string(108, 'a'))->find("shorter data dir"),
            std::string::npos);
  EXPECT_NE(control.listen(folder.path() / "none" / "s")->find("cannot listen"), std::string::npos);
}

TEST_F(ControlSocketTest, onlyTheSameUserAndRootAreTrusted) {
  EXPECT_TRUE(is_trusted_user(1000, 1000));
  EXPECT_TRUE(is_trusted_user(0, 1000));
  EXPECT_FALSE(is_trusted_user(1001, 1000));
  EXPECT_FALSE(is_trusted_user(1000, 0));
}

TEST_F(ControlSocketTest, stopAnswersWhatHasNoAnswer) {
  open();
  auto const test = [this]() -> Awaitable<void> {
    UnixSocket raw{io};
    EXPECT_TRUE(connect_to(path(), raw));
    co_await send(raw, "{\"command\":\"orders\",\"id\":1}\n{\"command\":\"stop\",\"id\":2}\n");
    std::function<bool()> is_asked = [this] { return stop_count == 1; };
    co_await until(std::move(is_asked));
    bool const has_ended = co_await socket->stop();
    EXPECT_TRUE(has_ended);
    EXPECT_EQ(socket->connection_count(), 0u);
    auto const text = co_await read_all(raw);
    EXPECT_EQ(
        text,
        "{\"id\":2,\"result\":{\"type\":\"stopping\"}}\n"
        "{\"id\":1,\"error\":{\"code\":\"stopped\",\"text\":\"the peer was stopped\",\"hint\":\"\"}}\n");
    answer(0, result::OrderList{});  // too late, and without effect
    EXPECT_FALSE(std::filesystem::exists(path()));
    ControlClient late{io.get_executor()};
    EXPECT_NE(late.connect(data_dir())->find("no exchange runs with this data dir: start one with"),
              std::string::npos);
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, stopDoesNotWaitForAClientThatDoesNotRead) {
  open();
  auto const test = [this]() -> Awaitable<void> {
    UnixSocket raw{io};
    EXPECT_TRUE(connect_to(path(), raw));
    co_await send(raw, "{\"command\":\"orders\"}\n");
    co_await until_commands(1);
    answer(0, result::History{{}, std::vector<std::string>(5'000, std::string(1'000, 'x'))});
    bool const has_ended = co_await socket->stop();
    EXPECT_TRUE(has_ended);
    EXPECT_EQ(socket->connection_count(), 0u);
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, mayBeDestroyedWithConnectionsAndBeforeAnswers) {
  open();
  auto const test = [this]() -> Awaitable<void> {
    UnixSocket raw{io};
    EXPECT_TRUE(connect_to(path(), raw));
    co_await send(raw, "{\"command\":\"orders\"}\n");
    co_await until_commands(1);
    socket.reset();
    answer(0, result::OrderList{});
    auto const text = co_await read_all(raw);
    EXPECT_EQ(text, "");
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, theClientGivesUpAtItsDeadline) {
  open();
  auto const test = [this]() -> Awaitable<void> {
    ControlClient client{io.get_executor()};
    connect(client);
    auto const reply = co_await client.call(request(R"({"command":"orders"})"),
                                            net::steady_deadline(std::chrono::milliseconds{20}));
    EXPECT_NE(reply.error.find("did not answer in time"), std::string::npos) << reply.error;
  };
  test::run(io, test());
}

TEST_F(ControlSocketTest, theClientSaysThatThePeerHasGone) {
  open();
  auto const test = [this]() -> Awaitable<void> {
    ControlClient client{io.get_executor()};
    connect(client);
    co_await until_connections(1);
    socket.reset();
    auto const reply = co_await next(client);
    EXPECT_NE(reply.error.find("closed the connection"), std::string::npos) << reply.error;
  };
  test::run(io, test());
}

}  // namespace
}  // namespace grenache::exchange
