// Payments over the credit lines of others, and netting.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/transit_world.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using result::CreditPayment;
using result::CreditPaymentState;
using result::Failure;
using result::FailureCode;
using test::TraderNetwork;
using Node = TraderNetwork::Node;

class TransitTest : public testing::Test, protected test::TransitWorld {
 protected:
  void TearDown() override {
    EXPECT_TRUE(network.lost_rows.empty());
    EXPECT_EQ(network.wrong_dumps, std::vector<std::string>{});
    EXPECT_TRUE(network.busy.empty());
  }
  /// Peers in a row, each of which has a line with the next and passes everything on.
  std::vector<Node*> chain(std::size_t size, std::int64_t limit = 10'000, std::int64_t fee = 0,
                           std::int64_t ppm = 0) {
    network.compares_dumps = true;
    std::vector<Node*> out;
    for (std::size_t i = 0; i < size; ++i) out.push_back(&add(i + 1));
    network.look_up();
    for (std::size_t i = 0; i + 1 < size; ++i) open(*out[i], *out[i + 1], limit);
    for (std::size_t i = 1; i + 1 < size; ++i) {
      forward(*out[i], *out[i - 1], fee, ppm);
      forward(*out[i], *out[i + 1], fee, ppm);
    }
    return out;
  }
  Failure fail(Node& node, TraderCommand const& command) { return get<Failure>(node, command); }
  std::vector<event::CreditTransit> events(Node const& node) {
    return test::events_of<event::CreditTransit>(node);
  }
};

