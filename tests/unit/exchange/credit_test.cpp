// Credit lines between trading peers: commands, payments, names, restarts, and the USD of trades.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/credit_peers.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace test;

class CreditTest : public CreditPeers {
 protected:
  CreditTest() { network.look_up(); }

  Node& alice = network.add("Alice", 1);
  Node& bob = network.add("Bob", 2);
};

TEST_F(CreditTest, aLineIsOpenOnceBothHaveAgreed) {
  auto const proposed = get<CreditLineView>(alice, command::ProposeCredit{"Bob", usd(100), usd(50)});
  EXPECT_TRUE(proposed.is_proposed && !proposed.is_open);
  auto const proposals = events<event::CreditProposed>(bob);
  ASSERT_EQ(proposals.size(), 1U);
  EXPECT_EQ(proposals[0].name, "Alice");
  EXPECT_EQ(proposals[0].limit, usd(100));
  EXPECT_EQ(proposals[0].wish, usd(50));
  EXPECT_EQ(line(bob).proposal->limit, usd(100));
  EXPECT_EQ(failure(alice, command::PayCredit{"Bob", usd(1)}).code, FailureCode::refused);

  (void)get<CreditLineView>(bob, command::AnswerProposal{"", true});
  EXPECT_EQ(line(alice).limit, usd(100));
  EXPECT_EQ(line(alice).their_limit, usd(50));
  EXPECT_EQ(line(bob).limit, usd(50));
  EXPECT_EQ(changes(alice), std::vector<std::string>{"opened"});
}

TEST_F(CreditTest, aRejectedProposalMayBeRepeated) {
  (void)run(alice, command::ProposeCredit{"Bob", usd(100), usd(100)});
  (void)get<CreditLineView>(bob, command::AnswerProposal{"Alice", false});
  EXPECT_EQ(changes(alice), std::vector<std::string>{"refused"});
  EXPECT_EQ(failure(bob, command::AnswerProposal{"", true}).code, FailureCode::not_found);
  open(80);
  EXPECT_EQ(line(bob).limit, usd(80));
}

TEST_F(CreditTest, aPaymentIsCountedOnBothSides) {
  open();
  auto const paid = pay(alice, "Bob", 10);
  EXPECT_EQ(paid.state, CreditPaymentState::counted);
  EXPECT_EQ(paid.balance, -1000);
  EXPECT_EQ(balance(alice), -1000);
  EXPECT_EQ(balance(bob), 1000);
  auto const received = events<event::CreditReceived>(bob);
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].id, paid.id);
  EXPECT_EQ(received[0].amount, usd(10));
  pay(bob, "Alice", 25);
  EXPECT_EQ(balance(alice), 1500);
}

TEST_F(CreditTest, nothingIsPaidBeyondTheLimit) {
  open();
  pay(alice, "Bob", 95);
  EXPECT_EQ(events<event::CreditLow>(alice).size(), 1U);
  EXPECT_EQ(failure(alice, command::PayCredit{"Bob", usd(6)}).code, FailureCode::refused);
  auto const forecast = get<result::CreditForecast>(alice, command::PayCredit{"Bob", usd(6), true});
  EXPECT_FALSE(forecast.is_possible);
  EXPECT_EQ(forecast.room, usd(5));
  EXPECT_TRUE(get<result::CreditForecast>(alice, command::PayCredit{"Bob", usd(5), true}).is_possible);
  EXPECT_EQ(balance(alice), -9500) << "a dry run pays nothing";
  pay(alice, "Bob", 5);
  EXPECT_EQ(line(alice).room, usd(0));
}

TEST_F(CreditTest, aPaymentToAPeerThatIsDownIsRefused) {
  open();
  network.wait(1s);
  network.kill(bob);
  EXPECT_EQ(failure(alice, command::PayCredit{"Bob", usd(10)}).code, FailureCode::unavailable);
  EXPECT_EQ(line(alice).pending, usd(0));
  network.start(bob);
  network.wait(61s);
  pay(alice, "Bob", 10);
  EXPECT_EQ(balance(bob), 1000);
}

