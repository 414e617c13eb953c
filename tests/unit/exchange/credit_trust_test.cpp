// Expiry, hostile peers, disagreements, receipts and rows of a credit line.
#include <cctype>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "tests/support/credit_fixture.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace test;
using Kind = CreditNotice::Kind;

class CreditTrustTest : public test::CreditFixture {};

// Expiry

TEST_F(CreditTrustTest, theReceiverRefusesWhatHasExpiredAndTheRestGoesThrough) {
  open();
  auto const first = alice.send(alice.line.give(payment(1, 10), kNow));
  ASSERT_TRUE(alice.line.give(payment(2, 10), kNow));
  ASSERT_TRUE(alice.line.give(payment(3, 10, kNow + 1h), kNow));
  auto const late = kNow + 1min;
  alice.send(alice.line.expire(late));
  EXPECT_EQ(alice.last(Kind::overdue).entry, payment(1, 10)) << "sent: Bob decides";
  EXPECT_EQ(alice.last(Kind::failed).entry, payment(2, 10)) << "not sent";
  EXPECT_EQ(alice.line.next_expiry(), kNow + 1h);
  EXPECT_TRUE(alice.line.expire(late).tell.empty()) << "told once";
  EXPECT_EQ(alice.line.view().pending, UsdCents{20}) << "reserved until Bob has answered";
  exchange(bob, first, late);
  EXPECT_EQ(alice.last(Kind::failed).entry, payment(1, 10));
  EXPECT_EQ(alice.last(Kind::failed).error, CreditErrc::expired);
  EXPECT_EQ(alice.balance(), -10);
  expect_equal();
}

TEST_F(CreditTrustTest, aPaymentSignedInTimeCountsAlthoughItsAnswerIsLate) {
  open();
  auto const sent = alice.send(alice.line.give(payment(1, 10), kNow));
  auto const lost = bob.receive(sent[0]);
  auto const late = kNow + 1h;
  alice.send(alice.line.expire(late));
  EXPECT_TRUE(alice.was_told(Kind::overdue));
  exchange(bob, alice.signed_by_us(alice.line.resend()), late);
  EXPECT_TRUE(alice.was_told(Kind::counted));
  EXPECT_FALSE(alice.was_told(Kind::failed));
  expect_equal();
}

TEST_F(CreditTrustTest, aRefusalStandsAlsoWhenTheClockGoesBack) {
  open();
  auto const sent = alice.send(alice.line.give(payment(1, 10), kNow));
  auto const refused = bob.receive(sent[0], kNow + 1h);
  auto const again = bob.receive(sent[0], kNow);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(to_json(again[0]), to_json(refused[0]));
  EXPECT_EQ(bob.balance(), 0);
}

// Hostile peers

TEST_F(CreditTrustTest, theReceiverChecksTheLimitToo) {
  open();
  auto sent = alice.send(alice.line.give(payment(1, 100), kNow));
  auto& update = std::get<CreditUpdate>(sent[0].body);
  update.entries.push_back(payment(2, 1));
  update.record.record.paid = UsdCents{101};
  update.record.record.root = entries_root(update.entries);
  sign(sent[0], alice.line.side(), alice.key);
  auto const answer = bob.receive(sent[0]);
  auto const* const refused = std::get_if<CreditRefused>(&answer.at(0).body);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->faults, (std::vector<CreditFault>{{id(2), CreditErrc::over_limit}}));
  EXPECT_EQ(bob.balance(), 0);
}

TEST_F(CreditTrustTest, theReceiverCountsAnIdOnceToo) {
  open();
  pay(alice, payment(1, 10));
  auto sent = alice.send(alice.line.give(payment(2, 10), kNow));
  auto& update = std::get<CreditUpdate>(sent[0].body);
  update.entries = {payment(1, 10), payment(3, 1), payment(3, 1), payment(1, 11)};
  update.record.record.paid = UsdCents{10 + 10 + 1 + 1 + 11};
  update.record.record.root = entries_root(update.entries);
  sign(sent[0], alice.line.side(), alice.key);
  auto const answer = bob.receive(sent[0]);
  auto const* const refused = std::get_if<CreditRefused>(&answer.at(0).body);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->faults, (std::vector<CreditFault>{{id(1), CreditErrc::already_counted},
                                                       {id(3), CreditErrc::id_reused},
                                                       {id(1), CreditErrc::id_reused}}));
}