TEST_F(TransitTest, aPaymentGoesOverAPeerThatPassesItOnForItsFee) {
  auto const peers = chain(3, 10'000, 2, 10'000);
  auto const paid = get<CreditPayment>(*peers[0], payment(*peers[2], 1'000, cents(20)));
  EXPECT_EQ(paid.state, CreditPaymentState::counted);
  EXPECT_TRUE(paid.is_over_others);
  EXPECT_EQ(paid.fee, cents(12));
  EXPECT_EQ(position(*peers[0]), -1'012);
  EXPECT_EQ(position(*peers[1]), 12);
  EXPECT_EQ(position(*peers[2]), 1'000);
  expect_settled();
  EXPECT_EQ(expect_atomic(), std::pair(1, 0));
  ASSERT_EQ(events(*peers[1]).size(), 1U);
  EXPECT_EQ(events(*peers[1])[0].what, "forwarded");
  EXPECT_EQ(events(*peers[0])[0].what, "sent");
}

TEST_F(TransitTest, aFeeIsRoundedUpAndWhatIsLeftOfAnAmountCoversIt) {
  EXPECT_EQ(fee_of({true, UsdCents{2}, 1'000}, UsdCents{1}), UsdCents{3});
  EXPECT_EQ(fee_of({}, UsdCents{UsdCents::kMax}), UsdCents{});
  for (std::int64_t const fixed : {0, 1, 7}) {
    for (std::int64_t const ppm : {0, 1, 999, 250'000, 1'000'000}) {
      TransitPolicy const policy{true, UsdCents{fixed}, ppm};
      for (std::int64_t amount : {1L, 2L, 9L, 100L, 123'456L, UsdCents::kMax}) {
        auto const passed = before_fee(policy, UsdCents{amount});
        if (passed.units() <= 0) continue;
        EXPECT_LE(passed + fee_of(policy, passed), UsdCents{amount});
        auto const more = passed + UsdCents{1};
        EXPECT_GT(more + fee_of(policy, more), UsdCents{amount});
      }
    }
  }
}

TEST_F(TransitTest, aHigherFeeThanAllowedIsNotPaid) {
  auto const peers = chain(3, 10'000, 2, 10'000);
  auto const failure = fail(*peers[0], payment(*peers[2], 1'000, cents(11)));
  EXPECT_EQ(failure.code, FailureCode::refused);
  EXPECT_NE(failure.text.find("higher fee"), std::string::npos) << failure.text;
  EXPECT_EQ(position(*peers[0]), 0);
  expect_settled();
  EXPECT_EQ(expect_atomic(), std::pair(0, 1));
  ASSERT_EQ(events(*peers[0]).size(), 1U);
  EXPECT_EQ(events(*peers[0])[0].what, "failed");
  EXPECT_EQ(events(*peers[0])[0].fee, cents(0));
  EXPECT_EQ(fail(*peers[0], payment(*peers[2], 1'000)).code, FailureCode::refused)
      << "by default 1 % and a cent";
  (void)get<CreditPayment>(*peers[0], payment(*peers[2], 1'000, cents(12)));
}

TEST_F(TransitTest, aPeerPassesNothingOnUnlessBothItsLinesAllowIt) {
  auto const peers = chain(3);
  (void)get<result::CreditLineView>(*peers[1], command::ForwardCredit{peers[2]->id.hex(), false, {}, 0});
  (void)fail(*peers[0], payment(*peers[2], 100));
  (void)get<result::CreditLineView>(*peers[1], command::ForwardCredit{peers[2]->id.hex(), true, {}, 0});
  (void)get<result::CreditLineView>(*peers[1], command::ForwardCredit{peers[0]->id.hex(), false, {}, 0});
  EXPECT_NE(fail(*peers[0], payment(*peers[2], 100)).text.find("does not pass it on"), std::string::npos);
  expect_settled();
  EXPECT_EQ(expect_atomic(), std::pair(0, 2));
}

TEST_F(TransitTest, aPaymentGoesOverFourLinesAndNotOverFive) {
  auto const peers = chain(6);
  (void)get<CreditPayment>(*peers[0], payment(*peers[4], 100));
  (void)fail(*peers[0], payment(*peers[5], 100));
  EXPECT_EQ(position(*peers[4]), 100);
  expect_settled();
  EXPECT_EQ(expect_atomic(), std::pair(1, 1));
}

TEST_F(TransitTest, anotherWayIsTriedWhereOneHasNoRoom) {
  auto const peers = chain(3, 10'000);
  auto& other = add(9);
  network.look_up();
  // Over P9 too, whose line to the payee has little room.
  open(*peers[0], other, 50'000);
  open(other, *peers[2], 50);
  forward(other, *peers[0]);
  forward(other, *peers[2]);
  (void)get<CreditPayment>(*peers[0], payment(*peers[2], 1'000));
  EXPECT_EQ(balance(*peers[1], *peers[2]), -1'000);
  EXPECT_EQ(balance(*peers[0], other), 0);
  expect_settled();
  EXPECT_EQ(expect_atomic(), std::pair(1, 0));
  EXPECT_NE(fail(*peers[0], payment(*peers[2], 9'500)).text.find("room"), std::string::npos);
}

TEST_F(TransitTest, aPeerThatIsDownIsNotAsked) {
  auto const peers = chain(3, 10'000);
  auto& other = add(9);
  network.look_up();
  open(*peers[0], other, 50'000);
  open(other, *peers[2], 50'000);
  forward(other, *peers[0]);
  forward(other, *peers[2]);
  network.kill(other);
  network.wait(2s);
  (void)get<CreditPayment>(*peers[0], payment(*peers[2], 1'000));
  EXPECT_EQ(balance(*peers[1], *peers[2]), -1'000);
}

TEST_F(TransitTest, aPaymentWhoseWayIsBlockedStaysPendingUntilItIsDecided) {
  auto const peers = chain(4);
  (void)get<CreditPayment>(*peers[1], payment(*peers[3], 1));
  // P3 answers until P2 has promised it something.
  network.on_sent = [&](Node const& from, json::Value const& sent) {
    auto const text = sent.as_string() ? *sent.as_string() : json::to_text(sent);
    bool const is_prepare = text.find(PrepareMessage::kType) != std::string::npos;
    if (from.key == 2 && is_prepare) network.hanging.insert(peers[2]->at);
  };
  auto const id = network.begin(*peers[0], payment(*peers[3], 1'000));
  network.live(40s);
  auto const result = network.answer(*peers[0], id);
  auto const* const pending = std::get_if<CreditPayment>(&result);
  ASSERT_TRUE(pending);
  EXPECT_EQ(pending->state, CreditPaymentState::pending);
  EXPECT_LT(peers[0]->trader->credit().lines().find(peers[1]->id)->view().room, cents(10'000));
  network.kill(*peers[0]);
  network.start(*peers[0]);
  network.live(20min);
  network.on_sent = [](auto&, auto&) {};
  network.end_hanging();
  network.look_up();
  network.live(5min);
  expect_settled();
  EXPECT_EQ(expect_atomic(), std::pair(1, 1)) << "its time was over before the payee heard of it";
}

TEST_F(TransitTest, whatIsCommittedIsPaidAlsoThroughALineThatWasFrozenMeanwhile) {
  auto const peers = chain(3);
  peers[1]->holds_batches = true;
  auto const id = network.begin(*peers[0], payment(*peers[2], 1'000));
  while (!peers[1]->batches.empty()) {
    network.make_durable(*peers[1]);
    bool const has_asked = peers[1]->trader->credit().lines().find(peers[2]->id)->view().held.units() > 0;
    if (!has_asked) continue;
    (void)network.begin(*peers[2], command::FreezeCredit{peers[1]->id.hex(), true});
    break;
  }
  peers[1]->holds_batches = false;
  network.run();
  network.live(1min);
  (void)get<result::CreditLineView>(*peers[2], command::FreezeCredit{peers[1]->id.hex(), false});
  network.live(5min);
  (void)id;
  expect_settled();
  (void)expect_atomic();
}

TEST_F(TransitTest, aPaymentInACircleEndsAtThePeerThatHasItAlready) {
  auto const peers = chain(3);
  open(*peers[0], *peers[2], 10'000);
  // P1 pays P4, which only P1 could reach.
  auto& payee = add(4);
  network.look_up();
  for (auto* const each : {peers[0], peers[2]}) {
    forward(*each, *peers[1]);
    forward(*each, each == peers[0] ? *peers[2] : *peers[0]);
  }
  (void)fail(*peers[0], payment(payee, 100));
  expect_settled();
  EXPECT_EQ(expect_atomic(), std::pair(0, 1));
}

// Hostile peers

/// Alters what P2 answers to P1 in a payment of P1 over P2 and P3 to P4.
class HostileTransitTest : public TransitTest {
 protected:
  void alter(std::function<void(TransitOutcome&)> change) {
    network.alter_reply = [change = std::move(change)](Node const& node, json::Value& reply) {
      if (node.key != 2) return;
      auto outcome = parse_transit_outcome(read_answer(reply));
      if (!outcome) return;
      change(*outcome);
      outcome->signature = samples::secret(2).sign(outcome_digest(*outcome));
      reply = json::to_text(to_json(*outcome));
    };
  }
};

TEST_F(HostileTransitTest, whoClaimsMoreThanItWasPromisedGetsWhatWasPromised) {
  auto const peers = chain(4, 10'000, 1);
  alter([](TransitOutcome& outcome) {
    if (outcome.state == TransitState::committed) outcome.claimed = UsdCents{9'000};
  });
  auto const paid = get<CreditPayment>(*peers[0], payment(*peers[3], 1'000, cents(10)));
  EXPECT_EQ(paid.fee, cents(10));
  EXPECT_EQ(position(*peers[0]), -1'010);
  EXPECT_EQ(position(*peers[3]), 1'000);
}

TEST_F(HostileTransitTest, aCommitWithoutTheSecretIsNoCommit) {
  auto const peers = chain(4);
  alter([](TransitOutcome& outcome) {
    outcome.state = TransitState::committed;
    outcome.secret = sha256("wrong");
    outcome.claimed = UsdCents{1'000};
  });
  auto const id = network.begin(*peers[0], payment(*peers[3], 1'000));
  network.live(35s);
  auto const result = network.answer(*peers[0], id);
  ASSERT_TRUE(std::holds_alternative<CreditPayment>(result));
  EXPECT_EQ(std::get<CreditPayment>(result).state, CreditPaymentState::pending);
  EXPECT_EQ(position(*peers[0]), 0);
  // The truth is taken whenever it comes.
  network.alter_reply = [](auto&, auto&) {};
  network.live(3min);
  EXPECT_EQ(position(*peers[0]), -1'000);
  expect_settled();
  EXPECT_EQ(expect_atomic(), std::pair(1, 0));
}

TEST_F(HostileTransitTest, whoDeniesACommitPaysItself) {
  auto const peers = chain(4);
  alter([](TransitOutcome& outcome) {
    outcome.state = TransitState::aborted;
    outcome.reason = TransitReason::no_route;
    outcome.secret = {};
    outcome.claimed = {};
  });
  (void)fail(*peers[0], payment(*peers[3], 1'000));
  EXPECT_EQ(position(*peers[0]), 0);
  EXPECT_EQ(position(*peers[1]), -1'000);
  EXPECT_EQ(position(*peers[3]), 1'000);
}

/// Requests that are made by hand.
class PrepareTest : public TransitTest {
 protected:
  PrepareMessage message(std::uint64_t payer, Node const& receiver, int number) {
    PrepareMessage out;
    out.id = "00000000-0000-4000-8000-00000000000" + std::to_string(number);
    out.payee = receiver.id;
    out.amount = out.deliver = cents(5);
    out.expires = network.now.wall + 1min;
    out.payer = samples::secret(payer).public_key();
    return out;
  }
  CallAnswer send(Node& receiver, PrepareMessage message, std::uint64_t payer) {
    message.signature = samples::secret(payer).sign(prepare_digest(message, receiver.id));
    return network.ask(receiver, json::to_text(to_json(message)));
  }
  static std::pair<TransitState, TransitReason> outcome(CallAnswer const& answer) {
    auto const outcome = parse_transit_outcome(read_answer(answer.result));
    EXPECT_TRUE(outcome) << answer.error;
    if (!outcome) return {};
    EXPECT_TRUE(verify(outcome->receiver, outcome_digest(*outcome), outcome->signature));
    return {outcome->state, outcome->reason};
  }
  static std::size_t count(Node const& node) { return node.trader->credit().transits().all().size(); }
};

TEST_F(PrepareTest, anUnsignedOneIsRefused) {
  auto const peers = chain(2);
  auto const refused = network.ask(*peers[1], json::to_text(to_json(message(1, *peers[1], 1))));
  EXPECT_NE(refused.error.find("signature"), std::string::npos) << refused.error;
  EXPECT_EQ(count(*peers[1]), 0U);
}

TEST_F(PrepareTest, aDecisionIsRepeatedAndForgottenAfterItsEnd) {
  auto const peers = chain(2);
  auto const first = message(1, *peers[1], 1);
  auto const unknown = std::pair{TransitState::aborted, TransitReason::unknown_invoice};
  EXPECT_EQ(outcome(send(*peers[1], first, 1)), unknown);
  network.kill(*peers[1]);
  network.start(*peers[1]);
  EXPECT_EQ(outcome(send(*peers[1], first, 1)), unknown);
  EXPECT_EQ(count(*peers[1]), 1U);
  network.live(61s);
  EXPECT_EQ(count(*peers[1]), 0U);
  EXPECT_EQ(outcome(send(*peers[1], first, 1)), std::pair(TransitState::aborted, TransitReason::expired));
  EXPECT_EQ(count(*peers[1]), 0U);
}

TEST_F(PrepareTest, oneThatWouldExpireTooLateIsRefused) {
  auto const peers = chain(2);
  auto late = message(1, *peers[1], 1);
  late.expires = network.now.wall + 2h;
  EXPECT_NE(send(*peers[1], late, 1).error.find("too late"), std::string::npos);
  EXPECT_EQ(count(*peers[1]), 0U);
}

TEST_F(PrepareTest, strangersGetNoRowsAndAPayerABoundedNumber) {
  Trader::Options options;
  options.credit.transits.per_payer_max = 3;
  auto& payer = add(1);
  auto& receiver = add(2, options);
  network.look_up();
  EXPECT_FALSE(send(receiver, message(77, receiver, 1), 77).error.empty());
  EXPECT_EQ(count(receiver), 0U);
  open(payer, receiver, 100);
  for (int i = 1; i <= 3; ++i) (void)outcome(send(receiver, message(1, receiver, i), 1));
  EXPECT_NE(send(receiver, message(1, receiver, 4), 1).error.find("limit"), std::string::npos);
  EXPECT_EQ(count(receiver), 3U);
}

TEST_F(PrepareTest, aPayeeTakesOnePaymentOfAnInvoiceAndOnlyWhatItsLineHasRoomFor) {
  auto const peers = chain(3);
  auto const paid = [&](std::uint64_t payer, int number, std::int64_t amount) {
    auto out = message(payer, *peers[1], number);
    out.amount = out.deliver = cents(amount);
    out.hash = sha256(transit_secret(out.id, out.deliver, samples::secret(2)).view());
    return outcome(send(*peers[1], out, payer));
  };
  EXPECT_EQ(paid(1, 1, 10'001), std::pair(TransitState::aborted, TransitReason::no_room));
  EXPECT_EQ(paid(1, 2, 9'000), std::pair(TransitState::committed, TransitReason::none));
  EXPECT_EQ(paid(3, 2, 9'000), std::pair(TransitState::aborted, TransitReason::already_paid));
  EXPECT_EQ(peers[1]->trader->credit().lines().find(peers[0]->id)->view().held_by_them, cents(9'000));
  EXPECT_EQ(paid(1, 3, 1'001), std::pair(TransitState::aborted, TransitReason::no_room));
  // Who has promised it cannot use its room for something else.
  (void)fail(*peers[0], payment(*peers[1], 1'001));
  (void)get<CreditPayment>(*peers[0], payment(*peers[1], 1'000));
}

TEST_F(PrepareTest, theNumberOfHopsIsBounded) {
  auto const peers = chain(3);
  auto far = message(1, *peers[1], 1);
  far.payee = peers[2]->id;
  far.hops_left = 4;
  EXPECT_EQ(outcome(send(*peers[1], far, 1)), std::pair(TransitState::aborted, TransitReason::no_route));
}

// Netting

class NettingTransitTest : public TransitTest {
 protected:
  /// Each owes the next one, and the last one the first one: 500, 600, ….
  std::vector<Node*> cycle(std::size_t size) {
    network.compares_dumps = true;
    std::vector<Node*> out;
    for (std::size_t i = 0; i < size; ++i) out.push_back(&add(i + 1));
    network.look_up();
    for (std::size_t i = 0; i < size; ++i) {
      auto& next = *out[(i + 1) % size];
      open(*out[i], next, 10'000);
      allow_netting(*out[i], next);
      auto const paid = get<CreditPayment>(*out[i], payment(next, 500 + 100 * static_cast<std::int64_t>(i)));
      direct.insert(paid.id);
    }
    return out;
  }
};

TEST_F(NettingTransitTest, aCycleOfDebtsIsRemovedAndNoNetPositionChanges) {
  auto const peers = cycle(4);
  std::vector<std::int64_t> before;
  for (auto const* const each : peers) before.push_back(position(*each));
  auto const done = get<result::NettingDone>(*peers[0], command::NetDebts{});
  EXPECT_EQ(done.cycle_count, 1U);
  EXPECT_EQ(done.removed, cents(2'000));
  EXPECT_EQ(done.failed_count + done.undecided_count, 0U);
  EXPECT_EQ(balance(*peers[0], *peers[1]), 0);
  EXPECT_EQ(balance(*peers[1], *peers[2]), -100);
  for (std::size_t i = 0; i < peers.size(); ++i) EXPECT_EQ(position(*peers[i]), before[i]);
  expect_settled();
  EXPECT_EQ(expect_atomic(), std::pair(1, 0));
  EXPECT_EQ(get<result::NettingDone>(*peers[2], command::NetDebts{}).cycle_count, 0U);
}

TEST_F(NettingTransitTest, aPeerOutsideOfTheCycleCanHaveItRemoved) {
  auto const peers = cycle(3);
  auto& outside = add(9);
  network.look_up();
  open(outside, *peers[1], 1'000);
  allow_netting(outside, *peers[1]);
  direct.insert(get<CreditPayment>(outside, payment(*peers[1], 10)).id);
  auto const done = get<result::NettingDone>(outside, command::NetDebts{});
  EXPECT_EQ(done.peer_count, 3U);
  EXPECT_EQ(done.cycle_count, 1U);
  EXPECT_EQ(done.removed, cents(1'500));
  expect_settled();
  EXPECT_EQ(expect_atomic(), std::pair(1, 0));
}

TEST_F(NettingTransitTest, aDebtWhoseOwnersDoNotAllowItIsLeftAlone) {
  auto const peers = cycle(3);
  (void)get<result::CreditLineView>(*peers[1], command::AllowNetting{peers[2]->id.hex(), false});
  auto const done = get<result::NettingDone>(*peers[0], command::NetDebts{});
  EXPECT_EQ(done.cycle_count + done.failed_count, 0U);
  EXPECT_EQ(balance(*peers[0], *peers[1]), -500);
}

TEST_F(NettingTransitTest, aCycleThatIsLargerThanADebtIsNotRemoved) {
  auto const peers = cycle(3);
  StartNettingMessage message{{}, "00000000-0000-4000-8000-000000000001", cents(501), {}};
  // The creditor pays its debtor: P1 owes P2, so P2 pays P1.
  message.path = {peers[0]->id, peers[2]->id, peers[1]->id};
  auto const answered = network.ask(*peers[1], json::to_text(to_json(message)));
  auto const answer = parse_netting(read_answer(answered.result));
  ASSERT_TRUE(answer) << answered.error;
  EXPECT_EQ(answer->state, TransitState::aborted);
  expect_settled();
  message.id.back() = '2';
  message.amount = cents(500);
  EXPECT_EQ(parse_netting(read_answer(network.ask(*peers[1], json::to_text(to_json(message))).result))->state,
            TransitState::committed);
  message.id.back() = '3';
  message.path = {peers[0]->id, peers[1]->id};
  EXPECT_FALSE(network.ask(*peers[1], json::to_text(to_json(message))).error.empty()) << "no cycle";
}

TEST_F(NettingTransitTest, strangersCanHaveABoundedNumberOfCyclesStarted) {
  auto const peers = cycle(3);
  StartNettingMessage message{{}, {}, cents(9'999), {peers[0]->id, peers[2]->id, peers[1]->id}};
  for (int i = 100; i < 400; ++i) {
    message.id = "00000000-0000-4000-8000-000000000" + std::to_string(i);
    (void)network.ask(*peers[1], json::to_text(to_json(message)));
  }
  EXPECT_EQ(peers[1]->trader->credit().transits().all().size(), 256U);
  network.live(10min);
  EXPECT_TRUE(peers[1]->trader->credit().transits().all().empty());
}

}  // namespace
}  // namespace grenache::exchange
