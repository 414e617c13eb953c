// A Link beside grapes that are real, and beside grapes that misbehave.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/in_process_dht.hpp"
#include "tests/support/misbehaving_grape.hpp"
#include "tests/support/run.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/link.hpp>

namespace grenache::rpc {

using namespace std::chrono_literals;
using net::Awaitable;
using test::InProcessDht;
using test::MisbehavingGrape;
using Destinations = std::vector<std::string>;

struct LinkFixture : testing::Test {
  boost::asio::io_context io{1};
  net::TaskGroup tasks{io.get_executor()};

  static Link::Options patient(std::vector<GrapeUrl> grapes) {
    Link::Options options;
    options.grapes = std::move(grapes);
    options.try_timeout = 10s;
    options.hedge_delay = 10s;
    options.unannounce_max = 10s;
    return options;
  }
  /// For what no event tells.
  Awaitable<void> a_moment() {
    net::AsyncEvent never{io.get_executor()};
    (void)co_await never.wait(net::steady_now() + 1ms);
  }
  Awaitable<void> stop(Link& link) { co_await link.stop(); }
  Awaitable<void> look_up(Link& link, std::string name, std::vector<RpcResult<Destinations>>& results) {
    auto result = co_await link.lookup(std::move(name));
    results.push_back(std::move(result));
  }
};

/// Beside real grapes: two of one network, and one of another.
struct LinkTest : LinkFixture {
  InProcessDht dht{io.get_executor(), {.grape_count = 2}};
  InProcessDht elsewhere{io.get_executor()};

  LinkTest() { test::run(io, dht.ready()); }
  Link::Options one_grape() const { return patient({dht.address()}); }
  Link::Options lone_grape() const { return patient({elsewhere.address()}); }
  /// Of the first of the network.
  [[nodiscard]] grape::NodeStats stats() const { return dht.grape().node().stats(); }
  Awaitable<void> until_listed(InProcessDht& at, std::string name) {
    for (;;) {
      auto const found = co_await at.lookup(name, at.size() - 1);
      if (!found.empty()) co_return;
      co_await a_moment();
    }
  }
};

/// Beside grapes that do not answer, or not as they should.
struct MisledLinkTest : LinkFixture {
  std::optional<MisbehavingGrape> grape{std::in_place, io.get_executor()};
  std::optional<MisbehavingGrape> other{std::in_place, io.get_executor()};

  Link::Options one_grape() const { return patient({grape->address()}); }
  Link::Options two_grapes() const { return patient({grape->address(), other->address()}); }
};

}  // namespace grenache::rpc
