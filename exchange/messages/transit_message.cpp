#include "exchange/messages/transit_message.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "exchange/messages/fields.hpp"
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::exchange {

using namespace fields;

namespace {

constexpr std::string_view kInvoiceDomain = "grenache/exchange/transit-invoice/1:";
constexpr std::string_view kSecretDomain = "grenache/exchange/transit-secret/1:";
constexpr std::string_view kPrepareDomain = "grenache/exchange/transit-prepare/1:";
constexpr std::string_view kHopEntryDomain = "grenache/exchange/transit-entry/1:";
constexpr std::string_view kOutcomeDomain = "grenache/exchange/transit-outcome/1:";

struct ReasonText {
  TransitReason reason;
  std::string_view word;
  std::string_view text;
};
constexpr std::array kReasons{
    ReasonText{TransitReason::none, "", ""},
    ReasonText{TransitReason::no_route, "no-route", "no peer passes the payment on"},
    ReasonText{TransitReason::loop, "loop", "the peer takes part in this payment already"},
    ReasonText{TransitReason::expired, "expired", "the time is over"},
    ReasonText{TransitReason::no_line, "no-line", "there is no open credit line"},
    ReasonText{TransitReason::not_allowed, "not-allowed", "the peer does not pass it on"},
    ReasonText{TransitReason::no_debt, "no-debt", "there is no debt of this size any more"},
    ReasonText{TransitReason::no_room, "no-room", "no credit line on the way has room for it"},
    ReasonText{TransitReason::fee, "fee", "the peers on the way ask for a higher fee"},
    ReasonText{TransitReason::unknown_invoice, "unknown-invoice", "the payee does not know the invoice"},
    ReasonText{TransitReason::already_paid, "already-paid", "the payee has been paid already"},
};

constexpr std::array<std::string_view, 3> kStates{"pending", "committed", "aborted"};

std::optional<TransitState> parse_state(Value const& body) {
  auto const* const text = body.find_string("state");
  auto const found = text ? std::ranges::find(kStates, std::string_view{*text}) : kStates.end();
  if (found == kStates.end()) return std::nullopt;
  return static_cast<TransitState>(found - kStates.begin());
}

Result<std::string> parse_id(Value const& body) {
  auto const* const id = body.find_string("id");
  if (!id || !is_uuid(*id)) return MessageErrc::bad_take_id;
  return *id;
}

std::optional<int> find_hops(Value const& body) {
  auto const hops = body.find_int("hopsLeft");
  if (!hops || *hops < 0 || *hops > kTransitHopsMax) return std::nullopt;
  return static_cast<int>(*hops);
}

Value::Array hex_of(std::vector<PeerId> const& peers) {
  Value::Array out;
  for (auto const& peer : peers) out.push_back(peer.hex());
  return out;
}

Result<std::vector<PeerId>> parse_path(Value const& body) {
  std::vector<PeerId> out;
  auto const* const path = body.find("path");
  if (is_missing(path)) return out;
  auto const* const items = path->as_array();
  if (!items || items->size() > kTransitPathMax) return MessageErrc::bad_range;
  for (auto const& item : *items) {
    auto const* const text = item.as_string();
    auto const peer = text ? PeerId::from_hex(*text) : std::nullopt;
    if (!peer) return MessageErrc::bad_key;
    out.push_back(*peer);
  }
  return out;
}

/// False when missing.
std::optional<bool> find_flag(Value const& body, std::string_view name) {
  auto const* const value = body.find(name);
  if (is_missing(value)) return false;
  auto const* const flag = value->as_bool();
  return flag ? std::optional{*flag} : std::nullopt;
}

}  // namespace

std::string_view to_text(TransitState state) { return kStates[static_cast<std::size_t>(state)]; }
std::string_view to_text(TransitReason reason) { return kReasons[static_cast<std::size_t>(reason)].word; }
std::string_view describe(TransitReason reason) { return kReasons[static_cast<std::size_t>(reason)].text; }
std::optional<TransitReason> parse_transit_reason(std::string_view text) {
  auto const* const found = std::ranges::find(kReasons, text, &ReasonText::word);
  return found == kReasons.end() ? std::nullopt : std::optional{found->reason};
}

// Invoices

Result<void> fields::read_members(Value const& body, TransitInvoiceMessage& out) {
  auto id = parse_id(body);
  if (!id) return id.error();
  out.id = std::move(*id);
  auto const amount = find_positive<UsdCents>(body, "amount");
  if (!amount) return MessageErrc::bad_amount;
  out.amount = *amount;
  return {};
}

Value to_json(TransitInvoiceMessage const& message) {
  auto out = begin(TransitInvoiceMessage::kType, message.header);
  add(out, "id", message.id);
  add(out, "amount", message.amount.to_text());
  return out;
}

Sha256 transit_secret(std::string_view id, UsdCents amount, SecretKey const& payee) {
  dht::BencodeWriter out{std::string{kSecretDomain}};
  out.begin_list();
  out.string(id);
  out.integer(amount.units());
  out.end();
  return hmac_sha256(payee.view(), out.view());
}

Sha256 invoice_digest(TransitInvoice const& invoice) {
  dht::BencodeWriter out{std::string{kInvoiceDomain}};
  out.begin_dict();
  out.string("amount");
  out.integer(invoice.amount.units());
  out.string("hash", invoice.hash.view());
  out.string("id", invoice.id);
  out.string("payee", invoice.payee.view());
  out.end();
  return sha256(out.view());
}

Value to_json(TransitInvoice const& invoice) {
  auto out = begin(TransitInvoice::kType, invoice.header);
  add(out, "id", invoice.id);
  add(out, "amount", invoice.amount.to_text());
  add(out, "hash", invoice.hash.hex());
  add(out, "payee", invoice.payee.hex());
  add(out, "signature", invoice.signature.hex());
  return out;
}

Result<void> fields::read_members(Value const& body, TransitInvoice& out) {
  auto id = parse_id(body);
  if (!id) return id.error();
  out.id = std::move(*id);
  auto const amount = find_positive<UsdCents>(body, "amount");
  if (!amount) return MessageErrc::bad_amount;
  out.amount = *amount;
  auto const hash = find_hex<Sha256>(body, "hash");
  if (!hash) return MessageErrc::bad_payment_hash;
  out.hash = *hash;
  auto const payee = parse_key(body, "payee");
  if (!payee) return payee.error();
  out.payee = *payee;
  auto const signature = parse_signature(body);
  if (!signature) return signature.error();
  out.signature = *signature;
  return {};
}

Result<TransitInvoice> parse_transit_invoice(Value const& body) { return parse_answer<TransitInvoice>(body); }

// Preparing

Result<void> fields::read_members(Value const& body, PrepareMessage& out) {
  auto id = parse_id(body);
  if (!id) return id.error();
  out.id = std::move(*id);
  auto const hash = find_hex<Sha256>(body, "hash");
  if (!hash) return MessageErrc::bad_payment_hash;
  out.hash = *hash;
  auto const payee = parse_key(body, "payee");
  auto const payer = parse_key(body, "payer");
  if (!payee || !payer) return MessageErrc::bad_key;
  out.payee = *payee;
  out.payer = *payer;
  auto const amount = find_positive<UsdCents>(body, "amount");
  auto const deliver = find_positive<UsdCents>(body, "deliver");
  if (!amount || !deliver || *deliver > *amount) return MessageErrc::bad_amount;
  out.amount = *amount;
  out.deliver = *deliver;
  auto const hops = find_hops(body);
  auto path = parse_path(body);
  auto const netting = find_flag(body, "netting");
  if (!hops || !path || !netting) return MessageErrc::bad_range;
  out.hops_left = *hops;
  out.path = std::move(*path);
  out.is_netting = *netting;
  auto const expires = find_time(body, "expires");
  if (!expires) return MessageErrc::bad_time;
  out.expires = *expires;
  auto const signature = parse_signature(body);
  if (!signature) return signature.error();
  out.signature = *signature;
  if (auto const* const known = body.find("record"); !is_missing(known)) {
    auto record = parse_credit_record(known);
    if (!record) return record.error();
    out.record = std::move(*record);
  }
  return {};
}

Value to_json(PrepareMessage const& message) {
  auto out = begin(PrepareMessage::kType, message.header);
  add(out, "id", message.id);
  add(out, "hash", message.hash.hex());
  add(out, "payee", message.payee.hex());
  add(out, "amount", message.amount.to_text());
  add(out, "deliver", message.deliver.to_text());
  add(out, "hopsLeft", std::int64_t{message.hops_left});
  add(out, "expires", to_unix_ms(message.expires));
  if (!message.path.empty()) add(out, "path", hex_of(message.path));
  if (message.is_netting) add(out, "netting", true);
  add(out, "payer", message.payer.hex());
  add(out, "signature", message.signature.hex());
  if (message.record) add(out, "record", to_json(*message.record));
  return out;
}

Sha256 prepare_digest(PrepareMessage const& message, PeerId const& receiver) {
  dht::BencodeWriter out{std::string{kPrepareDomain}};
  out.begin_dict();
  out.string("amount");
  out.integer(message.amount.units());
  out.string("deliver");
  out.integer(message.deliver.units());
  out.string("expires");
  out.integer(to_unix_ms(message.expires));
  out.string("hash", message.hash.view());
  out.string("hops");
  out.integer(message.hops_left);
  out.string("id", message.id);
  out.string("netting");
  out.integer(message.is_netting ? 1 : 0);
  out.string("path");
  out.begin_list();
  for (auto const& peer : message.path) out.string(peer.view());
  out.end();
  out.string("payee", message.payee.view());
  out.string("payer", message.payer.view());
  out.string("receiver", receiver.view());
  out.end();
  return sha256(out.view());
}

Sha256 transit_entry_hash(PeerId const& payer, PeerId const& receiver, std::string_view id, int hops_left) {
  std::string text{kHopEntryDomain};
  text.append(payer.view()).append(receiver.view()).append(id).append("/").append(std::to_string(hops_left));
  return sha256(text);
}

// Outcomes

Sha256 outcome_digest(TransitOutcome const& outcome) {
  dht::BencodeWriter out{std::string{kOutcomeDomain}};
  out.begin_dict();
  out.string("claimed");
  out.integer(outcome.claimed.units());
  out.string("hops");
  out.integer(outcome.hops_left);
  out.string("id", outcome.id);
  out.string("payer", outcome.payer.view());
  out.string("reason", to_text(outcome.reason));
  out.string("receiver", outcome.receiver.view());
  out.string("secret", outcome.secret.view());
  out.string("state", to_text(outcome.state));
  out.end();
  return sha256(out.view());
}

Value to_json(TransitOutcome const& outcome) {
  auto out = begin(TransitOutcome::kType, outcome.header);
  add(out, "id", outcome.id);
  add(out, "hopsLeft", std::int64_t{outcome.hops_left});
  add(out, "payer", outcome.payer.hex());
  add(out, "receiver", outcome.receiver.hex());
  add(out, "state", to_text(outcome.state));
  if (outcome.state == TransitState::aborted) add(out, "reason", to_text(outcome.reason));
  if (outcome.state == TransitState::committed) {
    add(out, "secret", outcome.secret.hex());
    add(out, "claimed", outcome.claimed.to_text());
  }
  add(out, "signature", outcome.signature.hex());
  return out;
}

Result<void> fields::read_members(Value const& body, TransitOutcome& out) {
  auto id = parse_id(body);
  auto const hops = find_hops(body);
  auto const state = parse_state(body);
  auto const payer = parse_key(body, "payer");
  auto const receiver = parse_key(body, "receiver");
  auto const signature = parse_signature(body);
  if (!id || !hops || !state || !payer || !receiver || !signature) return MessageErrc::bad_answer;
  out.id = std::move(*id);
  out.hops_left = *hops;
  out.state = *state;
  out.payer = *payer;
  out.receiver = *receiver;
  out.signature = *signature;
  if (out.state == TransitState::aborted) {
    auto const* const word = body.find_string("reason");
    auto const reason = word ? parse_transit_reason(*word) : std::nullopt;
    if (!reason) return MessageErrc::bad_answer;
    out.reason = *reason;
  }
  if (out.state == TransitState::committed) {
    auto const secret = find_hex<Sha256>(body, "secret");
    auto const claimed = find_money<UsdCents>(body, "claimed");
    if (!secret || !claimed) return MessageErrc::bad_answer;
    out.secret = *secret;
    out.claimed = *claimed;
  }
  return {};
}

Result<TransitOutcome> parse_transit_outcome(Value const& body) { return parse_answer<TransitOutcome>(body); }

// Netting

Result<void> fields::read_members(Value const& body, GetDebtsMessage& out) {
  if (is_missing(body.find("after"))) return {};
  auto const after = parse_key(body, "after");
  if (!after) return after.error();
  out.after = *after;
  return {};
}

Value to_json(GetDebtsMessage const& message) {
  auto out = begin(GetDebtsMessage::kType, message.header);
  if (message.after) add(out, "after", message.after->hex());
  return out;
}

Result<void> fields::read_members(Value const& body, DebtsAnswer& out) {
  auto const* const debts = body.find("debts");
  auto const* const items = debts ? debts->as_array() : nullptr;
  auto const more = find_flag(body, "more");
  if (!items || items->size() > kDebtsPageMax || !more) return MessageErrc::bad_answer;
  for (auto const& item : *items) {
    auto const peer = parse_key(item, "peer");
    auto const owes_us = find_money<UsdCents>(item, "owesUs");
    auto const we_owe = find_money<UsdCents>(item, "weOwe");
    if (!peer || owes_us.has_value() == we_owe.has_value()) return MessageErrc::bad_answer;
    out.debts.push_back({*peer, owes_us ? owes_us->units() : -we_owe->units()});
  }
  out.has_more = *more;
  return {};
}

Value to_json(DebtsAnswer const& answer) {
  auto out = begin(DebtsAnswer::kType, answer.header);
  Value::Array items;
  for (auto const& [peer, cents] : answer.debts) {
    auto const amount = UsdCents{cents < 0 ? -cents : cents}.to_text();
    items.push_back(Value::object({{"peer", peer.hex()}, {cents < 0 ? "weOwe" : "owesUs", amount}}));
  }
  add(out, "debts", std::move(items));
  add(out, "more", answer.has_more);
  return out;
}

Result<DebtsAnswer> parse_debts(Value const& body) { return parse_answer<DebtsAnswer>(body); }

Result<void> fields::read_members(Value const& body, StartNettingMessage& out) {
  auto id = parse_id(body);
  if (!id) return id.error();
  out.id = std::move(*id);
  auto const amount = find_positive<UsdCents>(body, "amount");
  if (!amount) return MessageErrc::bad_amount;
  out.amount = *amount;
  auto path = parse_path(body);
  if (!path || path->size() < 2) return MessageErrc::bad_range;
  out.path = std::move(*path);
  return {};
}

Value to_json(StartNettingMessage const& message) {
  auto out = begin(StartNettingMessage::kType, message.header);
  add(out, "id", message.id);
  add(out, "amount", message.amount.to_text());
  add(out, "path", hex_of(message.path));
  return out;
}

Result<void> fields::read_members(Value const& body, NettingAnswer& out) {
  auto id = parse_id(body);
  auto const state = parse_state(body);
  if (!id || !state) return MessageErrc::bad_answer;
  out.id = std::move(*id);
  out.state = *state;
  return {};
}

Value to_json(NettingAnswer const& answer) {
  auto out = begin(NettingAnswer::kType, answer.header);
  add(out, "id", answer.id);
  add(out, "state", to_text(answer.state));
  return out;
}

Result<NettingAnswer> parse_netting(Value const& body) { return parse_answer<NettingAnswer>(body); }

}  // namespace grenache::exchange
