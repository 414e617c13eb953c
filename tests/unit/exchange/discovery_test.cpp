// Peers that find each other by what they offer.
#include "exchange/discovery.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "exchange/exchange.hpp"
#include "tests/support/in_process_dht.hpp"
#include "tests/support/run.hpp"
#include "tests/support/sample_orders.hpp"
#include <grenache/net/steady_clock.hpp>
#include <grenache/rpc/link.hpp>

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using net::Awaitable;
using samples::secret;
using test::InProcessDht;

class DiscoveryTest : public testing::Test {
 protected:
  DiscoveryTest() { test::run(io_, dht_.ready()); }

  Exchange::Options options(std::string name) const {
    Exchange::Options out;
    out.bind = IpAddress{127, 0, 0, 1};
    out.is_new_identity = true;
    out.poll_interval = 20ms;
    out.trader.name = std::move(name);
    return out;
  }
  Exchange::Options options_with_grape(std::string name) const {
    auto out = options(std::move(name));
    out.grapes = {dht_.address(0)};
    out.requires_grape = true;
    return out;
  }
  std::unique_ptr<Exchange> make(std::uint64_t key, Exchange::Options options) {
    return std::make_unique<Exchange>(io_.get_executor(), std::move(options), secret(key), Random{key},
                                      std::nullopt, log_);
  }

  static Awaitable<void> start(Exchange& peer) {
    auto const failure = co_await peer.start();
    EXPECT_FALSE(failure) << *failure;
  }
  static Awaitable<OrderRecord> sell(Exchange& peer) {
    command::AddOrder terms;
    terms.side = Side::sell;
    terms.price = PriceCents{6'000'000};
    terms.amount = Satoshi{1'000};
    Command command{terms};
    auto const answer = co_await peer.execute(std::move(command));
    auto const* const placed = std::get_if<result::Placed>(&answer);
    EXPECT_TRUE(placed);
    OrderRecord nothing;
    co_return placed ? placed->order.order : nothing;
  }
  /// Waits until a lookup of `name` has the port, or has it no more.
  Awaitable<void> until_listed(std::string name, std::uint16_t port, bool wanted) {
    auto const deadline = net::steady_deadline(20s);
    boost::asio::steady_timer timer{io_};
    auto const ending = ":" + std::to_string(port);
    for (;;) {
      link_.forget(name);
      auto const found = co_await link_.lookup(name);
      bool const is_listed =
          found && std::ranges::any_of(*found, [&](auto const& each) { return each.ends_with(ending); });
      if (is_listed == wanted) co_return;
      if (net::steady_now() >= deadline) break;
      timer.expires_after(20ms);
      (void)co_await timer.async_wait(net::kTuple);
    }
    ADD_FAILURE() << name << (wanted ? " is not listed" : " is still listed");
  }

  rpc::Link::Options options() const {
    rpc::Link::Options out;
    out.grapes = {dht_.address(0)};
    return out;
  }

  boost::asio::io_context io_{1};
  Log log_{LogLevel::error, LogFormat::text};
  InProcessDht dht_{io_.get_executor(), {.grape_count = 2}};
  rpc::Link link_{io_.get_executor(), options(), Random{7}};
};

TEST(Discovery, marketsHaveNames) {
  EXPECT_EQ(market_name("exchange", Side::sell), "exchange:BTC/USD:sell");
  EXPECT_EQ(market_name("otc", Side::buy), "otc:BTC/USD:buy");
}

TEST_F(DiscoveryTest, aPeerIsListedInAMarketWhileItHasOrdersThere) {
  auto const alice = make(1, options_with_grape("Alice"));
  auto story = [&]() -> Awaitable<void> {
    auto& peer = *alice;
    co_await start(peer);
    auto const order = co_await sell(peer);
    co_await until_listed("exchange:BTC/USD:sell", peer.port(), true);
    co_await until_listed("exchange:BTC/USD:buy", peer.port(), false);
    Command cancel{command::CancelOrder{order.id}};
    (void)co_await peer.execute(std::move(cancel));
    co_await until_listed("exchange:BTC/USD:sell", peer.port(), false);
    (void)co_await sell(peer);
    co_await until_listed("exchange:BTC/USD:sell", peer.port(), true);
    (void)co_await peer.stop();
    co_await until_listed("exchange:BTC/USD:sell", peer.port(), false);
    co_await link_.stop();
  };
  test::run(io_, story());
}

TEST_F(DiscoveryTest, aPeerIsFoundByItsMarketAlone) {
  auto const alice = make(1, options_with_grape("Alice"));
  auto const bob = make(2, options("Bob"));  // announces nothing itself
  auto story = [&]() -> Awaitable<void> {
    auto& a = *alice;
    auto& b = *bob;
    co_await start(b);
    auto const order = co_await sell(b);
    co_await start(a);
    EXPECT_FALSE(a.trader().book().find(key_of(order)));
    auto const announced = co_await link_.announce("exchange:BTC/USD:sell", b.port());
    EXPECT_TRUE(announced);
    auto const has_order = [&] { return a.trader().book().find(key_of(order)) != nullptr; };
    bool const is_found = co_await a.wait_until(has_order, net::steady_deadline(20s));
    EXPECT_TRUE(is_found);
    (void)co_await a.stop();
    (void)co_await b.stop();
    co_await link_.stop();
  };
  test::run(io_, story());
}

}  // namespace
}  // namespace grenache::exchange
