// Makers that sign contradictory terms of one order, and honest ones that seem to.
#include <gtest/gtest.h>

#include "exchange/core/network/proof_spread.hpp"
#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using test::TraderNetwork;
using Node = TraderNetwork::Node;

constexpr std::uint64_t kMallory = 9;

OrderRecord offer(std::uint64_t maker, std::int64_t cents, std::uint64_t number = 1) {
  return signed_by(maker, priced(draft(number, Side::sell), cents));
}
EquivocationMessage proof_against(std::uint64_t maker) {
  return {{1, CreatorType::client, kNow}, offer(maker, 6'000'000), offer(maker, 6'100'000)};
}

command::AddOrder sell(std::int64_t satoshi) {
  command::AddOrder out;
  out.side = Side::sell;
  out.price = PriceCents{6'000'000};
  out.amount = Satoshi{satoshi};
  return out;
}

TEST(Contradiction, onlyDifferentTermsOfOneOrderAreOne) {
  auto const order = offer(1, 6'000'000);
  EXPECT_FALSE(contradict(order, order));
  EXPECT_TRUE(contradict(order, offer(1, 6'000'100)));
  EXPECT_FALSE(contradict(order, offer(2, 6'000'100))) << "ids are scoped by maker";
  EXPECT_FALSE(contradict(order, offer(1, 6'000'100, 2)));
  EXPECT_FALSE(contradict(original(1, Side::buy, 1), original(1, Side::sell, 1))) << "nobody has signed them";
  auto same_seq = draft(1, Side::sell);
  same_seq.remaining = Satoshi{1};
  same_seq.endpoint = "10.0.0.1:1";
  same_seq.expires += 1h;
  EXPECT_FALSE(contradict(order, signed_by(1, same_seq))) << "a journal that was restored signs a seq again";
  for (auto const change : {+[](OrderRecord& out) { out.side = Side::buy; },
                            +[](OrderRecord& out) { out.amount = Satoshi{kSatoshiPerBtc + 1}; },
                            +[](OrderRecord& out) { out.least_take = Satoshi{1}; },
                            +[](OrderRecord& out) { out.created += 1ms; }}) {
    auto other = draft(1, Side::sell);
    other.seq = 7;
    change(other);
    EXPECT_TRUE(contradict(order, signed_by(1, other)));
  }
}

class EquivocationTest : public testing::Test {
 protected:
  EquivocationTest() {
    for (std::uint64_t key = 1; key <= 12; ++key) network_.add("peer", key);
    network_.look_up();
  }
  Node& node(std::size_t i) { return *network_.nodes[i]; }
  std::optional<Refusal> send(std::size_t to, json::Value payload) {
    auto const answer = network_.ask(node(to), std::move(payload));
    return answer.error.empty() ? std::nullopt : parse_refusal(answer.error);
  }
  std::size_t convicted_count() const {
    auto const maker = secret(kMallory + 100).public_key();
    return static_cast<std::size_t>(std::ranges::count_if(network_.nodes, [&](auto const& each) {
      return each->trader->equivocations().find(maker) != nullptr;
    }));
  }
  std::size_t orders_of_mallory() const {
    std::size_t out = 0;
    for (auto const& each : network_.nodes) out += each->trader->book().size();
    return out;
  }
  static OrderRecord mallorys(std::int64_t cents, std::uint64_t number = 1) {
    return offer(kMallory + 100, cents, number);
  }

  TraderNetwork network_;
};

// Two prices of one order, shown to the two halves of a network, cost the maker its identity: a key and all
// that is known of it. Nothing else has a price.
TEST_F(EquivocationTest, whoShowsTwoPricesOfOneOrderIsConvictedEverywhere) {
  EXPECT_FALSE(send(5, to_json(mallorys(7'000'000, 2))));
  EXPECT_FALSE(send(0, to_json(mallorys(6'000'000))));
  network_.live(1s);
  EXPECT_EQ(orders_of_mallory(), 24u);
  EXPECT_EQ(send(1, to_json(mallorys(6'100'000)))->code, RefusalCode::invalid);
  network_.live(3min);
  EXPECT_EQ(convicted_count(), 12u);
  EXPECT_EQ(orders_of_mallory(), 0u) << "all orders of this maker";
  EXPECT_EQ(send(3, to_json(mallorys(7'000'000, 3)))->code, RefusalCode::invalid);
  EXPECT_EQ(test::events_of<event::Warning>(node(7)).size(), 1u);
  for (auto const& each : network_.nodes) each->trader->book().check();
}

