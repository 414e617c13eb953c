#include "exchange/messages/ledger_answer.hpp"

#include <utility>

#include "exchange/messages/fields.hpp"
#include "exchange/messages/ledger_fields.hpp"
#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

using namespace fields;

namespace {

constexpr std::string_view kAnswerDomain = "grenache/exchange/ledger-answer/1:";

/// The member `kind` of an answer.
template <class Body>
constexpr std::string_view kKind{};
template <>
constexpr std::string_view kKind<LedgerInfo> = "ledger";
template <>
constexpr std::string_view kKind<LedgerAccount> = "account";
template <>
constexpr std::string_view kKind<LedgerAccounts> = "accounts";
template <>
constexpr std::string_view kKind<TransferPaid> = "paid";
template <>
constexpr std::string_view kKind<TransferRefused> = "refused";
template <>
constexpr std::string_view kKind<IncomingTransfers> = "transfers";
template <>
constexpr std::string_view kKind<LedgerStatement> = "statement";
template <>
constexpr std::string_view kKind<AccountsDeleted> = "deleted";
template <>
constexpr std::string_view kKind<LedgerFailure> = "failed";

template <class Item>
Value written(std::vector<Item> const& items);

void write(Value::Object& out, LedgerInfo const& body) {
  add(out, "name", body.name);
  add(out, "accountCount", body.account_count);
  add(out, "total", body.total.to_text());
  add(out, "startMax", body.start_max.to_text());
}
void write(Value::Object& out, LedgerAccount const& body) {
  add(out, "name", body.name);
  add(out, "key", body.key.hex());
  add(out, "balance", body.balance.to_text());
  add(out, "endpoint", body.endpoint);
}
void write(Value::Object& out, LedgerAccounts const& body) { add(out, "accounts", written(body.accounts)); }
void write(Value::Object& out, TransferPaid const& body) {
  add(out, "seq", body.seq);
  add(out, "at", to_unix_ms(body.at));
}
void write(Value::Object& out, TransferRefused const& body) { add(out, "reason", to_text(body.reason)); }
void write(Value::Object& out, IncomingTransfer const& body) {
  add(out, "seq", body.seq);
  add(out, "transferId", body.id);
  add(out, "from", body.from.hex());
  add(out, "amount", body.amount.to_text());
  add(out, "at", to_unix_ms(body.at));
}
void write(Value::Object& out, IncomingTransfers const& body) {
  add(out, "transfers", written(body.transfers));
}
void write(Value::Object& out, LedgerStatement const& body) {
  add(out, "balance", body.balance.to_text());
  add(out, "seq", body.seq);
}
void write(Value::Object& out, AccountsDeleted const& body) { add(out, "count", body.count); }
void write(Value::Object& out, LedgerFailure const& body) { add(out, "code", to_text(body.code)); }

template <class Item>
Value written(std::vector<Item> const& items) {
  Value::Array out;
  for (auto const& item : items) {
    Value::Object object;
    write(object, item);
    out.emplace_back(std::move(object));
  }
  return out;
}

Value::Object unsigned_json(LedgerAnswer const& answer) {
  Value::Object out;
  add(out, "type", LedgerAnswer::kType);
  add(out, "ledger", answer.ledger.hex());
  add(out, "time", to_unix_ms(answer.time));
  std::visit(
      [&]<class Body>(Body const& body) {
        add(out, "kind", kKind<Body>);
        write(out, body);
      },
      answer.body);
  return out;
}

template <class Item>
bool read_items(Value const& body, std::string_view name, std::vector<Item>& out);

/// Each returns false if a member is missing or malformed.
bool read(Value const& body, LedgerInfo& out) {
  auto const* const name = body.find_string("name");
  if (!name || name->size() > kPeerNameSizeMax) return false;
  out.name = *name;
  return read_int(body, "accountCount", 0, kLedgerSeqMax, out.account_count) &&
         read_money(body, "total", out.total) && read_money(body, "startMax", out.start_max);
}
bool read(Value const& body, LedgerAccount& out) {
  auto const* const name = body.find_string("name");
  if (!name || !is_account_name(*name)) return false;
  out.name = *name;
  return read_hex(body, "key", out.key) && read_money(body, "balance", out.balance) &&
         read_endpoint(body, out.endpoint);
}
bool read(Value const& body, LedgerAccounts& out) { return read_items(body, "accounts", out.accounts); }
bool read(Value const& body, TransferPaid& out) {
  return read_int(body, "seq", 1, kLedgerSeqMax, out.seq) && read_time(body, "at", out.at);
}
bool read_code(Value const& body, std::string_view name, LedgerErrc& out) {
  auto const* const word = body.find_string(name);
  auto const code = word ? parse_ledger_errc(*word) : std::nullopt;
  if (code) out = *code;
  return code.has_value();
}
bool read(Value const& body, TransferRefused& out) { return read_code(body, "reason", out.reason); }
bool read(Value const& body, IncomingTransfer& out) {
  auto const* const id = body.find_string("transferId");
  if (!id || !is_uuid(*id)) return false;
  out.id = *id;
  return read_int(body, "seq", 1, kLedgerSeqMax, out.seq) && read_hex(body, "from", out.from) &&
         read_money(body, "amount", out.amount) && read_time(body, "at", out.at);
}
bool read(Value const& body, IncomingTransfers& out) { return read_items(body, "transfers", out.transfers); }
bool read(Value const& body, LedgerStatement& out) {
  return read_money(body, "balance", out.balance) && read_int(body, "seq", 0, kLedgerSeqMax, out.seq);
}
bool read(Value const& body, AccountsDeleted& out) {
  return read_int(body, "count", 0, kLedgerSeqMax, out.count);
}
bool read(Value const& body, LedgerFailure& out) { return read_code(body, "code", out.code); }

template <class Item>
bool read_items(Value const& body, std::string_view name, std::vector<Item>& out) {
  auto const* const value = body.find(name);
  auto const* const items = value ? value->as_array() : nullptr;
  if (!items || items->size() > static_cast<std::size_t>(kLedgerPageMax)) return false;
  for (auto const& item : *items) {
    if (!read(item, out.emplace_back())) return false;
  }
  return true;
}

template <class... Bodies>
bool read_body(Value const& value, std::string_view kind, std::variant<Bodies...>& out) {
  auto const read_as = [&]<class Body>(Body body) {
    bool const is_read = read(value, body);
    out = std::move(body);
    return is_read;
  };
  return ((kind == kKind<Bodies> && read_as(Bodies{})) || ...);
}

}  // namespace

