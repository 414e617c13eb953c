#include "exchange/ledger/ledger.hpp"

#include <gtest/gtest.h>

#include "tests/support/ledger_host.hpp"

namespace grenache::exchange {
namespace {

using namespace test;
using namespace std::chrono_literals;

class LedgerTest : public testing::Test {
 protected:
  explicit LedgerTest(Ledger::Options options = LedgerHost::free_of_limits())
      : host{with_operator(std::move(options))} {}

  static Ledger::Options with_operator(Ledger::Options options) {
    options.name = "main";
    options.operators = {secret(99).public_key()};
    return options;
  }
  void SetUp() override {
    open(alice, "alice", 100'00);
    open(bob, "bob", 0);
  }

  LedgerAccount open(SecretKey const& key, std::string name, std::int64_t cents) {
    return host.get<LedgerAccount>(key, OpenAccount{std::move(name), {}, UsdCents{cents}, "", {}});
  }
  LedgerErrc open_error(SecretKey const& key, std::string name, std::int64_t cents) {
    return host.error_of(key, OpenAccount{std::move(name), {}, UsdCents{cents}, "", {}});
  }
  Transfer transfer(std::uint64_t n, std::int64_t cents, std::chrono::milliseconds life = 1h) const {
    return {uuid(n), alice.public_key(), bob.public_key(), UsdCents{cents}, host.wall() + life, {}};
  }
  TransferPaid pay(std::uint64_t n, std::int64_t cents) {
    return host.get<TransferPaid>(alice, transfer(n, cents));
  }
  LedgerErrc reason(SecretKey const& key, Transfer const& wanted) {
    return host.get<TransferRefused>(key, wanted).reason;
  }
  std::int64_t balance(SecretKey const& key) {
    return host.get<LedgerAccount>(key, GetAccount{key.public_key()}).balance.units();
  }
  LedgerStatement statement(SecretKey const& key, WallTime at) {
    return host.get<LedgerStatement>(key, GetStatement{key.public_key(), at});
  }
  std::vector<IncomingTransfer> incoming(SecretKey const& key, std::int64_t after, std::int64_t max = 100) {
    return host.get<IncomingTransfers>(key, GetTransfers{key.public_key(), after, max}).transfers;
  }
  AccountsDeleted delete_all() {
    return host.get<AccountsDeleted>(boss, DeleteAccounts{{}, host.wall(), {}});
  }

  SecretKey alice = secret(10);
  SecretKey bob = secret(11);
  SecretKey carol = secret(12);
  SecretKey boss = secret(99);
  LedgerHost host;
};

TEST_F(LedgerTest, tellsWhoItIs) {
  Random random{std::uint64_t{3}};
  auto const request = make_get_ledger(random);
  auto const reply = host.ask(request);
  ASSERT_TRUE(reply.answer);
  EXPECT_EQ(reply.answer->ledger, host.key().public_key());
  EXPECT_EQ(reply.answer->time, host.wall());
  EXPECT_EQ(std::get<LedgerInfo>(reply.answer->body),
            (LedgerInfo{"main", 2, UsdCents{100'00}, Ledger::Options{}.start_max}));
}

TEST_F(LedgerTest, answersInTheFormOfTheRequest) {
  Random random{std::uint64_t{3}};
  auto const request = make_get_ledger(random);
  Ledger ledger{{}, secret(1)};
  Now const now{TimePoint{}, from_unix_ms(5)};
  ledger.receive(1, IpAddress{10, 0, 0, 1}, json::Value{json::to_text(to_json(request))}, now);
  ledger.receive(2, IpAddress{10, 0, 0, 1}, to_json(request), now);
  auto const text = std::get<output::Reply>(*ledger.poll_output());
  auto const object = std::get<output::Reply>(*ledger.poll_output());
  EXPECT_TRUE(text.result.as_string());
  EXPECT_TRUE(object.result.as_object());
  EXPECT_TRUE(read_ledger_answer(read_answer(text.result), request));
  EXPECT_TRUE(read_ledger_answer(read_answer(object.result), request));
}

// Accounts

TEST_F(LedgerTest, anAccountIsOpenedOnce) {
  EXPECT_EQ(open(alice, "alice", 100'00).balance.units(), 100'00);
  pay(1, 30'00);
  EXPECT_EQ(open(alice, "alice", 100'00).balance.units(), 70'00);
  EXPECT_EQ(open_error(alice, "alice", 100'01), LedgerErrc::other_start);
  EXPECT_EQ(open_error(alice, "alicia", 100'00), LedgerErrc::key_taken);
  EXPECT_EQ(open_error(carol, "alice", 100'00), LedgerErrc::name_taken);
  EXPECT_EQ(open_error(carol, "carol", Ledger::Options{}.start_max.units() + 1), LedgerErrc::start_too_large);
  EXPECT_EQ(host.core().accounts().size(), 2);
}

TEST_F(LedgerTest, openingAgainReplacesTheEndpoint) {
  auto const moved = OpenAccount{"bob", {}, UsdCents{0}, "10.0.0.9:7000", {}};
  EXPECT_EQ(host.get<LedgerAccount>(bob, moved).endpoint, "10.0.0.9:7000");
  host.crash();
  EXPECT_EQ(host.get<LedgerAccount>(bob, GetAccount{"bob"}).endpoint, "10.0.0.9:7000");
}

TEST_F(LedgerTest, accountsAreFoundAndListed) {
  EXPECT_EQ(host.get<LedgerAccount>(carol, GetAccount{"bob"}).key, bob.public_key());
  EXPECT_EQ(host.error_of(carol, GetAccount{"carol"}), LedgerErrc::unknown_account);
  EXPECT_EQ(host.error_of(carol, GetAccount{carol.public_key()}), LedgerErrc::unknown_account);
  auto const first = host.get<LedgerAccounts>(carol, GetAccounts{"", 1});
  ASSERT_EQ(first.accounts.size(), 1);
  EXPECT_EQ(first.accounts[0].name, "alice");
  auto const rest = host.get<LedgerAccounts>(carol, GetAccounts{"alice", 100});
  ASSERT_EQ(rest.accounts.size(), 1);
  EXPECT_EQ(rest.accounts[0].name, "bob");
}

// Transfers

TEST_F(LedgerTest, aTransferIsPaidOnceHoweverOftenItIsSent) {
  auto const wanted = transfer(1, 30'00);
  auto const paid = host.get<TransferPaid>(alice, wanted);
  EXPECT_EQ(paid.seq, 1);
  EXPECT_EQ(paid.at, host.wall());
  host.advance(10min);
  EXPECT_EQ(host.get<TransferPaid>(alice, wanted), paid);
  host.crash();
  EXPECT_EQ(host.get<TransferPaid>(alice, wanted), paid);
  host.advance(48h);
  EXPECT_EQ(host.get<TransferPaid>(alice, wanted), paid) << "also after its end";
  EXPECT_EQ(balance(alice), 70'00);
  EXPECT_EQ(balance(bob), 30'00);
}

TEST_F(LedgerTest, requestsForOneTransferThatCrossGetOneOutcome) {
  auto const wanted = transfer(1, 60'00);
  auto other = wanted;
  other.amount = UsdCents{59'00};
  auto const first = host.send(host.signed_by(alice, wanted));
  auto const second = host.send(host.signed_by(alice, wanted));
  auto const third = host.send(host.signed_by(alice, other));
  EXPECT_FALSE(host.reply_to(first).answer) << "nothing is durable";
  host.settle();
  auto const paid = std::get<TransferPaid>(host.reply_to(first).answer->body);
  EXPECT_EQ(std::get<TransferPaid>(host.reply_to(second).answer->body), paid);
  EXPECT_EQ(std::get<LedgerFailure>(host.reply_to(third).answer->body).code, LedgerErrc::id_reused);
  EXPECT_EQ(balance(alice), 40'00);
}

TEST_F(LedgerTest, refusalsThatCrossAreOneOutcomeToo) {
  auto const wanted = transfer(1, 160'00);
  auto other = wanted;
  other.amount = UsdCents{59'00};
  auto const first = host.send(host.signed_by(alice, wanted));
  auto const second = host.send(host.signed_by(alice, other));
  auto const third = host.send(host.signed_by(alice, wanted));
  host.settle();
  TransferRefused const refused{LedgerErrc::insufficient};
  EXPECT_EQ(std::get<TransferRefused>(host.reply_to(first).answer->body), refused);
  EXPECT_EQ(std::get<LedgerFailure>(host.reply_to(second).answer->body).code, LedgerErrc::id_reused);
  EXPECT_EQ(std::get<TransferRefused>(host.reply_to(third).answer->body), refused);
}

TEST_F(LedgerTest, noAnswerLeavesBeforeItsRowsAreDurable) {
  auto const sent = host.send(host.signed_by(alice, transfer(1, 5)));
  host.flush();  // serves the read
  EXPECT_FALSE(host.reply_to(sent).answer);
  auto const asked = host.send(host.signed_by(bob, GetAccount{bob.public_key()}));
  EXPECT_FALSE(host.reply_to(asked).answer) << "it tells of money that a crash would take back";
  host.flush();
  EXPECT_TRUE(host.reply_to(sent).answer);
  EXPECT_TRUE(host.reply_to(asked).answer);
}

TEST_F(LedgerTest, aRefusalIsFinalAlsoWhenMoneyComesLater) {
  auto const wanted = transfer(1, 100'01);
  EXPECT_EQ(reason(alice, wanted), LedgerErrc::insufficient);
  open(carol, "carol", 50'00);
  Transfer const gift{uuid(2), carol.public_key(), alice.public_key(), UsdCents{50'00}, host.wall() + 1h, {}};
  host.get<TransferPaid>(carol, gift);
  EXPECT_EQ(reason(alice, wanted), LedgerErrc::insufficient);
  host.crash();
  EXPECT_EQ(reason(alice, wanted), LedgerErrc::insufficient);
  host.advance(2h);
  auto const late = reason(alice, wanted);
  EXPECT_TRUE(late == LedgerErrc::insufficient || late == LedgerErrc::expired);
  EXPECT_EQ(balance(alice), 150'00);
}

TEST_F(LedgerTest, refusesATransferToNobodyForEver) {
  auto wanted = transfer(1, 1);
  wanted.to = carol.public_key();
  EXPECT_EQ(reason(alice, wanted), LedgerErrc::unknown_payee);
  open(carol, "carol", 0);
  EXPECT_EQ(reason(alice, wanted), LedgerErrc::unknown_payee);
  wanted.to = alice.public_key();
  EXPECT_EQ(reason(alice, wanted), LedgerErrc::own_account);
}

TEST_F(LedgerTest, thePayerWithoutAnAccountGetsNoOutcome) {
  Transfer const wanted{uuid(1), carol.public_key(), alice.public_key(), UsdCents{1}, host.wall() + 1h, {}};
  EXPECT_EQ(host.error_of(carol, wanted), LedgerErrc::unknown_payer);
  open(carol, "carol", 5);
  EXPECT_EQ(host.get<TransferPaid>(carol, wanted).seq, 1);
}

TEST_F(LedgerTest, anIdBelongsToItsPayer) {
  pay(1, 5'00);
  Transfer const other{uuid(1), bob.public_key(), alice.public_key(), UsdCents{1}, host.wall() + 1h, {}};
  EXPECT_EQ(host.get<TransferPaid>(bob, other).seq, 2) << "another payer cannot use it up";
  EXPECT_EQ(host.error_of(alice, transfer(1, 5'01)), LedgerErrc::id_reused);
  auto later = transfer(1, 5'00);
  later.valid_until += 1ms;
  EXPECT_EQ(host.error_of(alice, later), LedgerErrc::id_reused);
  host.crash();
  EXPECT_EQ(host.error_of(alice, transfer(1, 5'01)), LedgerErrc::id_reused);
}

TEST_F(LedgerTest, aTransferEndsWithItsTime) {
  auto const wanted = transfer(1, 1, 10s);
  host.advance(10s);
  EXPECT_EQ(reason(alice, wanted), LedgerErrc::expired);
  host.set_wall(host.wall() - 1h);
  EXPECT_EQ(reason(alice, wanted), LedgerErrc::expired) << "the ledger's time does not go backwards";
  host.crash();
  EXPECT_EQ(reason(alice, wanted), LedgerErrc::expired) << "nor over a restart";
  EXPECT_EQ(balance(alice), 100'00);
}

TEST_F(LedgerTest, aTransferThatCouldBeMadeInMoreThanADayIsNoOutcome) {
  auto const wanted = transfer(1, 1, 24h + 1ms);
  EXPECT_EQ(host.error_of(alice, wanted), LedgerErrc::bad_expiry);
  host.advance(1ms);
  EXPECT_EQ(host.get<TransferPaid>(alice, wanted).seq, 1);
}

TEST_F(LedgerTest, onlyThePayerCanSignATransfer) {
  auto request = host.signed_by(alice, transfer(1, 1));
  std::get<Transfer>(request.body).amount = UsdCents{2};
  auto const changed = host.ask(request);
  EXPECT_EQ(std::get<LedgerFailure>(changed.answer->body).code, LedgerErrc::bad_signature);
  auto stolen = host.signed_by(bob, transfer(2, 1));
  std::get<Transfer>(stolen.body).from = alice.public_key();
  auto const forged = host.ask(stolen);
  EXPECT_EQ(std::get<LedgerFailure>(forged.answer->body).code, LedgerErrc::bad_signature);
  EXPECT_EQ(balance(alice), 100'00);
  EXPECT_EQ(pay(1, 1).seq, 1) << "a forged request uses up no id";
}

TEST_F(LedgerTest, aRequestForAnotherLedgerIsNotServed) {
  Random random{std::uint64_t{8}};
  auto request = make_ledger_request(transfer(1, 1), carol.public_key(), random);
  sign(request, alice);
  // The answer names this ledger, so only the code is looked at.
  host.core().receive(77, IpAddress{10, 0, 0, 1}, to_json(request), {TimePoint{}, host.wall()});
  auto const reply = std::get<output::Reply>(*host.core().poll_output());
  auto const answer = parse_ledger_answer(reply.result);
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<LedgerFailure>(answer->body).code, LedgerErrc::wrong_ledger);
  EXPECT_EQ(read_ledger_answer(reply.result, request).error(), LedgerErrc::wrong_ledger);
}

// What creditors read

TEST_F(LedgerTest, incomingTransfersComeInOrderAndOnce) {
  open(carol, "carol", 10'00);
  for (std::uint64_t n = 1; n <= 5; ++n) {
    pay(n, static_cast<std::int64_t>(n));
    Transfer const aside{uuid(n), carol.public_key(), alice.public_key(), UsdCents{1}, host.wall() + 1h, {}};
    host.get<TransferPaid>(carol, aside);
    host.advance(1s);
  }
  std::vector<IncomingTransfer> all;
  std::int64_t cursor = 0;
  for (;;) {
    auto const page = incoming(bob, cursor, 2);
    for (auto const& each : page) all.push_back(each);
    if (page.size() < 2) break;
    cursor = page.back().seq;
    host.crash();
  }
  ASSERT_EQ(all.size(), 5);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(all[i].seq, static_cast<std::int64_t>(2 * i + 1));
    EXPECT_EQ(all[i].id, uuid(i + 1));
    EXPECT_EQ(all[i].from, alice.public_key());
    EXPECT_EQ(all[i].amount.units(), static_cast<std::int64_t>(i + 1));
  }
  EXPECT_TRUE(incoming(secret(55), 0).empty()) << "a key without an account";
}

TEST_F(LedgerTest, aStatementTellsWhatThereWasAtATime) {
  auto const opened = host.wall();
  host.advance(1s);
  pay(1, 10'00);
  auto const between = host.wall() + 500ms;
  host.advance(1s);
  pay(2, 5'00);
  pay(3, 1'00);  // in the same millisecond
  host.advance(1s);
  EXPECT_EQ(statement(alice, opened), (LedgerStatement{UsdCents{100'00}, 0}));
  EXPECT_EQ(statement(alice, between), (LedgerStatement{UsdCents{90'00}, 1}));
  EXPECT_EQ(statement(bob, between), (LedgerStatement{UsdCents{10'00}, 1}));
  EXPECT_EQ(statement(alice, host.wall() - 1s), (LedgerStatement{UsdCents{84'00}, 3}));
  EXPECT_EQ(statement(bob, host.wall() - 1ms), (LedgerStatement{UsdCents{16'00}, 3}));
  EXPECT_EQ(host.error_of(alice, GetStatement{alice.public_key(), host.wall()}), LedgerErrc::not_past);
  EXPECT_EQ(host.error_of(alice, GetStatement{alice.public_key(), opened - 1ms}), LedgerErrc::before_opening);
  EXPECT_EQ(host.error_of(alice, GetStatement{carol.public_key(), opened}), LedgerErrc::unknown_account);
}

TEST_F(LedgerTest, noTransferIsMadeInTheTimeOfAStatementAfterwards) {
  host.advance(1s);
  auto const at = host.wall() - 1ms;
  EXPECT_EQ(statement(alice, at).balance.units(), 100'00);
  host.set_wall(at - 10s);
  host.crash();
  EXPECT_GT(pay(1, 1).at, at);
  host.advance(1min);
  EXPECT_EQ(statement(alice, at).balance.units(), 100'00);
}

// Deletion

TEST_F(LedgerTest, onlyAnOperatorDeletesAllAccounts) {
  EXPECT_EQ(host.error_of(alice, DeleteAccounts{{}, host.wall(), {}}), LedgerErrc::not_operator);
  EXPECT_EQ(host.core().accounts().size(), 2);
  EXPECT_EQ(delete_all().count, 2);
  EXPECT_EQ(host.core().accounts().size(), 0);
  EXPECT_EQ(host.core().accounts().total().units(), 0);
  host.crash();
  EXPECT_EQ(host.error_of(alice, GetAccount{"alice"}), LedgerErrc::unknown_account);
  EXPECT_EQ(open(carol, "alice", 5).balance.units(), 5) << "names are free again";
}

TEST_F(LedgerTest, aReplayedDeletionDeletesNothing) {
  auto const request = host.signed_by(boss, DeleteAccounts{{}, host.wall(), {}});
  EXPECT_EQ(host.get<AccountsDeleted>(request).count, 2);
  open(alice, "alice", 7);
  EXPECT_EQ(host.get<AccountsDeleted>(request).count, 2);
  host.crash();
  EXPECT_EQ(host.get<AccountsDeleted>(request).count, 2);
  EXPECT_EQ(host.core().accounts().size(), 1);

  host.advance(1s);
  auto const second = delete_all();
  EXPECT_EQ(second.count, 1);
  open(alice, "alice", 7);
  EXPECT_EQ(host.get<LedgerFailure>(request).code, LedgerErrc::stale);
  EXPECT_EQ(host.core().accounts().size(), 1);
}

TEST_F(LedgerTest, aDeletionOfNothingIsRememberedToo) {
  delete_all();
  host.advance(1s);
  auto const request = host.signed_by(boss, DeleteAccounts{{}, host.wall(), {}});
  EXPECT_EQ(host.get<AccountsDeleted>(request).count, 0);
  host.crash();
  open(alice, "alice", 5);
  EXPECT_EQ(host.get<AccountsDeleted>(request).count, 0);
  EXPECT_EQ(host.core().accounts().size(), 1);
}

TEST_F(LedgerTest, aDeletionFromAnotherTimeIsStale) {
  EXPECT_EQ(host.error_of(boss, DeleteAccounts{{}, host.wall() - 5min - 1ms, {}}), LedgerErrc::stale);
  EXPECT_EQ(host.error_of(boss, DeleteAccounts{{}, host.wall() + 5min + 1ms, {}}), LedgerErrc::stale);
  EXPECT_EQ(host.get<AccountsDeleted>(boss, DeleteAccounts{{}, host.wall() - 5min, {}}).count, 2);
}

TEST_F(LedgerTest, transfersOutliveTheirAccounts) {
  auto const wanted = transfer(1, 5'00);
  auto const paid = host.get<TransferPaid>(alice, wanted);
  host.advance(1s);
  delete_all();
  EXPECT_EQ(host.get<TransferPaid>(alice, wanted), paid);
  EXPECT_EQ(incoming(bob, 0).size(), 1);
  EXPECT_EQ(host.error_of(alice, transfer(2, 1)), LedgerErrc::unknown_payer);
  host.advance(1s);
  open(alice, "alice", 50'00);
  open(bob, "bob", 0);
  host.advance(1s);
  EXPECT_EQ(statement(bob, host.wall() - 1ms), (LedgerStatement{UsdCents{0}, 0})) << "of the new account";
  EXPECT_EQ(host.error_of(bob, GetStatement{bob.public_key(), paid.at}), LedgerErrc::before_opening);
  EXPECT_EQ(pay(3, 1).seq, 2) << "numbers go on";
  EXPECT_EQ(incoming(bob, 1).size(), 1);
}

TEST_F(LedgerTest, anAccountOpenedInTheMillisecondOfADeletionStartsAnew) {
  pay(1, 5'00);
  delete_all();
  open(bob, "bob", 7);
  auto const at = host.wall();
  host.advance(1s);
  EXPECT_EQ(statement(bob, at), (LedgerStatement{UsdCents{7}, 0}));
}

// Limits

TEST_F(LedgerTest, malformedRequestsGetAPlainRefusal) {
  for (auto const* const text : {R"("{")", "1", "{}", R"({"type":"TransferMessage"})", "null"}) {
    auto const reply = host.reply_to(host.send_raw(*json::parse(text)));
    ASSERT_TRUE(reply.refusal) << text;
    EXPECT_EQ(reply.refusal->code, RefusalCode::invalid) << text;
  }
}

class BoundedLedgerTest : public LedgerTest {
 protected:
  BoundedLedgerTest() : LedgerTest{bounds()} {}
  static Ledger::Options bounds() {
    auto out = LedgerHost::free_of_limits();
    out.account_count_max = 3;
    out.read_count_max = 2;
    out.transfer_count_max = 3;
    out.refusals = {3, 2};
    return out;
  }
};

TEST_F(BoundedLedgerTest, opensNoMoreAccounts) {
  open(carol, "carol", 0);
  EXPECT_EQ(open_error(secret(13), "dave", 0), LedgerErrc::full);
}

TEST_F(BoundedLedgerTest, keepsNoMoreTransfers) {
  for (std::uint64_t n = 1; n <= 3; ++n) pay(n, 1);
  auto const reply = host.ask(alice, transfer(4, 1));
  ASSERT_TRUE(reply.refusal);
  EXPECT_EQ(reply.refusal->code, RefusalCode::unavailable);
  EXPECT_EQ(pay(3, 1).seq, 3) << "outcomes are told still";
  EXPECT_EQ(balance(alice), 99'97);
}

TEST_F(BoundedLedgerTest, requestsThatWaitForTheJournalAreBounded) {
  auto const first = host.send(host.signed_by(alice, transfer(1, 1)));
  auto const second = host.send(host.signed_by(alice, transfer(1, 1)));
  auto const third = host.send(host.signed_by(alice, transfer(1, 1)));
  auto const fourth = host.send(host.signed_by(bob, GetTransfers{bob.public_key(), 0, 1}));
  EXPECT_EQ(host.reply_to(third).refusal->code, RefusalCode::unavailable);
  EXPECT_EQ(host.reply_to(fourth).refusal->code, RefusalCode::unavailable);
  host.settle();
  EXPECT_TRUE(host.reply_to(first).answer && host.reply_to(second).answer);
  EXPECT_TRUE(host.ask(alice, transfer(2, 1)).answer) << "there is room again";
}

TEST_F(BoundedLedgerTest, aPayerWhoseRefusalsAreRememberedGetsNoMoreOutcomesOfThatKind) {
  EXPECT_EQ(reason(alice, transfer(1, 200'00, 10s)), LedgerErrc::insufficient);
  EXPECT_EQ(reason(alice, transfer(2, 200'00, 10s)), LedgerErrc::insufficient);
  auto const reply = host.ask(alice, transfer(3, 200'00, 1h));
  ASSERT_TRUE(reply.refusal);
  EXPECT_EQ(reply.refusal->code, RefusalCode::unavailable);
  EXPECT_EQ(pay(4, 1).seq, 1) << "what can be paid is paid";
  EXPECT_EQ(
      reason(bob, {uuid(1), bob.public_key(), alice.public_key(), UsdCents{50'00}, host.wall() + 1h, {}}),
      LedgerErrc::insufficient)
      << "of other payers";
  host.advance(10s);
  EXPECT_EQ(reason(alice, transfer(3, 200'00, 1h)), LedgerErrc::insufficient) << "the first two have ended";
  host.settle();
  host.crash();
  host.set_wall(host.wall() - 1min);
  EXPECT_EQ(reason(alice, transfer(1, 1, 10s)), LedgerErrc::expired)
      << "a forgotten refusal is not forgotten before its time";
}

class GuardedLedgerTest : public LedgerTest {
 protected:
  GuardedLedgerTest() : LedgerTest{{}} {}
};

TEST_F(GuardedLedgerTest, openingAccountsCostsMoreThanAnything) {
  IpAddress const stranger{10, 9, 9, 9};
  int opened = 0;
  for (std::uint64_t n = 0; n < 100; ++n) {
    auto const name = "x" + std::to_string(n);
    auto const reply =
        host.ask(host.signed_by(secret(1'000 + n), OpenAccount{name, {}, {}, "", {}}), stranger);
    opened += reply.answer ? 1 : 0;
    if (!reply.answer) {
      EXPECT_EQ(reply.refusal->code, RefusalCode::limit);
    }
  }
  EXPECT_LT(opened, 60);
  EXPECT_GT(opened, 20);
  EXPECT_TRUE(host.ask(alice, transfer(1, 1)).answer) << "other addresses are served";
}

TEST_F(GuardedLedgerTest, anAddressThatSendsForgeriesIsRefusedForAWhile) {
  IpAddress const stranger{10, 9, 9, 9};
  auto request = host.signed_by(alice, transfer(1, 1));
  std::get<Transfer>(request.body).amount = UsdCents{2};
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(host.ask(request, stranger).answer);
  auto const reply = host.ask(request, stranger);
  ASSERT_TRUE(reply.refusal);
  EXPECT_EQ(reply.refusal->code, RefusalCode::limit);
}

TEST(LedgerRows, malformedRowsAreNotRestored) {
  Ledger ledger{{}, secret(1)};
  for (auto const& row : std::vector<Row>{{"account", "x", "{}"},
                                          {"refusal", "x", "{}"},
                                          {"refusal", secret(2).public_key().hex() + "/x", "{}"},
                                          {"ledger", "state", ""},
                                          {"ledger", "x", R"({"time":1,"seq":1})"},
                                          {"order", "x", "{}"}}) {
    EXPECT_FALSE(ledger.restore(row)) << row.kind << row.key;
  }
}

}  // namespace
}  // namespace grenache::exchange
