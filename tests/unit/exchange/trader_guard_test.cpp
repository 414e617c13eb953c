// What strangers can make a peer do.
#include <gtest/gtest.h>

#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using test::TraderNetwork;

class TraderGuardTest : public testing::Test {
 protected:
  /// Sends a request from `from` and returns the refusal, if it is one.
  std::optional<Refusal> ask(IpAddress const& from, json::Value payload) {
    auto const answer = network_.ask_from(from, alice_, std::move(payload));
    return answer.error.empty() ? std::nullopt : parse_refusal(answer.error);
  }
  static Trader::Options options() {
    Trader::Options out;
    out.book_answers.slice_size = 10'000;  // so that the whole book is written at once
    return out;
  }
  static json::Value ping() {
    Random random{1};
    return to_json(
        PingPongMessage{{1, CreatorType::client, kNow}, false, {}, {}, {}, PingNonce::random(random), {}});
  }
  static json::Value forged(std::uint64_t number) {
    auto order = signed_by(3, draft(number, Side::buy));
    order.price = PriceCents{1};
    return to_json(order);
  }

  IpAddress const mallory_{66, 6, 0, 1};
  IpAddress const bob_{10, 0, 0, 1};
  TraderNetwork network_;
  TraderNetwork::Node& alice_ = network_.add("Alice", 1, options());
};

