#include "exchange/messages/ledger_message.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "exchange/messages/fields.hpp"
#include "exchange/messages/ledger_fields.hpp"
#include "exchange/messages/order_record.hpp"
#include <grenache/log/printable.hpp>

namespace grenache::exchange {

using namespace fields;

namespace {

constexpr std::string_view kRequestDomain = "grenache/exchange/ledger-request/1:";

struct LedgerWord {
  LedgerErrc code;
  std::string_view word;
  std::string_view text;
};
constexpr std::array kLedgerWords{
    LedgerWord{LedgerErrc::bad_message, "bad-message", "the request is malformed"},
    LedgerWord{LedgerErrc::bad_name, "bad-name",
               "a name has 1 to 64 bytes of printable characters, and no space at its ends"},
    LedgerWord{LedgerErrc::bad_amount, "bad-amount",
               "the amount is missing, zero, negative, not in whole cents, or too large"},
    LedgerWord{LedgerErrc::bad_id, "bad-id", "the id of a transfer must be a UUID"},
    LedgerWord{LedgerErrc::bad_answer, "bad-answer", "the answer does not have the expected form"},
    LedgerWord{LedgerErrc::bad_signature, "bad-signature", "the signature is not valid"},
    LedgerWord{LedgerErrc::wrong_ledger, "wrong-ledger", "it belongs to another ledger"},
    LedgerWord{LedgerErrc::name_taken, "name-taken", "the name belongs to another key"},
    LedgerWord{LedgerErrc::key_taken, "key-taken", "the key has an account of another name"},
    LedgerWord{LedgerErrc::other_start, "other-start",
               "the account was opened with another starting balance"},
    LedgerWord{LedgerErrc::start_too_large, "start-too-large",
               "the ledger does not open accounts with so much"},
    LedgerWord{LedgerErrc::full, "full", "the ledger has no room for more accounts"},
    LedgerWord{LedgerErrc::unknown_account, "unknown-account", "there is no such account"},
    LedgerWord{LedgerErrc::unknown_payer, "unknown-payer", "the payer has no account"},
    LedgerWord{LedgerErrc::unknown_payee, "unknown-payee", "the payee has no account"},
    LedgerWord{LedgerErrc::own_account, "own-account", "payer and payee are the same account"},
    LedgerWord{LedgerErrc::insufficient, "insufficient", "the payer's balance is less than the amount"},
    LedgerWord{LedgerErrc::expired, "expired", "the transfer has expired"},
    LedgerWord{LedgerErrc::bad_expiry, "bad-expiry", "a transfer must end within 24 hours"},
    LedgerWord{LedgerErrc::id_reused, "id-reused", "the payer has used this id for another transfer"},
    LedgerWord{LedgerErrc::not_past, "not-past", "the time of the statement is not over"},
    LedgerWord{LedgerErrc::before_opening, "before-opening", "the account was opened after this time"},
    LedgerWord{LedgerErrc::not_operator, "not-operator", "only an operator of the ledger may do this"},
    LedgerWord{LedgerErrc::stale, "stale",
               "its time differs by more than 5 minutes, or is before the last deletion"},
};

template <class Key>
LedgerWord const* find_word(Key const& key, Key LedgerWord::*member) {
  auto const* const found = std::ranges::find(kLedgerWords, key, member);
  return found != kLedgerWords.end() ? found : nullptr;
}

void write(Value::Object&, GetLedger const&) {}
void write(Value::Object& out, OpenAccount const& body) {
  add(out, "name", body.name);
  add(out, "key", body.key.hex());
  add(out, "start", body.start.to_text());
  add(out, "endpoint", body.endpoint);
}
void write(Value::Object& out, GetAccounts const& body) {
  add(out, "after", body.after);
  add(out, "max", body.max);
}
void write(Value::Object& out, GetAccount const& body) {
  if (auto const* const key = std::get_if<PeerId>(&body.whom)) return add(out, "key", key->hex());
  add(out, "name", std::get<std::string>(body.whom));
}
void write(Value::Object& out, Transfer const& body) {
  add(out, "transferId", body.id);
  add(out, "from", body.from.hex());
  add(out, "to", body.to.hex());
  add(out, "amount", body.amount.to_text());
  add(out, "validUntil", to_unix_ms(body.valid_until));
}
void write(Value::Object& out, GetTransfers const& body) {
  add(out, "key", body.key.hex());
  add(out, "after", body.after);
  add(out, "max", body.max);
}
void write(Value::Object& out, GetStatement const& body) {
  add(out, "key", body.key.hex());
  add(out, "at", to_unix_ms(body.at));
}
void write(Value::Object& out, DeleteAccounts const& body) {
  add(out, "by", body.by.hex());
  add(out, "at", to_unix_ms(body.at));
}

Value::Object unsigned_json(LedgerRequest const& request) {
  Value::Object out;
  std::visit([&](auto const& body) { add(out, "type", body.kType); }, request.body);
  if (request.ledger) add(out, "ledger", request.ledger->hex());
  add(out, "nonce", request.nonce.hex());
  std::visit([&](auto const& body) { write(out, body); }, request.body);
  return out;
}

/// Each reads the members of a request and returns false if one is missing or malformed, or an error.
Result<bool> read(Value const&, GetLedger&) { return true; }
Result<bool> read(Value const& body, OpenAccount& out) {
  auto const* const name = body.find_string("name");
  if (!name || !is_account_name(*name)) return LedgerErrc::bad_name;
  out.name = *name;
  auto const start = find_money<UsdCents>(body, "start");
  if (!start) return LedgerErrc::bad_amount;
  out.start = *start;
  return read_hex(body, "key", out.key) && read_endpoint(body, out.endpoint) &&
         read_hex(body, "signature", out.signature);
}
Result<bool> read(Value const& body, GetAccounts& out) {
  auto const* const after = body.find_string("after");
  if (!after || after->size() > kAccountNameSizeMax) return false;
  out.after = *after;
  return read_int(body, "max", 1, kLedgerPageMax, out.max);
}
Result<bool> read(Value const& body, GetAccount& out) {
  if (PeerId key; read_hex(body, "key", key)) {
    out.whom = key;
    return is_missing(body.find("name"));
  }
  auto const* const name = body.find_string("name");
  if (!name || !is_missing(body.find("key"))) return false;
  if (!is_account_name(*name)) return LedgerErrc::bad_name;
  out.whom = *name;
  return true;
}
Result<bool> read(Value const& body, Transfer& out) {
  auto const* const id = body.find_string("transferId");
  if (!id || !is_uuid(*id)) return LedgerErrc::bad_id;
  out.id = *id;
  auto const amount = find_positive<UsdCents>(body, "amount");
  if (!amount) return LedgerErrc::bad_amount;
  out.amount = *amount;
  return read_hex(body, "from", out.from) && read_hex(body, "to", out.to) &&
         read_time(body, "validUntil", out.valid_until) && read_hex(body, "signature", out.signature);
}
Result<bool> read(Value const& body, GetTransfers& out) {
  return read_hex(body, "key", out.key) && read_int(body, "after", 0, kLedgerSeqMax, out.after) &&
         read_int(body, "max", 1, kLedgerPageMax, out.max);
}
Result<bool> read(Value const& body, GetStatement& out) {
  return read_hex(body, "key", out.key) && read_time(body, "at", out.at);
}
Result<bool> read(Value const& body, DeleteAccounts& out) {
  return read_hex(body, "by", out.by) && read_time(body, "at", out.at) &&
         read_hex(body, "signature", out.signature);
}

/// Reads the members of a request of the type `type`, if it is one of `Bodies`.
template <class... Bodies>
Result<LedgerRequest::Body> read_body(Value const& body, std::string_view type,
                                      std::variant<Bodies...> const*) {
  Result<LedgerRequest::Body> out{LedgerErrc::bad_message};
  auto const read_as = [&]<class Body>(Body parsed) {
    auto const done = read(body, parsed);
    if (!done) out = done.error();
    if (done && *done) out = std::move(parsed);
    return true;
  };
  (void)((type == Bodies::kType && read_as(Bodies{})) || ...);
  return out;
}

struct Signing {
  PeerId* signer;
  Signature* signature;
};
Signing signing_of(auto&) { return {}; }
Signing signing_of(OpenAccount& body) { return {&body.key, &body.signature}; }
Signing signing_of(Transfer& body) { return {&body.from, &body.signature}; }
Signing signing_of(DeleteAccounts& body) { return {&body.by, &body.signature}; }
Signing signing_of(LedgerRequest& request) {
  return std::visit([](auto& body) { return signing_of(body); }, request.body);
}

}  // namespace

std::string_view describe(LedgerErrc code) {
  auto const* const found = find_word(code, &LedgerWord::code);
  return found ? found->text : "unknown error";
}

std::string_view to_text(LedgerErrc code) {
  auto const* const found = find_word(code, &LedgerWord::code);
  return found ? found->word : "";
}

std::optional<LedgerErrc> parse_ledger_errc(std::string_view word) {
  auto const* const found = find_word(word, &LedgerWord::word);
  return found ? std::optional{found->code} : std::nullopt;
}

bool is_account_name(std::string_view text) {
  return !text.empty() && text.size() <= kAccountNameSizeMax && text.front() != ' ' && text.back() != ' ' &&
         printable(text) == text;
}

Value to_json(LedgerRequest const& request) {
  auto out = unsigned_json(request);
  auto copy = request;
  if (auto const* const signature = signing_of(copy).signature) add(out, "signature", signature->hex());
  return out;
}

Result<LedgerRequest> parse_ledger_request(Value const& body) {
  LedgerRequest out;
  auto const* const type = body.find_string("type");
  if (!type || !read_hex(body, "nonce", out.nonce)) return LedgerErrc::bad_message;
  bool const is_for_any = *type == GetLedger::kType;
  if (PeerId ledger; read_hex(body, "ledger", ledger)) out.ledger = ledger;
  if (out.ledger.has_value() == is_for_any) return LedgerErrc::bad_message;
  auto parsed = read_body(body, *type, static_cast<LedgerRequest::Body const*>(nullptr));
  if (!parsed) return parsed.error();
  out.body = std::move(*parsed);
  return out;
}

Sha256 request_digest(LedgerRequest const& request) {
  return ledger_digest(kRequestDomain, unsigned_json(request));
}

LedgerRequest make_ledger_request(LedgerRequest::Body body, PeerId const& ledger, Random& random) {
  return {LedgerNonce::random(random), ledger, std::move(body)};
}

LedgerRequest make_get_ledger(Random& random) {
  return {LedgerNonce::random(random), std::nullopt, GetLedger{}};
}

void sign(LedgerRequest& request, SecretKey const& key) {
  auto const [signer, signature] = signing_of(request);
  if (!signer) return;
  *signer = key.public_key();
  *signature = key.sign(request_digest(request));
}

bool is_signed(LedgerRequest const& request, Sha256 const& digest) {
  auto copy = request;
  auto const [signer, signature] = signing_of(copy);
  return !signer || verify(*signer, digest, *signature);
}

}  // namespace grenache::exchange
