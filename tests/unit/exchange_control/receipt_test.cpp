#include "exchange/control/receipt.hpp"

#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "tests/support/credit_fixture.hpp"

namespace grenache::exchange {
namespace {

using namespace test;
using Kind = CreditNotice::Kind;

class ReceiptTest : public test::CreditFixture {
 protected:
  void SetUp() override { open(10'000, 10'000); }
  CreditReceipt receipt_of(CreditPeer& from, CreditEntry const& entry) {
    pay(from, entry);
    auto const receipt = verify_receipt(to_text(*from.last(Kind::counted).receipt));
    EXPECT_TRUE(receipt) << receipt.error().message();
    return *receipt;
  }
  std::string const alice_id = alice_key.public_key().hex();
  std::string const bob_id = bob_key.public_key().hex();
};

TEST_F(ReceiptTest, saysWhoPaidWhomAndWhatWasOwedAfterIt) {
  receipt_of(bob, payment(1, 500));
  EXPECT_EQ(describe(receipt_of(alice, payment(2, 1234))),
            "The receipt is valid: both peers have signed it.\n" + alice_id + " paid " + bob_id +
                " 12.34 USD over their credit line.\n"
                "The payment has the id 00000000-0000-4000-8000-000000000002 and would have expired at "
                "2027-01-15 08:01:00 UTC.\n"
                "By its two records, " +
                alice_id + " owed " + bob_id + " 7.34 USD after it.\n");
}

TEST_F(ReceiptTest, saysThatNothingWasOwed) {
  receipt_of(bob, payment(1, 500));
  auto const receipt = receipt_of(alice, payment(2, 500));
  EXPECT_NE(describe(receipt).find("By its two records, neither owed the other anything after it.\n"),
            std::string::npos);
  EXPECT_EQ(json::to_text(to_json(receipt)),
            R"({"valid":true,"kind":"pay","id":"00000000-0000-4000-8000-000000000002","payer":")" + alice_id +
                R"(","payee":")" + bob_id + R"(","amount":"5","expires":1800000060000,"owed":"0"})");
}

TEST_F(ReceiptTest, tellsASettlementFromAPayment) {
  receipt_of(bob, payment(1, 500));
  auto const receipt = receipt_of(alice, settlement(2, 300));
  auto const text = describe(receipt);
  EXPECT_NE(text.find(alice_id + " credited " + bob_id +
                      " with 3 USD, as paid outside of their credit line (a settlement).\n"
                      "The settlement has the id 00000000-0000-4000-8000-000000000002"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("By its two records, " + bob_id + " owed " + alice_id + " 2 USD after it.\n"),
            std::string::npos)
      << text;
  auto const json = to_json(receipt);
  EXPECT_EQ(*json.find_string("kind"), "settle");
  EXPECT_EQ(*json.find_string("debtor"), bob_id);
  EXPECT_EQ(*json.find_string("creditor"), alice_id);
  EXPECT_EQ(*json.find_string("owed"), "2");
}

// tests/cli reads the same file. To make it again, write what this test prints if it fails.
TEST_F(ReceiptTest, theGoldenReceiptIsThatOfTheFixturesKeys) {
  std::ifstream file{GRENACHE_GOLDEN_RECEIPT};
  std::string const text{std::istreambuf_iterator{file}, {}};
  receipt_of(bob, payment(1, 500));
  EXPECT_EQ(to_text(receipt_of(alice, payment(2, 1234))) + "\n", text);
}

}  // namespace
}  // namespace grenache::exchange
