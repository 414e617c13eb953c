#include "exchange/core/trade/own_orders.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "exchange/core/row_fields.hpp"
#include "exchange/messages/message.hpp"

namespace grenache::exchange {
namespace {

using result::Failure;
using result::FailureCode;

Failure invalid(std::string text) { return {FailureCode::invalid, std::move(text), {}}; }

Failure not_answered() {
  return {FailureCode::unavailable, "the reservation store does not answer; nothing was changed",
          "try again"};
}

std::optional<Failure> check_peg(command::AddOrder const& wanted) {
  if (!wanted.peg) return std::nullopt;
  if (is_immediate(wanted.time_in_force) || wanted.post_only || !wanted.group.empty()) {
    return invalid("a pegged order is not IOC, FOK or post-only, and in no group");
  }
  if (wanted.life && wanted.time_in_force != TimeInForce::good_till_date) {
    return invalid("only a pegged order that is GTD has a life");
  }
  auto const& peg = *wanted.peg;
  if (!is_index_name(peg.index) || peg.premium < kPremiumMin || peg.premium > kPremiumMax) {
    return invalid("the premium must be between -99.99 and 1000 percent");
  }
  if (peg.price_min && peg.price_max && *peg.price_min > *peg.price_max) {
    return invalid("the lowest price must not be above the highest");
  }
  return std::nullopt;
}

}  // namespace

std::optional<Failure> check_terms(command::AddOrder const& wanted) {
  if (wanted.amount.units() <= 0 || wanted.amount.units() > Satoshi::kMax) {
    return invalid("the amount must be more than 0 and at most " + Satoshi{Satoshi::kMax}.to_text() + " BTC");
  }
  if (auto failure = check_peg(wanted)) return failure;
  if (!wanted.peg && (wanted.price.units() <= 0 || wanted.price.units() > PriceCents::kMax)) {
    return invalid("the price must be more than 0 and at most " + PriceCents{PriceCents::kMax}.to_text() +
                   " USD");
  }
  if (wanted.least_take > wanted.amount || wanted.least_take.units() < 0) {
    return invalid("the least take must be between 0 and the amount");
  }
  if (wanted.life && (wanted.life->count() <= 0 || *wanted.life > kOrderLifeMax)) {
    return invalid("an order lives at most 7 days");
  }
  if (wanted.group.size() > kGroupNameSizeMax) {
    return invalid("the name of a group has at most " + std::to_string(kGroupNameSizeMax) + " bytes");
  }
  bool const says_how_to_publish =
      wanted.life || wanted.post_only || wanted.least_take.units() > 0 || !wanted.group.empty();
  if (is_immediate(wanted.time_in_force) && says_how_to_publish) {
    return invalid(
        "an IOC or FOK order is not published: it has no life, no least take, no group, and is not "
        "post-only");
  }
  if (wanted.time_in_force == TimeInForce::good_till_date && !wanted.life) {
    return invalid("a GTD order needs the time for which it lives");
  }
  return std::nullopt;
}

KnownOrder OwnOrder::known() const { return {record.id, record.amount, record.expires, totals}; }

bool OwnOrder::is_outdated() const {
  return record.remaining != record.amount - totals.spent ||
         (totals.closed && record.status == OrderStatus::open);
}

void OwnOrders::plan_refresh(OwnOrder& order) const {
  bool const is_due_once =
      order.time_in_force == TimeInForce::good_till_cancelled && order.record.status == OrderStatus::open;
  order.refresh_at =
      is_due_once ? order.record.expires - order.life / options_.refresh_at_nth_part : WallTime::max();
}

OrderRecord const& OwnOrders::sign(OwnOrder& order, Turn& turn) const {
  auto& record = order.record;
  auto& totals = order.totals;
  totals.fit(record.amount);
  record.remaining = record.amount - totals.spent;
  if (totals.closed) {
    record.status = OrderStatus::cancelled;
  } else if (record.remaining.units() == 0) {
    record.status = totals.spent > totals.reduced ? OrderStatus::filled : OrderStatus::cancelled;
  }
  record.seq = totals.seq = std::max(record.seq + 1, totals.seq);
  if (!self_.endpoint.empty()) {
    record.endpoint = self_.endpoint;
    record.exchange_id = self_.exchange_id;
  }
  sign_order(record, self_.key);
  plan_refresh(order);
  turn.save(row_of(order));
  return record;
}

Row OwnOrders::row_of(OwnOrder const& order) {
  auto body = json::Value::Object{{"order", to_json(order.record)},
                                  {"timeInForce", to_text(order.time_in_force)},
                                  {"postOnly", order.post_only},
                                  {"lifeMs", std::int64_t{order.life.count()}},
                                  {"filled", order.totals.filled.to_text()},
                                  {"reduced", order.totals.reduced.to_text()},
                                  {"spent", order.totals.spent.to_text()},
                                  {"closed", order.totals.closed},
                                  {"seq", order.totals.seq}};
  if (!order.group.empty()) body.emplace_back("group", order.group);
  if (!order.peg.empty()) body.emplace_back("peg", order.peg);
  return {kRowKind, order.record.id, json::to_text(json::Value{std::move(body)})};
}

void OwnOrders::dump(std::vector<Row>& out) const {
  for (auto const& [id, order] : orders_) out.push_back(row_of(order));
}

bool OwnOrders::restore(Row const& row) {
  RowFields fields{row.body};
  OwnOrder order;
  order.time_in_force = fields.parsed("timeInForce", parse_time_in_force);
  order.life = fields.milliseconds("lifeMs");
  order.totals.filled = fields.money<Satoshi>("filled");
  order.totals.reduced = fields.money<Satoshi>("reduced");
  order.totals.closed = fields.boolean("closed");
  order.totals.seq = fields.integer("seq");
  auto const* const message = fields.value().find("order");
  if (!fields.ok() || !message) return false;
  auto request = parse_request(*message);
  auto* const add = request ? std::get_if<AddOrderMessage>(&*request) : nullptr;
  if (!add || add->order.maker != self_.id || add->order.id != row.key) return false;
  order.record = std::move(add->order);
  // Rows of the first release lack it.
  if (auto const* const spent = fields.value().find("spent")) {
    auto const parsed = Satoshi::from_json(*spent);
    if (!parsed) return false;
    order.totals.spent = *parsed;
  }
  auto const* const post_only = fields.value().find("postOnly");
  auto const* const flag = post_only ? post_only->as_bool() : nullptr;
  order.post_only = flag && *flag;
  order.totals.spent = std::max(order.totals.spent, order.record.amount - order.record.remaining);
  order.totals.fit(order.record.amount);
  if (auto const* const group = fields.value().find_string("group")) order.group = *group;
  if (auto const* const peg = fields.value().find_string("peg")) order.peg = *peg;
  plan_refresh(order);
  if (orders_.contains(row.key)) return false;
  store(std::move(order));
  return true;
}

OwnOrder& OwnOrders::store(OwnOrder order) {
  auto const id = order.record.id;
  if (!order.group.empty()) groups_[order.group].insert(id);
  return orders_.emplace(id, std::move(order)).first->second;
}

std::size_t OwnOrders::open_count(WallTime now) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(orders_, [&](auto const& each) { return each.second.record.is_live(now); }));
}

