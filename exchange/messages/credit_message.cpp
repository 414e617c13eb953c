#include "exchange/messages/credit_message.hpp"

#include <utility>

#include "exchange/messages/fields.hpp"

namespace grenache::exchange {

using namespace fields;

namespace {

constexpr std::string_view kRefusalDomain = "grenache/exchange/credit-refusal/1:";

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

/// Both records of a CreditSync or CreditReset.
template <class Pair>
Result<Pair> parse_pair(Value const& body) {
  auto low = parse_credit_record(body.find("low"));
  auto high = parse_credit_record(body.find("high"));
  if (!low || !high || low->record.side != CreditSide::low || high->record.side != CreditSide::high) {
    return CreditErrc::bad_message;
  }
  return Pair{std::move(*low), std::move(*high)};
}

Result<CreditUpdate> parse_update(Value const& body) {
  auto record = parse_credit_record(body.find("record"));
  auto entries = parse_credit_entries(body.find("entries"), kCreditEntriesMax);
  if (!record || !entries) return CreditErrc::bad_message;
  return CreditUpdate{std::move(*record), std::move(*entries)};
}

template <class Body>
Result<CreditMessage> with_body(CreditMessage message, Result<Body> body) {
  if (!body) return body.error();
  message.body = std::move(*body);
  return message;
}

}  // namespace

Sha256 refusal_digest(CreditRefused const& refused) {
  return sha256(std::string{kRefusalDomain} += refused.digest.view());
}

Value to_json(CreditRefused const& refused) {
  Value::Array faults;
  for (auto const& [id, code] : refused.faults) {
    faults.push_back(Value::object({{"id", id}, {"code", to_text(code)}}));
  }
  auto out = Value::object(
      {{"counter", refused.counter}, {"digest", refused.digest.hex()}, {"faults", std::move(faults)}});
  if (refused.signature != Signature{}) out.set("signature", refused.signature.hex());
  return out;
}

Result<CreditRefused> parse_credit_refused(Value const& body) {
  CreditRefused out;
  auto const counter = body.find_int("counter");
  auto const digest = find_hex<Sha256>(body, "digest");
  auto const* const faults = body.find("faults");
  auto const* const items = faults ? faults->as_array() : nullptr;
  if (!counter || *counter < 1 || !digest || !items || items->size() > kCreditEntriesMax + 1) {
    return CreditErrc::bad_message;
  }
  out.counter = *counter;
  out.digest = *digest;
  for (auto const& item : *items) {
    auto const* const id = item.find_string("id");
    auto const* const word = item.find_string("code");
    auto const code = word ? parse_credit_errc(*word) : std::nullopt;
    if (!id || id->size() > kOrderIdSizeMax || !code) return CreditErrc::bad_message;
    out.faults.push_back({*id, *code});
  }
  if (is_missing(body.find("signature"))) return out;
  auto const signature = find_hex<Signature>(body, "signature");
  if (!signature) return CreditErrc::bad_message;
  out.signature = *signature;
  return out;
}

Value to_json(CreditMessage const& message) {
  auto out = Value::object({{"type", CreditMessage::kType}, {"line", message.line.hex()}});
  if (message.answer) out.set("answer", to_json(*message.answer));
  auto const set_pair = [&](std::string_view kind, auto const& pair) {
    out.set("kind", kind);
    out.set("low", to_json(pair.low));
    out.set("high", to_json(pair.high));
  };
  std::visit(Overloaded{
                 [&](CreditUpdate const& update) {
                   out.set("kind", "update");
                   out.set("record", to_json(update.record));
                   out.set("entries", to_json(std::span{update.entries}));
                 },
                 [&](CreditAccepted const& accepted) {
                   out.set("kind", "accepted");
                   out.set("record", to_json(accepted.record));
                 },
                 [&](CreditRefused const& refused) {
                   out.set("kind", "refused");
                   out.set("refusal", to_json(refused));
                 },
                 [&](CreditSync const& sync) { set_pair("sync", sync); },
                 [&](CreditReset const& reset) { set_pair("reset", reset); },
             },
             message.body);
  return out;
}

Result<CreditMessage> parse_credit_message(Value const& body) {
  auto const* const type = body.find_string("type");
  auto const* const kind = body.find_string("kind");
  auto const line = find_hex<Sha256>(body, "line");
  if (!type || *type != CreditMessage::kType || !kind || !line) return CreditErrc::bad_message;
  CreditMessage out;
  out.line = *line;
  if (auto const* const answer = body.find("answer"); !is_missing(answer)) {
    auto record = parse_credit_record(answer);
    if (!record) return record.error();
    out.answer = std::move(*record);
  }
  if (*kind == "update") return with_body(std::move(out), parse_update(body));
  if (*kind == "sync") return with_body(std::move(out), parse_pair<CreditSync>(body));
  if (*kind == "reset") return with_body(std::move(out), parse_pair<CreditReset>(body));
  if (*kind == "accepted") {
    auto record = parse_credit_record(body.find("record"));
    if (!record) return record.error();
    out.body = CreditAccepted{std::move(*record)};
    return out;
  }
  auto const* const refusal = body.find("refusal");
  if (*kind != "refused" || !refusal) return CreditErrc::bad_message;
  return with_body(std::move(out), parse_credit_refused(*refusal));
}

Result<void> fields::read_members(Value const& body, CreditMessages& out) {
  auto const sender = parse_key(body, "sender");
  if (!sender) return sender.error();
  out.sender = *sender;
  if (auto const* const endpoint = body.find("endpoint"); !is_missing(endpoint)) {
    auto const* const text = endpoint->as_string();
    if (!text || !is_endpoint(*text)) return MessageErrc::bad_endpoint;
    out.endpoint = *text;
  }
  auto const* const messages = body.find("messages");
  auto const* const items = messages ? messages->as_array() : nullptr;
  if (!items || items->size() > kCreditMessagesMax) return MessageErrc::bad_range;
  for (auto const& item : *items) {
    auto message = parse_credit_message(item);
    if (!message) return message.error();
    out.messages.push_back(std::move(*message));
  }
  if (auto const* const settled = body.find("hasSettled"); !is_missing(settled)) {
    auto const* const is_set = settled->as_bool();
    if (!is_set) return MessageErrc::bad_answer;
    out.has_settled = *is_set;
  }
  return {};
}

Value to_json(CreditMessages const& messages) {
  auto out = begin(CreditMessages::kType, messages.header);
  add(out, "sender", messages.sender.hex());
  if (!messages.endpoint.empty()) add(out, "endpoint", messages.endpoint);
  Value::Array items;
  for (auto const& each : messages.messages) items.push_back(to_json(each));
  add(out, "messages", std::move(items));
  if (messages.has_settled) add(out, "hasSettled", true);
  return out;
}

Result<CreditMessages> parse_credit_messages(Value const& body) { return parse_answer<CreditMessages>(body); }

void sign(CreditMessage& message, CreditSide sender, SecretKey const& key) {
  auto const sign_record = [&](SignedCreditRecord& record) {
    if (record.record.counter != 0) sign(record, sender, key);
  };
  auto const sign_pair = [&](auto& pair) {
    sign_record(pair.low);
    sign_record(pair.high);
  };
  if (message.answer) sign_record(*message.answer);
  std::visit(Overloaded{
                 [&](CreditUpdate& update) { sign_record(update.record); },
                 [&](CreditAccepted& accepted) { sign_record(accepted.record); },
                 [&](CreditRefused& refused) { refused.signature = key.sign(refusal_digest(refused)); },
                 [&](CreditSync& sync) { sign_pair(sync); },
                 [&](CreditReset& reset) { sign_pair(reset); },
             },
             message.body);
}

bool is_genuine(CreditMessage const& message, CreditParties const& parties, CreditSide sender,
                std::int64_t known) {
  if (message.line != parties.line()) return false;
  auto const receiver = other_side(sender);
  auto const is_of = [&](SignedCreditRecord const& record, CreditSide owner) {
    return record.record.line == message.line && record.record.side == owner &&
           record.record.counter <= kCreditCounterMax;
  };
  auto const is_blank = [&](SignedCreditRecord const& record) {
    return record.record == CreditRecord{.line = message.line, .side = record.record.side};
  };
  if (message.answer && message.answer->record.counter > known &&
      (!is_of(*message.answer, receiver) || !is_signed(*message.answer, parties, sender))) {
    return false;
  }
  auto const are_known = [&](SignedCreditRecord const& record) {
    return is_of(record, record.record.side) &&
           (is_blank(record) ||
            (is_signed(record, parties, CreditSide::low) && is_signed(record, parties, CreditSide::high)));
  };
  return std::visit(
      Overloaded{
          [&](CreditUpdate const& update) {
            return is_of(update.record, sender) && is_signed(update.record, parties, sender);
          },
          [&](CreditAccepted const& accepted) {
            return is_of(accepted.record, receiver) && is_signed(accepted.record, parties, sender);
          },
          [&](CreditRefused const& refused) {
            return verify(parties.key(sender), refusal_digest(refused), refused.signature);
          },
          [&](CreditSync const& sync) { return are_known(sync.low) && are_known(sync.high); },
          [&](CreditReset const& reset) {
            return is_of(reset.low, CreditSide::low) && is_of(reset.high, CreditSide::high) &&
                   is_signed(reset.low, parties, sender) && is_signed(reset.high, parties, sender);
          },
      },
      message.body);
}

}  // namespace grenache::exchange