TEST_F(EquivocationTest, aPartitionThatWasShownAnotherPriceLearnsOfItWhenItHeals) {
  network_.is_cut = [this](std::string const& from, std::string const& to) {
    return (from < node(6).at) != (to < node(6).at);
  };
  EXPECT_FALSE(send(0, to_json(mallorys(6'000'000))));
  EXPECT_FALSE(send(11, to_json(mallorys(6'100'000))));
  network_.live(1min);
  EXPECT_EQ(convicted_count(), 0u);
  network_.is_cut = [](auto&, auto&) { return false; };
  network_.live(4min);
  EXPECT_EQ(convicted_count(), 12u);
  EXPECT_EQ(orders_of_mallory(), 0u);
}

TEST_F(EquivocationTest, aProofIsBelievedOnlyIfBothRecordsAreSigned) {
  auto proof = proof_against(3);
  EXPECT_FALSE(send(0, to_json(proof_against(kMallory + 100))));
  proof.second.signature = offer(4, 6'100'000).signature;
  EXPECT_EQ(send(0, to_json(proof))->code, RefusalCode::signature);
  EXPECT_FALSE(node(0).trader->equivocations().find(secret(3).public_key()));
  auto same = proof_against(3);
  same.second = same.first;
  EXPECT_EQ(send(0, to_json(same))->code, RefusalCode::invalid);
}

TEST_F(EquivocationTest, aProofSurvivesARestart) {
  EXPECT_FALSE(send(0, to_json(proof_against(kMallory + 100))));
  network_.kill(node(0));
  network_.start(node(0));
  EXPECT_EQ(send(0, to_json(mallorys(6'000'000, 2)))->code, RefusalCode::invalid);
  EXPECT_TRUE(network_.lost_rows.empty());
}

TEST_F(EquivocationTest, aProofIsSpreadWithFewMessages) {
  std::size_t count = 0;
  network_.on_sent = [&](auto const&, json::Value const& sent) {
    auto const* const text = sent.as_string();
    if (text && text->find("EquivocationMessage") != std::string::npos) ++count;
  };
  EXPECT_FALSE(send(0, to_json(proof_against(kMallory + 100))));
  network_.live(10min);
  EXPECT_GE(convicted_count(), 10u);
  EXPECT_LE(count, 4 * network_.nodes.size());
}

// To push a proof out costs an attacker as many convicted keys, each with an order in our book, as there are
// places.
TEST(Equivocations, proofsAgainstMakersWithoutOrdersMakeRoomFirst) {
  Random random{1};
  CallTable calls;
  Turn turn{{TimePoint{}, kNow}, random, calls};
  Equivocations table{{.maker_count_max = 3}};
  auto const add = [&](std::uint64_t maker, bool had_orders) {
    auto const proof = proof_against(maker);
    table.add(proof.first, proof.second, had_orders, turn);
  };
  auto const has = [&](std::uint64_t maker) { return table.find(secret(maker).public_key()) != nullptr; };
  add(1, true);
  for (std::uint64_t maker = 2; maker <= 20; ++maker) add(maker, false);
  EXPECT_EQ(table.size(), 3u);
  EXPECT_TRUE(has(1));
  EXPECT_TRUE(has(20));
  EXPECT_FALSE(has(18)) << "it was the oldest of those without orders";
}

TEST(Equivocations, aRowThatProvesNothingAgainstItsMakerIsNotRestored) {
  Random random{1};
  CallTable calls;
  Turn turn{{TimePoint{}, kNow}, random, calls};
  Equivocations table{{}};
  auto const proof = proof_against(3);
  table.add(proof.first, proof.second, true, turn);
  std::vector<Row> rows;
  table.dump(rows);
  ASSERT_EQ(rows.size(), 1u);
  Equivocations later{{}};
  auto of_another = rows[0];
  of_another.key = secret(4).public_key().hex();
  EXPECT_FALSE(later.restore(of_another));
  auto body = *json::parse(rows[0].body)->as_object();
  auto const first = std::ranges::find(body, "order", [](auto const& each) { return each.first; })->second;
  for (auto& [name, value] : body) {
    if (name == "second") value = first;
  }
  auto same = rows[0];
  same.body = json::to_text(json::Value{body});
  EXPECT_FALSE(later.restore(same)) << "the two orders are one";
  EXPECT_TRUE(later.restore(rows[0]));
}