std::variant<OwnOrder, Failure> OwnOrders::prepare(command::AddOrder const& wanted, Turn& turn,
                                                   std::string peg) const {
  if (auto failure = check_terms(wanted)) return *std::move(failure);
  if (self_.endpoint.empty()) return Failure{FailureCode::unavailable, "the peer does not listen yet", {}};
  if (auto failure = check_room(wanted.group, turn.now.wall)) return *std::move(failure);
  OwnOrder order;
  order.time_in_force = wanted.time_in_force;
  order.post_only = wanted.post_only;
  order.group = wanted.group;
  order.peg = std::move(peg);
  order.life = wanted.life.value_or(options_.default_life);
  order.record.id = make_uuid(turn.random);
  order.record.side = wanted.side;
  order.record.price = wanted.price;
  order.record.amount = wanted.amount;
  order.record.least_take = wanted.least_take;
  order.record.created = turn.now.wall;
  order.record.expires = turn.now.wall + order.life;
  order.record.maker = self_.id;
  return order;
}

std::variant<OrderRecord, Failure> OwnOrders::add(command::AddOrder const& wanted, Turn& turn) {
  auto order = prepare(wanted, turn);
  if (auto* const failure = std::get_if<Failure>(&order)) return std::move(*failure);
  return publish(std::move(std::get<OwnOrder>(order)), turn);
}

