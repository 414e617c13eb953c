// Debts that are settled on a ledger, and payments that need it.
#include <algorithm>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/credit_peers.hpp"
#include "tests/support/ledger_host.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace test;
using result::CreditSettlement;
using result::CreditSettlementState;

constexpr char const* kLedger = "exchange:ledger";

Trader::Options with_ledger(std::int64_t start) {
  Trader::Options out;
  out.credit.settlements.ledger.service = kLedger;
  out.credit.settlements.start = usd(start);
  return out;
}

class CreditSettleTest : public CreditPeers {
 protected:
  CreditSettleTest() {
    serve();
    network.add("Alice", 1, with_ledger(500));
    network.add("Bob", 2, with_ledger(200));
    network.look_up();
    network.wait(1s);
  }

  void serve() {
    network.strangers[kLedger] = [this](json::Value const& payload) { return answer(payload); };
  }
  CallAnswer answer(json::Value const& payload) {
    auto const request = parse_ledger_request(payload);
    if (!request) return {{}, "ERR_BAD"};
    ledger.set_wall(network.now.wall);
    auto const reply = ledger.ask(*request);
    if (is_answer_lost) return {{}, "ERR_TIMEOUT"};
    return reply.answer ? CallAnswer{to_json(*reply.answer), {}} : CallAnswer{{}, "ERR_BUSY"};
  }
  UsdCents on_ledger(Node const& node) {
    return ledger.get<LedgerAccount>(secret(99), GetAccount{node.id}).balance;
  }
  UsdCents total() {
    Random random{std::uint64_t{1}};
    return ledger.get<LedgerInfo>(make_get_ledger(random)).total;
  }

  LedgerHost ledger;
  bool is_answer_lost = false;
};

TEST_F(CreditSettleTest, aPeerOpensItsAccountAtTheStart) {
  EXPECT_EQ(on_ledger(alice()), usd(500));
  auto const shown = get<result::CreditBalance>(alice(), command::ShowBalance{});
  EXPECT_TRUE(shown.has_ledger);
  EXPECT_EQ(shown.account, "Alice");
  EXPECT_EQ(shown.on_ledger, usd(500));
  auto const users = get<result::LedgerUsers>(bob(), command::ListUsers{}).users;
  ASSERT_EQ(users.size(), 2U);
  EXPECT_EQ(users[0].name, "Alice");
  EXPECT_EQ(users[1].balance, usd(200));
}

TEST_F(CreditSettleTest, aDebtIsSettledOnTheLedger) {
  open();
  pay(alice(), "Bob", 60);
  auto const settled = get<CreditSettlement>(alice(), command::SettleCredit{"Bob", usd(40)});
  EXPECT_EQ(settled.state, CreditSettlementState::credited);
  EXPECT_EQ(settled.balance, -2000);
  EXPECT_EQ(balance(bob()), 2000);
  EXPECT_EQ(on_ledger(alice()), usd(460));
  EXPECT_EQ(on_ledger(bob()), usd(240));
  (void)get<CreditSettlement>(alice(), command::SettleCredit{"Bob"});
  EXPECT_EQ(balance(alice()), 0);
  EXPECT_EQ(total(), usd(700));
}

TEST_F(CreditSettleTest, onlyADebtIsSettledAndOnlyByTheDebtor) {
  open();
  EXPECT_EQ(failure(alice(), command::SettleCredit{"Bob"}).code, FailureCode::refused);
  pay(alice(), "Bob", 60);
  EXPECT_EQ(failure(alice(), command::SettleCredit{"Bob", usd(61)}).code, FailureCode::refused);
  EXPECT_EQ(failure(bob(), command::SettleCredit{"Alice", usd(1)}).code, FailureCode::refused);
  EXPECT_EQ(total(), usd(700));
}

TEST_F(CreditSettleTest, aPaymentAboveTheLimitFillsSettlesAndPaysTheRest) {
  open(100);
  auto const seen = get<result::CreditForecast>(alice(), command::PayCredit{"Bob", usd(250), true});
  EXPECT_TRUE(seen.is_possible);
  EXPECT_EQ(seen.to_settle, usd(200));
  EXPECT_EQ(seen.debts, usd(50));
  EXPECT_EQ(seen.on_ledger, usd(300));
  EXPECT_EQ(on_ledger(alice()), usd(500)) << "a dry run pays nothing";

  auto const paid = pay(alice(), "Bob", 250);
  EXPECT_EQ(paid.state, CreditPaymentState::counted);
  EXPECT_EQ(balance(alice()), -5000);
  EXPECT_EQ(balance(bob()), 5000);
  EXPECT_EQ(on_ledger(alice()), usd(300));
  EXPECT_EQ(on_ledger(bob()), usd(400));
}

