#include "exchange/core/trader.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include <grenache/base/endpoint.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kInstanceBytes = 8;
// An order that takes stays in its group until the take has ended.
static_assert(OwnOrders::Options{}.expired_kept > Purchases::Options{}.hold_life);
constexpr std::size_t kBadSignaturesMax = 10;  // in a batch; what else its sender has sent is dropped
// Costs of a request before it is parsed.
constexpr Guard::Units kLeastCost = 2;
constexpr Guard::Units kBytesPerUnit = 1'000;
constexpr std::chrono::milliseconds kGuardRetry = std::chrono::seconds{1};

Refusal refusal_of(Error const& error) {
  if (error == BookErrc::bad_signature || error == BookErrc::unsigned_refused) {
    return {RefusalCode::signature, error.message(), {}};
  }
  if (error == BookErrc::expired) return {RefusalCode::expired, error.message(), {}};
  if (error == BookErrc::too_small) return {RefusalCode::amount, error.message(), {}};
  if (error == BookErrc::book_full || error == BookErrc::maker_full || error == BookErrc::busy) {
    return {RefusalCode::limit, error.message(), {}};
  }
  return {RefusalCode::invalid, error.message(), {}};
}

json::Value to_json(std::vector<OrderRecord> const& orders) {
  json::Value::Array out;
  out.reserve(orders.size());
  for (auto const& order : orders) out.push_back(exchange::to_json(order));
  return out;
}

// A finished trade as it is kept: `at` comes first in the key, so that the rows are in the order of time.
// `unique` tells trades of one millisecond apart; no other peer chooses it.
Row trade_row(event::TradeDone const& trade, std::string const& unique, std::string const& preimage,
              WallTime now) {
  auto const at = std::to_string(to_unix_ms(now));
  auto const body = json::Value::object({{"take", trade.take_id},
                                         {"order", trade.order_id},
                                         {"role", trade.as_maker ? "maker" : "taker"},
                                         {"counterpart", trade.counterpart},
                                         {"side", to_text(trade.side)},
                                         {"amount", trade.amount.to_text()},
                                         {"price", trade.price.to_text()},
                                         {"usd", trade.cents.to_text()},
                                         {"usdIsDue", true},
                                         {"preimage", preimage},
                                         {"at", to_unix_ms(now)}});
  return {kTradeKind, std::string(at.size() < 14 ? 14 - at.size() : 0, '0') + at + "-" + unique,
          json::to_text(body)};
}

Credit::Options with_store(Credit::Options options, bool is_store_shared) {
  options.is_enabled = options.is_enabled && !is_store_shared;
  return options;
}

PeggedOrders::Options with_work(PeggedOrders::Options options, int bits) {
  options.needs_work = bits > 0;
  return options;
}

}  // namespace

Trader::Trader(Options options, SecretKey const& key, Random random)
    : options_{std::move(options)},
      self_{key, key.public_key(), options_.name, {}, {}, -1},
      random_{std::move(random)},
      book_{options_.book},
      book_answers_{options_.book_answers, book_},
      equivocations_{options_.equivocations},
      proofs_{options_.proofs, self_},
      relay_fees_{options_.relay_fees, self_},
      heartbeats_{options_.heartbeats, self_, book_},
      guard_{options_.guard},
      unsigned_guard_{options_.unsigned_orders},
      intake_{options_.intake},
      peers_{options_.peers, self_, heartbeats_},
      sync_{options_.sync, self_, book_},
      own_orders_{options_.own_orders, self_},
      sales_{options_.sales, self_, options_.is_store_in_process},
      purchases_{options_.purchases, self_, peers_, own_orders_},
      immediate_orders_{options_.immediate_orders},
      crossing_{options_.crossing, book_, own_orders_, purchases_},
      reference_prices_{options_.reference_prices},
      pegged_orders_{with_work(options_.pegged_orders, options_.work_bits), own_orders_, reference_prices_},
      credit_{with_store(options_.credit, options_.is_store_shared), self_, peers_},
      positions_{options_.position, 0, options_.is_store_in_process} {
  book_.exempt(self_.id);
  book_.set_known([this](PeerId const& maker) { return is_known(maker); });
  self_.instance = to_hex(random_.bytes(kInstanceBytes));
}

void Trader::set_endpoint(std::string endpoint) {
  auto const parsed = HostPort::parse(endpoint);
  self_.exchange_id = parsed ? parsed->port : -1;
  self_.endpoint = std::move(endpoint);
}

