// Alice and Bob, who may have a credit line.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "exchange/core/trader.hpp"
#include "tests/support/trader_network.hpp"

namespace grenache::exchange::test {

using result::CreditLineView;
using result::CreditPayment;
using result::CreditPaymentState;
using result::Failure;
using result::FailureCode;
using Node = TraderNetwork::Node;

inline UsdCents usd(std::int64_t dollars) { return UsdCents{100 * dollars}; }

class CreditPeers : public testing::Test {
 protected:
  [[nodiscard]] Node& alice() { return *network.nodes[0]; }
  [[nodiscard]] Node& bob() { return *network.nodes[1]; }

  CommandResult run(Node& node, TraderCommand const& command) { return network.execute(node, command); }
  template <class T>
  T get(Node& node, TraderCommand const& command) {
    auto result = run(node, command);
    auto* const value = std::get_if<T>(&result);
    auto const* const failure = std::get_if<Failure>(&result);
    EXPECT_TRUE(value) << (failure ? failure->text : "another answer");
    return value ? std::move(*value) : T{};
  }
  Failure failure(Node& node, TraderCommand const& command) { return get<Failure>(node, command); }

  void open(std::int64_t limit = 100) {
    (void)get<CreditLineView>(alice(), command::ProposeCredit{"Bob", usd(limit), usd(limit)});
    (void)get<CreditLineView>(bob(), command::AnswerProposal{"Alice", true});
    ASSERT_TRUE(line(alice()).is_open && line(bob()).is_open);
  }
  CreditPayment pay(Node& node, std::string const& peer, std::int64_t dollars) {
    return get<CreditPayment>(node, command::PayCredit{peer, usd(dollars)});
  }
  CreditLineView line(Node& node) {
    auto const lines = get<result::CreditBalance>(node, command::ShowBalance{}).lines;
    return lines.empty() ? CreditLineView{} : lines.front();
  }
  std::int64_t balance(Node& node) { return line(node).balance; }
  template <class T>
  std::vector<T> events(Node const& node) {
    std::vector<T> out;
    for (auto const& event : node.events) {
      if (auto const* const found = std::get_if<T>(&event)) out.push_back(*found);
    }
    return out;
  }
  std::vector<std::string> changes(Node const& node) {
    std::vector<std::string> out;
    for (auto const& each : events<event::CreditLineChanged>(node)) out.push_back(each.what);
    return out;
  }
  /// The trade rows of a peer say whether their USD is due.
  std::vector<bool> dues(Node const& node) {
    std::vector<bool> out;
    for (auto const& row : node.rows.read({.kind = "trade"})) {
      out.push_back(*json::parse(row.body)->find("usdIsDue")->as_bool());
    }
    return out;
  }
  /// Alice sells what Bob takes, for `dollars` at a price of 100,000 USD.
  void trade(std::int64_t dollars) {
    command::AddOrder order;
    order.side = Side::sell;
    order.price = PriceCents{10'000'000};
    order.amount = Satoshi{1'000 * dollars};
    auto const placed = get<result::Placed>(alice(), order);
    network.wait(std::chrono::seconds{2});
    command::AcceptOrder take;
    take.id = placed.order.order.id;
    take.pay = true;
    EXPECT_EQ(get<result::PurchaseView>(bob(), take).state, result::PurchaseState::settled);
  }

  TraderNetwork network;
};

}  // namespace grenache::exchange::test