TEST_F(CreditTest, aPaymentWhoseAnswerIsLostIsPendingAndCountedOnce) {
  open();
  pay(alice, "Bob", 1);
  network.unreachable.insert(bob.at);
  auto const paid = pay(alice, "Bob", 10);
  EXPECT_EQ(paid.state, CreditPaymentState::pending);
  EXPECT_EQ(line(alice).room, usd(89)) << "pending amounts count against the limit";
  network.unreachable.clear();
  network.wait(10s);
  EXPECT_EQ(balance(bob), 1100);
  EXPECT_EQ(line(alice).pending, usd(0));
  EXPECT_EQ(events<event::CreditPaid>(alice).back().id, paid.id);
}

TEST_F(CreditTest, namesAndIdsFindAPeer) {
  open();
  auto const hex = bob.id.hex();
  pay(alice, hex, 1);
  pay(alice, hex.substr(0, 8), 1);
  pay(alice, "", 1);  // the only line
  EXPECT_EQ(failure(alice, command::PayCredit{"Carol", usd(1)}).code, FailureCode::not_found);
  EXPECT_EQ(failure(alice, command::PayCredit{"Alice", usd(1)}).code, FailureCode::invalid);
  EXPECT_EQ(failure(alice, command::PayCredit{alice.id.hex(), usd(1)}).code, FailureCode::invalid);
  // A stranger who takes the name later does not come between.
  auto& other = network.add("Bob", 3);
  network.look_up();
  network.wait(2s);
  pay(alice, "Bob", 1);
  EXPECT_EQ(balance(bob), 400);
  (void)run(alice, command::ProposeCredit{other.id.hex(), usd(1), usd(1)});
  EXPECT_EQ(failure(alice, command::PayCredit{"Bob", usd(1)}).code, FailureCode::ambiguous);
}

TEST_F(CreditTest, linesAndPaymentsOutliveARestart) {
  open();
  pay(alice, "Bob", 10);
  network.unreachable.insert(bob.at);
  pay(alice, "Bob", 5);
  network.kill(alice);
  network.kill(bob);
  network.unreachable.clear();
  network.start(alice);
  network.start(bob);
  EXPECT_EQ(line(alice).pending, usd(5));
  network.look_up();
  network.wait(61s);
  EXPECT_EQ(balance(alice), -1500);
  EXPECT_EQ(balance(bob), 1500);
  EXPECT_EQ(line(alice).name, "Bob");
  EXPECT_TRUE(network.lost_rows.empty());
}

TEST_F(CreditTest, limitsAreRaisedByBothAndLoweredByOne) {
  open();
  (void)run(alice, command::LimitCredit{"Bob", usd(150)});
  EXPECT_EQ(line(bob).their_limit, usd(150));
  (void)run(alice, command::LimitCredit{"Bob", usd(20)});
  EXPECT_EQ(line(bob).their_limit, usd(20));
  EXPECT_EQ(failure(bob, command::PayCredit{"Alice", usd(21)}).code, FailureCode::refused);
  pay(bob, "Alice", 20);
  EXPECT_EQ(failure(alice, command::LimitCredit{"Bob", usd(19)}).code, FailureCode::refused);
  (void)run(bob, command::AskCredit{"Alice", usd(300)});
  EXPECT_EQ(changes(alice).back(), "limits");
}

TEST_F(CreditTest, aFrozenLineMovesNothingUntilItIsThawed) {
  open();
  (void)run(alice, command::FreezeCredit{"Bob", true});
  EXPECT_TRUE(line(bob).is_frozen);
  EXPECT_EQ(failure(bob, command::PayCredit{"Alice", usd(1)}).code, FailureCode::refused);
  EXPECT_EQ(failure(alice, command::PayCredit{"Bob", usd(1)}).code, FailureCode::refused);
  (void)run(alice, command::FreezeCredit{"Bob", false});
  pay(bob, "Alice", 1);
}