template <class Body>
void Trader::in_turn(Now now, Body body) {
  Turn turn{now, random_, calls_};
  body(turn);
  run_takes(turn);
  credit_.process(turn);
  for (auto const& key : book_.take_evicted()) {
    if (!book_.find(key)) sync_.remove(key);
  }
  intake_.send(turn);
  std::move(turn).close(positions_, outputs_);
}

std::optional<Output> Trader::poll_output() {
  if (outputs_.empty()) return std::nullopt;
  auto out = std::move(outputs_.front());
  outputs_.pop_front();
  return out;
}

// Start

std::vector<std::string_view> Trader::row_kinds() {
  std::vector<std::string_view> out{OwnOrders::kRowKind,    Sales::kRowKind,         Sales::kFenceKind,
                                    RefusedTakes::kRowKind, Purchases::kRowKind,     Peers::kRowKind,
                                    PeggedOrders::kRowKind, Equivocations::kRowKind, RelayFees::kRowKind,
                                    RelayFees::kPaidRowKind};
  std::ranges::copy(Credit::row_kinds(), std::back_inserter(out));
  return out;
}

bool Trader::restore(Row const& row) {
  if (row.kind == OwnOrders::kRowKind) return own_orders_.restore(row);
  if (row.kind == Purchases::kRowKind) return purchases_.restore(row);
  if (row.kind == Peers::kRowKind) return peers_.restore(row);
  if (row.kind == PeggedOrders::kRowKind) return pegged_orders_.restore(row);
  if (row.kind == Equivocations::kRowKind) return equivocations_.restore(row);
  if (row.kind == RelayFees::kRowKind || row.kind == RelayFees::kPaidRowKind) return relay_fees_.restore(row);
  if (std::ranges::count(Credit::row_kinds(), row.kind) > 0) return credit_.restore(row);
  return sales_.restore(row);
}

std::vector<Row> Trader::dump() const {
  std::vector<Row> out;
  own_orders_.dump(out);
  sales_.dump(out);
  purchases_.dump(out);
  peers_.dump(out);
  pegged_orders_.dump(out);
  equivocations_.dump(out);
  relay_fees_.dump(out);
  credit_.dump(out);
  std::ranges::sort(out, {}, [](Row const& row) { return std::tie(row.kind, row.key); });
  return out;
}

void Trader::start(Now now) {
  in_turn(now, [&](Turn& turn) {
    for (auto const& [id, order] : own_orders_.all()) {
      if (order.record.expires <= now.wall) continue;
      book_.put_own(order.record);
      sync_.add(order.record);
    }
    recover_store(turn);
    own_orders_.renew(turn);
    sales_.resume(own_orders_, turn);
    purchases_.resume(turn);
    peers_.resume(turn);
    credit_.start(turn);
    look_at_pegs(turn);
  });
}

void Trader::store_lost(Now now) {
  in_turn(now, [&](Turn& turn) { recover_store(turn); });
}

void Trader::index_updated(IndexUpdate const& update, Now now) {
  in_turn(now, [&](Turn& turn) {
    if (reference_prices_.update(update, now.wall)) pegged_orders_.on_update();
    look_at_pegs(turn);
  });
}

Claims Trader::claims() const {
  Claims out;
  sales_.add_claims(out);
  purchases_.add_claims(out);
  return out;
}

void Trader::look_at_pegs(Turn& turn) {
  if (turn.now.steady < pegged_orders_.next_look()) return;
  auto changes = pegged_orders_.look(claims(), turn);
  for (auto const& order : changes.versions) changed(order, {}, turn);
  for (auto& order : changes.unworked) begin_work(0, std::move(order), turn);
}

void Trader::recover_store(Turn& turn) {
  store::Recover recover{own_orders_.known(), sales_.live(turn.now.wall), sales_.fence_max()};
  std::ranges::move(purchases_.holds(turn.now.wall), std::back_inserter(recover.takes));
  turn.store({Part::trader, 0}, std::move(recover));
}

// Requests of other peers

