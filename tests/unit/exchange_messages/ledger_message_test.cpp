#include "exchange/messages/ledger_message.hpp"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "exchange/messages/ledger_answer.hpp"
#include "tests/unit/exchange_messages/sample_messages.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

SecretKey const kLedgerKey = key_of(1);
SecretKey const kClientKey = key_of(2);
PeerId const kLedger = kLedgerKey.public_key();
PeerId const kClient = kClientKey.public_key();
PeerId const kOther = key_of(3).public_key();
constexpr WallTime kTime = from_unix_ms(1'800'000'000'000);

LedgerRequest signed_request(LedgerRequest::Body body) {
  Random random{std::uint64_t{4}};
  auto out = make_ledger_request(std::move(body), kLedger, random);
  sign(out, kClientKey);
  return out;
}

LedgerRequest signed_transfer() {
  return signed_request(Transfer{kOrderId, {}, kOther, UsdCents{1'250}, kTime, {}});
}

std::vector<LedgerRequest> sample_requests() {
  Random random{std::uint64_t{5}};
  return {make_get_ledger(random),
          signed_request(OpenAccount{"Zoë M", {}, UsdCents{100'000}, "127.0.0.1:5000", {}}),
          signed_request(GetAccounts{"bob", 7}),
          signed_request(GetAccount{kOther}),
          signed_request(GetAccount{"bob"}),
          signed_transfer(),
          signed_request(GetTransfers{kOther, 41, 100}),
          signed_request(GetStatement{kOther, kTime}),
          signed_request(DeleteAccounts{{}, kTime, {}})};
}

std::vector<LedgerAnswer::Body> sample_answers() {
  return {LedgerInfo{"main", 2, UsdCents{250'000}, UsdCents{1'000'000}},
          LedgerAccount{"bob", kOther, UsdCents{5}, ""},
          LedgerAccounts{{{"alice", kClient, UsdCents{7}, "127.0.0.1:1"}, {"bob", kOther, UsdCents{0}, ""}}},
          LedgerAccounts{},
          TransferPaid{12, kTime},
          TransferRefused{LedgerErrc::insufficient},
          IncomingTransfers{{{3, kOrderId, kClient, UsdCents{99}, kTime}}},
          LedgerStatement{UsdCents{1}, 0},
          AccountsDeleted{3},
          LedgerFailure{LedgerErrc::id_reused}};
}

LedgerAnswer answer_to(LedgerRequest const& request, LedgerAnswer::Body body) {
  LedgerAnswer out{{}, kTime, std::move(body), {}};
  sign(out, request_digest(request), kLedgerKey);
  return out;
}

TEST(LedgerMessage, requestsSurviveTheRoundTrip) {
  for (auto const& request : sample_requests()) {
    auto const text = json::to_text(to_json(request));
    auto const read = parse_ledger_request(parsed(text));
    ASSERT_TRUE(read) << text << ": " << read.error().message();
    EXPECT_EQ(*read, request) << text;
    EXPECT_EQ(request_digest(*read), request_digest(request));
    EXPECT_TRUE(is_signed(*read)) << text;
  }
}

// So that a program of another version, or in another language, verifies the same bytes.
TEST(LedgerMessage, digestIsTheHashOfTheBencodedMembers) {
  auto const request = signed_transfer();
  auto const& transfer = std::get<Transfer>(request.body);
  auto const string = [](std::string const& text) { return std::to_string(text.size()) + ":" + text; };
  auto const expected = "grenache/exchange/ledger-request/1:d6:amount4:12.54:from" + string(kClient.hex()) +
                        "6:ledger" + string(kLedger.hex()) + "5:nonce" + string(request.nonce.hex()) +
                        "2:to" + string(kOther.hex()) + "10:transferId" + string(kOrderId) +
                        "4:type15:" + "TransferMessage10:validUntili1800000000000ee";
  EXPECT_EQ(request_digest(request), sha256(expected));
  EXPECT_TRUE(verify(transfer.from, sha256(expected), transfer.signature));
}

TEST(LedgerMessage, aSignatureCoversEveryMember) {
  for (auto const& request : sample_requests()) {
    auto const body = to_json(request);
    for (auto const& [name, value] : *body.as_object()) {
      if (name == "type" || name == "signature") continue;
      auto changed = body;
      if (auto const* const text = value.as_string()) {
        auto other = *text;
        if (!other.empty()) other.back() = other.back() == '1' ? '2' : '1';
        changed.set(name, other.empty() ? "1.1.1.1:1" : other);
      } else {
        changed.set(name, *value.as_int() - 1);
      }
      auto const read = parse_ledger_request(changed);
      ASSERT_TRUE(read) << name << ": " << json::to_text(changed);
      EXPECT_NE(request_digest(*read), request_digest(request)) << name;
      bool const has_signature = body.find("signature") != nullptr;
      EXPECT_EQ(is_signed(*read), !has_signature) << name;
    }
  }
}

TEST(LedgerMessage, aRequestForOneLedgerIsNotSignedForAnother) {
  auto request = signed_transfer();
  request.ledger = kOther;
  EXPECT_FALSE(is_signed(request));
}

TEST(LedgerMessage, aTransferIsTheSameWithAnotherNonceAndSignature) {
  auto const first = std::get<Transfer>(signed_transfer().body);
  Random random{std::uint64_t{6}};
  auto again = make_ledger_request(first, kLedger, random);
  sign(again, kClientKey);
  auto second = std::get<Transfer>(again.body);
  EXPECT_NE(first, second);
  EXPECT_TRUE(first.is_same(second));
  second.amount = UsdCents{1'251};
  EXPECT_FALSE(first.is_same(second));
}

struct BadRequestMember {
  LedgerRequest valid;
  char const* name;
  Value value;
  LedgerErrc error;
};

TEST(LedgerMessage, refusesMalformedRequests) {
  auto const transfer = signed_transfer();
  auto const open = signed_request(OpenAccount{"bob", {}, UsdCents{0}, "", {}});
  auto const page = signed_request(GetAccounts{"", 100});
  auto const incoming = signed_request(GetTransfers{kOther, 0, 1});
  auto const statement = signed_request(GetStatement{kOther, kTime});
  auto const account = signed_request(GetAccount{"bob"});
  auto const long_endpoint = std::string(300, 'x').append(":1");
  std::vector<BadRequestMember> const cases{
      {transfer, "type", {}, LedgerErrc::bad_message},
      {transfer, "type", "PayMessage", LedgerErrc::bad_message},
      {transfer, "nonce", {}, LedgerErrc::bad_message},
      {transfer, "nonce", std::string(34, '0'), LedgerErrc::bad_message},
      {transfer, "ledger", {}, LedgerErrc::bad_message},
      {transfer, "ledger", 1, LedgerErrc::bad_message},
      {transfer, "transferId", {}, LedgerErrc::bad_id},
      {transfer, "transferId", "1", LedgerErrc::bad_id},
      {transfer, "amount", {}, LedgerErrc::bad_amount},
      {transfer, "amount", "0", LedgerErrc::bad_amount},
      {transfer, "amount", "-1", LedgerErrc::bad_amount},
      {transfer, "amount", "0.001", LedgerErrc::bad_amount},
      {transfer, "amount", "1e30", LedgerErrc::bad_amount},
      {transfer, "amount", true, LedgerErrc::bad_amount},
      {transfer, "from", "x", LedgerErrc::bad_message},
      {transfer, "to", {}, LedgerErrc::bad_message},
      {transfer, "validUntil", {}, LedgerErrc::bad_message},
      {transfer, "validUntil", -1, LedgerErrc::bad_message},
      {transfer, "validUntil", "1", LedgerErrc::bad_message},
      {transfer, "signature", {}, LedgerErrc::bad_message},
      {open, "name", {}, LedgerErrc::bad_name},
      {open, "name", "", LedgerErrc::bad_name},
      {open, "name", std::string(65, 'x'), LedgerErrc::bad_name},
      {open, "name", " bob", LedgerErrc::bad_name},
      {open, "name", "bob ", LedgerErrc::bad_name},
      {open, "name", "b\nob", LedgerErrc::bad_name},
      {open, "name", "b\x1b[2J", LedgerErrc::bad_name},
      {open, "name", "b\u202eob", LedgerErrc::bad_name},
      {open, "name", "b\u200bob", LedgerErrc::bad_name},
      {open, "start", {}, LedgerErrc::bad_amount},
      {open, "start", "-0.01", LedgerErrc::bad_amount},
      {open, "start", "99999999999999999999", LedgerErrc::bad_amount},
      {open, "endpoint", {}, LedgerErrc::bad_message},
      {open, "endpoint", "here", LedgerErrc::bad_message},
      {open, "endpoint", long_endpoint, LedgerErrc::bad_message},
      {page, "after", 1, LedgerErrc::bad_message},
      {page, "after", std::string(65, 'x'), LedgerErrc::bad_message},
      {page, "max", 0, LedgerErrc::bad_message},
      {page, "max", 101, LedgerErrc::bad_message},
      {page, "max", Value::number("1e400"), LedgerErrc::bad_message},
      {incoming, "after", -1, LedgerErrc::bad_message},
      {incoming, "after", Value::number("9007199254740993"), LedgerErrc::bad_message},
      {incoming, "key", Value::array(), LedgerErrc::bad_message},
      {statement, "at", {}, LedgerErrc::bad_message},
      {account, "name", {}, LedgerErrc::bad_message},
      {account, "name", "a\tb", LedgerErrc::bad_name},
      {account, "key", kOther.hex(), LedgerErrc::bad_message},
      {account, "key", "x", LedgerErrc::bad_message},
  };
  for (auto const& [valid, name, value, error] : cases) {
    auto body = to_json(valid);
    body.set(name, value);
    auto const read = parse_ledger_request(body);
    ASSERT_FALSE(read) << json::to_text(body);
    EXPECT_EQ(read.error(), error) << json::to_text(body);
  }
  for (auto const* const text : {"null", "1", "[]", "\"TransferMessage\"", "{}"}) {
    EXPECT_EQ(parse_ledger_request(parsed(text)).error(), LedgerErrc::bad_message);
  }
  Random random{std::uint64_t{7}};
  auto any = to_json(make_get_ledger(random));
  any.set("ledger", kLedger.hex());
  EXPECT_EQ(parse_ledger_request(any).error(), LedgerErrc::bad_message);
}

TEST(LedgerMessage, answersSurviveTheRoundTrip) {
  auto const request = signed_transfer();
  for (auto const& body : sample_answers()) {
    auto const sent = answer_to(request, body);
    auto const text = json::to_text(to_json(sent));
    auto const read = read_ledger_answer(parsed(text), request);
    ASSERT_TRUE(read) << text << ": " << read.error().message();
    EXPECT_EQ(*read, sent) << text;
  }
}

TEST(LedgerMessage, anAnswerBelongsToOneRequestOfOneLedger) {
  auto const request = signed_request(GetStatement{kOther, kTime});
  auto const body = to_json(answer_to(request, LedgerStatement{UsdCents{5}, 1}));
  EXPECT_TRUE(read_ledger_answer(body, request));

  auto other = request;
  other.nonce.array()[0] ^= 1;
  EXPECT_EQ(read_ledger_answer(body, other).error(), LedgerErrc::bad_signature);
  other = request;
  std::get<GetStatement>(other.body).key = kClient;
  EXPECT_EQ(read_ledger_answer(body, other).error(), LedgerErrc::bad_signature);
  other = request;
  other.ledger = kOther;
  EXPECT_EQ(read_ledger_answer(body, other).error(), LedgerErrc::wrong_ledger);

  auto impostor = answer_to(request, LedgerStatement{UsdCents{5}, 1});
  sign(impostor, request_digest(request), kClientKey);
  EXPECT_EQ(read_ledger_answer(to_json(impostor), request).error(), LedgerErrc::wrong_ledger);
  impostor.ledger = kLedger;
  EXPECT_EQ(read_ledger_answer(to_json(impostor), request).error(), LedgerErrc::bad_signature);
}

TEST(LedgerMessage, theSignatureOfAnAnswerCoversEveryMember) {
  auto const request = signed_transfer();
  for (auto const& sample : sample_answers()) {
    auto const body = to_json(answer_to(request, sample));
    for (auto const& [name, value] : *body.as_object()) {
      if (name == "type" || name == "kind" || name == "ledger" || value.as_array()) continue;
      auto changed = body;
      if (auto const* const text = value.as_string()) {
        auto other = *text;
        if (!other.empty()) other.back() = other.back() == '1' ? '2' : '1';
        if (name == "reason" || name == "code") other = "expired";
        changed.set(name, other.empty() ? "1.1.1.1:1" : other);
      } else {
        changed.set(name, *value.as_int() + 1);
      }
      EXPECT_EQ(read_ledger_answer(changed, request).error(), LedgerErrc::bad_signature) << name;
    }
  }
}

TEST(LedgerMessage, onFirstUseTheAnswerNamesTheLedger) {
  Random random{std::uint64_t{8}};
  auto const request = make_get_ledger(random);
  auto answer = answer_to(request, LedgerInfo{"main", 0, {}, {}});
  auto const read = read_ledger_answer(to_json(answer), request);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->ledger, kLedger);
  answer.ledger = kOther;  // claims another key
  EXPECT_EQ(read_ledger_answer(to_json(answer), request).error(), LedgerErrc::bad_signature);
}

TEST(LedgerMessage, refusesMalformedAnswers) {
  auto const request = signed_transfer();
  auto const paid = to_json(answer_to(request, TransferPaid{1, kTime}));
  auto const page = to_json(answer_to(request, LedgerAccounts{}));
  std::vector<std::tuple<Value, char const*, Value>> const cases{
      {paid, "type", "x"},
      {paid, "kind", "x"},
      {paid, "kind", "refused"},
      {paid, "seq", 0},
      {paid, "at", {}},
      {paid, "time", {}},
      {paid, "ledger", {}},
      {paid, "signature", "00"},
      {page, "accounts", {}},
      {page, "accounts", Value::array({1})},
      {page, "accounts", Value{Value::Array(101, Value::object())}},
  };
  for (auto const& [valid, name, value] : cases) {
    auto body = valid;
    body.set(name, value);
    EXPECT_EQ(read_ledger_answer(body, request).error(), LedgerErrc::bad_answer) << json::to_text(body);
  }
  EXPECT_EQ(read_ledger_answer(parsed("\"ok\""), request).error(), LedgerErrc::bad_answer);
}

TEST(LedgerMessage, onlyPaidAndRefusedAreOutcomes) {
  auto const request = signed_transfer();
  auto const outcome = [&](LedgerAnswer::Body body) {
    return outcome_of(answer_to(request, std::move(body)));
  };
  EXPECT_EQ(std::get<TransferPaid>(*outcome(TransferPaid{4, kTime})).seq, 4);
  EXPECT_EQ(std::get<TransferRefused>(*outcome(TransferRefused{LedgerErrc::expired})).reason,
            LedgerErrc::expired);
  EXPECT_EQ(outcome(LedgerFailure{LedgerErrc::id_reused}).error(), LedgerErrc::id_reused);
  EXPECT_EQ(outcome(AccountsDeleted{}).error(), LedgerErrc::bad_answer);
}

TEST(LedgerMessage, everyCodeHasAWordAndAText) {
  for (int i = 1; i <= static_cast<int>(LedgerErrc::stale); ++i) {
    auto const code = static_cast<LedgerErrc>(i);
    EXPECT_EQ(parse_ledger_errc(to_text(code)), code) << i;
    EXPECT_NE(describe(code), "unknown error") << i;
  }
  EXPECT_FALSE(parse_ledger_errc("x"));
}

}  // namespace
}  // namespace grenache::exchange
