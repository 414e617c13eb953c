#include "exchange/core/network/relay_fees.hpp"

#include <algorithm>
#include <utility>

#include "exchange/core/row_fields.hpp"
#include "exchange/core/trade/take_rules.hpp"

namespace grenache::exchange {
namespace {

constexpr std::chrono::minutes kSlot{5};
constexpr std::size_t kTakeIdSize = 36;
constexpr std::string_view kDescription = "order relay take ";

}  // namespace

// The invoice of a slot lives three of them, so one of the slot before can be paid.
InvoiceTerms RelayFees::terms(PeerId const& maker, std::string const& take_id, WallTime now) const {
  auto const slot = std::chrono::floor<std::chrono::minutes>(now.time_since_epoch()) / kSlot * kSlot;
  return {kRelayOrderId, store_take_id(take_id, maker.hex()), 1, options_.fee, WallTime{slot}, 3 * kSlot};
}

Refusal RelayFees::invoice_for(PeerId const& maker, Turn& turn) const {
  Refusal out{RefusalCode::payment,
              "others are told of the orders of this maker for " + options_.fee.to_text() + " BTC",
              {}};
  auto invoice = issue_invoice(terms(maker, make_uuid(turn.random), turn.now.wall), self_.key);
  if (invoice) out.invoice = *std::move(invoice);
  return out;
}

std::optional<PeerId> RelayFees::pay(RequestId request, PayloadForm form, PayMessage const& message,
                                     Turn& turn) {
  auto const refuse = [&](Refusal const& refusal) {
    turn.reply_error_now(request, to_error_text(refusal));
    return std::nullopt;
  };
  if (options_.fee.units() == 0) return refuse({RefusalCode::unknown, "no fee is asked for here", {}});
  if (!verify_pay(message, self_.id))
    return refuse({RefusalCode::signature, "the maker did not sign this", {}});
  for (auto const at : {turn.now.wall, turn.now.wall - kSlot}) {
    auto const preimage = preimage_of(terms(message.taker, message.take_id, at), self_.key);
    if (sha256(preimage.view()) != message.payment_hash) continue;
    auto const known = paid_.find(message.taker);
    bool const is_new = known == paid_.end();
    if (is_new && paid_.size() >= options_.paid_count_max) {
      return refuse({RefusalCode::limit, "too many makers have paid", {}});
    }
    // The same invoice again: the same preimage, and nothing more.
    if (is_new) {
      auto const until = turn.now.wall + options_.paid_life;
      paid_.emplace(message.taker, until);
      next_end_ = std::min(next_end_, until);
      turn.save(row_of(kRowKind, message.taker, until));
    }
    PaidMessage const paid{self_.header(CreatorType::server, turn.now.wall), message.order_id,
                           message.take_id, preimage};
    turn.reply(request, write_payload(to_json(paid), form));
    return is_new ? std::optional{message.taker} : std::nullopt;
  }
  return refuse({RefusalCode::gone, "the invoice has expired", {}});
}

// The payer

void RelayFees::met(std::string const& endpoint, Turn const& turn) {
  if (options_.pay_max.units() > 0) next_ask_.insert_or_assign(endpoint, turn.now.steady);
}

std::string RelayFees::endpoint_of(std::uint64_t key) const {
  auto const found = asked_.find(key);
  return found == asked_.end() ? std::string{} : found->second.endpoint;
}

void RelayFees::on_answered(std::uint64_t key, CallAnswer const& answer, std::optional<PeerId> const& payee,
                            Turn& turn) {
  auto const entry = asked_.extract(key);
  if (entry.empty()) return;
  auto const& asked = entry.mapped();
  if (!asked.payment_hash) {
    auto const refusal = parse_refusal(answer.error);
    if (refusal && refusal->code == RefusalCode::payment && payee) pay_invoice(asked, *payee, *refusal, turn);
    return;
  }
  auto const paid = answer.error.empty() ? parse_paid(read_answer(answer.result))
                                         : Result<PaidMessage>{MessageErrc::bad_answer};
  auto const refusal = parse_refusal(answer.error);
  if (refusal && refusal->code != RefusalCode::unavailable && asked.payee) {
    // Nothing was paid; the next invoice may be.
    paid_to_.erase(*asked.payee);
    return turn.erase(kPaidRowKind, asked.payee->hex());
  }
  if (!paid || sha256(paid->preimage.view()) != *asked.payment_hash) return;
  turn.log(event::Warning{"paid " + asked.amount.to_text() + " BTC to " + asked.endpoint +
                          ", which tells others of our orders now"});
}

void RelayFees::pay_invoice(Asked const& asked, PeerId const& payee, Refusal const& refusal, Turn& turn) {
  auto const invoice = bolt11::decode(refusal.invoice);
  if (!invoice || !invoice->amount_msat || paid_to_.contains(payee)) return;
  auto const* const text = std::get_if<std::string>(&invoice->description);
  if (!text || !text->starts_with(kDescription)) return;
  auto const take_id = text->substr(kDescription.size(), kTakeIdSize);
  Satoshi const amount{static_cast<std::int64_t>(*invoice->amount_msat / 1000)};
  ExpectedInvoice const expected{payee, kRelayOrderId, store_take_id(take_id, self_.id.hex()), amount};
  bool const is_good = is_uuid(take_id) && check_invoice(refusal.invoice, expected, turn.now.wall);
  if (!is_good || amount > options_.pay_max || paid_to_.size() >= options_.payee_count_max) return;
  // Before the payment leaves, so that it is not paid again after a crash.
  auto const until = turn.now.wall + options_.paid_life;
  paid_to_.emplace(payee, until);
  next_end_ = std::min(next_end_, until);
  turn.save(row_of(kPaidRowKind, payee, until));
  PayMessage message{self_.header(CreatorType::client, turn.now.wall),
                     kRelayOrderId,
                     take_id,
                     Sha256{invoice->payment_hash},
                     {},
                     {}};
  sign_pay(message, payee, self_.key);
  asked_.emplace(++last_key_, Asked{asked.endpoint, message.payment_hash, amount, payee});
  turn.call({Part::relay_fees, last_key_}, asked.endpoint,
            write_payload(to_json(message), PayloadForm::text));
}

// Time

void RelayFees::expire(Turn& turn) {
  for (auto& [endpoint, next] : next_ask_) {
    if (next > turn.now.steady) continue;
    next = later_by(turn.now.steady, options_.ask_interval);
    asked_.emplace(++last_key_, Asked{endpoint});
    RelayFeeMessage const message{self_.header(CreatorType::client, turn.now.wall), self_.id};
    turn.call_now({Part::relay_fees, last_key_}, endpoint,
                  write_payload(to_json(message), PayloadForm::text));
  }
  if (next_end_ > turn.now.wall) return;
  next_end_ = WallTime::max();
  for (auto const& [kind, table] : {std::pair{kRowKind, &paid_}, std::pair{kPaidRowKind, &paid_to_}}) {
    for (auto it = table->begin(); it != table->end();) {
      if (it->second > turn.now.wall) {
        next_end_ = std::min(next_end_, it->second);
        ++it;
        continue;
      }
      turn.erase(kind, it->first.hex());
      it = table->erase(it);
    }
  }
}

TimePoint RelayFees::next_ask() const {
  auto next = TimePoint::max();
  for (auto const& [endpoint, time] : next_ask_) next = std::min(next, time);
  return next;
}

// Rows

Row RelayFees::row_of(char const* kind, PeerId const& peer, WallTime until) {
  return {kind, peer.hex(), json::to_text(json::Value::object({{"until", to_unix_ms(until)}}))};
}

bool RelayFees::restore(Row const& row) {
  RowFields fields{row.body};
  auto const until = fields.time("until");
  auto const peer = PeerId::from_hex(row.key);
  if (!fields.ok() || !peer) return false;
  next_end_ = std::min(next_end_, until);
  return (row.kind == kRowKind ? paid_ : paid_to_).emplace(*peer, until).second;
}

void RelayFees::dump(std::vector<Row>& out) const {
  for (auto const& [maker, until] : paid_) out.push_back(row_of(kRowKind, maker, until));
  for (auto const& [payee, until] : paid_to_) out.push_back(row_of(kPaidRowKind, payee, until));
}

}  // namespace grenache::exchange