void Trader::receive(RequestId request, IpAddress const& from, json::Value payload, Now now) {
  in_turn(now, [&](Turn& turn) {
    auto const refuse = [&](Error const& error) {
      // A later version of this program may know more types.
      bool const is_fault = error != MessageErrc::unknown_type;
      if (is_fault) guard_.blame(from, Guard::Fault::malformed, turn.now.steady);
      turn.reply_error_now(request, to_error_text({RefusalCode::invalid, error.message(), {}}));
    };
    auto const* const text = payload.as_string();
    auto const size = text ? text->size() : kRequestBytesMax;
    if (!may_cost(request, from, kLeastCost + static_cast<Guard::Units>(size) / kBytesPerUnit, turn)) return;
    auto read = read_payload(std::move(payload));
    if (!read) return refuse(read.error());
    auto const message = parse_request(read->body);
    if (!message) return refuse(message.error());
    if (!may_cost(request, from, cost_of(*message, read->form, turn.now.steady), turn)) return;
    Caller const caller{request, read->form, from};
    auto const handle_known = [&](auto const& known) {
      if constexpr (requires { handle(caller, known, turn); }) {
        handle(caller, known, turn);
      } else {
        handle(request, read->form, known, turn);
      }
    };
    std::visit(handle_known, *message);
  });
}

bool Trader::may_cost(RequestId request, IpAddress const& from, Guard::Units units, Turn& turn) {
  auto const verdict = guard_.admit(from, units, turn.now.steady);
  if (verdict == Guard::Verdict::admitted) return true;
  bool const is_banned = verdict == Guard::Verdict::banned;
  auto const* const why = is_banned ? "this address has sent what no peer sends, and is refused for a while"
                                    : "too many requests from this address";
  turn.reply_error_now(request, to_error_text({RefusalCode::limit, why, kGuardRetry}));
  return false;
}

Guard::Units Trader::cost_of(Request const& request, PayloadForm form, TimePoint now) const {
  struct Cost {
    std::size_t order_count;
    bool is_book_made;
    // A signature, and another one each minute.
    Guard::Units operator()(PingPongMessage const& message) const {
      return 10 + static_cast<Guard::Units>(message.wanted.size()) / 5;
    }
    Guard::Units operator()(GetPeersMessage const&) const { return 10; }
    Guard::Units operator()(AddOrderMessage const&) const { return 10; }
    Guard::Units operator()(ExecuteOrderMessage const&) const { return 20; }  // two signatures and a row
    Guard::Units operator()(PayMessage const&) const { return 20; }
    Guard::Units operator()(GetOrderMatchesMessage const&) const { return 200; }
    Guard::Units operator()(ReconcileMessage const&) const { return 200; }
    Guard::Units operator()(InventoryMessage const& message) const {
      return 10 + 10 * static_cast<Guard::Units>(message.orders.size()) +
             static_cast<Guard::Units>(message.ids.size()) / 5;
    }
    Guard::Units operator()(GetRecordsMessage const& message) const {
      return 10 + 5 * static_cast<Guard::Units>(message.positions.size());
    }
    Guard::Units operator()(EquivocationMessage const&) const { return 20; }  // two signatures and a row
    Guard::Units operator()(RelayFeeMessage const&) const { return 20; }      // an invoice
    // Up to four signatures of each, and a row.
    Guard::Units operator()(CreditMessages const& message) const {
      return 10 + 40 * static_cast<Guard::Units>(message.messages.size());
    }
    Guard::Units operator()(TransitInvoiceMessage const&) const { return 10; }
    // Three signatures and a row.
    Guard::Units operator()(PrepareMessage const&) const { return 40; }
    Guard::Units operator()(GetDebtsMessage const&) const { return 20; }
    Guard::Units operator()(StartNettingMessage const&) const { return 40; }
    Guard::Units operator()(GetOrderbookMessage const&) const {
      return 20 + static_cast<Guard::Units>(order_count) * (is_book_made ? 0.2 : 4);
    }
  };
  auto const* const wanted = std::get_if<GetOrderbookMessage>(&request);
  bool const is_book_made = wanted && form == PayloadForm::text && book_answers_.is_fresh(*wanted, now);
  return std::visit(Cost{book_.size(), is_book_made}, request);
}

void Trader::handle(RequestId request, PayloadForm form, PingPongMessage const& message, Turn& turn) {
  peers_.handle(request, form, message, turn);
}

void Trader::handle(Caller const& caller, CreditMessages const& message, Turn& turn) {
  credit_.handle(caller.request, caller.form, message, turn);
  on_sender(message.endpoint, caller.address, turn);
}

void Trader::handle(Caller const& caller, GetPeersMessage const& message, Turn& turn) {
  peers_.handle(caller.request, caller.form, message, turn);
  on_sender(message.endpoint, caller.address, turn);
}