TEST(ProofSpread, aPeerIsShownAProofAtMostOnceInTheRepeatTime) {
  Random random{1};
  CallTable calls;
  Self const self{secret(1), secret(1).public_key(), {}, {}, {}, -1};
  ProofSpread spread{{}, self};
  auto const message = proof_against(3);
  Equivocations::Proof proof;
  proof.first = message.first;
  proof.second = message.second;
  auto const sent = [&](Duration later) {
    Turn turn{{TimePoint{} + later, kNow}, random, calls};
    spread.show(proof, "127.0.0.1:2", turn);
    TurnPositions positions;
    std::deque<Output> outputs;
    std::move(turn).close(positions, outputs);
    return outputs.size();
  };
  EXPECT_EQ(sent(0s), 1u);
  EXPECT_EQ(sent(1min), 0u);
  EXPECT_EQ(sent(10min), 1u);
  EXPECT_EQ(sent(11min), 0u);
}

TEST(ProofSpread, onlySoManyCallsAreUnderWay) {
  Random random{1};
  CallTable calls;
  Self const self{secret(1), secret(1).public_key(), {}, {}, {}, -1};
  ProofSpread spread{{.call_count_max = 2}, self};
  auto const message = proof_against(3);
  Equivocations::Proof proof;
  proof.first = message.first;
  proof.second = message.second;
  auto const is_sent = [&](std::string const& endpoint) {
    Turn turn{{TimePoint{}, kNow}, random, calls};
    spread.show(proof, endpoint, turn);
    TurnPositions positions;
    std::deque<Output> outputs;
    std::move(turn).close(positions, outputs);
    return !outputs.empty();
  };
  EXPECT_TRUE(is_sent("127.0.0.1:2"));
  EXPECT_TRUE(is_sent("127.0.0.1:3"));
  EXPECT_FALSE(is_sent("127.0.0.1:4"));
  spread.on_answered();
  EXPECT_TRUE(is_sent("127.0.0.1:4"));
}

// Honest makers

TEST(HonestMaker, twoProcessesThatDoNotShareAStoreAreNotConvicted) {
  TraderNetwork network;
  auto& one = network.add("one", 1);
  auto& other = network.add("other", 1);
  auto& bob = network.add("Bob", 2);
  network.is_cut = [&](auto const& from, auto const& to) {
    return (from == one.at && to == other.at) || (from == other.at && to == one.at);
  };
  network.look_up();
  for (int i = 0; i < 5; ++i) {
    network.execute(one, sell(100 + i));
    network.execute(other, sell(200 + i));
    network.live(10s);
  }
  network.is_cut = [](auto&, auto&) { return false; };
  network.live(30h);  // orders are refreshed, and closed by the other process
  for (auto const& node : network.nodes) EXPECT_EQ(node->trader->equivocations().size(), 0u) << node->at;
  EXPECT_TRUE(bob.trader->book().size() <= 10);
}

TEST(HonestMaker, aRestoredBackupIsNotConvicted) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  auto const placed = network.execute(alice, sell(1'000));
  auto const id = std::get<result::Placed>(placed).order.order.id;
  auto const backup = alice.rows;
  auto const durable = alice.durable;
  network.execute(alice, command::ReduceOrder{id, Satoshi{100}});
  network.execute(alice, sell(2'000));
  network.live(1min);
  network.unreachable.insert(bob.at);
  network.kill(alice);
  network.end_store(alice.id);
  alice.rows = backup;
  alice.durable = durable;
  network.start(alice);
  network.execute(alice, command::ReduceOrder{id, Satoshi{300}});  // the same seq with another remainder
  network.unreachable.clear();
  network.live(30min);
  for (auto const& node : network.nodes) EXPECT_EQ(node->trader->equivocations().size(), 0u) << node->at;
  EXPECT_LE(bob.trader->book().find(OrderKey{id, alice.id})->remaining, Satoshi{900});
}

}  // namespace
}  // namespace grenache::exchange
