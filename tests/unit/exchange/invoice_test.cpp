#include "exchange/core/trade/invoice.hpp"

#include <functional>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;

InvoiceTerms sample_terms() {
  return {uuid(1), uuid(2), 3, Satoshi{kSatoshiPerBtc}, kNow + 999ms, kInvoiceLifeMax};
}

ExpectedInvoice sample_expected() {
  return {secret(1).public_key(), uuid(1), uuid(2), Satoshi{kSatoshiPerBtc}};
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
  EXPECT_EQ(*description, "order " + uuid(1) + " take " + uuid(2) + " fence 3");
  EXPECT_EQ(invoice_expiry(sample_terms()), WallTime{invoice->expires_at()});
}

TEST(Invoice, isTheSameForTheSameReservationAndSharesNoSecretWithAnyOther) {
  auto const maker = secret(1);
  auto const text = *issue_invoice(sample_terms(), maker);
  EXPECT_EQ(*issue_invoice(sample_terms(), maker), text);

  std::set<Sha256> preimages{preimage_of(sample_terms(), maker)};
  std::set<bolt11::PaymentSecret> secrets{bolt11::decode(text)->payment_secret};
  auto const expect_other = [&](InvoiceTerms const& terms, SecretKey const& key, char const* what) {
    EXPECT_TRUE(preimages.insert(preimage_of(terms, key)).second) << what;
    EXPECT_TRUE(secrets.insert(bolt11::decode(*issue_invoice(terms, key))->payment_secret).second) << what;
  };
  expect_other(sample_terms(), secret(2), "another maker");
  auto terms = sample_terms();
  terms.order_id = uuid(9);
  expect_other(terms, maker, "another order");
  terms = sample_terms();
  terms.take_id = uuid(9);
  expect_other(terms, maker, "another take");
  terms = sample_terms();
  terms.fence = 4;
  expect_other(terms, maker, "another fence");
  // A store that lost its data may give out a fence again.
  terms = sample_terms();
  terms.amount = Satoshi{1};
  expect_other(terms, maker, "another amount");
  terms = sample_terms();
  terms.reserved_at += 1ms;
  expect_other(terms, maker, "another time, within the same second");
}

TEST(Invoice, isIssuedOnlyForAmountsAndLivesThatExist) {
  auto const code = [](std::function<void(InvoiceTerms&)> const& change) {
    auto terms = sample_terms();
    change(terms);
    auto const text = issue_invoice(terms, secret(1));
    return text ? Error{} : text.error();
  };
  // Times 1000, the last is 384 in 64 bits.
  for (std::int64_t const amount :
       {std::int64_t{0}, std::int64_t{-1}, Satoshi::kMax + 1, std::int64_t{18'446'744'073'709'552}}) {
    EXPECT_EQ(code([&](auto& terms) { terms.amount = Satoshi{amount}; }), InvoiceErrc::wrong_amount)
        << amount;
  }
  EXPECT_EQ(code([](auto& terms) { terms.amount = Satoshi{Satoshi::kMax}; }), Error{});
  EXPECT_EQ(code([](auto& terms) { terms.life = 901s; }), InvoiceErrc::lives_too_long);
  EXPECT_EQ(code([](auto& terms) { terms.life = 0s; }), InvoiceErrc::expired);
  EXPECT_EQ(code([](auto& terms) { terms.life = -1s; }), InvoiceErrc::expired);
}

Error check(std::string const& text, ExpectedInvoice const& expected = sample_expected(),
            WallTime now = kNow) {
  auto const invoice = check_invoice(text, expected, now);
  return invoice ? Error{} : invoice.error();
}

TEST(Invoice, theTakerRefusesOneThatWasNotAskedFor) {
  auto const text = *issue_invoice(sample_terms(), secret(1));
  EXPECT_EQ(check(text), Error{});
  auto expected = sample_expected();
  expected.maker = secret(2).public_key();
  EXPECT_EQ(check(text, expected), InvoiceErrc::wrong_payee);
  for (std::int64_t const amount :
       {std::int64_t{1}, std::int64_t{-1}, std::int64_t{18'446'744'073'709'552}}) {
    expected = sample_expected();
    expected.amount = Satoshi{amount};
    EXPECT_EQ(check(text, expected), InvoiceErrc::wrong_amount) << amount;
  }
  expected = sample_expected();
  expected.order_id = uuid(9);
  EXPECT_EQ(check(text, expected), InvoiceErrc::wrong_take);
  expected = sample_expected();
  expected.take_id = uuid(9);
  EXPECT_EQ(check(text, expected), InvoiceErrc::wrong_take);
  EXPECT_FALSE(check_invoice("lntb1u1pwz5w78pp5", sample_expected(), kNow));
}

TEST(Invoice, theTakerRefusesOneOutsideOfItsTime) {
  auto const text = *issue_invoice(sample_terms(), secret(1));
  EXPECT_EQ(check(text, sample_expected(), kNow + 899s), Error{});
  EXPECT_EQ(check(text, sample_expected(), kNow + 900s), InvoiceErrc::expired);
  EXPECT_EQ(check(text, sample_expected(), kNow - 10min), Error{}) << "clocks differ";
  EXPECT_EQ(check(text, sample_expected(), kNow - 10min - 1ms), InvoiceErrc::from_the_future);
}

// The text of an invoice that the maker would not issue.
std::string forged(std::function<void(bolt11::InvoiceSpec&)> const& change) {
  bolt11::InvoiceSpec spec = *bolt11::decode(*issue_invoice(sample_terms(), secret(1)));
  change(spec);
  auto const text = bolt11::encode(spec, secret(1));
  EXPECT_TRUE(text);
  return text ? *text : std::string{};
}

TEST(Invoice, theTakerRefusesWhatNoMakerIssues) {
  EXPECT_EQ(check(forged([](auto&) {})), Error{});
  for (auto const network : {bolt11::Network::bitcoin, bolt11::Network::testnet, bolt11::Network::signet}) {
    EXPECT_EQ(check(forged([&](auto& spec) { spec.network = network; })), InvoiceErrc::wrong_network);
  }
  EXPECT_EQ(check(forged([](auto& spec) { spec.amount_msat.reset(); })), InvoiceErrc::wrong_amount);
  EXPECT_EQ(check(forged([](auto& spec) { spec.expiry_s = 901; })), InvoiceErrc::lives_too_long);
  auto const start = "order " + uuid(1) + " take " + uuid(2);
  for (auto const& text :
       {std::string{}, start, start + " fence ", start + " fence 3 ", " " + start + " fence 3",
        start + " fence x", start + "@0 fence 3", start + " take " + uuid(3) + " fence 3"}) {
    EXPECT_EQ(check(forged([&](auto& spec) { spec.description = text; })), InvoiceErrc::wrong_take) << text;
  }
  EXPECT_EQ(check(forged([&](auto& spec) { spec.description = sha256(start + " fence 3"); })),
            InvoiceErrc::wrong_take);
}

}  // namespace
}  // namespace grenache::exchange
