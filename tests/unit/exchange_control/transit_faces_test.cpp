// Commands about payments over others and netting as they are typed, and their answers as they are shown.
#include <string>

#include <gtest/gtest.h>

#include "exchange/console/tables.hpp"
#include "exchange/control/command_json.hpp"
#include "exchange/control/command_table.hpp"

namespace grenache::exchange {
namespace {

/// What a line says; a default if it is refused, which is expected of `is_good` false.
template <class T>
T said(std::string const& line, bool is_good = true) {
  auto const request = read_line(line);
  auto const command = request ? parse(*request) : OrFailure<ParsedCommand>{request.error()};
  EXPECT_EQ(command.has_value(), is_good) << line;
  auto const* const known = command ? std::get_if<Command>(&*command) : nullptr;
  auto const* const found = known ? std::get_if<T>(known) : nullptr;
  EXPECT_EQ(found != nullptr, is_good) << line;
  return found ? *found : T{};
}

TEST(TransitWords, payNamesItsHighestFeeInEachForm) {
  EXPECT_FALSE(said<command::PayCredit>("pay dave 10").fee_max);
  for (auto const* const line :
       {"pay dave 10 maxFee=0.5", "pay dave 10 --max-fee 0.5", "pay dave --max-fee 0.5 10"}) {
    auto const paid = said<command::PayCredit>(line);
    EXPECT_EQ(paid.fee_max, UsdCents{50}) << line;
    EXPECT_EQ(paid.amount, UsdCents{1'000}) << line;
  }
  EXPECT_EQ(said<command::PayCredit>("pay dave 10 maxFee=0").fee_max, UsdCents{});
  (void)said<command::PayCredit>("pay dave 10 maxFee=-1", false);
  (void)said<command::PayCredit>("pay dave 10 maxFee=0.001", false);
}

TEST(TransitWords, forwardAndNettingAreSwitches) {
  auto const forward = said<command::ForwardCredit>("forward bob on fee=0.01 share=0.25");
  EXPECT_EQ(forward.peer, "bob");
  EXPECT_TRUE(forward.forward);
  EXPECT_EQ(forward.fee, UsdCents{1});
  EXPECT_EQ(forward.ppm, 2'500);
  EXPECT_FALSE(said<command::ForwardCredit>("forward bob off").forward);
  EXPECT_TRUE(said<command::AllowNetting>("netting bob ON").allow);
  EXPECT_FALSE(said<command::AllowNetting>("netting bob off").allow);
  (void)said<command::NetDebts>("net");
  for (auto const* const line :
       {"forward bob", "forward bob maybe", "forward bob on share=101", "forward bob on fee=-1"}) {
    (void)said<command::ForwardCredit>(line, false);
  }
}

TEST(TransitFaces, answersAndEventsAreSentencesAndJson) {
  TextStyle const style{.colour = false, .width = 200, .now = {}};
  result::CreditPayment paid;
  paid.id = "7c01d2e4";
  paid.name = "dave";
  paid.amount = UsdCents{1'000};
  paid.is_over_others = true;
  paid.fee = UsdCents{7};
  EXPECT_EQ(
      to_table(CommandResult{paid}, style),
      "Payment 7c01d2e4 of 10 USD to dave is counted. It went over other peers, for a fee of 0.07 USD.\n");
  EXPECT_EQ(*to_json(CommandResult{paid}).find_string("fee"), "0.07");
  result::NettingDone const done{2, 3, 1, 1, 0, UsdCents{7'500}};
  EXPECT_EQ(
      to_table(CommandResult{done}, style),
      "Looked at 3 debts of us and 2 other peers and removed 1 cycle: the debts are smaller by 75 USD in "
      "all. Not removed: 1 cycle.\n");
  EXPECT_EQ(*to_json(CommandResult{done}).find_string("removed"), "75");
  event::CreditTransit passed;
  passed.id = "7c01d2e4";
  passed.what = "forwarded";
  passed.from_name = "alice";
  passed.to_name = "carol";
  passed.amount = UsdCents{1'000};
  passed.fee = UsdCents{7};
  EXPECT_EQ(to_table(Event{passed}, style),
            "00:00:00 payment 7c01d2e4 of 10 USD from alice passed on to carol; the fee is 0.07\n");
  EXPECT_EQ(*to_json(Event{passed}).find_string("what"), "forwarded");
}

}  // namespace
}  // namespace grenache::exchange
