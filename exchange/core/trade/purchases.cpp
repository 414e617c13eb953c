#include "exchange/core/trade/purchases.hpp"

#include <algorithm>
#include <utility>

#include "exchange/core/order.hpp"
#include "exchange/core/row_fields.hpp"
#include "exchange/core/trade/invoice.hpp"
#include "exchange/core/trade/take_rules.hpp"
#include <grenache/base/endpoint.hpp>

namespace grenache::exchange {
namespace {

using result::Failure;
using result::FailureCode;

/// An invoice that ends sooner is not used for another take.
constexpr std::chrono::milliseconds kInvoiceLeftMin = std::chrono::seconds{30};
/// After a restart, for the answer that a maker may have given.
constexpr std::chrono::milliseconds kRestartPatience = std::chrono::seconds{5};
constexpr std::string_view kHoldTaker = "self";
constexpr char const* kLate = "it was too late to ask the maker when this peer had started again";

/// The endpoint in the order. The original has no hosts: its peers are at localhost:exchangeId.
std::string hint_of(OrderRecord const& order) {
  return order.is_signed() ? order.endpoint : "127.0.0.1:" + std::to_string(order.exchange_id);
}

// False when the maker may still do what was asked. A payment that came too often at once may succeed.
bool is_final(Refusal const& refusal, bool is_payment) {
  if (refusal.code == RefusalCode::unavailable) return false;
  return !is_payment || refusal.code != RefusalCode::limit;
}

}  // namespace

result::PurchaseView Purchase::view() const {
  return {take_id,     order.id, order.maker, opposite(order.side), amount,
          order.price, state,    invoice,     invoice_expires,      preimage};
}

std::deque<std::string> Purchases::endpoints_for(OrderRecord const& order) const {
  auto const hint = hint_of(order);
  std::deque<std::string> out;
  if (HostPort::parse(hint)) out.push_back(hint);
  if (!order.maker) return out;
  for (auto& endpoint : peers_.endpoints_of(*order.maker)) {
    if (endpoint != hint && out.size() < options_.endpoint_count_max) out.push_back(std::move(endpoint));
  }
  return out;
}

// Commands

void Purchases::start(CommandId command, command::AcceptOrder const& wanted, OrderRecord const& order,
                      std::vector<OrderRecord> others, Turn& turn) {
  for (auto& [id, entry] : entries_) {
    bool const is_same = entry.leg == 0 && key_of(entry.purchase.order) == key_of(order) &&
                         (!wanted.amount || *wanted.amount == entry.purchase.amount) &&
                         entry.purchase.state != State::failed && entry.purchase.state != State::settled;
    if (!is_same) continue;
    if (wanted.pay && entry.purchase.state == State::invoiced) {
      return pay(command, {entry.purchase.take_id}, turn);
    }
    if (entry.purchase.state == State::invoiced) return turn.answer(command, entry.purchase.view());
    return wait_for(entry, command, turn);
  }
  if (entries_.size() >= options_.count_max) {
    return turn.answer(command, Failure{FailureCode::unavailable, "too many takes are under way", {}});
  }
  Entry entry;
  entry.purchase.take_id = make_uuid(turn.random);
  entry.purchase.order = order;
  entry.purchase.amount = wanted.amount.value_or(order.remaining);
  entry.purchase.for_order = wanted.for_order;
  entry.purchase.pays = wanted.pay && order.is_signed();
  entry.others.assign(std::make_move_iterator(others.begin()), std::make_move_iterator(others.end()));
  set_patience(entry, options_.patience, turn);
  wait_for(entry, command, turn);
  begin(std::move(entry), turn);
}

void Purchases::take(Leg leg, Turn& turn) {
  for (auto& [id, entry] : entries_) {
    auto const& purchase = entry.purchase;
    bool const is_free = leg.for_order.empty() && entry.leg == 0 && purchase.state == State::invoiced &&
                         purchase.for_order.empty() &&
                         purchase.invoice_expires > turn.now.wall + kInvoiceLeftMin;
    bool const is_same = key_of(purchase.order) == key_of(leg.order) &&
                         purchase.order.side == leg.order.side && purchase.order.price == leg.order.price &&
                         purchase.amount <= leg.amount;
    if (!is_free || !is_same) continue;
    entry.leg = leg.key;
    return leg.pays ? pay(0, {purchase.take_id}, turn) : report(entry);
  }
  Entry entry;
  entry.leg = leg.key;
  entry.purchase.take_id = make_uuid(turn.random);
  entry.purchase.order = std::move(leg.order);
  entry.purchase.amount = leg.amount;
  entry.purchase.pays = leg.pays;
  entry.purchase.for_order = std::move(leg.for_order);
  set_patience(entry, leg.patience, turn);
  if (entries_.size() >= options_.count_max) {
    entry.purchase.state = State::failed;
    entry.purchase.failure = "too many takes are under way";
    return report(entry);
  }
  begin(std::move(entry), turn);
}

void Purchases::release(std::uint64_t leg) {
  for (auto& [id, entry] : entries_) {
    if (entry.leg == leg) entry.leg = 0;
  }
}

void Purchases::set_patience(Entry& entry, std::chrono::milliseconds patience, Turn const& turn) {
  entry.give_up = later_by(turn.now.steady, patience);
  entry.purchase.give_up_at = turn.now.wall + patience;
}

/// Nobody waits for its invoice any more; the answer to the call is awaited.
void Purchases::abandon_leg(Entry& entry, Turn& turn) {
  auto& purchase = entry.purchase;
  purchase.failure = "the maker does not answer";
  // Without its hold, the maker was not asked.
  bool const was_asked = purchase.for_order.empty() || purchase.hold_fence != 0;
  auto& report = reports_.emplace_back(Report{std::exchange(entry.leg, 0), purchase, was_asked});
  report.purchase.state = State::failed;
  purchase.pays = false;
  save(purchase, turn);
}

void Purchases::report(Entry const& entry) {
  if (entry.leg == 0) return;
  bool const is_silent = !entry.refusal && !entry.trouble.empty() && entry.purchase.state != State::settled;
  reports_.push_back({entry.leg, entry.purchase, is_silent || entry.purchase.state == State::paying});
}

std::optional<Purchases::Report> Purchases::poll_report() {
  if (reports_.empty()) return std::nullopt;
  auto out = std::move(reports_.front());
  reports_.pop_front();
  return out;
}

void Purchases::wait_for(Entry& entry, CommandId command, Turn& turn) const {
  if (command == 0) return;
  if (entry.waiting.size() < options_.waiting_count_max) return entry.waiting.push_back(command);
  turn.answer(command, Failure{FailureCode::unavailable, "too many commands wait for this take", {}});
}

void Purchases::begin(Entry entry, Turn& turn) {
  auto const id = entry.purchase.take_id;
  auto& stored = entries_.insert_or_assign(id, std::move(entry)).first->second;
  save(stored.purchase, turn);
  hold_then_ask(stored, turn);
}

void Purchases::hold_then_ask(Entry& entry, Turn& turn) {
  bool const needs_hold = !entry.purchase.for_order.empty() && entry.purchase.hold_fence == 0;
  if (needs_hold) return ask_hold(entry, HoldStep::reserve, turn);
  start_round(entry, turn);
}

std::vector<std::string> Purchases::find_payable(std::string_view text) const {
  std::vector<std::string> out;
  for (auto const& [id, entry] : entries_) {
    auto const& invoice = entry.purchase.invoice;
    if (id == text || (!invoice.empty() && invoice == text)) return {id};
    if (text.size() >= kIdPrefixSizeMin && id.starts_with(text)) out.push_back(id);
  }
  return out;
}

void Purchases::pay(CommandId command, command::Pay const& wanted, Turn& turn) {
  auto const matches = find_payable(wanted.invoice);
  if (matches.empty()) {
    return turn.answer(command, Failure{FailureCode::not_found, "no take of this peer waits for this payment",
                                        "trades lists what was paid, acceptOrder gets an invoice"});
  }
  if (matches.size() > 1) {
    return turn.answer(command,
                       Failure{FailureCode::ambiguous, "several takes begin with '" + wanted.invoice + "'",
                               "give more of the id"});
  }
  auto const found = entries_.find(matches.front());
  auto& entry = found->second;
  auto& purchase = entry.purchase;
  if (!purchase.order.is_signed()) {
    return turn.answer(
        command, Failure{FailureCode::refused, "peers of the original program cannot confirm a payment", {}});
  }
  if (purchase.state == State::settled) return turn.answer(command, purchase.view());
  if (purchase.state == State::failed) {
    return turn.answer(command,
                       Failure{FailureCode::refused, "the take has failed: " + purchase.failure, {}});
  }
  if (command != 0 && entry.leg != 0) {
    return turn.answer(
        command,
        Failure{FailureCode::refused, "the take belongs to an order that is being executed at once", {}});
  }
  wait_for(entry, command, turn);
  purchase.pays = true;
  if (purchase.state == State::asking) save(purchase, turn);
  if (purchase.state != State::invoiced) return;
  purchase.state = State::paying;
  entry.give_up = later_by(turn.now.steady, purchase.invoice_expires - turn.now.wall + options_.pay_patience);
  save(purchase, turn);
  turn.log(event::PurchaseChanged{purchase.view(), {}});
  start_round(entry, turn);
}

// Rounds: every endpoint once

void Purchases::start_round(Entry& entry, Turn& turn) {
  entry.endpoints = endpoints_for(entry.purchase.order);
  // The process that gave the invoice may be the only one that knows it.
  if (auto const& granted_at = entry.purchase.granted_at; !granted_at.empty()) {
    std::erase(entry.endpoints, granted_at);
    entry.endpoints.push_front(granted_at);
  }
  entry.refusal.reset();
  entry.is_refusal_certain = false;
  entry.trouble.clear();
  entry.deadline = TimePoint::max();
  ask_next(entry, turn);
}

json::Value Purchases::request_of(Entry const& entry, Turn& turn) const {
  auto const& purchase = entry.purchase;
  auto const header = self_.header(CreatorType::client, turn.now.wall);
  if (purchase.state == State::paying) {
    PayMessage message{header, purchase.order.id, purchase.take_id, purchase.payment_hash, {}, {}};
    sign_pay(message, *purchase.order.maker, self_.key);
    return to_json(message);
  }
  ExecuteOrderMessage message{header, purchase.order.id, {}};
  if (purchase.order.is_signed()) {
    TakeTerms terms{purchase.take_id, purchase.amount, purchase.order.price, {}, turn.now.wall, {}};
    sign_take(terms, purchase.order.id, *purchase.order.maker, self_.key);
    message.take = std::move(terms);
  }
  return to_json(message);
}

void Purchases::ask_next(Entry& entry, Turn& turn) {
  bool const is_late = entry.purchase.state == State::asking && turn.now.steady >= entry.give_up;
  if (entry.endpoints.empty() || is_late) return end_round(entry, turn);
  entry.endpoint = std::move(entry.endpoints.front());
  entry.endpoints.pop_front();
  entry.is_asking = true;
  asked_.emplace(++last_key_, Asked{entry.purchase.take_id, entry.purchase.state});
  turn.call({Part::purchases, last_key_}, entry.endpoint,
            write_payload(request_of(entry, turn), PayloadForm::text));
}

void Purchases::end_round(Entry& entry, Turn& turn) {
  auto const is_paying = entry.purchase.state == State::paying;
  // While one of the endpoints does not answer, it may be the one that knows the order.
  bool const is_refused = entry.refusal && (entry.is_refusal_certain || entry.trouble.empty());
  auto const trouble = entry.trouble.empty() ? "the maker has no endpoint to ask" : entry.trouble;
  auto const reason = entry.refusal && entry.trouble.empty() ? entry.refusal->reason : trouble;
  if (!is_paying && is_refused) {
    return try_next_order(
        entry,
        "the maker has refused (" + std::string{to_text(entry.refusal->code)} + "): " + entry.refusal->reason,
        turn);
  }
  entry.delay = std::clamp(2 * entry.delay, options_.retry_min, options_.retry_max);
  auto const next = later_by(turn.now.steady, entry.delay);
  if (is_paying) {
    // A maker that has settled gives the preimage at any time; as long as one of its endpoints does not
    // answer, it may be that one.
    bool const has_expired = entry.purchase.invoice_expires < turn.now.wall;
    if (has_expired && is_refused && entry.trouble.empty()) {
      return fail(entry, "the invoice has expired unpaid", turn);
    }
    if (next > entry.give_up) return fail(entry, "the maker has not confirmed the payment: " + reason, turn);
    // The person need not wait; the payment goes on.
    if (entry.delay > options_.retry_min) answer_waiting(entry, entry.purchase.view(), turn);
    report(entry);
  } else if (next > entry.give_up || entry.leg != 0) {
    return try_next_order(entry, "the maker does not answer: " + reason, turn);
  }
  entry.deadline = next;
}

Purchases::Outcome Purchases::on_answered(std::uint64_t key, CallAnswer answer, Turn& turn) {
  auto const asked = asked_.extract(key);
  if (asked.empty()) return {};
  auto const found = entries_.find(asked.mapped().take_id);
  if (found == entries_.end() || found->second.purchase.state != asked.mapped().state) return {};
  auto& entry = found->second;
  entry.is_asking = false;
  if (!answer.error.empty()) {
    auto refusal = parse_refusal(answer.error);
    bool const is_hint = entry.endpoint == hint_of(entry.purchase.order);
    if (refusal && is_final(*refusal, entry.purchase.state == State::paying)) {
      // Another process of the maker may not have heard of the order yet.
      bool const is_certain = is_hint || refusal->code != RefusalCode::unknown;
      if (!entry.is_refusal_certain) entry.refusal = std::move(refusal);
      entry.is_refusal_certain = entry.is_refusal_certain || is_certain;
    } else if (refusal) {
      entry.trouble = entry.endpoint + ": " + refusal->reason;
    } else {
      entry.trouble = entry.endpoint + ": " + answer.error;
    }
    ask_next(entry, turn);
    return {};
  }
  auto const body = read_answer(std::move(answer.result));
  bool const is_paying = entry.purchase.state == State::paying;
  auto trouble = is_paying ? read_preimage(entry, body, turn) : read_invoice(entry, body, turn);
  if (trouble) {
    entry.trouble = entry.endpoint + ": " + *trouble;
    ask_next(entry, turn);
    return {};
  }
  if (!is_paying) return {};
  Outcome out;
  out.settled = entry.purchase;
  end(entry, turn);
  return out;
}

std::optional<std::string> Purchases::read_invoice(Entry& entry, json::Value const& body, Turn& turn) {
  auto& purchase = entry.purchase;
  auto response = parse_execute_response(body);
  if (!response) return response.error().message();
  if (response->order_id != purchase.order.id) return "the answer is about another order";
  // The time of an unsigned order's invoice is not checked.
  auto expires = std::min(response->expires_at, turn.now.wall + kInvoiceLifeMax);
  if (purchase.order.is_signed()) {
    if (response->take_id != purchase.take_id) return "the answer is about another take";
    ExpectedInvoice const expected{*purchase.order.maker, purchase.order.id,
                                   store_take_id(purchase.take_id, self_.id.hex()), purchase.amount};
    auto const invoice = check_invoice(response->lightning_invoice, expected, turn.now.wall);
    if (!invoice) return invoice.error().message();
    purchase.payment_hash = invoice->payment_hash;
    expires = invoice->expires_at();
  }
  purchase.invoice_expires = expires;
  purchase.invoice = std::move(response->lightning_invoice);
  purchase.granted_at = entry.endpoint;
  purchase.state = State::invoiced;
  bool const is_abandoned = !purchase.failure.empty() && !purchase.for_order.empty() && entry.waiting.empty();
  if (!is_abandoned) purchase.failure.clear();
  entry.delay = Duration::zero();
  entry.give_up = entry.deadline = later_by(turn.now.steady, purchase.invoice_expires - turn.now.wall);
  save(purchase, turn);
  turn.log(event::PurchaseChanged{purchase.view(), {}});
  if (purchase.pays) {
    pay(0, {purchase.take_id}, turn);
  } else if (is_abandoned) {
    fail(entry, purchase.failure, turn);  // nobody pays it, and the own order is free again
  } else {
    answer_waiting(entry, purchase.view(), turn);
    report(entry);
  }
  return std::nullopt;
}

std::optional<std::string> Purchases::read_preimage(Entry& entry, json::Value const& body, Turn& turn) {
  auto& purchase = entry.purchase;
  auto const paid = parse_paid(body);
  if (!paid) return paid.error().message();
  if (paid->take_id != purchase.take_id) return "the answer is about another take";
  if (sha256(paid->preimage.view()) != purchase.payment_hash)
    return "the preimage is not that of the invoice";
  purchase.preimage = paid->preimage.hex();
  purchase.state = State::settled;
  answer_waiting(entry, purchase.view(), turn);
  turn.log(event::PurchaseChanged{purchase.view(), {}});
  return std::nullopt;
}

// Ends

void Purchases::try_next_order(Entry& entry, std::string reason, Turn& turn) {
  if (entry.others.empty()) return fail(entry, std::move(reason), turn);
  Entry next;
  next.purchase = entry.purchase;
  next.purchase.take_id = make_uuid(turn.random);
  next.purchase.order = std::move(entry.others.front());
  entry.others.pop_front();
  next.purchase.amount = std::min(next.purchase.amount, next.purchase.order.remaining);
  next.waiting = std::exchange(entry.waiting, {});
  next.others = std::exchange(entry.others, {});
  set_patience(next, options_.patience, turn);
  next.purchase.hold_fence = 0;
  next.purchase.granted_at.clear();
  fail(entry, std::move(reason), turn);
  begin(std::move(next), turn);
}

void Purchases::fail(Entry& entry, std::string reason, Turn& turn) {
  auto& purchase = entry.purchase;
  purchase.state = State::failed;
  purchase.failure = reason;
  bool const is_refused = entry.refusal && entry.refusal->code != RefusalCode::unavailable;
  answer_waiting(entry,
                 Failure{is_refused ? FailureCode::refused : FailureCode::unavailable, reason,
                         "see: explain " + purchase.order.id.substr(0, 8)},
                 turn);
  turn.log(event::PurchaseChanged{purchase.view(), std::move(reason)});
  end(entry, turn);
}

/// Saves the end; the hold of the own order ends first.
void Purchases::end(Entry& entry, Turn& turn) {
  auto& purchase = entry.purchase;
  if (purchase.state == State::settled) {
    answer_waiting(entry, purchase.view(), turn);
  } else {
    answer_waiting(entry, Failure{FailureCode::refused, purchase.failure, {}}, turn);
  }
  entry.deadline = TimePoint::max();
  if (purchase.hold_fence != 0) {
    save(purchase, turn);
    return ask_hold(entry, purchase.state == State::settled ? HoldStep::settle : HoldStep::release, turn);
  }
  auto const id = purchase.take_id;
  turn.erase(kRowKind, id);
  if (is_kept(purchase)) save(purchase, turn);
  report(entry);
  entries_.erase(id);
}

bool Purchases::is_kept(Purchase const& purchase) {
  return purchase.state == State::settled || purchase.for_order.empty() || !purchase.invoice.empty();
}

void Purchases::answer_waiting(Entry& entry, CommandResult const& result, Turn& turn) const {
  for (auto const command : std::exchange(entry.waiting, {})) {
    turn.answer(command, result);
  }
}

// The hold of the own order

void Purchases::ask_hold(Entry& entry, HoldStep step, Turn& turn) {
  auto const& purchase = entry.purchase;
  auto const take_id = store_take_id(purchase.take_id, kHoldTaker);
  entry.is_asking = true;
  entry.deadline = TimePoint::max();
  asked_store_.emplace(++last_key_, AskedStore{purchase.take_id, step});
  CallTag const tag{Part::purchases, last_key_};
  auto const* const own = own_.find(purchase.for_order);
  KnownOrder const known = own ? own->known() : KnownOrder{purchase.for_order, {}, {}, {}};
  switch (step) {
    case HoldStep::reserve:
      turn.store(tag, store::Reserve{known, take_id, take_id, purchase.amount, options_.hold_life,
                                     own ? own_.rivals_of(*own) : std::vector<std::string>{}});
      return;
    case HoldStep::settle:
      turn.store(tag, store::Settle{known, take_id, purchase.hold_fence});
      return;
    case HoldStep::release:
      turn.store(tag, store::Release{purchase.for_order, take_id, purchase.hold_fence});
      return;
  }
}

Purchases::Outcome Purchases::on_stored(std::uint64_t key, store::Answer const& answer, Turn& turn) {
  auto const asked = asked_store_.extract(key);
  if (asked.empty()) return {};
  auto const found = entries_.find(asked.mapped().take_id);
  if (found == entries_.end()) return {};
  auto& entry = found->second;
  auto& purchase = entry.purchase;
  entry.is_asking = false;
  Outcome out;
  out.own_order = purchase.for_order;
  auto const* const refused = std::get_if<store::Refused>(&answer);
  if (asked.mapped().step == HoldStep::reserve) {
    if (auto const* const granted = std::get_if<store::Granted>(&answer)) {
      purchase.hold_fence = granted->reservation.fence;
      out.totals = granted->totals;
      save(purchase, turn);
      if (purchase.failure.empty()) {
        start_round(entry, turn);
      } else {
        fail(entry, purchase.failure, turn);
      }
      return out;
    }
    if (refused) out.totals = refused->totals;
    bool const is_unavailable = refused && refused->reason == store::RefusalReason::unavailable;
    if (is_unavailable && !purchase.failure.empty()) {
      // What an earlier run was granted would stay held.
      entry.deadline = later_by(turn.now.steady, options_.retry_max);
      return out;
    }
    entry.others.clear();
    fail(entry,
         is_unavailable
             ? "the reservation store does not answer"
             : "the own order has not that much to trade: it, or another one of its group, is filled, closed "
               "or reserved by others",
         turn);
    return out;
  }
  if (refused && refused->reason == store::RefusalReason::unavailable) {
    entry.deadline = later_by(turn.now.steady, options_.retry_max);
    return out;
  }
  if (refused) out.totals = refused->totals;
  if (auto const* const settled = std::get_if<store::Settled>(&answer)) out.totals = settled->totals;
  if (refused && refused->reason == store::RefusalReason::gone && purchase.state == State::settled) {
    turn.log(event::Warning{"the amount held of order " + purchase.for_order +
                            " was free again before the take ended; the order may be filled twice"});
  }
  purchase.hold_fence = 0;
  end(entry, turn);
  return out;
}

// Time

void Purchases::expire(Turn& turn) {
  std::vector<std::string> due;
  for (auto const& [id, entry] : entries_) {
    auto const deadline = waits_for_leg(entry) ? entry.give_up : entry.deadline;
    if ((!entry.is_asking || waits_for_leg(entry)) && deadline <= turn.now.steady) due.push_back(id);
  }
  for (auto const& id : due) {
    auto& entry = entries_.at(id);
    if (waits_for_leg(entry)) {
      abandon_leg(entry, turn);
      continue;
    }
    switch (entry.purchase.state) {
      case State::asking:
        hold_then_ask(entry, turn);
        break;
      case State::paying:
        start_round(entry, turn);
        break;
      case State::invoiced:
        fail(entry, "the invoice has expired unpaid", turn);
        break;
      case State::settled:
      case State::failed:
        end(entry, turn);
        break;
    }
  }
}

TimePoint Purchases::next_expiry() const {
  auto next = TimePoint::max();
  for (auto const& [id, entry] : entries_) {
    if (waits_for_leg(entry)) next = std::min(next, entry.give_up);
    if (!entry.is_asking) next = std::min(next, entry.deadline);
  }
  return next;
}

Satoshi Purchases::held(std::string_view own_order) const {
  Satoshi out;
  for (auto const& [id, entry] : entries_) {
    if (entry.purchase.for_order == own_order) out = out + entry.purchase.amount;
  }
  return out;
}

void Purchases::add_claims(Claims& out) const {
  for (auto const& [id, entry] : entries_) {
    auto const& purchase = entry.purchase;
    if (purchase.for_order.empty()) continue;
    auto& sum = out[purchase.for_order];
    sum = sum + purchase.amount;
  }
}

bool Purchases::is_taking(OrderKey const& order) const {
  return std::ranges::any_of(entries_,
                             [&](auto const& each) { return key_of(each.second.purchase.order) == order; });
}

std::vector<store::Recover::Take> Purchases::holds(WallTime now) const {
  std::vector<store::Recover::Take> out;
  for (auto const& [id, entry] : entries_) {
    auto const& purchase = entry.purchase;
    if (purchase.hold_fence == 0) continue;
    auto const take_id = store_take_id(id, kHoldTaker);
    out.push_back({purchase.for_order,
                   {take_id, take_id, purchase.amount, purchase.hold_fence, now, options_.hold_life}});
  }
  return out;
}

// Rows

void Purchases::save(Purchase& purchase, Turn& turn) {
  purchase.changed_at = turn.now.wall;
  turn.save(row_of(purchase));
}

Row Purchases::row_of(Purchase const& purchase) {
  bool const has_ended =
      (purchase.state == State::settled || purchase.state == State::failed) && purchase.hold_fence == 0;
  auto const body = json::Value::object({{"take", purchase.take_id},
                                         {"order", to_json(purchase.order)},
                                         {"amount", purchase.amount.to_text()},
                                         {"forOrder", purchase.for_order},
                                         {"pays", purchase.pays},
                                         {"state", result::to_text(purchase.state)},
                                         {"invoice", purchase.invoice},
                                         {"grantedAt", purchase.granted_at},
                                         {"paymentHash", purchase.payment_hash.hex()},
                                         {"invoiceExpires", to_unix_ms(purchase.invoice_expires)},
                                         {"preimage", purchase.preimage},
                                         {"failure", purchase.failure},
                                         {"holdFence", purchase.hold_fence},
                                         {"at", to_unix_ms(purchase.changed_at)},
                                         {"giveUpAt", to_unix_ms(purchase.give_up_at)}});
  return {has_ended ? kEndedRowKind : kRowKind, purchase.take_id, json::to_text(body)};
}

void Purchases::dump(std::vector<Row>& out) const {
  for (auto const& [id, entry] : entries_) out.push_back(row_of(entry.purchase));
}

bool Purchases::restore(Row const& row) {
  RowFields fields{row.body};
  Purchase purchase;
  purchase.take_id = fields.text("take");
  purchase.amount = fields.money<Satoshi>("amount");
  purchase.for_order = fields.text("forOrder");
  purchase.pays = fields.boolean("pays");
  purchase.state = fields.parsed("state", result::parse_purchase_state);
  purchase.invoice = fields.text("invoice");
  purchase.granted_at = fields.text("grantedAt");
  purchase.payment_hash = fields.parsed("paymentHash", Sha256::from_hex);
  purchase.invoice_expires = fields.time("invoiceExpires");
  purchase.preimage = fields.text("preimage");
  purchase.failure = fields.text("failure");
  purchase.hold_fence = fields.integer("holdFence");
  purchase.changed_at = fields.time("at");
  // Rows of the first release lack it.
  auto const give_up_at = fields.value().find_int("giveUpAt");
  purchase.give_up_at = give_up_at ? from_unix_ms(*give_up_at) : purchase.changed_at + options_.patience;
  auto const* const message = fields.value().find("order");
  if (!fields.ok() || !message || purchase.take_id != row.key) return false;
  auto request = parse_request(*message);
  auto* const add = request ? std::get_if<AddOrderMessage>(&*request) : nullptr;
  if (!add) return false;
  purchase.order = std::move(add->order);
  entries_[row.key].purchase = std::move(purchase);
  return true;
}

void Purchases::resume(Turn& turn) {
  std::vector<std::string> late;
  for (auto& [id, entry] : entries_) {
    auto const& purchase = entry.purchase;
    entry.deadline = turn.now.steady;
    if (purchase.state == State::asking) {
      auto const left = std::clamp<std::chrono::milliseconds>(
          purchase.give_up_at - turn.now.wall, std::chrono::milliseconds{0}, options_.patience);
      // A take that is paid at once ends with its patience.
      bool const is_late = purchase.pays && left.count() == 0;
      bool const may_be_held = !purchase.for_order.empty() && purchase.hold_fence == 0;
      if (is_late && may_be_held) {
        entry.purchase.failure = kLate;  // it ends when the store has said what it holds
        save(entry.purchase, turn);
      } else if (is_late) {
        late.push_back(id);
      }
      // The maker may have granted, as long as an invoice lives.
      bool const may_have_invoice = !purchase.pays && purchase.give_up_at + kInvoiceLifeMax > turn.now.wall;
      entry.give_up = later_by(turn.now.steady, may_have_invoice ? std::max(left, kRestartPatience) : left);
    } else if (purchase.state == State::invoiced) {
      entry.deadline = later_by(turn.now.steady, purchase.invoice_expires - turn.now.wall);
    } else if (purchase.state == State::paying) {
      entry.give_up =
          later_by(turn.now.steady, purchase.invoice_expires - turn.now.wall + options_.pay_patience);
    }
  }
  for (auto const& id : late) fail(entries_.at(id), kLate, turn);
}

}  // namespace grenache::exchange