std::variant<OrderRecord, Failure> OwnOrders::publish(OwnOrder order, Turn& turn) {
  if (auto failure = check_room(order.group, turn.now.wall)) return *std::move(failure);
  if (order.record.expires <= turn.now.wall) {
    return Failure{FailureCode::refused, "the order has expired before it had its proof of work",
                   "give it more time, or start with a smaller --pow"};
  }
  return sign(store(std::move(order)), turn);
}

std::optional<Failure> OwnOrders::check_room(std::string const& group, WallTime now) const {
  if (open_count(now) < options_.order_count_max) return check_group(group);
  return Failure{FailureCode::refused,
                 "there are " + std::to_string(options_.order_count_max) +
                     " open orders; other peers accept no more of one maker",
                 "cancel one first"};
}

std::optional<Failure> OwnOrders::check_group(std::string const& group) const {
  auto const found = groups_.find(group);
  if (found == groups_.end()) return std::nullopt;
  auto const& ids = found->second;
  if (ids.size() >= options_.group_size_max) {
    return Failure{FailureCode::refused,
                   "the group '" + group + "' has " + std::to_string(ids.size()) + " orders already",
                   "choose another name"};
  }
  bool const has_sold =
      std::ranges::any_of(ids, [&](auto const& id) { return orders_.at(id).totals.filled.units() > 0; });
  if (!has_sold) return std::nullopt;
  return Failure{FailureCode::refused, "an order of the group '" + group + "' was filled already",
                 "choose another name"};
}

std::vector<std::string> OwnOrders::rivals_of(OwnOrder const& order) const {
  auto const found = groups_.find(order.group);
  if (found == groups_.end()) return {};
  std::vector<std::string> out;
  std::ranges::remove_copy(found->second, std::back_inserter(out), order.record.id);
  return out;
}

std::vector<OrderRecord> OwnOrders::close_rivals(std::string_view order_id, Turn& turn) {
  std::vector<OrderRecord> out;
  auto const* const order = find(order_id);
  if (!order || order->totals.filled.units() == 0) return out;
  for (auto const& id : rivals_of(*order)) {
    if (auto closed = close(id, turn)) out.push_back(*std::move(closed));
  }
  return out;
}

std::optional<OrderRecord> OwnOrders::close(std::string_view order_id, Turn& turn) {
  auto const found = orders_.find(order_id);
  if (found == orders_.end() || found->second.record.status != OrderStatus::open) return std::nullopt;
  found->second.totals.closed = true;
  return sign(found->second, turn);
}

void OwnOrders::ask_store(Pending pending, OwnOrder const& order, bool close, Turn& turn) {
  auto const key = ++last_key_;
  auto const reduce_by = pending.reduce_by;
  pending_.emplace(key, std::move(pending));
  turn.store({Part::own_orders, key}, store::Update{order.known(), reduce_by, close});
}