Value to_json(LedgerAnswer const& answer) {
  auto out = unsigned_json(answer);
  add(out, "signature", answer.signature.hex());
  return out;
}

Result<LedgerAnswer> parse_ledger_answer(Value const& body) {
  LedgerAnswer out;
  auto const* const type = body.find_string("type");
  auto const* const kind = body.find_string("kind");
  bool const is_read = type && *type == LedgerAnswer::kType && kind && read_hex(body, "ledger", out.ledger) &&
                       read_time(body, "time", out.time) && read_hex(body, "signature", out.signature) &&
                       read_body(body, *kind, out.body);
  if (!is_read) return LedgerErrc::bad_answer;
  return out;
}

Sha256 answer_digest(LedgerAnswer const& answer, Sha256 const& request) {
  return ledger_digest(kAnswerDomain,
                       Value::object({{"answer", unsigned_json(answer)}, {"request", request.hex()}}));
}

void sign(LedgerAnswer& answer, Sha256 const& request, SecretKey const& ledger) {
  answer.ledger = ledger.public_key();
  answer.signature = ledger.sign(answer_digest(answer, request));
}

Result<LedgerAnswer> read_ledger_answer(Value const& body, LedgerRequest const& request) {
  auto answer = parse_ledger_answer(body);
  if (!answer) return answer.error();
  if (request.ledger && *request.ledger != answer->ledger) return LedgerErrc::wrong_ledger;
  auto const digest = answer_digest(*answer, request_digest(request));
  if (!verify(answer->ledger, digest, answer->signature)) return LedgerErrc::bad_signature;
  return answer;
}

Result<TransferOutcome> outcome_of(LedgerAnswer const& answer) {
  if (auto const* const paid = std::get_if<TransferPaid>(&answer.body)) return TransferOutcome{*paid};
  auto const refused = body_of<TransferRefused>(answer);
  if (!refused) return refused.error();
  return TransferOutcome{*refused};
}

}  // namespace grenache::exchange