TEST_F(TraderGuardTest, aFloodOfOneAddressDisturbsNobodyElse) {
  std::size_t served = 0;
  while (!ask(mallory_, ping()) && served < 20'000) ++served;
  EXPECT_LT(served, 10'000u) << "about a second of the thread";
  EXPECT_EQ(ask(mallory_, ping())->code, RefusalCode::limit);
  EXPECT_EQ(ask(mallory_, ping())->retry_after, 1s);
  EXPECT_NE(ask(mallory_, ping())->reason.find("too many"), std::string::npos);
  EXPECT_FALSE(ask(bob_, ping()));
  network_.now.steady += 1s;
  EXPECT_FALSE(ask(mallory_, ping())) << "some is given again each second";
}

TEST_F(TraderGuardTest, aRequestCostsWhatItMakesUsDo) {
  for (std::uint64_t i = 1; i <= 500; ++i) {
    EXPECT_FALSE(ask(bob_, to_json(signed_by(2, draft(i, Side::buy)))));
  }
  std::size_t served = 0;
  GetOrderbookMessage const message{{1, CreatorType::client, kNow}, false};
  while (!ask(mallory_, to_json(message)) && served < 5'000) ++served;
  EXPECT_LT(served, 1'000u);
}

/// How many requests an address with 50,000 units may send at once, by what they cost beside their bytes.
TEST(TraderCostTest, aRequestCostsByItsType) {
  constexpr double kUnits = 50'000;
  MessageHeader const header{1, CreatorType::client, kNow};
  auto const sell = signed_by(2, draft(1, Side::sell));
  auto other = sell;
  other.price = PriceCents{1};
  ReconcileMessage reconcile;
  reconcile.header = header;
  reconcile.prefixes = {0};
  GetRecordsMessage records;
  records.header = header;
  records.positions = {1, 2, 3, 4};
  InventoryMessage inventory;
  inventory.header = header;
  inventory.ids.assign(50, VersionId{1, 1});
  InventoryMessage orders;
  orders.header = header;
  orders.orders = {sell, sell, sell};
  ExecuteOrderMessage const execute{header, uuid(7), {}};
  PayMessage pay{header, uuid(7), uuid(8), {}, {}, {}};
  sign_pay(pay, secret(1).public_key(), secret(3));
  std::vector<std::pair<json::Value, double>> const costs = {
      {to_json(PingPongMessage{header, false, {}, {}, {}, {}, {}}), 10},
      {to_json(GetPeersMessage{header, {}}), 10},
      {to_json(sell), 10},
      {to_json(execute), 20},
      {to_json(pay), 20},
      {to_json(GetOrderMatchesMessage{header, uuid(7)}), 200},
      {to_json(reconcile), 200},
      {to_json(inventory), 10 + 10},
      {to_json(orders), 10 + 30},
      {to_json(records), 10 + 20},
      {to_json(GetOrderbookMessage{header, true}), 20},
      {to_json(RelayFeeMessage{header, secret(2).public_key()}), 20},
      {to_json(EquivocationMessage{header, sell, signed_by(2, other)}), 20},
  };
  for (auto const& [message, cost] : costs) {
    Trader::Options options;
    options.guard.units_max = kUnits;
    TraderNetwork network;
    auto& alice = network.add("Alice", 1, options);
    auto const text = json::to_text(message);
    std::size_t served = 0;
    for (; served < 10'000; ++served) {
      auto const refusal = parse_refusal(network.ask_from({66, 6, 0, 1}, alice, json::Value{text}).error);
      if (refusal && refusal->code == RefusalCode::limit) break;
    }
    auto const expected = kUnits / (cost + 2 + static_cast<double>(text.size()) / 1'000);
    EXPECT_NEAR(static_cast<double>(served), expected, 1) << text.substr(0, 60);
  }
}

TEST_F(TraderGuardTest, whoSendsForgedOrdersIsRefusedForAWhile) {
  for (std::uint64_t i = 1; i <= 10; ++i) EXPECT_EQ(ask(mallory_, forged(i))->code, RefusalCode::signature);
  EXPECT_EQ(ask(mallory_, ping())->code, RefusalCode::limit);
  EXPECT_NE(ask(mallory_, ping())->reason.find("for a while"), std::string::npos);
  EXPECT_FALSE(ask(bob_, ping()));
  EXPECT_EQ(alice_.trader->book().size(), 0u);
  network_.now.steady += 10min;
  EXPECT_FALSE(ask(mallory_, ping()));
}

TEST_F(TraderGuardTest, whoSendsNoMessagesIsRefusedForAWhile) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(mallory_, "nonsense")->code, RefusalCode::invalid);
  EXPECT_EQ(ask(mallory_, ping())->code, RefusalCode::limit);
  EXPECT_FALSE(ask(bob_, ping()));
}

TEST_F(TraderGuardTest, aForgedOrderCostsTheValidOnesBesideItNothing) {
  auto const order = signed_by(3, draft(1, Side::buy));
  auto forged = order;
  forged.price = PriceCents{1};
  network_.request_from(mallory_, alice_, to_json(forged), [](CallAnswer const&) {});
  network_.request_from(bob_, alice_, to_json(order), [](CallAnswer const&) {});
  network_.run();
  EXPECT_EQ(alice_.trader->book().live(network_.now.wall), std::vector{order});
}

TEST_F(TraderGuardTest, forgedOrdersInTheNameOfAPeerDoNotDisturbIt) {
  auto& bob = network_.add("Bob", 2);
  network_.look_up();
  ASSERT_TRUE(alice_.trader->sync().is_here(bob.at));
  InventoryMessage message;
  message.endpoint = bob.at;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    message.orders.push_back(signed_by(3, draft(i, Side::buy)));
    message.orders.back().price = PriceCents{1};
  }
  EXPECT_FALSE(ask(mallory_, to_json(message)));
  EXPECT_EQ(ask(mallory_, ping())->code, RefusalCode::limit) << "it is refused itself";
  command::AddOrder order;
  order.side = Side::sell;
  order.price = PriceCents{6'000'000};
  order.amount = Satoshi{100};
  network_.is_cut = [&](auto const& from, auto const&) { return from == bob.at; };  // Bob cannot tell of it
  network_.execute(bob, order);
  network_.live(2min);
  EXPECT_EQ(alice_.trader->book().size(), 1u) << "Alice compares her orders with Bob's as often as before";
}

// X8: 1,000 places for unsigned orders are a matter of ten addresses, not of one.
TEST_F(TraderGuardTest, unsignedOrdersOfOneSenderLeaveRoomForOthers) {
  std::size_t accepted = 0;
  for (std::uint64_t i = 1; i <= 300; ++i) {
    auto const refusal = ask(mallory_, to_json(original(i, Side::buy, 1)));
    EXPECT_TRUE(!refusal || refusal->code == RefusalCode::limit);
    if (!refusal) ++accepted;
  }
  EXPECT_EQ(accepted, 100u);
  EXPECT_FALSE(ask(bob_, to_json(original(1'001, Side::buy, 2))));
  EXPECT_FALSE(ask(mallory_, to_json(original(1, Side::buy, 1)))) << "what is known needs no new place";
}

// H8: a book that is written anew costs its caller 40 us of the allowance for each order in it. An address
// that asks for 500 orders again and again has ten answers a second, which keep a fifth of the thread busy in
// slices of 3 ms (BookAnswers); for more, an attacker needs an address for each fifth.
TEST_F(TraderGuardTest, makingABookCostsMoreThanReadingIt) {
  for (std::uint64_t i = 1; i <= 500; ++i) {
    EXPECT_FALSE(ask(bob_, to_json(signed_by(2, draft(i, Side::buy)))));
  }
  GetOrderbookMessage const message{{1, CreatorType::client, kNow}, false};
  std::size_t served = 0;
  std::uint64_t number = 1'000;
  do {
    ++served;
    EXPECT_FALSE(ask(bob_, to_json(signed_by(4, draft(++number, Side::buy)))));  // the book changes
  } while (!ask(mallory_, to_json(message)) && served < 500);
  EXPECT_LT(served, 60u);
}

}  // namespace
}  // namespace grenache::exchange