std::optional<Failure> OwnOrders::update(CommandId command, std::string const& order_id, Satoshi reduce_by,
                                         bool close, Turn& turn) {
  auto const* const order = find(order_id);
  if (!order) return Failure{FailureCode::not_found, "this is not an order of this peer", "see: orders"};
  if (!order->record.is_live(turn.now.wall)) {
    bool const is_open = order->record.status == OrderStatus::open;
    auto const state = std::string{is_open ? "EXPIRED" : to_text(order->record.status)};
    return Failure{FailureCode::not_found, "the order is " + state + " already", {}};
  }
  if (!close && reduce_by.units() <= 0) return invalid("the amount to withdraw must be more than 0");
  if (!close && reduce_by > order->record.remaining) {
    return invalid("only " + order->record.remaining.to_text() + " BTC of the order remain");
  }
  // A second one would count from the same totals.
  bool const is_busy = std::ranges::any_of(pending_, [&](auto const& each) {
    return each.second.order_id == order_id && each.second.reduce_by.units() > 0;
  });
  if (is_busy && !close) {
    return Failure{FailureCode::unavailable, "this order is being reduced already", "try again"};
  }
  ask_store({command, order_id, reduce_by, false}, *order, close, turn);
  return std::nullopt;
}

OwnOrders::Ended OwnOrders::on_stored(std::uint64_t key, store::Answer const& answer, Turn& turn) {
  auto const found = pending_.extract(key);
  if (found.empty()) return {};
  auto const& pending = found.mapped();
  Ended out{pending.command, pending.order_id, {}, {}};
  auto const entry = orders_.find(pending.order_id);
  if (entry == orders_.end()) {
    out.failure = Failure{FailureCode::not_found, "the order has expired", {}};
    return out;
  }
  auto& order = entry->second;
  auto const* const updated = std::get_if<store::Updated>(&answer);
  if (!updated) {
    out.failure = not_answered();
    // An outdated version is asked for again too.
    if (pending.command == 0) order.refresh_at = turn.now.wall + options_.refresh_retry;
    return out;
  }
  auto const reduced_before = order.totals.reduced;
  order.totals.merge(updated->totals);
  if (pending.extends && !order.totals.closed) {
    order.record.expires = std::max(order.record.expires, turn.now.wall + order.life);
  }
  out.changed = sign(order, turn);
  if (pending.reduce_by.units() > 0 && order.totals.reduced <= reduced_before) {
    out.failure =
        Failure{FailureCode::refused, "nothing of the order is free to be withdrawn",
                "reserved parts are free again when their invoices expire, after at most 15 minutes"};
  }
  return out;
}

std::optional<OrderRecord> OwnOrders::apply(std::string const& order_id, OrderTotals const& totals,
                                            bool is_store_shared, Turn& turn) {
  auto const found = orders_.find(order_id);
  if (found == orders_.end()) return std::nullopt;
  auto& order = found->second;
  auto merged = order.totals;
  merged.merge(totals);
  merged.fit(order.record.amount);
  merged.seq = order.totals.seq;  // a greater one alone is told again with the next change
  if (merged == order.totals) return std::nullopt;
  merged.merge(totals);
  merged.fit(order.record.amount);
  order.totals = merged;
  if (!is_store_shared) return sign(order, turn);
  turn.save(row_of(order));
  ask_store({0, order_id, {}, false}, order, false, turn);
  return std::nullopt;
}

void OwnOrders::renew(Turn& turn) {
  for (auto const& [id, order] : orders_) {
    bool const has_moved = order.record.is_live(turn.now.wall) && order.record.endpoint != self_.endpoint;
    if (order.is_outdated() || has_moved) ask_store({0, id, {}, false}, order, false, turn);
  }
}

