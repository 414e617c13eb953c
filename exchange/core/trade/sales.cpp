#include "exchange/core/trade/sales.hpp"

#include <algorithm>
#include <utility>

#include "exchange/core/row_fields.hpp"
#include "exchange/core/trade/invoice.hpp"

namespace grenache::exchange {
namespace {

using std::chrono::milliseconds;

// Of the only row of its kind; not empty, since journals read keys greater than a given one.
constexpr char const* kFenceKey = "max";

InvoiceTerms invoice_terms(Sale const& sale) {
  return {sale.order_id,    store_take_id(sale.take_id, sale.taker),
          sale.fence,       sale.amount,
          sale.reserved_at, std::chrono::floor<std::chrono::seconds>(sale.life)};
}

}  // namespace

std::string_view to_text(SaleState state) {
  switch (state) {
    case SaleState::reserving:
      return "reserving";
    case SaleState::invoiced:
      return "invoiced";
    case SaleState::paying:
      return "paying";
    case SaleState::settled:
      return "settled";
    case SaleState::expired:
      return "expired";
  }
  return "";
}

std::optional<SaleState> parse_sale_state(std::string_view text) {
  using enum SaleState;
  for (auto const each : {invoiced, paying, settled, expired}) {
    if (text == to_text(each)) return each;
  }
  return std::nullopt;
}

// Replies

void Sales::refuse(Waiting const& to, Refusal const& refusal, Turn& turn) const {
  turn.reply_error_now(to.request, to_error_text(refusal));
}

void Sales::refuse_all(Entry& entry, Refusal const& refusal, Turn& turn) const {
  for (auto const& each : std::exchange(entry.waiting, {})) refuse(each, refusal, turn);
}

void Sales::send_invoice(Entry& entry, Turn& turn) const {
  auto const& sale = entry.sale;
  auto const terms = invoice_terms(sale);
  auto invoice = issue_invoice(terms, self_.key);
  if (!invoice) {
    return refuse_all(
        entry, {RefusalCode::amount, "no invoice can be made: " + invoice.error().message(), {}}, turn);
  }
  ExecuteOrderResponse const response{self_.header(CreatorType::server, turn.now.wall),
                                      sale.order_id,
                                      *std::move(invoice),
                                      invoice_expiry(terms),
                                      sale.take_id,
                                      sale.amount};
  auto const body = to_json(response);
  for (auto const& each : std::exchange(entry.waiting, {})) {
    turn.reply(each.request, write_payload(body, each.form));
  }
}

void Sales::send_preimage(Entry& entry, Turn& turn) const {
  auto const& sale = entry.sale;
  PaidMessage const paid{self_.header(CreatorType::server, turn.now.wall), sale.order_id, sale.take_id,
                         preimage_of(invoice_terms(sale), self_.key)};
  auto const body = to_json(paid);
  for (auto const& each : std::exchange(entry.waiting, {})) {
    turn.reply(each.request, write_payload(body, each.form));
  }
}

// Requests

void Sales::execute(RequestId request, PayloadForm form, ExecuteOrderMessage const& message,
                    OwnOrders const& orders, Turn& turn) {
  auto const* const order = orders.find(message.order_id);
  Waiting const waiting{request, form};
  auto const taker = taker_of(message);
  Key const key{message.order_id, store_take_id(message.take ? message.take->take_id : "", taker)};
  auto const refused = [&](Refusal refusal) {
    auto const amount = message.take ? message.take->amount : Satoshi{};
    refuse(waiting, refusal, turn);
    if (order) refused_.add(message.order_id, taker, amount, refusal, turn);
    turn.log(event::TakeAnswered{message.order_id, taker, amount, std::move(refusal)});
  };
  auto const known = entries_.find(key);
  if (known != entries_.end()) {
    auto& entry = known->second;
    if (entry.sale.state == SaleState::expired) {
      return refused({RefusalCode::gone, "the invoice of this take has expired", {}});
    }
    if (entry.waiting.size() >= options_.waiting_count_max) {
      return refused(
          {RefusalCode::limit, "this take was asked for too often at once", std::chrono::seconds{1}});
    }
    // A payment may be waiting too; it is answered by what it asked for.
    if (entry.sale.state == SaleState::reserving) {
      entry.waiting.push_back(waiting);
      return;
    }
    auto const others = std::exchange(entry.waiting, {waiting});
    send_invoice(entry, turn);
    entry.waiting = others;
    return;
  }
  auto checked = check_take(message, order, self_.id, options_.takes, turn.now.wall);
  if (auto* const refusal = std::get_if<Refusal>(&checked)) return refused(std::move(*refusal));
  if (asked_.size() >= options_.reserving_count_max) {
    return refused({RefusalCode::limit, "too many takes at once", std::chrono::seconds{1}});
  }
  auto& wanted = std::get<store::Reserve>(checked);
  wanted.rivals = orders.rivals_of(*order);
  auto& entry = entries_[key];
  entry.sale.order_id = message.order_id;
  entry.sale.take_id = message.take ? message.take->take_id : std::string{};
  entry.sale.taker = taker;
  entry.sale.amount = wanted.wanted;
  entry.waiting.push_back(waiting);
  entry.is_asking = true;
  asked_.emplace(++last_key_, key);
  turn.store({Part::sales, last_key_}, std::move(wanted));
}

void Sales::pay(RequestId request, PayloadForm form, PayMessage const& message, OwnOrder const* order,
                Turn& turn) {
  Waiting const waiting{request, form};
  auto const found = entries_.find({message.order_id, store_take_id(message.take_id, message.taker.hex())});
  if (found == entries_.end() || found->second.sale.state == SaleState::reserving) {
    return refuse(waiting, {RefusalCode::unknown, "there is no such invoice here, or it has expired", {}},
                  turn);
  }
  auto& entry = found->second;
  if (entry.sale.state == SaleState::expired || !order) {
    return refuse(waiting, {RefusalCode::gone, "the invoice has expired", {}}, turn);
  }
  if (message.payment_hash != sha256(preimage_of(invoice_terms(entry.sale), self_.key).view())) {
    return refuse(waiting, {RefusalCode::invalid, "this is not the payment hash of the invoice", {}}, turn);
  }
  if (!verify_pay(message, self_.id)) {
    return refuse(waiting, {RefusalCode::signature, "the taker did not sign this payment", {}}, turn);
  }
  if (entry.waiting.size() >= options_.waiting_count_max) {
    return refuse(waiting,
                  {RefusalCode::limit, "this invoice is being paid already", std::chrono::seconds{1}}, turn);
  }
  entry.waiting.push_back(waiting);
  if (entry.sale.state == SaleState::settled) return send_preimage(entry, turn);
  if (entry.sale.state == SaleState::invoiced && is_store_in_process_) {
    entry.is_settling = true;
  } else if (entry.sale.state == SaleState::invoiced) {
    entry.sale.state = SaleState::paying;
    turn.save(row_of(entry.sale));
  }
  settle(entry, *order, turn);
}

void Sales::settle(Entry& entry, OwnOrder const& order, Turn& turn) {
  if (entry.is_asking) return;
  entry.is_asking = true;
  set_deadline(entry, TimePoint::max());
  auto const key = key_of(entry.sale);
  asked_.emplace(++last_key_, key);
  turn.store({Part::sales, last_key_}, store::Settle{order.known(), key.second, entry.sale.fence});
}

// Answers of the store

Sales::Outcome Sales::on_stored(std::uint64_t id, store::Answer const& answer, OwnOrders const& orders,
                                Turn& turn) {
  auto const asked = asked_.extract(id);
  if (asked.empty()) return {};
  auto const& key = asked.mapped();
  auto const found = entries_.find(key);
  if (found == entries_.end()) return {};
  auto& entry = found->second;
  entry.is_asking = false;
  auto const* const order = orders.find(key.first);
  if (entry.sale.state == SaleState::reserving) return on_reserved(key, entry, order, answer, turn);
  auto out = on_settled(key, entry, answer, turn);
  // The order may have ended while the store was asked.
  if (!order) forget(key.first, turn);
  return out;
}

Sales::Outcome Sales::on_reserved(Key const& key, Entry& entry, OwnOrder const* order,
                                  store::Answer const& answer, Turn& turn) {
  auto& sale = entry.sale;
  event::TakeAnswered event{sale.order_id, sale.taker, sale.amount, {}};
  auto const* const granted = std::get_if<store::Granted>(&answer);
  auto const left =
      granted && order ? order->record.expires - granted->reservation.reserved_at : milliseconds{0};
  if (granted && left < options_.takes.life_min) {
    // The order has ended while the store was asked.
    turn.store({Part::trader, 0}, store::Release{key.first, key.second, granted->reservation.fence});
    event.refusal = Refusal{RefusalCode::expired, "the order has expired", {}};
    refuse_all(entry, *event.refusal, turn);
    if (order) refused_.add(sale.order_id, sale.taker, sale.amount, *event.refusal, turn);
    turn.log(std::move(event));
    Outcome out{key.first, granted->totals, {}};
    erase(key);
    return out;
  }
  if (granted) {
    auto const& reservation = granted->reservation;
    sale.amount = reservation.amount;
    sale.fence = reservation.fence;
    sale.reserved_at = reservation.reserved_at;
    // From what every process of the maker knows, so that all issue the same invoice.
    sale.life = std::min(options_.takes.life, left);
    sale.state = SaleState::invoiced;
    turn.save(row_of(sale));
    fence_max_ = std::max(fence_max_, sale.fence);
    set_deadline(entry, later_by(turn.now.steady, reservation.life));
    send_invoice(entry, turn);
    turn.log(std::move(event));
    return {key.first, granted->totals, {}};
  }
  store::Refused refused{store::RefusalReason::unavailable, {}, {}};
  if (auto const* const told = std::get_if<store::Refused>(&answer)) refused = *told;
  event.refusal = refusal_of(refused);
  refuse_all(entry, *event.refusal, turn);
  if (order) refused_.add(sale.order_id, sale.taker, sale.amount, *event.refusal, turn);
  turn.log(std::move(event));
  Outcome out{key.first, refused.totals, {}};
  erase(key);
  return out;
}

Sales::Outcome Sales::on_settled(Key const& key, Entry& entry, store::Answer const& answer, Turn& turn) {
  auto& sale = entry.sale;
  if (auto const* const settled = std::get_if<store::Settled>(&answer)) {
    sale.state = SaleState::settled;
    entry.is_settling = false;
    set_deadline(entry, TimePoint::max());
    turn.save(row_of(sale));
    send_preimage(entry, turn);
    return {key.first, settled->totals, sale};
  }
  store::Refused refused{store::RefusalReason::unavailable, {}, {}};
  if (auto const* const told = std::get_if<store::Refused>(&answer)) refused = *told;
  refuse_all(entry, refusal_of(refused), turn);
  if (refused.reason == store::RefusalReason::gone) {
    sale.state = SaleState::expired;
    turn.save(row_of(sale));
    turn.log(event::SaleExpired{sale.order_id, sale.taker, sale.amount});
    set_deadline(entry, later_by(turn.now.steady, 2 * options_.takes.request_age_max));
    entry.is_settling = false;
  } else {
    set_deadline(entry, later_by(turn.now.steady, options_.settle_retry));
  }
  return {key.first, refused.totals, {}};
}

// Time

void Sales::set_deadline(Entry& entry, TimePoint deadline) {
  auto const key = key_of(entry.sale);
  auto const [first, last] = deadlines_.equal_range(entry.deadline);
  auto const old = std::find_if(first, last, [&](auto const& each) { return each.second == key; });
  if (old != last) deadlines_.erase(old);
  entry.deadline = deadline;
  if (deadline != TimePoint::max()) deadlines_.emplace(deadline, key);
}

// As long as the signed request is valid, a replay of it must not reserve again.
WallTime Sales::forgets_at(Sale const& sale) const {
  return std::max(sale.invoice_expires(), sale.reserved_at + 2 * options_.takes.request_age_max);
}

void Sales::expire(OwnOrders const& orders, Turn& turn) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= turn.now.steady) {
    auto const key = deadlines_.begin()->second;
    auto& entry = entries_.at(key);
    auto& sale = entry.sale;
    if (sale.state == SaleState::paying || entry.is_settling) {
      if (auto const* const order = orders.find(sale.order_id)) {
        settle(entry, *order, turn);
        continue;
      }
    }
    if (sale.state == SaleState::invoiced) {
      sale.state = SaleState::expired;
      turn.log(event::SaleExpired{sale.order_id, sale.taker, sale.amount});
      auto const forget_at = forgets_at(sale);
      if (forget_at > turn.now.wall) {
        turn.save(row_of(sale));
        set_deadline(entry, later_by(turn.now.steady, forget_at - turn.now.wall));
        continue;
      }
    }
    erase_row(key, turn);
    erase(key);
  }
}

