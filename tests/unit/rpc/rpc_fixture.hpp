// Services and a client that finds them in a DHT.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/in_process_dht.hpp"
#include "tests/support/reserved_port.hpp"
#include "tests/support/run.hpp"
#include "tests/support/tls_files.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/server.hpp>

namespace grenache::rpc {

using namespace std::chrono_literals;
using json::Value;
using net::Awaitable;
using test::InProcessDht;

inline Endpoint const kFreePort{IpAddress{127, 0, 0, 1}, 0};
inline RequestOptions const kDefaults{};

/// Certificates of one authority, made once.
struct Identities {
  test::Identity authority = test::make_authority("authority");
  test::Identity server = test::make_identity("server", authority);
  test::Identity client = test::make_identity("client", authority);
  test::Identity stranger = test::make_identity("stranger", test::make_authority("another"));
};
inline Identities const& identities() {
  static Identities const made;
  return made;
}

/// TLS on both sides, with client certificates, where the transport has it.
inline net::TlsOptions tls_of(test::Identity const& identity) {
  net::TlsOptions tls;
  tls.certificate = identity.certificate;
  tls.key = identity.key;
  tls.ca = identities().authority.certificate;
  return tls;
}
inline Server::Options server_options(Transport transport) {
  Server::Options options;
  options.transport = transport;
  if (uses_tls(transport)) options.tls = tls_of(identities().server);
  return options;
}
inline Client::Options client_options(Transport transport) {
  Client::Options options;
  options.transport = transport;
  if (uses_tls(transport)) options.tls = tls_of(identities().client);
  return options;
}

/// A service that answers with its name and the payload. "wait" waits for release, "fail" is an error,
/// "throw" a bug.
struct TestService {
  TestService(boost::asio::io_context& io, std::string n, Server::Options const& options)
      : name{std::move(n)},
        entered{io.get_executor()},
        release{io.get_executor()},
        server{std::in_place, io.get_executor(), options,
               Server::Handler{[this](Request& request) { return answer(request); }}} {
    at = server->listen(port.endpoint()).value();
  }
  Awaitable<Reply> answer(Request& request) {
    ++request_count;
    last = request;
    std::string const* const text = request.payload.as_string();
    std::string const what = text ? *text : "";
    if (what == "fail") co_return Reply::failure("ERR_OWN: no");
    if (what == "throw") throw std::runtime_error{"a bug"};
    if (what == "wait") {
      entered.notify_all();
      co_await release.wait();
    }
    co_return Reply{Value::array({name, request.key, request.payload})};
  }
  Awaitable<void> until_entered(int count) {
    while (request_count < count) co_await entered.wait();
  }

  std::string name;
  test::ReservedPort port;  // nobody else answers there when the server has gone
  int request_count = 0;
  Request last;
  net::AsyncEvent entered;
  net::AsyncEvent release;
  Endpoint at;
  std::optional<Server> server;
};

/// The first item of a reply: who has answered.
inline std::string who(RpcResult<Value> const& reply) {
  Value const* const name = reply ? reply->at(0) : nullptr;
  return name && name->as_string() ? *name->as_string() : "";
}

/// A client that asks the first grape of a DHT for services that were announced at the last.
struct RpcFixture {
  explicit RpcFixture(Transport t, std::size_t grape_count = 2)
      : transport{t}, dht{io.get_executor(), {.grape_count = grape_count}} {
    test::run(io, dht.ready());
    make_link({});
    make_client(client_options(transport));
  }
  void make_link(Link::Options options) {
    options.grapes = {dht.address()};
    link.emplace(io.get_executor(), options, Random{1});
  }
  void make_client(Client::Options const& options) {
    client.emplace(io.get_executor(), *link, options, Random{2});
  }
  /// The destination becomes one of `name`.
  Awaitable<void> announce(std::string name, Endpoint at) {
    (void)co_await dht.announce(std::move(name), at.port, dht.size() - 1);
  }
  /// A service that is announced as "svc". It lives as long as this, and stays announced when its server
  /// goes.
  Awaitable<TestService*> serve(std::string name) {
    return serve(std::move(name), server_options(transport));
  }
  Awaitable<TestService*> serve(std::string name, Server::Options options) {
    TestService& service = services.emplace_back(io, std::move(name), options);
    co_await announce("svc", service.at);
    co_return &service;
  }
  /// A destination where nobody listens.
  Endpoint dead() { return unused.emplace_back().endpoint(); }
  /// How many lookups the grape of the client has been asked for.
  [[nodiscard]] std::uint64_t lookup_count() const { return dht.grape().node().stats().lookups; }
  Awaitable<void> ask(Value payload, std::vector<RpcResult<Value>>& results) {
    auto result = co_await client->request("svc", std::move(payload), kDefaults);
    results.push_back(std::move(result));
  }

  /// For what no event tells.
  Awaitable<void> until(std::function<bool()> condition) {
    net::AsyncEvent never{io.get_executor()};
    while (!condition()) (void)co_await never.wait(net::steady_now() + 1ms);
  }

  Transport transport;
  boost::asio::io_context io{1};
  net::TaskGroup tasks{io.get_executor()};
  InProcessDht dht;
  std::optional<Link> link;
  std::list<TestService> services;
  std::list<test::ReservedPort> unused;
  std::optional<Client> client;
};

inline void PrintTo(Transport transport, std::ostream* out) { *out << to_string(transport); }
inline std::string name_of_transport(testing::TestParamInfo<Transport> const& info) {
  return std::string{to_string(info.param)};
}

}  // namespace grenache::rpc