TEST_F(CreditSettleTest, aPaymentThatCannotBeSettledIsRefusedBeforeItBegins) {
  open(100);
  auto const seen = get<result::CreditForecast>(alice(), command::PayCredit{"Bob", usd(700), true});
  EXPECT_FALSE(seen.is_possible);
  EXPECT_EQ(failure(alice(), command::PayCredit{"Bob", usd(700)}).code, FailureCode::refused);
  EXPECT_EQ(failure(alice(), command::PayCredit{"Bob", usd(1'000'000)}).code, FailureCode::refused);
  EXPECT_EQ(balance(alice()), 0);
}

TEST_F(CreditSettleTest, aLostAnswerOfTheLedgerPaysOnce) {
  open();
  pay(alice(), "Bob", 60);
  is_answer_lost = true;
  auto const id = network.begin(alice(), command::SettleCredit{"Bob"});
  EXPECT_EQ(line(alice()).settling, usd(60));
  EXPECT_EQ(failure(alice(), command::SettleCredit{"Bob"}).code, FailureCode::refused) << "it is under way";
  network.kill(alice());
  network.start(alice());
  network.look_up();
  is_answer_lost = false;
  network.wait(120s);
  EXPECT_EQ(balance(alice()), 0);
  EXPECT_EQ(on_ledger(alice()), usd(440));
  EXPECT_EQ(on_ledger(bob()), usd(260));
  (void)id;
}

TEST_F(CreditSettleTest, aLedgerThatIsDownIsAskedUntilItAnswers) {
  open();
  pay(alice(), "Bob", 60);
  network.strangers.erase(kLedger);
  auto const id = network.begin(alice(), command::SettleCredit{"Bob"});
  network.wait(40s);
  auto const answered = network.answer(alice(), id);
  ASSERT_TRUE(std::holds_alternative<CreditSettlement>(answered));
  EXPECT_EQ(std::get<CreditSettlement>(answered).state, CreditSettlementState::pending);
  serve();
  network.wait(120s);
  EXPECT_EQ(balance(alice()), 0);
  EXPECT_EQ(on_ledger(alice()), usd(440));
}