TimePoint Sales::next_expiry() const {
  return deadlines_.empty() ? TimePoint::max() : deadlines_.begin()->first;
}

void Sales::erase(Key const& key) {
  auto const found = entries_.find(key);
  set_deadline(found->second, TimePoint::max());
  entries_.erase(found);
}

void Sales::forget(std::string const& order_id, Turn& turn) {
  refused_.forget(order_id, turn);
  auto it = entries_.lower_bound({order_id, {}});
  while (it != entries_.end() && it->first.first == order_id) {
    auto const key = it->first;
    ++it;
    auto& entry = entries_.at(key);
    refuse_all(entry, {RefusalCode::expired, "the order has expired", {}}, turn);
    if (entry.sale.state != SaleState::reserving) erase_row(key, turn);
    erase(key);
  }
}

Satoshi Sales::reserved(std::string_view order_id) const {
  Satoshi sum;
  for (auto it = entries_.lower_bound({std::string{order_id}, {}});
       it != entries_.end() && it->first.first == order_id; ++it) {
    auto const& sale = it->second.sale;
    if (sale.state == SaleState::invoiced || sale.state == SaleState::paying) sum = sum + sale.amount;
  }
  return sum;
}

void Sales::add_claims(Claims& out) const {
  for (auto const& [key, entry] : entries_) {
    auto const state = entry.sale.state;
    if (state == SaleState::settled || state == SaleState::expired) continue;
    auto& sum = out[key.first];
    sum = sum + entry.sale.amount;
  }
}

