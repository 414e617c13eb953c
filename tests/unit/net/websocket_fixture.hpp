// A WebSocketServer that echoes, its clients, and frames made by hand.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "tests/support/raw_client.hpp"
#include "tests/support/run.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/net/websocket.hpp>

namespace grenache::net {

using namespace std::chrono_literals;
using namespace std::string_literals;
using Session = WebSocketServer::Session;
using test::RawClient;

inline Endpoint const kFreePort{IpAddress{127, 0, 0, 1}, 0};
inline std::string const kUpgrade =
    "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

inline constexpr unsigned kText = 0x1;
inline constexpr unsigned kBinary = 0x2;
inline constexpr unsigned kFin = 0x80;

/// A short frame as a client sends it; the mask is zero, which leaves the bytes as they are.
inline std::string frame(unsigned first, std::string const& payload, bool masked = true) {
  std::string out;
  out += static_cast<char>(first);
  out += static_cast<char>(payload.size() | (masked ? 0x80u : 0u));
  if (masked) out += "\0\0\0\0"s;
  return out + payload;
}

/// The frame with which a server closes.
inline std::string close_frame(unsigned code) {
  return "\x88\x02"s + static_cast<char>(code >> 8) + static_cast<char>(code & 0xff);
}

/// Returns the bytes after the answer to the upgrade.
inline std::string frames_of(std::string const& text) {
  auto const end = text.find("\r\n\r\n");
  return end == std::string::npos ? "no upgrade: " + text : text.substr(end + 4);
}

struct WebSocketTest : testing::Test {
  boost::asio::io_context io{1};
  TaskGroup tasks{io.get_executor()};
  AsyncEvent happened{io.get_executor()};
  std::vector<Session> sessions;
  std::vector<std::string> messages;
  std::vector<Error> ends;
  std::function<void(Session const&, std::string)> on_message = [](Session const& session, std::string text) {
    session->send(std::move(text));
  };
  std::optional<WebSocketServer> server;
  std::shared_ptr<TlsContext> client_tls;

  Endpoint serve(WebSocketServer::Options const& options = {}) {
    WebSocketServer::Handlers handlers;
    handlers.on_open = [this](Session const& session) {
      sessions.push_back(session);
      happened.notify_all();
    };
    handlers.on_message = [this](Session const& session, std::string text) {
      messages.push_back(text);
      on_message(session, std::move(text));
      happened.notify_all();
    };
    handlers.on_close = [this](Session const&, Error const& why) {
      ends.push_back(why);
      happened.notify_all();
    };
    server.emplace(io.get_executor(), options, std::move(handlers));
    return server->listen(kFreePort).value();
  }

  Awaitable<Result<WebSocketConnection>> connect(WebSocketConnection::Options options) {
    options.tls = client_tls;
    HostPort to;
    to.host = "127.0.0.1";
    to.port = server->local_endpoint().port;
    return WebSocketConnection::connect(io.get_executor(), to, options, steady_now() + 10s);
  }
  Awaitable<Result<WebSocketConnection>> connect_plainly() {
    WebSocketConnection::Options options;
    return connect(options);
  }

  Awaitable<void> until_ended(std::size_t count) {
    while (ends.size() < count) co_await happened.wait();
  }
  Awaitable<void> until_open(std::size_t count) {
    while (sessions.size() < count) co_await happened.wait();
  }
  Awaitable<void> until_messages(std::size_t count) {
    while (messages.size() < count) co_await happened.wait();
  }

  /// For what no event tells.
  Awaitable<void> until(std::function<bool()> condition) {
    AsyncEvent never{io.get_executor()};
    while (!condition()) (void)co_await never.wait(steady_now() + 1ms);
  }

  /// Everything that comes back for these bytes.
  Awaitable<std::string> exchange(std::string bytes) {
    RawClient raw{io.get_executor()};
    bool const connected = co_await raw.connect(server->local_endpoint());
    EXPECT_TRUE(connected);
    co_await raw.send(std::move(bytes));
    std::string const text = co_await raw.read_all();
    co_return text;
  }
  /// The server's last words after these frames, and why the session has ended.
  void expect_ends_with(std::string const& frames, std::string const& last, WebSocketErrc why) {
    auto test = [&]() -> Awaitable<void> {
      RawClient raw{io.get_executor()};
      co_await raw.connect(server->local_endpoint());
      co_await raw.send(kUpgrade);
      std::string text = co_await raw.read_until("\r\n\r\n");
      co_await raw.send(frames);
      text = co_await raw.read_all();
      EXPECT_EQ(text, last);
      raw.close();
      co_await until_ended(1);
      EXPECT_EQ(ends.front(), why);
    };
    test::run(io, test());
  }
};

}  // namespace grenache::net
