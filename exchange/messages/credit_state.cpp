#include "exchange/messages/credit_state.hpp"

#include <algorithm>
#include <array>

#include "exchange/messages/fields.hpp"
#include "exchange/messages/order_record.hpp"
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::exchange {

using namespace fields;

namespace {

constexpr std::string_view kLineDomain = "grenache/exchange/credit-line/1:";
constexpr std::string_view kRecordDomain = "grenache/exchange/credit/1:";
constexpr std::string_view kEntryDomain = "grenache/exchange/credit-entry/1:";
constexpr std::string_view kNodeDomain = "grenache/exchange/credit-node/1:";
constexpr std::size_t kPathSizeMax = 8;  // log2(kCreditEntriesMax)

struct CreditWord {
  CreditErrc code;
  std::string_view word;
  std::string_view text;
};
constexpr std::array kCreditWords{
    CreditWord{CreditErrc::own_peer, "own-peer", "a peer has no credit line with itself"},
    CreditWord{CreditErrc::bad_message, "bad-message", "malformed message of a credit line"},
    CreditWord{CreditErrc::bad_receipt, "bad-receipt", "malformed receipt, or parts of different receipts"},
    CreditWord{CreditErrc::bad_signature, "bad-signature", "not signed by both peers of the line"},
    CreditWord{CreditErrc::bad_row, "bad-row", "malformed row of a credit line"},
    CreditWord{CreditErrc::bad_id, "bad-id", "the id of a payment must be a UUID"},
    CreditWord{CreditErrc::bad_amount, "bad-amount", "the amount is zero, negative or too large"},
    CreditWord{CreditErrc::bad_limit, "bad-limit", "no such limit is possible here"},
    CreditWord{CreditErrc::not_open, "not-open", "there is no open credit line with this peer"},
    CreditWord{CreditErrc::already_open, "already-open", "the line is open, proposed, or being closed"},
    CreditWord{CreditErrc::no_proposal, "no-proposal", "no proposal waits for an answer"},
    CreditWord{CreditErrc::rejected, "rejected", "the peer has rejected the proposal"},
    CreditWord{CreditErrc::over_limit, "over-limit", "debt and pending payments would exceed the limit"},
    CreditWord{CreditErrc::below_debt, "below-debt",
               "the limit would be less than debt and pending payments"},
    CreditWord{CreditErrc::not_zero, "not-zero", "something is owed"},
    CreditWord{CreditErrc::pending, "pending", "something is pending"},
    CreditWord{CreditErrc::frozen, "frozen", "the line is frozen"},
    CreditWord{CreditErrc::disputed, "disputed",
               "the peers disagree about the line; one must accept a reset"},
    CreditWord{CreditErrc::no_reset, "no-reset", "the peer has sent no reset terms"},
    CreditWord{CreditErrc::line_reset, "line-reset", "the line was reset while the payment was pending"},
    CreditWord{CreditErrc::expired, "expired", "the payment has expired"},
    CreditWord{CreditErrc::bad_expiry, "bad-expiry", "the payment would expire too late"},
    CreditWord{CreditErrc::already_pending, "already-pending", "the payment is pending already"},
    CreditWord{CreditErrc::already_counted, "already-counted", "the payment is counted already"},
    CreditWord{CreditErrc::id_reused, "id-reused", "another payment has this id"},
    CreditWord{CreditErrc::stale, "stale", "the payment is too old to know whether it was counted"},
    CreditWord{CreditErrc::too_many, "too-many", "too many payments are pending"},
};

Sha256 entry_digest(CreditEntry const& entry) {
  dht::BencodeWriter out{std::string{kEntryDomain}};
  out.begin_dict();
  out.integer("amount", entry.amount.units());
  out.integer("expires", to_unix_ms(entry.expires));
  out.string("id", entry.id);
  out.string("kind", to_text(entry.kind));
  out.end();
  return sha256(out.view());
}

Sha256 node_digest(Sha256 const& left, Sha256 const& right) {
  std::string bytes{kNodeDomain};
  bytes += left.view();
  bytes += right.view();
  return sha256(bytes);
}

std::vector<Sha256> leaves(std::span<CreditEntry const> entries) {
  std::vector<Sha256> out;
  out.reserve(entries.size());
  for (auto const& entry : entries) out.push_back(entry_digest(entry));
  return out;
}

std::vector<Sha256> level_above(std::vector<Sha256> const& level) {
  std::vector<Sha256> out;
  for (std::size_t i = 0; i + 1 < level.size(); i += 2) out.push_back(node_digest(level[i], level[i + 1]));
  if (level.size() % 2 == 1) out.push_back(level.back());
  return out;
}

std::string_view to_text(CreditSide side) { return side == CreditSide::low ? "low" : "high"; }

std::optional<CreditSide> find_side(Value const& body, std::string_view name) {
  auto const* const text = body.find_string(name);
  if (text && *text == "low") return CreditSide::low;
  if (text && *text == "high") return CreditSide::high;
  return std::nullopt;
}

std::optional<bool> find_bool(Value const& body, std::string_view name) {
  auto const* const found = body.find(name);
  auto const* const flag = found ? found->as_bool() : nullptr;
  return flag ? std::optional{*flag} : std::nullopt;
}

/// A missing signature is zero; nothing if it is malformed.
std::optional<Signature> find_signature(Value const& body, std::string_view name) {
  return is_missing(body.find(name)) ? Signature{} : find_hex<Signature>(body, name);
}

}  // namespace

std::string_view describe(CreditErrc code) {
  auto const* const found = std::ranges::find(kCreditWords, code, &CreditWord::code);
  return found != kCreditWords.end() ? found->text : "unknown error";
}

std::string_view to_text(CreditErrc code) {
  auto const* const found = std::ranges::find(kCreditWords, code, &CreditWord::code);
  return found != kCreditWords.end() ? found->word : "";
}

std::optional<CreditErrc> parse_credit_errc(std::string_view word) {
  auto const* const found = std::ranges::find(kCreditWords, word, &CreditWord::word);
  return found != kCreditWords.end() ? std::optional{found->code} : std::nullopt;
}

Result<CreditParties> CreditParties::of(PeerId const& one, PeerId const& other) {
  if (one == other) return CreditErrc::own_peer;
  return CreditParties{std::min(one, other), std::max(one, other)};
}

Sha256 CreditParties::line() const {
  std::string bytes{kLineDomain};
  bytes += low.view();
  bytes += high.view();
  return sha256(bytes);
}

std::string_view to_text(CreditKind kind) { return kind == CreditKind::pay ? "pay" : "settle"; }

Sha256 credit_digest(CreditRecord const& record) {
  dht::BencodeWriter out{std::string{kRecordDomain}};
  out.begin_dict();
  out.integer("counter", record.counter);
  out.integer("frozen", record.frozen ? 1 : 0);
  out.integer("limit", record.limit.units());
  out.string("line", record.line.view());
  out.integer("open", record.open ? 1 : 0);
  out.integer("paid", record.paid.units());
  out.integer("previous", record.previous);
  out.string("root", record.root.view());
  out.integer("settled", record.settled.units());
  out.string("side", to_text(record.side));
  out.integer("wish", record.wish.units());
  out.end();
  return sha256(out.view());
}

Sha256 entries_root(std::span<CreditEntry const> entries) {
  if (entries.empty()) return {};
  auto level = leaves(entries);
  while (level.size() > 1) level = level_above(level);
  return level.front();
}

std::vector<std::vector<MerkleStep>> entry_paths(std::span<CreditEntry const> entries) {
  std::vector<std::vector<MerkleStep>> out(entries.size());
  auto level = leaves(entries);
  for (unsigned height = 0; level.size() > 1; ++height, level = level_above(level)) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      auto const sibling = (i >> height) ^ 1U;
      if (sibling < level.size()) out[i].push_back({sibling < (i >> height), level[sibling]});
    }
  }
  return out;
}