void Trader::handle(RequestId request, PayloadForm form, GetOrderMatchesMessage const& message, Turn& turn) {
  std::vector<OrderRecord> orders;
  if (auto const* const order = book_.find(message.order_id, self_.id)) {
    for (auto& match : book_.matches(*order, turn.now.wall)) orders.push_back(std::move(match.order));
  }
  // Waits for the rows of own versions in it.
  turn.reply(request, write_payload(to_json(orders), form));
}

void Trader::handle(RequestId request, PayloadForm form, GetOrderbookMessage const& message, Turn& turn) {
  expire_orders(turn.now.wall);
  book_answers_.handle(request, form, message, turn);
}

void Trader::handle(RequestId request, PayloadForm form, ExecuteOrderMessage const& message, Turn& turn) {
  auto const* const order = own_orders_.find(message.order_id);
  if (order && !order->peg.empty()) {
    // The timer may be late: after the process or the computer was suspended, the price is old.
    pegged_orders_.on_update();
    look_at_pegs(turn);
  }
  sales_.execute(request, form, message, own_orders_, turn);
}

void Trader::handle(RequestId request, PayloadForm form, PayMessage const& message, Turn& turn) {
  if (message.order_id == kRelayOrderId) {
    auto const maker = relay_fees_.pay(request, form, message, turn);
    if (!maker) return;
    return spread_welcome(*maker, turn);
  }
  sales_.pay(request, form, message, own_orders_.find(message.order_id), turn);
}

void Trader::spread_welcome(PeerId const& maker, Turn& turn) {
  for (auto const& order : book_.welcome(maker)) sync_.spread(order, false, {}, turn);
}

void Trader::handle(Caller const& caller, ReconcileMessage const& message, Turn& turn) {
  sync_.handle(caller.request, caller.form, message, turn);
  on_sender(message.endpoint, caller.address, turn);
}

void Trader::handle(RequestId request, PayloadForm form, GetRecordsMessage const& message, Turn& turn) {
  sync_.handle(request, form, message, turn);
}

void Trader::handle(Caller const& caller, AddOrderMessage const& message, Turn& turn) {
  Intake::Origin const origin{caller.request, caller.form, {}, caller.address, 0};
  auto const added = offer(message.order, origin, turn);
  if (added) answer(origin, *added, turn);
}

void Trader::handle(Caller const& caller, InventoryMessage const& message, Turn& turn) {
  auto const from = sync_.is_here(message.endpoint) ? message.endpoint : std::string{};
  InventoryAnswer answer;
  answer.refused = message.dropped;
  for (auto const& order : message.orders) {
    auto const added = order.is_signed() ? offer(order, {.endpoint = from, .address = caller.address}, turn)
                                         : Result<Added>{BookErrc::unsigned_refused};
    if (added && !*added) ++answer.refused;
  }
  answer.unknown = sync_.on_inventory(from, message.ids, turn);
  turn.reply_now(caller.request, write_payload(exchange::to_json(answer), caller.form));
  on_sender(message.endpoint, caller.address, turn);
}

void Trader::handle(Caller const& caller, EquivocationMessage const& message, Turn& turn) {
  auto const& [header, first, second] = message;
  if (!equivocations_.find(*first.maker)) {
    if (!verify_order(first) || !verify_order(second)) {
      guard_.blame(caller.address, Guard::Fault::bad_signature, turn.now.steady);
      return turn.reply_error_now(caller.request, to_error_text(refusal_of(BookErrc::bad_signature)));
    }
    convict(first, second, turn);
  }
  turn.reply_now(caller.request, write_payload("ok", caller.form));
}

void Trader::handle(RequestId request, PayloadForm form, RelayFeeMessage const& message, Turn& turn) {
  if (!relay_fees_.asks() || is_known(message.maker))
    return turn.reply_now(request, write_payload("ok", form));
  turn.reply_error_now(request, to_error_text(relay_fees_.invoice_for(message.maker, turn)));
}

// Answers