TEST_F(CreditTrustTest, unsignedForeignAndChangedMessagesAreNotGenuine) {
  open();
  auto const step = alice.line.give(payment(1, 10), kNow);
  ASSERT_TRUE(step);
  auto message = step->send.at(0);
  auto const& parties = bob.line.parties();
  auto const is_ok = [&](CreditMessage const& each, CreditParties const& line) {
    return is_genuine(each, line, alice.line.side(), bob.line.known_counter());
  };
  EXPECT_FALSE(is_ok(message, parties)) << "unsigned";
  sign(message, alice.line.side(), alice.key);
  EXPECT_TRUE(is_ok(message, parties));
  auto const carol = SecretKey::generate(random);
  EXPECT_FALSE(is_ok(message, *CreditParties::of(alice_key.public_key(), carol.public_key())));
  auto foreign = message;
  sign(foreign, alice.line.side(), carol);
  EXPECT_FALSE(is_ok(foreign, parties));
  auto changed = message;
  std::get<CreditUpdate>(changed.body).record.record.paid = UsdCents{1};
  EXPECT_FALSE(is_ok(changed, parties));
}

// Disagreements

TEST_F(CreditTrustTest, anUpdateThatDoesNotFollowFreezesTheLineUntilAResetIsAccepted) {
  open();
  pay(alice, payment(1, 10));
  auto sent = alice.send(alice.line.give(payment(2, 10), kNow));
  std::get<CreditUpdate>(sent[0].body).record.record.paid = UsdCents{15};
  sign(sent[0], alice.line.side(), alice.key);
  exchange(bob, sent);
  EXPECT_TRUE(bob.line.is_disputed() && alice.line.is_disputed());
  EXPECT_EQ(bob.line.give(payment(3, 1), kNow).error(), CreditErrc::disputed);
  exchange(bob, alice.signed_by_us(alice.line.resend()));
  ASSERT_TRUE(alice.line.their_terms() && bob.line.their_terms());
  EXPECT_EQ(bob.line.their_terms()->balance(bob.line.side()), 10);
  auto const row = bob.line.rows();
  bob.restore(row);
  EXPECT_EQ(bob.line.rows(), row);
  exchange(bob, alice.send(alice.line.accept_reset()));
  EXPECT_FALSE(bob.line.is_disputed() || alice.line.is_disputed());
  EXPECT_EQ(alice.last(Kind::failed).error, CreditErrc::line_reset);
  EXPECT_EQ(alice.balance(), -10);
  EXPECT_EQ(alice.line.accept_reset().error(), CreditErrc::no_reset);
  pay(alice, payment(4, 90));
  expect_equal();
}

TEST_F(CreditTrustTest, twoVersionsOfOneCounterAreADisagreement) {
  open();
  auto const old_alice = alice.line.rows();
  auto const old_bob = bob.line.rows();
  pay(alice, payment(1, 10));
  auto const first = bob.signed_by_us(bob.line.connect());
  alice.restore(old_alice);
  bob.restore(old_bob);
  pay(alice, payment(2, 20));
  exchange(alice, first);
  EXPECT_TRUE(alice.line.is_disputed() && bob.line.is_disputed());
  EXPECT_EQ(bob.line.their_terms()->balance(bob.line.side()), 20);
}

TEST_F(CreditTrustTest, resetsAcceptedByBothAtOnceEndEqual) {
  open();
  pay(alice, payment(1, 10));
  auto sent = alice.send(alice.line.give(payment(2, 10), kNow));
  std::get<CreditUpdate>(sent[0].body).record.record.root = Sha256{};
  sign(sent[0], alice.line.side(), alice.key);
  exchange(bob, sent);
  exchange(bob, alice.signed_by_us(alice.line.resend()));
  exchange(alice, bob.signed_by_us(bob.line.resend()));
  auto const from_alice = alice.send(alice.line.accept_reset());
  auto const from_bob = bob.send(bob.line.accept_reset());
  auto const paid = alice.send(alice.line.give(payment(5, 1), kNow));
  exchange(bob, from_alice);
  exchange(alice, from_bob);
  exchange(bob, paid);
  exchange(bob, alice.signed_by_us(alice.line.connect()));
  EXPECT_FALSE(bob.line.is_disputed() || alice.line.is_disputed());
  EXPECT_EQ(alice.balance(), -11);
  expect_equal();
}

