// Which orders of strangers are stored and passed on, and what that costs them.
#include <gtest/gtest.h>

#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using test::TraderNetwork;
using Node = TraderNetwork::Node;

constexpr int kBits = 8;

Trader::Options wanting_work() {
  Trader::Options out;
  out.book.work_bits_wanted = kBits;
  out.book.cheap_count_max = 20;
  return out;
}

OrderRecord order_of(std::uint64_t maker, std::uint64_t number, int bits = 0) {
  return signed_by(maker, worked(secret(maker).public_key(), draft(number, Side::sell), number, bits));
}

command::AddOrder sell() {
  command::AddOrder out;
  out.side = Side::sell;
  out.price = PriceCents{6'000'000};
  out.amount = Satoshi{1'000};
  return out;
}

class StrangerOrdersTest : public testing::Test {
 protected:
  StrangerOrdersTest() {
    for (std::uint64_t key = 1; key <= 4; ++key) network_.add("peer", key, wanting_work());
    network_.look_up();
    network_.live(2s);
    network_.on_sent = [this](auto const&, json::Value const& sent) {
      auto const payload = read_payload(sent);
      auto const request = payload ? parse_request(payload->body) : Result<Request>{MessageErrc::not_json};
      auto const* const inventory = request ? std::get_if<InventoryMessage>(&*request) : nullptr;
      if (inventory) told_ += inventory->ids.size();
    };
  }
  Node& node(std::size_t i) { return *network_.nodes[i]; }
  std::optional<Refusal> send(OrderRecord const& order) {
    auto const answer = network_.ask(node(0), exchange::to_json(order));
    return answer.error.empty() ? std::nullopt : parse_refusal(answer.error);
  }
  std::size_t known_to(OrderRecord const& order) const {
    return static_cast<std::size_t>(std::ranges::count_if(network_.nodes, [&](auto const& each) {
      return each->trader->book().find(key_of(order)) != nullptr;
    }));
  }

  TraderNetwork network_;
  std::size_t told_ = 0;
};

// An order costs a stranger 2^BITS hashes, or it has a share of cheap_count_max places with all others that
// cost nothing, and nobody is told of it.
TEST_F(StrangerOrdersTest, whatHasNoWorkIsNotTold) {
  auto const order = order_of(50, 1);
  EXPECT_FALSE(send(order));
  network_.live(1s);
  EXPECT_EQ(told_, 0u);
  EXPECT_EQ(known_to(order), 1u);
  network_.live(3min);
  EXPECT_EQ(known_to(order), 4u) << "the share of all peers is the same";
}

TEST_F(StrangerOrdersTest, whatHasWorkIsTold) {
  auto const order = order_of(50, 1, kBits);
  EXPECT_FALSE(send(order));
  network_.live(1s);
  EXPECT_EQ(known_to(order), 4u);
}

TEST_F(StrangerOrdersTest, whatHasNoWorkFillsASmallShareAlone) {
  for (std::uint64_t maker = 100; maker < 140; ++maker) (void)send(order_of(maker, maker));
  (void)send(order_of(200, 999));
  EXPECT_EQ(node(0).trader->book().size(), 20u);
  EXPECT_FALSE(send(order_of(200, 999, kBits)));
  network_.live(3min);
  for (auto const& each : network_.nodes) {
    EXPECT_EQ(each->trader->book().size(), 21u);
    each->trader->book().check();
  }
}

TEST_F(StrangerOrdersTest, ordersOfPeersThatAPersonHasNamedNeedNoWork) {
  auto& friend_of = network_.add("friend", 9);
  network_.execute(node(0), command::Connect{friend_of.at});
  auto const result = network_.execute(friend_of, sell());
  auto const order = std::get<result::Placed>(result).order.order;
  network_.live(1s);
  EXPECT_EQ(known_to(order), 5u);
  EXPECT_FALSE(node(0).trader->book().is_cheap(key_of(order)));
}

TEST_F(StrangerOrdersTest, ownOrdersGetTheWorkThatIsConfigured) {
  Trader::Options options;
  options.work_bits = kBits;
  auto& worker = network_.add("worker", 9, options);
  network_.look_up();
  auto const result = network_.execute(worker, sell());
  auto const* const placed = std::get_if<result::Placed>(&result);
  ASSERT_TRUE(placed);
  EXPECT_GE(work_of(placed->order.order).bits, kBits);
  network_.live(1s);
  EXPECT_EQ(known_to(placed->order.order), 5u);
  network_.execute(worker, command::ReduceOrder{placed->order.order.id, Satoshi{1}});
  auto const* const version = node(1).trader->book().find(key_of(placed->order.order));
  ASSERT_TRUE(version);
  EXPECT_EQ(version->seq, 2);
  EXPECT_GE(work_of(*version).bits, kBits) << "a new version keeps it";
}

TEST_F(StrangerOrdersTest, anOrderWhoseWorkIsNotFoundIsNotPublished) {
  Trader::Options options;
  options.work_bits = 20;
  auto& worker = network_.add("worker", 9, options);
  network_.work_count_max = 1;
  auto const result = network_.execute(worker, sell());
  auto const* const failure = std::get_if<result::Failure>(&result);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, result::FailureCode::unavailable);
  EXPECT_EQ(worker.trader->book().size(), 0u);
}