void Trader::call_answered(CallId call, CallAnswer answer, Now now) {
  auto const tag = calls_.remove(call);
  if (!tag) return;
  in_turn(now, [&](Turn& turn) {
    switch (tag->part) {
      case Part::peers:
        return on_ping(peers_.on_answered(tag->key, std::move(answer), turn), turn);
      case Part::sync:
        return on_read(sync_.on_answered(tag->key, std::move(answer), turn), turn);
      case Part::purchases: {
        auto const outcome = purchases_.on_answered(tag->key, std::move(answer), turn);
        if (outcome.settled) bought(*outcome.settled, turn);
        return;
      }
      case Part::proofs:
        return proofs_.on_answered();
      case Part::relay_fees: {
        auto const* const contact = peers_.find(relay_fees_.endpoint_of(tag->key));
        auto const payee = contact && contact->is_proven ? contact->peer : std::nullopt;
        return relay_fees_.on_answered(tag->key, answer, payee, turn);
      }
      case Part::credit:
        return credit_.on_answered(tag->key, answer, turn);
      case Part::ledger:
        return credit_.on_ledger_answered(tag->key, answer, turn);
      case Part::transits:
        return credit_.on_transit_answered(tag->key, answer, turn);
      case Part::netting:
        return credit_.on_netting_answered(tag->key, answer, turn);
      case Part::own_orders:
      case Part::sales:
      case Part::trader:
        return;
    }
  });
}

void Trader::store_answered(CallId call, store::Answer const& answer, Now now) {
  auto const tag = calls_.remove(call);
  if (!tag) return;
  in_turn(now, [&](Turn& turn) {
    switch (tag->part) {
      case Part::own_orders: {
        auto const ended = own_orders_.on_stored(tag->key, answer, turn);
        if (ended.changed) changed(*ended.changed, {}, turn);
        if (ended.command == 0) return;
        if (ended.failure) return turn.answer(ended.command, *ended.failure);
        auto const* const order = own_orders_.find(ended.order_id);
        return turn.answer(ended.command, result::Placed{view(order->record)});
      }
      case Part::sales: {
        auto const outcome = sales_.on_stored(tag->key, answer, own_orders_, turn);
        if (outcome.sold) sold(*outcome.sold, turn);
        return apply(outcome.order_id, outcome.totals, turn);
      }
      case Part::purchases: {
        auto const outcome = purchases_.on_stored(tag->key, answer, turn);
        return apply(outcome.own_order, outcome.totals, turn);
      }
      case Part::trader:
      case Part::peers:
      case Part::proofs:
      case Part::relay_fees:
      case Part::credit:
      case Part::ledger:
      case Part::transits:
      case Part::netting:
      case Part::sync:
        return;
    }
  });
}

void Trader::show(PeerId const& maker) {
  book_.hide(maker, false);
  crossing_.look_at_all();
}

void Trader::on_ping(Peers::Outcome const& outcome, Turn& turn) {
  for (auto const& maker : heartbeats_.learn(outcome.heartbeats, turn)) show(maker);
  auto const* const contact = peers_.find(outcome.endpoint);
  if (contact && contact->is_proven && heartbeats_.answered(*contact->peer, turn)) show(*contact->peer);
  if (outcome.is_met && contact) sync_.met(outcome.endpoint, !contact->peer, turn);
  if (outcome.is_met && contact && contact->is_proven) {
    relay_fees_.met(outcome.endpoint, turn);
    // Its orders may have come from others before.
    if (is_known(*contact->peer)) spread_welcome(*contact->peer, turn);
    credit_.met(*contact->peer, turn);
  }
  if (outcome.is_lost) sync_.lost(outcome.endpoint, turn), relay_fees_.lost(outcome.endpoint);
  if (!outcome.named.empty()) peers_.found(outcome.named, ContactSource::peers, turn, outcome.endpoint);
}

void Trader::on_sender(std::string const& endpoint, IpAddress const& from, Turn& turn) {
  if (!endpoint.empty() && !sync_.is_here(endpoint)) peers_.called_by(endpoint, from, turn);
}

void Trader::on_read(Sync::Read read, Turn& turn) {
  if (read.endpoint.empty()) return;
  auto const orders = std::exchange(read.list.orders, {});
  auto const id = ++last_read_;
  auto& pending = reads_[id];
  pending.event = {read.endpoint, orders.size(), 0, read.list.dropped};
  pending.read = std::move(read);
  for (auto const& order : orders) {
    if (!order.is_signed() && !is_of_original(order, pending.read)) continue;
    auto const added = offer(order, {.endpoint = pending.read.endpoint, .read = id}, turn);
    if (added) {
      count(pending, order, *added);
    } else {
      ++pending.waiting_count;
    }
  }
  if (pending.waiting_count == 0) finish_read(id, turn);
}

void Trader::count(PendingRead& pending, OrderRecord const& order, Result<Added> const& added) {
  if (!pending.read.is_book) sync_.record_offered(pending.read.endpoint, order, added);
  if (!added) {
    ++pending.event.dropped_count;
  } else if (*added != Added::nothing) {
    ++pending.event.new_count;
  }
}