std::optional<OrderRecord> OwnOrders::observe(OrderRecord const& record, bool is_store_shared, Turn& turn) {
  if (record.maker != self_.id) return std::nullopt;
  auto found = orders_.find(record.id);
  bool const is_unknown = found == orders_.end();
  bool const is_cancelled = record.status == OrderStatus::cancelled;
  if (!is_unknown && record.seq < found->second.record.seq) {
    auto& known = found->second;
    auto const spent = record.amount - record.remaining;
    bool const is_news = (is_cancelled && !known.totals.closed) || spent > known.totals.spent;
    if (!is_news) return std::nullopt;
    known.totals.closed = known.totals.closed || is_cancelled;
    known.totals.spent = std::max(known.totals.spent, spent);
    if (!is_store_shared) return sign(known, turn);
    known.totals.fit(known.record.amount);
    turn.save(row_of(known));
    ask_store({0, record.id, {}, false}, known, is_cancelled, turn);
    return std::nullopt;
  }
  if (is_unknown) {
    OwnOrder order;
    order.time_in_force = TimeInForce::good_till_date;  // the process that published it refreshes it
    found = orders_.emplace(record.id, std::move(order)).first;
  }
  auto& order = found->second;
  order.record = record;
  order.totals.seq = std::max(order.totals.seq, record.seq);
  bool const was_closed = record.status == OrderStatus::cancelled || record.status == OrderStatus::expired;
  order.totals.closed = order.totals.closed || was_closed;
  order.totals.spent = std::max(order.totals.spent, record.amount - record.remaining);
  if (!is_store_shared) {
    // What the journal does not know was traded or withdrawn all the same.
    auto const unknown = record.amount - record.remaining - order.totals.filled;
    order.totals.reduced = std::max(order.totals.reduced, unknown);
    if (is_unknown && record.status == OrderStatus::open) {
      order.totals.closed = true;
      return sign(order, turn);
    }
  }
  order.totals.fit(record.amount);
  // The process that signed it may not have known what this one knows.
  auto const left = record.amount - order.totals.spent;
  bool const is_less = order.totals.closed || left < record.remaining;
  if (!is_unknown && record.status == OrderStatus::open && is_less) {
    if (!is_store_shared) return sign(order, turn);
    ask_store({0, record.id, {}, false}, order, false, turn);
  }
  plan_refresh(order);
  turn.save(row_of(order));
  return std::nullopt;
}

std::vector<OwnOrder> OwnOrders::expire(Turn& turn) {
  std::vector<OwnOrder> forgotten;
  for (auto it = orders_.begin(); it != orders_.end();) {
    auto& order = it->second;
    if (order.record.expires + options_.expired_kept <= turn.now.wall) {
      turn.erase(kRowKind, order.record.id);
      if (auto const group = groups_.find(order.group); group != groups_.end()) {
        group->second.erase(order.record.id);
        if (group->second.empty()) groups_.erase(group);
      }
      forgotten.push_back(std::move(order));
      it = orders_.erase(it);
      continue;
    }
    if (order.refresh_at <= turn.now.wall) {
      order.refresh_at = WallTime::max();  // until the store answers
      bool const is_live = order.record.is_live(turn.now.wall);
      bool const extends = is_live && order.time_in_force == TimeInForce::good_till_cancelled;
      if (is_live || order.is_outdated()) ask_store({0, order.record.id, {}, extends}, order, false, turn);
    }
    ++it;
  }
  return forgotten;
}

WallTime OwnOrders::next_expiry() const {
  auto next = WallTime::max();
  for (auto const& [id, order] : orders_) {
    next = std::min({next, order.refresh_at, order.record.expires + options_.expired_kept});
  }
  return next;
}

OwnOrder const* OwnOrders::find(std::string_view order_id) const {
  auto const found = orders_.find(order_id);
  return found == orders_.end() ? nullptr : &found->second;
}

std::vector<KnownOrder> OwnOrders::known() const {
  std::vector<KnownOrder> out;
  out.reserve(orders_.size());
  for (auto const& [id, order] : orders_) out.push_back(order.known());
  return out;
}

}  // namespace grenache::exchange