std::size_t Sales::open_count() const {
  return static_cast<std::size_t>(std::ranges::count_if(entries_, [](auto const& each) {
    auto const state = each.second.sale.state;
    return state == SaleState::invoiced || state == SaleState::paying;
  }));
}

std::vector<store::Recover::Take> Sales::live(WallTime now) const {
  std::vector<store::Recover::Take> out;
  for (auto const& [key, entry] : entries_) {
    auto const& sale = entry.sale;
    if (sale.state != SaleState::invoiced && sale.state != SaleState::paying) continue;
    auto const left = sale.invoice_expires() - now;
    if (left.count() <= 0) continue;
    out.push_back({sale.order_id,
                   {key.second, sale.taker, sale.amount, sale.fence, sale.reserved_at,
                    std::min<milliseconds>(left, sale.life)}});
  }
  return out;
}

// Rows

Row Sales::row_of(Sale const& sale) {
  auto const key = key_of(sale);
  auto const body = json::Value::object({{"order", sale.order_id},
                                         {"take", sale.take_id},
                                         {"taker", sale.taker},
                                         {"amount", sale.amount.to_text()},
                                         {"fence", sale.fence},
                                         {"reservedAt", to_unix_ms(sale.reserved_at)},
                                         {"lifeMs", std::int64_t{sale.life.count()}},
                                         {"state", to_text(sale.state)}});
  return {kRowKind, key.first + "/" + key.second, json::to_text(body)};
}