void Trader::finish_read(std::uint64_t id, Turn& turn) {
  auto const pending = std::move(reads_.extract(id).mapped());
  if (!pending.read.is_book) return sync_.records_done(pending.read, turn);
  auto const& event = pending.event;
  if (event.order_count > 0 || event.dropped_count > 0) turn.log(event);
}

// Rules between parts

/// True for an unsigned order that was read from a peer of the original and whose maker is such a peer, too.
/// The original also holds, without price and signature, copies of the orders that our peers have told it.
bool Trader::is_of_original(OrderRecord const& order, Sync::Read const& read) const {
  if (!read.is_original) return false;
  // Its peers are on one host, and an exchangeId is a port.
  auto const maker =
      read.endpoint.substr(0, read.endpoint.rfind(':') + 1) + std::to_string(order.exchange_id);
  auto const* const contact = peers_.find(maker);
  return contact && contact->is_met && !contact->peer;
}

std::optional<Result<Added>> Trader::offer(OrderRecord const& order, Intake::Origin origin, Turn& turn) {
  if (is_refused(order, origin.endpoint, turn)) {
    sync_.heard(order);
    return Result<Added>{BookErrc::maker_convicted};
  }
  auto const checked = book_.check_new(order, turn.now.wall);
  auto const* const known = book_.find(key_of(order));
  bool const is_proof = known && contradict(*known, order);
  if (!is_proof && (!checked || *checked == Added::nothing)) {
    sync_.heard(order);
    return checked;
  }
  if (!order.is_signed()) {
    // What a peer of the original holds was read by our own decision.
    bool const is_admitted = !origin.address || unsigned_guard_.admit(*origin.address, 1, turn.now.steady) ==
                                                    Guard::Verdict::admitted;
    if (!is_admitted) return Result<Added>{BookErrc::maker_full};
    return admit(order, origin.endpoint, turn);
  }
  if (!intake_.add(order, std::move(origin))) return Result<Added>{BookErrc::busy};
  return std::nullopt;
}

void Trader::verified(std::uint64_t batch, std::vector<bool> const& valid, Now now) {
  in_turn(now, [&](Turn& turn) {
    std::map<std::string, std::size_t> bad_counts;
    for (auto const& each : intake_.on_verified(batch, valid)) {
      on_verified(each, turn);
      if (each.is_valid) continue;
      // The endpoint in a request is a claim; what was read came from there.
      for (auto const& origin : each.origins) {
        if (origin.read != 0) ++bad_counts[origin.endpoint];
      }
    }
    for (auto const& [endpoint, count] : bad_counts) {
      if (count < kBadSignaturesMax) continue;
      for (auto const& [order, is_valid, origins] : intake_.drop_read_from(endpoint)) {
        for (auto const& origin : origins) on_decided(origin.read, order, BookErrc::busy, turn);
      }
      sync_.blame(endpoint, turn);
    }
  });
}

void Trader::on_verified(Intake::Verified const& verified, Turn& turn) {
  auto const& [order, is_valid, origins] = verified;
  auto const added =
      is_valid ? admit(order, origins.front().endpoint, turn) : Result<Added>{BookErrc::bad_signature};
  for (auto const& origin : origins) {
    if (!is_valid && origin.address) {
      guard_.blame(*origin.address, Guard::Fault::bad_signature, turn.now.steady);
    }
    if (origin.request != 0 && added && relay_fees_.asks() && book_.is_cheap(key_of(order))) {
      turn.reply_error_now(origin.request, to_error_text(relay_fees_.invoice_for(*order.maker, turn)));
    } else if (origin.request != 0) {
      answer(origin, added, turn);
    }
    on_decided(origin.read, order, added, turn);
  }
}

void Trader::on_decided(std::uint64_t read, OrderRecord const& order, Result<Added> const& added,
                        Turn& turn) {
  auto const pending = reads_.find(read);
  if (pending == reads_.end()) return;
  count(pending->second, order, added);
  if (--pending->second.waiting_count == 0) finish_read(read, turn);
}

void Trader::answer(Intake::Origin const& origin, Result<Added> const& added, Turn& turn) {
  if (!added) return turn.reply_error_now(origin.request, to_error_text(refusal_of(added.error())));
  turn.reply_now(origin.request, write_payload("ok", origin.form));
}