void sign(SignedCreditRecord& record, CreditSide side, SecretKey const& key) {
  record.by(side) = key.sign(credit_digest(record.record));
}

bool is_signed(SignedCreditRecord const& record, CreditParties const& parties, CreditSide by) {
  return verify(parties.key(by), credit_digest(record.record), record.by(by));
}

std::int64_t debt_of(CreditSide side, CreditRecord const& low, CreditRecord const& high) {
  auto const debt = low.given() - high.given();
  return side == CreditSide::low ? debt : -debt;
}

Value to_json(CreditEntry const& entry) {
  return Value::object({{"kind", to_text(entry.kind)},
                        {"id", entry.id},
                        {"amount", entry.amount.to_text()},
                        {"expires", to_unix_ms(entry.expires)}});
}

Result<CreditEntry> parse_credit_entry(Value const& body) {
  auto const* const kind = body.find_string("kind");
  auto const* const id = body.find_string("id");
  auto const amount = find_positive<UsdCents>(body, "amount");
  auto const expires = find_time(body, "expires");
  if (!kind || (*kind != "pay" && *kind != "settle") || !id || !is_uuid(*id) || !amount || !expires) {
    return CreditErrc::bad_message;
  }
  return CreditEntry{*kind == "pay" ? CreditKind::pay : CreditKind::settle, *id, *amount, *expires};
}

Value to_json(std::span<CreditEntry const> entries) {
  Value::Array out;
  for (auto const& entry : entries) out.push_back(to_json(entry));
  return out;
}

Result<std::vector<CreditEntry>> parse_credit_entries(Value const* items, std::size_t max) {
  auto const* const array = items ? items->as_array() : nullptr;
  if (!array || array->size() > max) return CreditErrc::bad_message;
  std::vector<CreditEntry> out;
  for (auto const& item : *array) {
    auto entry = parse_credit_entry(item);
    if (!entry) return entry.error();
    out.push_back(std::move(*entry));
  }
  return out;
}

Value to_json(SignedCreditRecord const& record) {
  auto const& [line, side, counter, previous, limit, wish, paid, settled, open, frozen, root] = record.record;
  auto out = Value::object({{"line", line.hex()},
                            {"side", to_text(side)},
                            {"counter", counter},
                            {"previous", previous},
                            {"limit", limit.to_text()},
                            {"wish", wish.to_text()},
                            {"paid", paid.to_text()},
                            {"settled", settled.to_text()},
                            {"open", open},
                            {"frozen", frozen},
                            {"root", root.hex()}});
  if (record.low != Signature{}) out.set("lowSignature", record.low.hex());
  if (record.high != Signature{}) out.set("highSignature", record.high.hex());
  return out;
}