TEST_F(CreditTest, aLineIsClosedOnlyAtZero) {
  open();
  pay(alice, "Bob", 1);
  EXPECT_EQ(failure(alice, command::CloseCredit{"Bob"}).code, FailureCode::refused);
  pay(bob, "Alice", 1);
  (void)get<CreditLineView>(alice, command::CloseCredit{"Bob"});
  EXPECT_TRUE(get<result::CreditBalance>(bob, command::ShowBalance{}).lines.empty());
  EXPECT_EQ(changes(bob).back(), "closed");
}

TEST_F(CreditTest, processesThatShareTheirStoreKeepNoLines) {
  Trader::Options options;
  options.is_store_shared = true;
  auto& carol = network.add("Carol", 3, options);
  network.look_up();
  EXPECT_EQ(failure(carol, command::ProposeCredit{"Bob", usd(1), usd(1)}).code, FailureCode::refused);
  (void)run(bob, command::ProposeCredit{"Carol", usd(1), usd(1)});
  network.wait(10s);
  EXPECT_TRUE(events<event::CreditProposed>(carol).empty());
}

TEST_F(CreditTest, strangersCannotFillTheListOfProposals) {
  Trader::Options options;
  options.credit.lines.proposal_count_max = 3;
  auto& carol = network.add("Carol", 3, options);
  for (std::uint64_t key = 10; key < 15; ++key) network.add("Stranger" + std::to_string(key), key);
  network.look_up();
  for (std::size_t i = 3; i < 8; ++i) {
    (void)run(*network.nodes[i], command::ProposeCredit{"Carol", usd(1), usd(1)});
  }
  EXPECT_EQ(carol.trader->credit().lines().all().size(), 3U);
  // A rejected one makes room, and our own proposals need none.
  (void)get<CreditLineView>(carol, command::AnswerProposal{"", false});
  network.wait(60s);
  EXPECT_EQ(carol.trader->credit().lines().all().size(), 3U);
  EXPECT_EQ(events<event::CreditProposed>(carol).size(), 4U);
  (void)get<CreditLineView>(carol, command::ProposeCredit{"Bob", usd(1), usd(1)});
}

TEST_F(CreditTest, onlyTheProposalThatWasShownIsAccepted) {
  (void)run(alice, command::ProposeCredit{"Bob", usd(100), usd(1)});
  auto const shown = *line(bob).proposal;
  (void)run(alice, command::CloseCredit{"Bob"});
  (void)run(bob, command::AnswerProposal{"Alice", false});
  (void)run(alice, command::ProposeCredit{"Bob", usd(100), usd(1'000'000)});
  EXPECT_EQ(failure(bob, command::AnswerProposal{"Alice", true, shown.limit, shown.wish}).code,
            FailureCode::refused);
  EXPECT_FALSE(line(bob).is_open);
  (void)get<CreditLineView>(bob, command::AnswerProposal{"Alice", true, usd(100), usd(1'000'000)});
}

TEST_F(CreditTest, aStrangersProposalTakesNobodysName) {
  auto& stranger = network.add("Bob", 3);
  network.look_up();
  network.wait(1s);
  (void)run(stranger, command::ProposeCredit{"Alice", usd(1), usd(1)});
  EXPECT_EQ(failure(alice, command::ProposeCredit{"Bob", usd(100), usd(100)}).code, FailureCode::ambiguous);
  (void)get<CreditLineView>(alice, command::ProposeCredit{bob.id.hex(), usd(100), usd(100)});
  (void)get<CreditLineView>(bob, command::AnswerProposal{"Alice", true});
  pay(alice, "Bob", 1);
  EXPECT_EQ(balance(bob), 100);
}

TEST_F(CreditTest, anEmptyMessageGetsNothing) {
  open();
  CreditMessages nothing;
  nothing.sender = bob.id;
  auto const answer = network.ask(alice, to_json(nothing));
  EXPECT_NE(answer.error, "");
}