Result<Added> Trader::admit(OrderRecord const& order, std::string const& from, Turn& turn) {
  auto const* const known = book_.find(key_of(order));
  if (known && contradict(*known, order)) convict(OrderRecord{*known}, order, turn);
  if (is_refused(order, from, turn)) return BookErrc::maker_convicted;
  auto const added = book_.add_verified(order, turn.now.wall);
  if (!added || *added == Added::nothing) {
    sync_.heard(order);
    return added;
  }
  if (order.maker == self_.id) {
    bool const is_unknown = !own_orders_.find(order.id);
    auto const next = own_orders_.observe(order, options_.is_store_shared, turn);
    if (next && is_unknown) {
      turn.log(
          event::Warning{"closed order " + order.id + " of this identity, which its journal does not know"});
    }
    if (next) {
      changed(*next, from, turn);
      return added;
    }
  }
  bool const is_open = order.maker && order.status == OrderStatus::open;
  if (is_open && heartbeats_.add(*order.maker, order.created, turn)) show(*order.maker);
  crossing_.on_changed(order, self_.id, turn.now.wall);
  turn.log(event::OrderChanged{order, *added == Added::order, order.maker == self_.id});
  // A peer that compares its book with ours finds it all the same.
  if (book_.is_cheap(key_of(order))) {
    sync_.add(order);
  } else {
    sync_.spread(order, false, from, turn);
  }
  return added;
}

void Trader::convict(OrderRecord const& first, OrderRecord const& second, Turn& turn) {
  auto const maker = *first.maker;
  if (equivocations_.find(maker)) return;
  bool const is_own = maker == self_.id;
  auto const hidden = is_own ? std::vector<OrderKey>{} : book_.remove_of(maker);
  equivocations_.add(first, second, !hidden.empty(), turn);
  for (auto const& key : hidden) sync_.remove(key);
  auto const text = is_own ? "this identity has signed contradictory terms of order " + first.id +
                                 ": others refuse its orders; stop it and start with a new identity"
                           : "maker " + maker.hex() + " has signed contradictory terms of order " + first.id +
                                 ": its orders are hidden";
  turn.log(event::Warning{text});
  auto endpoints = peers_.met();
  std::erase_if(endpoints, [this](auto const& endpoint) {
    auto const* const contact = peers_.find(endpoint);
    return !contact || !contact->peer;
  });
  proofs_.spread(*equivocations_.find(maker), std::move(endpoints), turn);
}

/// Makers whose orders are welcome without work: we, those who have paid, and peers that a person has named
/// with `connect`.
bool Trader::is_known(PeerId const& maker) const {
  if (maker == self_.id || relay_fees_.has_paid(maker)) return true;
  return std::ranges::any_of(peers_.endpoints_of(maker), [this](auto const& endpoint) {
    auto const* const contact = peers_.find(endpoint);
    return contact && contact->source == ContactSource::connect;
  });
}

bool Trader::is_refused(OrderRecord const& order, std::string const& from, Turn& turn) {
  auto const* const proof =
      order.maker && order.maker != self_.id ? equivocations_.find(*order.maker) : nullptr;
  if (!proof) return false;
  auto const* const contact = peers_.find(from);
  if (contact && contact->is_met && contact->peer) proofs_.show(*proof, from, turn);
  return true;
}

void Trader::changed(OrderRecord const& order, std::string const& from, Turn& turn) {
  bool const is_new = !book_.find(key_of(order));
  book_.put_own(order);
  crossing_.on_changed(order, self_.id, turn.now.wall);
  turn.log(event::OrderChanged{order, is_new, true});
  sync_.spread(order, true, from, turn);
  for (auto const& rival : own_orders_.close_rivals(order.id, turn)) changed(rival, {}, turn);
}

void Trader::apply(std::string const& order_id, OrderTotals const& totals, Turn& turn) {
  auto const order = own_orders_.apply(order_id, totals, options_.is_store_shared, turn);
  if (order) changed(*order, {}, turn);
}

void Trader::run_takes(Turn& turn) {
  auto const reserved = [this](std::string const& id) { return sales_.reserved(id); };
  std::size_t look_count = 0;
  for (;;) {
    while (auto const report = purchases_.poll_report()) {
      run_steps(immediate_orders_.on_report(*report, turn), turn);
      crossing_.on_report(*report, turn);
    }
    auto leg = crossing_.next_take(reserved, look_count, turn);
    if (!leg) return;
    purchases_.take(*std::move(leg), turn);
  }
}