TEST_F(CreditTrustTest, aRefusalWithoutReasonIsADisagreement) {
  open();
  auto const sent = alice.send(alice.line.freeze(true, kNow));
  auto const& record = std::get<CreditUpdate>(sent[0].body).record.record;
  CreditMessage refusal{record.line, {}, CreditRefused{record.counter, credit_digest(record), {}, {}}};
  sign(refusal, bob.line.side(), bob.key);
  alice.receive(refusal);
  EXPECT_TRUE(alice.line.is_disputed());
}

// Receipts and rows

TEST_F(CreditTrustTest, receiptsOfBothSidesVerifyOffline) {
  open();
  pay(bob, payment(9, 7));
  auto const sent = alice.send(alice.line.give(payment(0, 1), kNow));
  for (int i = 1; i < 6; ++i) ASSERT_TRUE(alice.line.give(payment(i, 1), kNow));
  exchange(bob, sent);
  std::size_t count = 0;
  for (auto const* const peer : {&alice, &bob}) {
    for (auto const& notice : peer->told) {
      if (!notice.receipt) continue;
      ++count;
      auto const text = to_text(*notice.receipt);
      EXPECT_LT(text.size(), kCreditReceiptSizeMax);
      auto const receipt = verify_receipt(text);
      ASSERT_TRUE(receipt) << receipt.error().message();
      EXPECT_EQ(receipt->entry, notice.entry);
      EXPECT_EQ(to_text(*receipt), text);
    }
  }
  EXPECT_EQ(count, 14U);
  auto receipt = *alice.last(Kind::counted).receipt;
  EXPECT_EQ(receipt.parties.key(receipt.payer), alice_key.public_key());
  EXPECT_EQ(std::abs(receipt.balance()), 1);

  auto changed = receipt;
  changed.entry.amount = UsdCents{2};
  EXPECT_EQ(verify_receipt(to_text(changed)).error(), CreditErrc::bad_receipt);
  changed = receipt;
  changed.low.record.paid = UsdCents{1'000};
  EXPECT_EQ(verify_receipt(to_text(changed)).error(), CreditErrc::bad_signature);
  changed = receipt;
  changed.payer = other_side(changed.payer);
  EXPECT_EQ(verify_receipt(to_text(changed)).error(), CreditErrc::bad_receipt);
  changed = receipt;
  changed.low.high = Signature{};
  EXPECT_EQ(verify_receipt(to_text(changed)).error(), CreditErrc::bad_signature);
  for (auto const* const text : {"", "{}", "[]", "7"}) {
    EXPECT_EQ(verify_receipt(text).error(), CreditErrc::bad_receipt);
  }
}

TEST_F(CreditTrustTest, aReceiptWithAChangedByteIsRefused) {
  open();
  pay(alice, payment(1, 7));
  auto const text = to_text(*alice.last(Kind::counted).receipt);
  ASSERT_TRUE(verify_receipt(text));
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto changed = text;
    auto const is_letter = std::isalpha(static_cast<unsigned char>(text[i])) != 0;
    changed[i] = static_cast<char>(text[i] ^ (is_letter ? 0x20 : 0x01));  // the other case of a letter
    EXPECT_FALSE(verify_receipt(changed)) << "byte " << i << " of " << text;
  }
  EXPECT_FALSE(verify_receipt(text + " "));
  EXPECT_FALSE(verify_receipt(R"({"more":1,)" + text.substr(1)));
}

TEST_F(CreditTrustTest, aReceiptWhoseOtherRecordIsEmptyHasNoSignatureOfIt) {
  CreditReceipt receipt{alice.line.parties(), alice.line.side(), payment(1, 7), {}, {}, {}};
  for (auto const side : {CreditSide::low, CreditSide::high}) {
    auto& record = side == CreditSide::low ? receipt.low : receipt.high;
    record.record.line = receipt.parties.line();
    record.record.side = side;
    if (side != receipt.payer) continue;
    record.record.counter = 1;
    record.record.paid = UsdCents{7};
    record.record.root = entries_root(std::span{&receipt.entry, 1});
  }
  sign(receipt, alice.line.side(), alice.key);
  sign(receipt, bob.line.side(), bob.key);
  ASSERT_TRUE(verify_receipt(to_text(receipt)));
  auto& empty = receipt.payer == CreditSide::low ? receipt.high : receipt.low;
  empty.low = receipt.payer == CreditSide::low ? receipt.low.low : receipt.high.high;
  EXPECT_EQ(verify_receipt(to_text(receipt)).error(), CreditErrc::bad_receipt);
}