void Sales::dump(std::vector<Row>& out) const {
  if (fence_saved_ > 0) out.push_back(fence_row());
  refused_.dump(out);
  for (auto const& [key, entry] : entries_) {
    if (entry.sale.state != SaleState::reserving) out.push_back(row_of(entry.sale));
  }
}

Row Sales::fence_row() const { return {kFenceKind, kFenceKey, std::to_string(fence_saved_)}; }

void Sales::erase_row(Key const& key, Turn& turn) {
  if (fence_max_ > fence_saved_) {
    fence_saved_ = fence_max_;
    turn.save(fence_row());
  }
  turn.erase(kRowKind, key.first + "/" + key.second);
}

bool Sales::restore(Row const& row) {
  if (row.kind == RefusedTakes::kRowKind) return refused_.restore(row);
  if (row.kind == kFenceKind) {
    auto const value = json::parse(row.body);
    auto const fence = value ? value->as_int() : std::nullopt;
    if (fence) fence_saved_ = *fence;
    fence_max_ = std::max(fence_max_, fence_saved_);
    return fence.has_value();
  }
  RowFields fields{row.body};
  Sale sale;
  sale.order_id = fields.text("order");
  sale.take_id = fields.text("take");
  sale.taker = fields.text("taker");
  sale.amount = fields.money<Satoshi>("amount");
  sale.fence = fields.integer("fence");
  sale.reserved_at = fields.time("reservedAt");
  sale.life = fields.milliseconds("lifeMs");
  sale.state = fields.parsed("state", parse_sale_state);
  auto const key = key_of(sale);
  if (!fields.ok() || row.key != key.first + "/" + key.second) return false;
  fence_max_ = std::max(fence_max_, sale.fence);
  entries_[key].sale = std::move(sale);
  return true;
}

void Sales::resume(OwnOrders const& orders, Turn& turn) {
  std::vector<std::string> ended;
  for (auto& [key, entry] : entries_) {
    auto const& sale = entry.sale;
    auto const* const order = orders.find(sale.order_id);
    if (!order) {
      ended.push_back(sale.order_id);
    } else if (sale.state == SaleState::paying) {
      settle(entry, *order, turn);
    } else if (sale.state != SaleState::settled) {
      auto const ends_at = sale.state == SaleState::expired ? forgets_at(sale) : sale.invoice_expires();
      set_deadline(entry, later_by(turn.now.steady, ends_at - turn.now.wall));
    }
  }
  for (auto const& order_id : ended) forget(order_id, turn);
}

}  // namespace grenache::exchange
