// An HttpServer and an HttpClient on one io_context, plain or TLS.
#pragma once

#include <charconv>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/run.hpp"
#include "tests/support/tls_pair.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/http_client.hpp>
#include <grenache/net/http_server.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::net {

using namespace std::chrono_literals;

inline Endpoint const kLoopback{IpAddress{127, 0, 0, 1}, 0};

/// Requests to /s… are streams: /s/echo sends back what comes; /s/count reads all and tells how much it was;
/// /s/give?N sends N bytes; /s/hold neither reads nor writes until `release`; /s/early answers "no" unread;
/// /s/silent returns without a word; /s/cut stops in mid-reply; /s/throw throws. Others are answered with
/// "method target body", and the subject of the peer's certificate; /wait only after `release`.
struct HttpPair {
  asio::io_context io{1};
  TaskGroup tasks{io.get_executor()};
  AsyncEvent release{io.get_executor()};
  AsyncEvent entered{io.get_executor()};
  int held = 0;
  HttpServer::Options server_options;
  HttpClient::Options options;
  std::vector<Error> stream_errors;  // that handlers of streams have seen
  std::size_t given = 0;             // bytes that /s/give has written
  std::optional<HttpServer> server;
  std::optional<HttpClient> client;

  explicit HttpPair(bool tls = false) {
    if (tls) {
      server_options.tls = test::make_server_tls();
      options.tls = test::make_client_tls();
    }
    server_options.wants_stream = [](HttpRequest const& request) { return request.target.starts_with("/s"); };
    server_options.stream_handler = [this](HttpExchange& exchange) { return stream(exchange); };
  }

  Endpoint start() {
    server.emplace(io.get_executor(), server_options,
                   [this](HttpRequest& request) { return handle(request); });
    client.emplace(io.get_executor(), options);
    return server->listen(kLoopback).value();
  }

  Awaitable<HttpReply> handle(HttpRequest& request) {
    HttpReply reply;
    if (request.target == "/wait") {
      ++held;
      entered.notify_all();
      co_await release.wait();
    }
    reply.body = std::string{request.method} + ' ' + std::string{request.target} + ' ' + request.body;
    if (request.certificate != nullptr) {
      reply.body += ' ' + request.certificate->subject;
      reply.body += request.certificate->verified ? " verified" : " unverified";
    }
    co_return reply;
  }

  Awaitable<void> stream(HttpExchange& exchange) {
    std::string_view const target = exchange.request().target;
    Result<void> outcome{};
    if (target == "/s/echo") {
      outcome = co_await echo(exchange);
    } else if (target == "/s/count") {
      outcome = co_await count(exchange);
    } else if (target.starts_with("/s/give?")) {
      std::size_t bytes = 0;
      std::from_chars(target.data() + 8, target.data() + target.size(), bytes);
      outcome = co_await give(exchange, bytes);
    } else if (target == "/s/hold") {
      ++held;
      entered.notify_all();
      co_await release.wait();
      outcome = co_await count(exchange);
    } else if (target == "/s/early") {
      outcome = co_await reply(exchange, "no");
    } else if (target == "/s/cut") {
      outcome = co_await exchange.begin(200);
      if (outcome) outcome = co_await exchange.write("half");
    } else if (target == "/s/throw") {
      throw std::runtime_error{"a bug"};
    }
    if (!outcome) stream_errors.push_back(outcome.error());
  }

  static Awaitable<Result<void>> reply(HttpExchange& exchange, std::string text) {
    HttpHeaders headers{{"X-Stream", "yes"}};
    auto outcome = co_await exchange.begin(200, std::move(headers));
    if (outcome) outcome = co_await exchange.write(text);
    if (outcome) outcome = co_await exchange.finish();
    co_return outcome;
  }
  static Awaitable<Result<void>> echo(HttpExchange& exchange) {
    HttpHeaders headers{{"X-Stream", "yes"}};
    auto outcome = co_await exchange.begin(200, std::move(headers));
    while (outcome) {
      auto const piece = co_await exchange.read();
      if (!piece) co_return piece.error();
      if (piece->empty()) break;
      outcome = co_await exchange.write(*piece);
    }
    if (outcome) outcome = co_await exchange.finish();
    co_return outcome;
  }
  static Awaitable<Result<void>> count(HttpExchange& exchange) {
    std::size_t bytes = 0;
    for (;;) {
      auto const piece = co_await exchange.read();
      if (!piece) co_return piece.error();
      if (piece->empty()) break;
      EXPECT_LE(piece->size(), 64u * 1024);
      bytes += piece->size();
    }
    auto outcome = co_await reply(exchange, std::to_string(bytes));
    co_return outcome;
  }
  Awaitable<Result<void>> give(HttpExchange& exchange, std::size_t bytes) {
    auto outcome = co_await exchange.begin(200);
    std::string const piece(64 * 1024, 'g');
    for (given = 0; outcome && given < bytes;) {
      std::size_t const size = std::min(piece.size(), bytes - given);
      std::string_view const part{piece.data(), size};
      outcome = co_await exchange.write(part);
      if (outcome) given += size;
    }
    if (outcome) outcome = co_await exchange.finish();
    co_return outcome;
  }

  HttpCall call(std::string target, std::string body = {}) const {
    HttpCall call;
    call.destination = {"127.0.0.1", server->local_endpoint().port};
    call.target = std::move(target);
    call.body = std::move(body);
    call.timeout = 20s;
    return call;
  }
  /// The body of the answer, or why there is none.
  Awaitable<Result<std::string>> ask(std::string target, char const* body = "") {
    HttpCall one = call(std::move(target), std::move(body));
    auto response = co_await client->request(std::move(one));
    if (!response) co_return response.error();
    co_return std::move(response->body);
  }

  /// Sends `piece` so often, and ends the request.
  static Awaitable<Result<void>> send(HttpStream& stream, std::string piece, std::size_t times) {
    Result<void> outcome{};
    for (std::size_t i = 0; outcome && i < times; ++i) outcome = co_await stream.write(piece);
    if (outcome) outcome = co_await stream.finish();
    co_return outcome;
  }
  /// Reads to the end; returns how many bytes came.
  static Awaitable<Result<std::size_t>> receive(HttpStream& stream, std::string* text = nullptr) {
    std::size_t bytes = 0;
    for (;;) {
      auto const piece = co_await stream.read();
      if (!piece) co_return piece.error();
      if (piece->empty()) co_return bytes;
      bytes += piece->size();
      if (text != nullptr) text->append(*piece);
    }
  }
  /// Streams both ways at a time. Returns how many bytes came back.
  Awaitable<Result<std::size_t>> exchange(std::string target, std::string piece, std::size_t times,
                                          std::string* text = nullptr) {
    HttpCall head = call(std::move(target));
    auto opened = co_await client->open(std::move(head));
    if (!opened) co_return opened.error();
    HttpStream stream{std::move(*opened)};
    TaskGroup sending{io.get_executor()};
    auto send_all = [&]() -> Awaitable<void> { co_await send(stream, std::move(piece), times); };
    sending.spawn(send_all());
    auto const received = co_await receive(stream, text);
    if (!received) stream.close();
    co_await sending.drained(20s);
    co_return received;
  }
};

}  // namespace grenache::net