TEST(EntryPathsTest, everyCountOfEntriesHasPathsToItsRoot) {
  for (std::size_t count = 1; count <= kCreditEntriesMax; count = count * 3 / 2 + 1) {
    std::vector<CreditEntry> entries;
    for (std::size_t i = 0; i < count; ++i) entries.push_back(payment(static_cast<int>(i), 1));
    auto const paths = entry_paths(entries);
    ASSERT_EQ(paths.size(), count);
    for (auto const& path : paths) EXPECT_LE(path.size(), 8U);
  }
}

TEST_F(CreditTrustTest, aBlankLineSignsAndDisputesNothing) {
  // Neither of these is an offer, so nothing is kept of them.
  CreditRecord closed;
  closed.line = alice.line.parties().line();
  closed.side = alice.line.side();
  closed.counter = 1;
  closed.limit = UsdCents{5};
  CreditMessage update{closed.line, std::nullopt, CreditUpdate{{closed, {}, {}}, {}}};
  sign(update, alice.line.side(), alice_key);
  auto const refused = bob.receive(update);
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<CreditRefused>(refused[0].body));
  EXPECT_TRUE(bob.line.is_untouched());

  auto wrong = closed;
  wrong.counter = 2;
  wrong.open = true;
  wrong.paid = UsdCents{5};  // which no entry adds up to
  CreditMessage contradiction{closed.line, std::nullopt, CreditUpdate{{wrong, {}, {}}, {}}};
  sign(contradiction, alice.line.side(), alice_key);
  (void)bob.receive(contradiction);
  EXPECT_FALSE(bob.line.is_disputed());
}

TEST_F(CreditTrustTest, aChangedRowIsRefused) {
  open();
  pay(alice, payment(1, 10));
  ASSERT_TRUE(alice.line.give(payment(2, 10), kNow));
  ASSERT_TRUE(alice.line.give(payment(3, 10), kNow));
  auto const row = alice.line.rows();
  auto const self = alice_key.public_key();
  EXPECT_TRUE(CreditLine::from_rows(row, self, alice.other));
  auto const carol = SecretKey::generate(random).public_key();
  EXPECT_EQ(CreditLine::from_rows(row, self, carol).error(), CreditErrc::bad_row) << "of another line";
  auto const error_of_rows = [&](CreditLine::Rows const& rows) {
    return CreditLine::from_rows(rows, self, alice.other).error();
  };
  for (auto const* const text : {"", "{}", "[]"}) {
    EXPECT_EQ(error_of_rows({text, row.entries}), CreditErrc::bad_row);
  }
  auto const with = [&](std::string const& from, std::string const& to) {
    auto changed = row;
    auto& text = changed.line;
    auto const at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) text.replace(at, from.size(), to);
    return error_of_rows(changed);
  };
  EXPECT_EQ(with(id(2), id(4)), CreditErrc::bad_row) << "sent, but not pending";
  EXPECT_EQ(with(id(2), id(1)), CreditErrc::bad_row) << "sent, and counted before";
  EXPECT_EQ(with(id(2), id(3)), CreditErrc::bad_row) << "not what the record says";
  EXPECT_EQ(with("\"lastCounter\":", "\"lastCounter\":9"), CreditErrc::bad_row);
  EXPECT_EQ(with("\"decidedCounter\":1", "\"decidedCounter\":0"), CreditErrc::bad_row);

  auto const with_entry = [&](std::string const& key, std::string const& from, std::string const& to) {
    auto changed = row;
    auto& text = changed.entries[key];
    auto const at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) text.replace(at, from.size(), to);
    return error_of_rows(changed);
  };
  EXPECT_EQ(with_entry("o/" + id(3), id(3), id(4)), CreditErrc::bad_row) << "the key of another entry";
  EXPECT_EQ(with_entry("o/" + id(3), "\"amount\":\"0.1\"", "\"amount\":\"-0.1\""), CreditErrc::bad_row);
  auto foreign = row;
  foreign.entries["t/" + id(3)] = foreign.entries["o/" + id(3)];
  EXPECT_EQ(error_of_rows(foreign), CreditErrc::bad_row)
      << "an entry of the other side is never pending here";
}

TEST(CreditErrcTest, everyErrorHasAWordAndAText) {
  for (int i = 1; i <= static_cast<int>(CreditErrc::too_many); ++i) {
    auto const code = static_cast<CreditErrc>(i);
    EXPECT_NE(describe(code), "unknown error") << i;
    EXPECT_EQ(parse_credit_errc(to_text(code)), code);
  }
}

}  // namespace
}  // namespace grenache::exchange