Result<SignedCreditRecord> parse_credit_record(Value const* body) {
  if (!body) return CreditErrc::bad_message;
  auto const line = find_hex<Sha256>(*body, "line");
  auto const side = find_side(*body, "side");
  auto const counter = body->find_int("counter");
  auto const previous = body->find_int("previous");
  auto const limit = find_money<UsdCents>(*body, "limit");
  auto const wish = find_money<UsdCents>(*body, "wish");
  auto const paid = find_money<UsdCents>(*body, "paid");
  auto const settled = find_money<UsdCents>(*body, "settled");
  auto const open = find_bool(*body, "open");
  auto const frozen = find_bool(*body, "frozen");
  auto const root = find_hex<Sha256>(*body, "root");
  auto const low = find_signature(*body, "lowSignature");
  auto const high = find_signature(*body, "highSignature");
  bool const is_complete = line && side && counter && previous && limit && wish && paid && settled && open &&
                           frozen && root && low && high;
  if (!is_complete) return CreditErrc::bad_message;
  bool const is_first = *counter == 0 && *previous == 0;
  if (!is_first && (*previous < 0 || *counter <= *previous)) return CreditErrc::bad_message;
  return SignedCreditRecord{
      {*line, *side, *counter, *previous, *limit, *wish, *paid, *settled, *open, *frozen, *root},
      *low,
      *high};
}

void sign(CreditReceipt& receipt, CreditSide side, SecretKey const& key) {
  for (auto* const each : {&receipt.low, &receipt.high}) {
    if (each->record.counter != 0) sign(*each, side, key);
  }
}

std::string to_text(CreditReceipt const& receipt) {
  Value::Array path;
  for (auto const& [is_left, hash] : receipt.path) path.push_back((is_left ? "l" : "r") + hash.hex());
  return json::to_text(Value::object({{"type", "CreditReceipt"},
                                      {"payer", receipt.parties.key(receipt.payer).hex()},
                                      {"payee", receipt.parties.key(other_side(receipt.payer)).hex()},
                                      {"payment", to_json(receipt.entry)},
                                      {"path", std::move(path)},
                                      {"low", to_json(receipt.low)},
                                      {"high", to_json(receipt.high)}}));
}

Result<CreditReceipt> verify_receipt(std::string_view text) {
  if (text.size() > kCreditReceiptSizeMax) return CreditErrc::bad_receipt;
  auto const body = json::parse(text, kPayloadLimits);
  if (!body) return CreditErrc::bad_receipt;
  auto const payer = find_hex<PeerId>(*body, "payer");
  auto const payee = find_hex<PeerId>(*body, "payee");
  auto const* const payment = body->find("payment");
  auto const* const path = body->find("path");
  auto const* const steps = path ? path->as_array() : nullptr;
  if (!payer || !payee || !payment || !steps || steps->size() > kPathSizeMax) return CreditErrc::bad_receipt;
  auto const parties = CreditParties::of(*payer, *payee);
  auto const entry = parse_credit_entry(*payment);
  auto const low = parse_credit_record(body->find("low"));
  auto const high = parse_credit_record(body->find("high"));
  if (!parties || !entry || !low || !high) return CreditErrc::bad_receipt;
  CreditReceipt out{*parties, *payer == parties->low ? CreditSide::low : CreditSide::high, *entry, {}, *low,
                    *high};

  auto hash = entry_digest(*entry);
  for (auto const& step : *steps) {
    auto const* const word = step.as_string();
    auto const node =
        word && !word->empty() ? Sha256::from_hex(std::string_view{*word}.substr(1)) : std::nullopt;
    if (!node || (word->front() != 'l' && word->front() != 'r')) return CreditErrc::bad_receipt;
    out.path.push_back({word->front() == 'l', *node});
    hash = out.path.back().is_left ? node_digest(*node, hash) : node_digest(hash, *node);
  }
  auto const& record = out.payer == CreditSide::low ? *low : *high;
  auto const line = parties->line();
  if (hash != record.record.root || low->record.line != line || high->record.line != line ||
      low->record.side != CreditSide::low || high->record.side != CreditSide::high) {
    return CreditErrc::bad_receipt;
  }
  for (auto const* const each : {&*low, &*high}) {
    auto const& counterpart = each->record;
    SignedCreditRecord const nothing{{.line = line, .side = counterpart.side}, {}, {}};
    if (counterpart.counter == 0 && *each != nothing) return CreditErrc::bad_receipt;
    if (counterpart.counter != 0 &&
        (!is_signed(*each, *parties, CreditSide::low) || !is_signed(*each, *parties, CreditSide::high))) {
      return CreditErrc::bad_signature;
    }
  }
  if (to_text(out) != text) return CreditErrc::bad_receipt;
  return out;
}

}  // namespace grenache::exchange
