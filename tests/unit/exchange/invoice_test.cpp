#include "exchange/core/invoice.hpp"

#include <gtest/gtest.h>

#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;

InvoiceTerms sample_terms() {
  return {uuid(1), uuid(2), 3, Satoshi{kSatoshiPerBtc}, kNow + 999ms, kReservationLife};
}

TEST(Invoice, isTheMakersAndSaysWhatWasReserved) {
  auto const maker = secret(1);
  auto const text = issue_invoice(sample_terms(), maker);
  ASSERT_TRUE(text) << text.error().message();
  EXPECT_EQ(text->substr(0, 6), "lnbcrt");
  auto const invoice = bolt11::decode(*text);
  ASSERT_TRUE(invoice) << invoice.error().message();
  EXPECT_EQ(invoice->payee, maker.public_key());
  EXPECT_EQ(invoice->amount_msat, 100'000'000'000u);
  EXPECT_EQ(invoice->timestamp, kNow);
  EXPECT_EQ(invoice->expiry_s, 900u);
  EXPECT_EQ(invoice->payment_hash, sha256(preimage_of(sample_terms(), maker).view()));
  auto const* const description = std::get_if<std::string>(&invoice->description);
  ASSERT_TRUE(description);
  EXPECT_NE(description->find(uuid(1)), std::string::npos);
  EXPECT_NE(description->find(uuid(2)), std::string::npos);
  EXPECT_EQ(invoice_expiry(sample_terms()), WallTime{invoice->expires_at()});
}

TEST(Invoice, isTheSameForTheSameReservationAndAnotherForAnyOther) {
  auto const maker = secret(1);
  auto const text = *issue_invoice(sample_terms(), maker);
  EXPECT_EQ(*issue_invoice(sample_terms(), maker), text);
  EXPECT_NE(*issue_invoice(sample_terms(), secret(2)), text);
  auto terms = sample_terms();
  terms.fence = 4;
  EXPECT_NE(preimage_of(terms, maker), preimage_of(sample_terms(), maker));
  terms = sample_terms();
  terms.take_id = uuid(9);
  EXPECT_NE(preimage_of(terms, maker), preimage_of(sample_terms(), maker));
  EXPECT_NE(preimage_of(sample_terms(), secret(2)), preimage_of(sample_terms(), maker));
}

TEST(Invoice, theTakerRefusesAWrongOne) {
  auto const maker = secret(1).public_key();
  auto const text = *issue_invoice(sample_terms(), secret(1));
  Satoshi const amount{kSatoshiPerBtc};
  EXPECT_TRUE(check_invoice(text, maker, amount, kNow));
  EXPECT_EQ(check_invoice(text, secret(2).public_key(), amount, kNow).error(), InvoiceErrc::wrong_payee);
  EXPECT_EQ(check_invoice(text, maker, Satoshi{1}, kNow).error(), InvoiceErrc::wrong_amount);
  EXPECT_EQ(check_invoice(text, maker, amount, kNow + 900s).error(), InvoiceErrc::expired);
  auto terms = sample_terms();
  terms.life = 901s;
  EXPECT_EQ(check_invoice(*issue_invoice(terms, secret(1)), maker, amount, kNow).error(),
            InvoiceErrc::lives_too_long);
  EXPECT_FALSE(check_invoice("lntb1u1pwz5w78pp5", maker, amount, kNow));
}

}  // namespace
}  // namespace grenache::exchange
