// Commands about credit lines as they are typed, and their answers and events as they are shown.
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "exchange/console/console_voice.hpp"
#include "exchange/console/tables.hpp"
#include "exchange/control/command_json.hpp"
#include "exchange/control/command_table.hpp"

namespace grenache::exchange {
namespace {

PeerId peer(unsigned char last) {
  PeerId out;
  out.array()[0] = 2;
  out.array()[1] = last;
  return out;
}

template <class T>
T parsed(std::string const& line) {
  auto const request = read_line(line);
  EXPECT_TRUE(request) << line;
  if (!request) return {};
  auto const command = parse(*request);
  EXPECT_TRUE(command) << line << ": " << (command ? "" : command.error().text);
  auto const* const known = command ? std::get_if<Command>(&*command) : nullptr;
  auto const* const found = known ? std::get_if<T>(known) : nullptr;
  EXPECT_TRUE(found) << line;
  return found ? *found : T{};
}

std::string refusal(std::string const& line) {
  auto const request = read_line(line);
  if (!request) return request.error().text;
  auto const command = parse(*request);
  return command ? "" : command.error().text;
}

TEST(CreditWords, payTakesAnInvoiceOrAPeerAndAnAmount) {
  EXPECT_EQ(parsed<command::Pay>("pay 7c01d2e4").invoice, "7c01d2e4");
  auto const paid = parsed<command::PayCredit>("pay bob 10.50");
  EXPECT_EQ(paid.peer, "bob");
  EXPECT_EQ(paid.amount, UsdCents{1050});
  EXPECT_FALSE(paid.dry_run);
  EXPECT_TRUE(parsed<command::PayCredit>("pay bob 1 --dry-run").dry_run);
  EXPECT_TRUE(parsed<command::PayCredit>("pay bob 1 dryRun").dry_run);
  EXPECT_EQ(parsed<command::PayCredit>(R"(pay {"peer": "Bob the 2nd", "amount": "3"})").peer, "Bob the 2nd");
  EXPECT_EQ(parsed<command::PayCredit>("pay 'Bob the 2nd' 3").peer, "Bob the 2nd");
}

TEST(CreditWords, sentencesOfSeed000AreUnderstood) {
  EXPECT_EQ(parsed<command::PayCredit>("send 10 credits").amount, UsdCents{1000});
  EXPECT_EQ(parsed<command::PayCredit>("send 10 credits").peer, "");
  EXPECT_EQ(parsed<command::PayCredit>("send 0.5 credits to bob").peer, "bob");
  (void)parsed<command::ShowBalance>("check balance");
  for (auto const* const line :
       {"send", "send 10 credits bob", "send 10 credits to", "send 10 apples to bob"}) {
    EXPECT_NE(refusal(line), "") << line;
  }
}

TEST(CreditWords, amountsThatAreNoneAreRefused) {
  for (auto const* const amount : {"-1", "0", "0.001", "1e30", "99999999999999999999", "ten", "NaN"}) {
    EXPECT_NE(refusal(std::string{"pay bob "} + amount), "") << amount;
    EXPECT_NE(refusal(std::string{"settle bob "} + amount), "") << amount;
    if (amount != std::string_view{"0"}) {
      EXPECT_NE(refusal(std::string{"propose bob "} + amount), "") << amount;
    }
  }
  EXPECT_EQ(parsed<command::LimitCredit>("limit bob 0").limit, UsdCents{});
  EXPECT_NE(refusal("pay bob 1 2"), "");
  EXPECT_NE(refusal("propose"), "");
  EXPECT_NE(refusal("pay '" + std::string(100, 'x') + "' 1"), "");
}

TEST(CreditWords, aProposalHasDefaults) {
  auto const proposed = parsed<command::ProposeCredit>("propose bob");
  EXPECT_EQ(proposed.limit, UsdCents{10'000});
  EXPECT_EQ(proposed.wish, UsdCents{10'000});
  EXPECT_EQ(parsed<command::ProposeCredit>("propose bob 50").wish, UsdCents{5'000});
  EXPECT_EQ(parsed<command::ProposeCredit>("propose bob 50 wish=20").wish, UsdCents{2'000});
  EXPECT_FALSE(parsed<command::SettleCredit>("settle bob").amount);
  EXPECT_EQ(parsed<command::AnswerProposal>("rejectCredit").peer, "");
}

result::CreditBalance sample_balance() {
  result::CreditBalance out;
  result::CreditLineView bob;
  bob.peer = peer(1);
  bob.name = "bob\x1b[31m";  // received
  bob.balance = -1050;
  bob.is_open = true;
  bob.limit = bob.their_limit = UsdCents{10'000};
  bob.room = UsdCents{8'950};
  out.lines = {bob};
  out.total = -1050;
  return out;
}

TEST(CreditFaces, aBalanceIsATableAndJson) {
  CommandResult const result = sample_balance();
  auto const text = to_table(result, {.colour = false, .width = 80, .now = {}});
  EXPECT_NE(text.find("Total: -10.5"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "a received name does not reach the terminal";
  auto const body = to_json(result);
  EXPECT_EQ(*body.find_string("total"), "-10.5");
  EXPECT_FALSE(body.find("onLedger")) << "no ledger";
}

TEST(CreditFaces, eventsAreSentencesAndJson) {
  Event const events[]{
      event::CreditProposed{peer(1), "bob", UsdCents{100}, UsdCents{200}},
      event::CreditReceived{"id", peer(1), "bob", CreditKind::pay, UsdCents{100}, 100},
      event::CreditPaid{"id", peer(1), "bob", CreditKind::pay, UsdCents{100}, 0, "it has expired", true},
      event::CreditLow{peer(1), "bob", UsdCents{1}, UsdCents{100}},
      event::CreditSettled{"id", peer(1), "bob", UsdCents{100}, "refused", "no funds"},
      event::CreditLineChanged{peer(1), "bob", "opened", "the line is open"},
  };
  char const* const types[]{"proposal",  "creditReceived", "creditFailed",
                            "creditLow", "creditSettled",  "creditLineChanged"};
  for (std::size_t i = 0; i < std::size(events); ++i) {
    EXPECT_EQ(*to_json(events[i]).find_string("type"), types[i]);
    EXPECT_NE(to_table(events[i], {.colour = false, .width = 80, .now = {}}).find("bob"), std::string::npos);
  }
}

// Voices

TEST(PeeringVoice, understandsThreeSentencesAndNudgesOtherwise) {
  auto const voice = peering_voice();
  auto const read = [&](std::string const& line) {
    auto const request = voice.read(line);
    return request ? request->name : request.error().text;
  };
  EXPECT_EQ(read("Send 10 Credits"), "pay");
  EXPECT_EQ(read("send 1 credit"), "pay");
  EXPECT_EQ(read("check balance"), "balance");
  EXPECT_TRUE(voice.is_farewell("Farewell"));
  EXPECT_FALSE(voice.is_farewell("exit"));
  for (auto const* const line :
       {"send", "send x credits", "send 10", "send -1 credits", "send 0.001 credits"}) {
    EXPECT_TRUE(read(line).starts_with("🤔")) << line;
  }
  for (auto const* const line : {"", "pay bob 1", "check", "check balance now", "sendd 1 credits"}) {
    EXPECT_TRUE(read(line).starts_with("🤷")) << line;
  }
}

TEST(TrustlineVoice, saysTheErrorsOfSeed001) {
  using result::CreditRefusal;
  using result::Failure;
  auto const voice = trustline_voice();
  Command const pay = command::PayCredit{"bob", UsdCents{12'000}};
  Command const settle = command::SettleCredit{"bob", UsdCents{500}};
  auto const said = [&](CreditRefusal why, std::int64_t cents, Command const& command) {
    Failure const failure{result::FailureCode::refused, "x", "", why, cents};
    return *voice.answer(failure, &command);
  };
  EXPECT_EQ(said(CreditRefusal::over_limit, 10'000, pay),
            "Err: Payment of 120 exceeds trustline limit of 100\n");
  EXPECT_EQ(said(CreditRefusal::not_accepted, 0, pay),
            "Err: Connection with bob is waiting to be accepted.\n");
  EXPECT_EQ(said(CreditRefusal::nothing_to_settle, 700, settle),
            "Err: Nothing to settle as HostBalance is 7 - your peer must settle!\n");
  EXPECT_EQ(said(CreditRefusal::no_funds, 500, settle),
            "Err: Insufficient funds to settle with bob at amount: 5\n");
  EXPECT_EQ(*voice.answer(sample_balance(), nullptr), "bob?[31m: -10.5\nTotal: -10.5\n");
  EXPECT_EQ(*voice.event(event::CreditProposed{peer(1), "Alice", {}, {}}),
            "Alice (02010000): you may owe 0, and Alice up to 0.\nAlice wants to start a trustline, accept? "
            "[Y/n]\n");
}

}  // namespace
}  // namespace grenache::exchange