void Trader::run_steps(ImmediateOrders::Steps steps, Turn& turn) {
  for (auto& leg : steps.takes) purchases_.take(std::move(leg), turn);
  for (auto const leg : steps.released) purchases_.release(leg);
  for (auto const& take_id : steps.payments) purchases_.pay(0, {take_id}, turn);
}

void Trader::settled(event::TradeDone trade, std::optional<PeerId> const& counterpart,
                     std::string const& unique, std::string const& preimage, Turn& turn) {
  auto row = trade_row(trade, unique, preimage, turn.now.wall);
  if (counterpart && trade.cents.units() > 0) {
    auto const& maker = trade.as_maker ? self_.id : *counterpart;
    auto const& taker = trade.as_maker ? *counterpart : self_.id;
    Due due{trade_payment_id(maker, taker, trade.order_id, trade.take_id), *counterpart,
            trade.side == Side::buy, trade.cents, std::move(row)};
    credit_.add_trade(std::move(due), turn);
  } else {
    turn.save(std::move(row));
  }
  turn.log(std::move(trade));
}

void Trader::sold(Sale const& sale, Turn& turn) {
  auto const* const order = own_orders_.find(sale.order_id);
  if (!order) return;
  auto const& record = order->record;
  settled({sale.order_id, sale.take_id, true, sale.taker, record.side, sale.amount, record.price,
           notional(sale.amount, record.price).cents},
          PeerId::from_hex(sale.taker), "sale-" + std::to_string(sale.fence), {}, turn);
}

void Trader::bought(Purchase const& purchase, Turn& turn) {
  auto const& order = purchase.order;
  settled({order.id, purchase.take_id, false, order.maker ? order.maker->hex() : std::string{},
           opposite(order.side), purchase.amount, order.price, notional(purchase.amount, order.price).cents},
          order.maker, "purchase-" + purchase.take_id, purchase.preimage, turn);
}

void Trader::execute(CommandId id, TraderCommand const& command, Now now) {
  in_turn(now, [&](Turn& turn) { std::visit([&](auto const& wanted) { run(id, wanted, turn); }, command); });
}

void Trader::worked(std::uint64_t work, std::optional<std::string> found, Now now) {
  in_turn(now, [&](Turn& turn) { on_worked(work, std::move(found), turn); });
}

void Trader::endpoint_changed(std::string endpoint, Now now) {
  in_turn(now, [&](Turn& turn) {
    set_endpoint(std::move(endpoint));
    own_orders_.renew(turn);
  });
}

// Time

void Trader::endpoints_found(std::vector<std::string> const& endpoints, ContactSource source, Now now) {
  in_turn(now, [&](Turn& turn) { peers_.found(endpoints, source, turn); });
}

void Trader::expire(Now now) {
  in_turn(now, [&](Turn& turn) {
    expire_orders(now.wall);
    for (auto const& order : own_orders_.expire(turn)) {
      pegged_orders_.forget(order, turn);
      sales_.forget(order.record.id, turn);
    }
    sales_.expire(own_orders_, turn);
    purchases_.expire(turn);
    look_at_pegs(turn);
    crossing_.expire(turn);
    for (auto const& endpoint : peers_.expire(turn)) sync_.forget(endpoint, turn), relay_fees_.lost(endpoint);
    auto const changes = heartbeats_.expire(turn);
    for (auto const& maker : changes.silent) book_.hide(maker, true);
    for (auto const& maker : changes.back) show(maker);
    sync_.expire(turn);
    book_answers_.expire(turn);
    relay_fees_.expire(turn);
    credit_.expire(turn);
  });
}

void Trader::expire_orders(WallTime now) {
  book_.expire(now);
  sync_.expire_orders(now);
}

TimePoint Trader::next_deadline(Now now) const {
  auto const wall = std::min({own_orders_.next_expiry(), book_.next_expiry(), relay_fees_.next_end()});
  auto const steady =
      std::min({sales_.next_expiry(), purchases_.next_expiry(), crossing_.next_expiry(), peers_.next_expiry(),
                sync_.next_expiry(), pegged_orders_.next_look(), book_answers_.next_expiry(),
                relay_fees_.next_ask(), heartbeats_.next_expiry(), credit_.next_expiry(now)});
  if (wall == WallTime::max()) return steady;
  return std::min(steady, later_by(now.steady, std::max(wall - now.wall, std::chrono::milliseconds{0})));
}

}  // namespace grenache::exchange