TEST_F(CreditTest, aRefusedDueIsNotGivenAgainAtOnce) {
  trade(20);
  // What Bob gives has expired by Alice's clock.
  bob.skew = -11min;
  open();
  auto const before = network.call_count;
  network.wait(25s);
  EXPECT_LT(network.call_count - before, 30U);
  EXPECT_EQ(line(bob).due_to_them, usd(20));
  bob.skew = 0min;
  network.wait(61s);
  EXPECT_EQ(line(bob).due_to_them, usd(0));
  EXPECT_EQ(balance(alice), 2000);
}

TEST_F(CreditTest, ourOwnThawMovesWhatIsDue) {
  open();
  (void)run(bob, command::FreezeCredit{"Alice", true});
  trade(20);
  EXPECT_EQ(line(bob).due_to_them, usd(20));
  (void)run(bob, command::FreezeCredit{"Alice", false});
  EXPECT_EQ(line(bob).due_to_them, usd(0));
  EXPECT_EQ(balance(alice), 2000);
}

TEST_F(CreditTest, aProcessThatKeepsNoLinesMovesNothing) {
  open();
  network.kill(bob);
  bob.options.is_store_shared = true;
  network.start(bob);
  network.look_up();
  trade(20);
  network.wait(60s);
  EXPECT_EQ(balance(alice), 0);
}

TEST_F(CreditTest, aReceiptVerifiesOffline) {
  open();
  auto const paid = pay(alice, "Bob", 10);
  for (auto* const node : {&alice, &bob}) {
    auto const payments = node->rows.read({.kind = Credit::kPaymentKind});
    auto const versions = node->rows.read({.kind = Credit::kVersionKind});
    ASSERT_EQ(payments.size(), 1U);
    ASSERT_EQ(versions.size(), 1U);
    auto const text = node->trader->credit().receipt_of(payments[0], versions[0]);
    ASSERT_TRUE(text);
    auto const receipt = verify_receipt(*text);
    ASSERT_TRUE(receipt);
    EXPECT_EQ(receipt->entry.id, paid.id);
    EXPECT_EQ(receipt->parties.key(receipt->payer), alice.id);
    auto other = payments[0];
    other.body.replace(other.body.find(paid.id), 1, "x");
    EXPECT_FALSE(node->trader->credit().receipt_of(other, versions[0]));
  }
}

TEST_F(CreditTest, theUsdOfATradeMovesOverTheLine) {
  open();
  trade(40);
  EXPECT_EQ(balance(alice), 4000);
  EXPECT_EQ(balance(bob), -4000);
  EXPECT_EQ(dues(alice), std::vector{false});
  EXPECT_EQ(dues(bob), std::vector{false});
}

TEST_F(CreditTest, theUsdOfATradeWithoutRoomIsDueUntilThereIsRoom) {
  trade(70);
  EXPECT_EQ(dues(alice), std::vector{true});
  open(100);
  EXPECT_EQ(balance(alice), 7000) << "it moves once the line is open";
  EXPECT_EQ(dues(alice), std::vector{false});
  EXPECT_EQ(dues(bob), std::vector{false});

  trade(40);
  EXPECT_EQ(line(bob).due_to_them, usd(40));
  EXPECT_EQ(line(alice).due_to_us, usd(40));
  EXPECT_EQ(dues(bob), (std::vector{false, true}));
  network.kill(bob);
  network.start(bob);
  network.look_up();
  network.wait(61s);
  pay(alice, "Bob", 30);
  EXPECT_EQ(balance(alice), 8000) << "70 - 30 + 40";
  EXPECT_EQ(dues(bob), (std::vector{false, false}));
  EXPECT_EQ(line(alice).due_to_us, usd(0));
}

TEST_F(CreditTest, twoTradesUnderOneTakeIdArePaidEach) {
  EXPECT_NE(trade_payment_id(alice.id, bob.id, "order-1", "take"),
            trade_payment_id(alice.id, bob.id, "order-2", "take"));
  EXPECT_NE(trade_payment_id(alice.id, bob.id, "order-1", "take"),
            trade_payment_id(bob.id, alice.id, "order-1", "take"));
}

}  // namespace
}  // namespace grenache::exchange