// H7 (c): orders, and takes, of a satoshi.
TEST_F(StrangerOrdersTest, ordersOfTooSmallAnAmountAreRefused) {
  Trader::Options options;
  options.book.amount_min = Satoshi{1'001};
  auto& picky = network_.add("picky", 9, options);
  network_.look_up();
  auto const answer =
      network_.ask(picky, exchange::to_json(signed_by(50, sized(draft(1, Side::buy), 1'000))));
  EXPECT_EQ(parse_refusal(answer.error)->code, RefusalCode::amount);
  EXPECT_TRUE(
      network_.ask(picky, exchange::to_json(signed_by(50, sized(draft(2, Side::buy), 1'001)))).error.empty());
  network_.execute(node(1), sell());
  network_.live(3min);
  EXPECT_EQ(picky.trader->book().size(), 1u) << "nor when books are compared";
  EXPECT_TRUE(std::holds_alternative<result::Placed>(network_.execute(picky, sell())))
      << "own ones may be small";
}

// H7 (c), (d): takes cost nothing until they are paid. 64 keys with a signature each, every 15 minutes, keep
// all others from one order; a maker makes such takes dearer with a least take, since they then hold more of
// the order, of which one take of all would do. More keys have no further effect.
TEST(StrangerTakes, aThousandTakersOfASatoshiHoldABoundedNumberOfReservations) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto const placed = network.execute(alice, sell());
  auto const order = std::get<result::Placed>(placed).order.order;
  std::size_t granted = 0;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    ExecuteOrderMessage message{{1, CreatorType::client, network.now.wall}, order.id, {}};
    message.take = TakeTerms{uuid(i), Satoshi{1}, order.price, {}, network.now.wall, {}};
    sign_take(*message.take, order.id, alice.id, secret(1'000 + i));
    auto const answer = network.ask(alice, to_json(message));
    if (answer.error.empty()) ++granted;
    EXPECT_TRUE(answer.error.empty() || parse_refusal(answer.error)->code == RefusalCode::limit);
  }
  EXPECT_EQ(granted, 64u);
  EXPECT_EQ(alice.trader->own_orders().find(order.id)->record.status, OrderStatus::open);
  network.live(16min);
  EXPECT_EQ(std::get<result::StatusView>(network.execute(alice, command::ShowStatus{})).sale_count, 0u);
}

TEST(StrangerTakes, unsignedOnesAreRefusedIfTheMakerWantsSignatures) {
  TraderNetwork network;
  Trader::Options options;
  options.sales.takes.accept_unsigned = false;
  auto& alice = network.add("Alice", 1, options);
  auto const placed = network.execute(alice, sell());
  auto const id = std::get<result::Placed>(placed).order.order.id;
  ExecuteOrderMessage const message{{666, CreatorType::client, network.now.wall}, id, {}};
  EXPECT_EQ(parse_refusal(network.ask(alice, to_json(message)).error)->code, RefusalCode::signature);
}

}  // namespace
}  // namespace grenache::exchange
