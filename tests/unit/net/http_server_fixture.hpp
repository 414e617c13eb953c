// An HttpServer that says what it was asked, and requests made by hand.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/raw_client.hpp"
#include "tests/support/run.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/http_server.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::net {

using namespace std::chrono_literals;
using test::body_of;
using test::RawClient;

inline Endpoint const kFreePort{IpAddress{127, 0, 0, 1}, 0};

/// Answers with "method target body"; /wait answers when `release` is notified, /throw throws.
struct HttpServerTest : testing::Test {
  asio::io_context io{1};
  AsyncEvent release{io.get_executor()};
  AsyncEvent entered{io.get_executor()};
  int waiting = 0;
  int cancelled = 0;
  HttpServer::Options options;
  std::optional<HttpServer> server;

  Endpoint start() {
    server.emplace(io.get_executor(), options, [this](HttpRequest& request) { return handle(request); });
    return server->listen(kFreePort).value();
  }
  Awaitable<HttpReply> handle(HttpRequest& request) {
    if (request.target == "/large") co_return HttpReply{200, std::string(64'000'000, 'x'), {}};
    if (request.target == "/throw") throw std::runtime_error{"a bug"};
    if (request.target == "/throw_number") throw 42;
    HttpReply reply;
    reply.body = std::string{request.method} + ' ' + std::string{request.target} + ' ' + request.body;
    if (request.target == "/wait") {
      ++waiting;
      entered.notify_all();
      Wake const wake = co_await release.wait();
      if (wake == Wake::cancelled) reply.body = "cancelled";
      if (wake == Wake::cancelled) ++cancelled;
    }
    if (request.target == "/stubborn") {
      ++waiting;
      entered.notify_all();
      while (cancelled < 3) {
        Wake const wake = co_await release.wait();
        if (wake == Wake::cancelled) ++cancelled;
      }
      throw std::runtime_error{"cancelled"};
    }
    if (request.target == "/split") reply.headers.emplace_back("X", "a\r\nInjected: b");
    if (request.has_header("x-echo")) reply.headers.emplace_back("X-Echo", request.header("X-ECHO"));
    co_return reply;
  }
  Awaitable<void> until_entered(int count = 1) {
    while (waiting < count) co_await entered.wait();
  }
  /// For what no event tells.
  Awaitable<void> until(std::function<bool()> condition) {
    AsyncEvent never{io.get_executor()};
    while (!condition()) (void)co_await never.wait(steady_deadline(1ms));
  }
  static Awaitable<std::string> exchange(RawClient& client, std::string request, std::string reply_end) {
    bool const sent = co_await client.send(std::move(request));
    EXPECT_TRUE(sent);
    std::string text = co_await client.read_until(std::move(reply_end));
    co_return text;
  }
};

inline std::string post(std::string const& target, std::string const& body, std::string const& headers = {}) {
  return "POST " + target + " HTTP/1.1\r\nHost: x\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace grenache::net