TEST_F(CreditSettleTest, aTransferThatTheLedgerRefusesEndsTheSettlement) {
  open(1000);
  pay(alice(), "Bob", 600);
  EXPECT_EQ(failure(alice(), command::SettleCredit{"Bob"}).code, FailureCode::refused);
  EXPECT_EQ(balance(alice()), -60'000);
  EXPECT_EQ(line(alice()).settling, usd(0));
  EXPECT_EQ(events<event::CreditSettled>(alice()).back().what, "refused");
}

TEST_F(CreditSettleTest, whatAFrozenLineDoesNotTakeIsCreditedLater) {
  open();
  pay(alice(), "Bob", 60);
  (void)run(bob(), command::FreezeCredit{"Alice", true});
  auto const id = network.begin(alice(), command::SettleCredit{"Bob"});
  network.wait(40s);
  EXPECT_EQ(std::get<CreditSettlement>(network.answer(alice(), id)).state, CreditSettlementState::paid);
  EXPECT_EQ(on_ledger(bob()), usd(260));
  network.kill(bob());
  network.start(bob());
  network.look_up();
  (void)run(bob(), command::FreezeCredit{"Alice", false});
  network.wait(61s);
  EXPECT_EQ(balance(bob()), 0);
  EXPECT_EQ(balance(alice()), 0);
}

TEST_F(CreditSettleTest, whatIsPaidOnAClosedLineIsCreditedWhenItOpensAgain) {
  open();
  pay(alice(), "Bob", 50);
  network.strangers.erase(kLedger);
  (void)network.begin(alice(), command::SettleCredit{"Bob"});
  EXPECT_EQ(failure(alice(), command::CloseCredit{"Bob"}).code, FailureCode::refused);
  pay(bob(), "Alice", 50);
  (void)get<CreditLineView>(bob(), command::CloseCredit{"Alice"});
  serve();
  network.wait(120s);
  EXPECT_EQ(on_ledger(bob()), usd(250));
  open();
  network.wait(61s);
  EXPECT_EQ(balance(alice()), 5000);
  EXPECT_EQ(balance(bob()), -5000);
}

TEST_F(CreditSettleTest, leavingCountsWhatWasUnderWayBefore) {
  open();
  pay(alice(), "Bob", 60);
  network.strangers.erase(kLedger);
  (void)network.begin(alice(), command::SettleCredit{"Bob", usd(40)});
  auto const id = network.begin(alice(), command::LeaveCredit{});
  serve();
  network.wait(10s);
  auto const answered = network.answer(alice(), id);
  auto const* const left = std::get_if<result::CreditLeave>(&answered);
  ASSERT_TRUE(left);
  EXPECT_EQ(left->settled, usd(40));
  EXPECT_EQ(left->unconfirmed, usd(0));
  ASSERT_EQ(left->left.size(), 1U) << "its balance was not known, so no further debt was settled";
  EXPECT_EQ(left->left[0].balance, -2000);
}

TEST_F(CreditSettleTest, aTransferWithoutALineChangesNone) {
  open();
  auto const carol = secret(77);
  ledger.get<LedgerAccount>(carol, OpenAccount{"Carol", {}, usd(50), {}, {}});
  ledger.get<TransferPaid>(carol, Transfer{uuid(1), {}, bob().id, usd(50), network.now.wall + 1h, {}});
  network.wait(31s);
  EXPECT_EQ(balance(bob()), 0);
  EXPECT_EQ(get<result::CreditBalance>(bob(), command::ShowBalance{}).on_ledger, usd(250));
}

TEST_F(CreditSettleTest, leavingSettlesWhatTheAccountPaysFor) {
  network.add("Carol", 3, with_ledger(0));
  auto& carol = *network.nodes[2];
  network.look_up();
  network.wait(1s);
  open(1000);
  (void)run(alice(), command::ProposeCredit{"Carol", usd(100), usd(100)});
  (void)run(carol, command::AnswerProposal{"", true});
  pay(alice(), "Bob", 450);
  pay(alice(), "Carol", 80);
  auto const left = get<result::CreditLeave>(alice(), command::LeaveCredit{});
  EXPECT_EQ(left.settled, usd(500));
  EXPECT_EQ(left.unconfirmed, usd(0));
  ASSERT_EQ(left.left.size(), 1U);
  EXPECT_EQ(left.left[0].name, "Bob");
  EXPECT_EQ(left.left[0].balance, -3000);
  EXPECT_EQ(balance(carol), 0);
}

TEST_F(CreditSettleTest, accountsAreDeletedByAnOperatorAlone) {
  EXPECT_EQ(failure(alice(), command::DeleteUsers{}).code, FailureCode::refused);
  EXPECT_EQ(total(), usd(700));
}

TEST_F(CreditSettleTest, anotherLedgerUnderTheSameNameIsNotBelieved) {
  open();
  pay(alice(), "Bob", 60);
  LedgerHost other{[] {
    auto options = LedgerHost::free_of_limits();
    options.name = "other";
    return options;
  }()};
  auto const key = secret(1234);
  network.strangers[kLedger] = [&](json::Value const& payload) {
    // Says that everything was paid, with a key of its own.
    auto const request = parse_ledger_request(payload);
    LedgerAnswer answer;
    answer.time = network.now.wall;
    answer.body = TransferPaid{1, network.now.wall};
    sign(answer, request_digest(*request), key);
    return CallAnswer{to_json(answer), {}};
  };
  auto const id = network.begin(alice(), command::SettleCredit{"Bob"});
  network.wait(40s);
  EXPECT_EQ(std::get<CreditSettlement>(network.answer(alice(), id)).state, CreditSettlementState::pending);
  EXPECT_EQ(balance(alice()), -6000);
}

TEST_F(CreditSettleTest, aTakenNameGetsTheBeginningOfTheIdAdded) {
  network.add("Alice", 7, with_ledger(1));
  network.look_up();
  network.wait(2s);
  auto& other = *network.nodes[2];
  auto const shown = get<result::CreditBalance>(other, command::ShowBalance{});
  EXPECT_EQ(shown.account, "Alice-" + other.id.hex().substr(0, 8));
  EXPECT_EQ(shown.on_ledger, usd(1));
}

}  // namespace
}  // namespace grenache::exchange
