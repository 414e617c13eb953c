#include "exchange/core/trade/pegged_orders.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "exchange/core/row_fields.hpp"

namespace grenache::exchange {
namespace {

using result::Failure;
using result::FailureCode;

constexpr std::int64_t kWhole = 10'000;  // basis points

std::string missing_price_text(std::string const& index, ReferencePrices::Price const& price) {
  if (price.needed_count == 0) return "no index '" + index + "' is configured";
  return "index '" + index + "' has " + std::to_string(price.fresh_count) + " fresh " +
         (price.fresh_count == 1 ? "price" : "prices") + ", " + std::to_string(price.needed_count) +
         " are needed";
}

std::optional<Side> parse_peg_side(std::string_view text) {
  for (auto const side : {Side::buy, Side::sell}) {
    if (text == to_text(side)) return side;
  }
  return std::nullopt;
}

Failure too_many() {
  return {FailureCode::refused, "other peers accept no more orders of one maker, closed ones counted", {}};
}

/// Of what was asked for, the store grants no more than is left.
Satoshi claimed_of(OwnOrder const& order, Claims const& claims) {
  auto const found = claims.find(order.record.id);
  return found == claims.end() ? Satoshi{} : std::min(found->second, order.record.remaining);
}

}  // namespace

// Commands

PeggedOrders::Placed PeggedOrders::add(command::AddOrder const& wanted, Turn& turn) {
  auto const& index = wanted.peg->index;
  if (!prices_.has(index)) {
    return Failure{FailureCode::not_found, "no index '" + index + "' is configured",
                   "start the peer with --index " + index + "=KEY,..."};
  }
  if (pegs_.size() >= options_.count_max) {
    return Failure{FailureCode::refused, "there are " + std::to_string(pegs_.size()) + " pegged orders",
                   "cancel one first"};
  }
  if (has_too_many(turn.now.wall)) return too_many();
  PeggedOrder peg{.id = make_uuid(turn.random),
                  .side = wanted.side,
                  .amount = wanted.amount,
                  .least_take = wanted.least_take,
                  .peg = *wanted.peg};
  if (wanted.life) peg.ends = turn.now.wall + *wanted.life;
  auto const price = price_of(peg, turn.now.wall);
  if (!price) {
    return Failure{FailureCode::unavailable, missing_price_text(index, prices_.find(index, turn.now.wall)),
                   "try again when its publishers are heard"};
  }
  auto placed = publish(peg, *price, peg.amount, turn);
  if (std::holds_alternative<Failure>(placed)) return placed;
  if (peg.is_working) turn.save(row_of(peg));
  pegs_.emplace(peg.id, std::move(peg));
  plan_next_look(false, turn.now);
  return placed;
}

PeggedOrders::Placed PeggedOrders::publish(PeggedOrder& peg, PriceCents price, Satoshi amount, Turn& turn) {
  command::AddOrder wanted;
  wanted.side = peg.side;
  wanted.price = price;
  wanted.amount = amount;
  wanted.least_take = std::min(peg.least_take, amount);
  wanted.life = options_.life;
  if (peg.ends - turn.now.wall < options_.life) {
    wanted.life = peg.ends - turn.now.wall;
    wanted.time_in_force = TimeInForce::good_till_date;
  }
  auto prepared = own_.prepare(wanted, turn, peg.id);
  if (auto* const failure = std::get_if<Failure>(&prepared)) return std::move(*failure);
  auto& order = std::get<OwnOrder>(prepared);
  if (options_.needs_work) {
    peg.is_working = true;
    return std::move(order);
  }
  auto signed_order = own_.publish(std::move(order), turn);
  if (auto* const failure = std::get_if<Failure>(&signed_order)) return std::move(*failure);
  peg.order = std::get<OrderRecord>(signed_order).id;
  turn.save(row_of(peg));
  return std::get<OrderRecord>(std::move(signed_order));
}

std::variant<OrderRecord, Failure> PeggedOrders::publish_worked(OwnOrder order, Claims const& claims,
                                                                Turn& turn) {
  auto const found = pegs_.find(order.peg);
  if (found == pegs_.end()) return Failure{FailureCode::refused, "the order was cancelled meanwhile", {}};
  auto& peg = found->second;
  peg.is_working = false;
  next_look_ = TimePoint::min();
  auto const price = price_of(peg, turn.now.wall);
  if (!price || has_moved(order.record, *price)) {
    return Failure{FailureCode::unavailable, "the index has moved meanwhile", "try again"};
  }
  auto const sums_by_peg = sums(claims);
  auto const sum = sums_by_peg.find(peg.id);
  auto const used = sum == sums_by_peg.end() ? Satoshi{} : sum->second.sold + sum->second.claimed;
  if (is_open(peg) || order.record.amount > peg.amount - peg.sold_before - used) {
    return Failure{FailureCode::unavailable, "what is left of the order has changed meanwhile", "try again"};
  }
  auto placed = own_.publish(std::move(order), turn);
  if (auto const* const record = std::get_if<OrderRecord>(&placed)) {
    peg.order = record->id;
    turn.save(row_of(peg));
  }
  return placed;
}

void PeggedOrders::work_failed(std::string const& id) {
  if (auto const found = pegs_.find(id); found != pegs_.end()) found->second.is_working = false;
}

std::optional<OrderRecord> PeggedOrders::cancel(std::string const& id, Turn& turn) {
  auto const found = pegs_.find(id);
  if (found == pegs_.end()) return std::nullopt;
  auto closed = own_.close(found->second.order, turn);
  turn.erase(kRowKind, id);
  pegs_.erase(found);
  return closed;
}

// Looks

std::optional<PriceCents> PeggedOrders::price_of(PeggedOrder const& peg, WallTime now) const {
  auto const index = prices_.find(peg.peg.index, now);
  if (!index.price) return std::nullopt;
  bool const buys = peg.side == Side::buy;
  return pegged_price(peg.peg, buys, buys ? index.low : index.high);
}

std::map<std::string, PeggedOrders::Sum, std::less<>> PeggedOrders::sums(Claims const& claims) const {
  std::map<std::string, Sum, std::less<>> out;
  for (auto const& [id, order] : own_.all()) {
    if (order.peg.empty()) continue;
    auto& sum = out[order.peg];
    sum.sold = sum.sold + order.totals.spent;
    sum.claimed = sum.claimed + claimed_of(order, claims);
  }
  return out;
}

bool PeggedOrders::has_too_many(WallTime now) const {
  auto const is_kept = [&](auto const& each) { return each.second.record.expires > now; };
  return static_cast<std::size_t>(std::ranges::count_if(own_.all(), is_kept)) >= options_.kept_count_max;
}

bool PeggedOrders::has_moved(OrderRecord const& order, PriceCents price) const {
  auto const change = std::abs(price.units() - order.price.units());
  // Prices are at most 1e11 cents.
  return change > 0 && change * kWhole >= options_.threshold * order.price.units();
}

PeggedOrders::Wanted PeggedOrders::wanted_of(PeggedOrder const& peg, std::optional<PriceCents> price,
                                             Sum const& sum, Claims const& claims, Now now) const {
  Wanted out;
  auto const unsold = peg.amount - peg.sold_before - sum.sold;
  out.free = unsold - sum.claimed;
  auto const* const order = own_.find(peg.order);
  bool const is_live = order && order->record.is_live(now.wall);
  if (peg.ends <= now.wall || unsold.units() <= 0) {
    out.step = Step::end;
  } else if (!price) {
    out.step = is_open(peg) ? Step::close : Step::none;
  } else if (!is_live) {
    out.step = out.free.units() > 0 && !peg.is_working ? Step::replace : Step::none;
  } else {
    out.has_moved = has_moved(order->record, *price);
    auto const offered = order->record.remaining - claimed_of(*order, claims);
    out.step = out.has_moved || out.free > offered ? Step::replace : Step::none;
  }
  return out;
}

PeggedOrders::Changes PeggedOrders::look(Claims const& claims, Turn& turn) {
  Changes out;
  if (pegs_.empty() || turn.now.steady < next_look_) return out;
  log_pauses(turn);
  auto const sums_by_peg = sums(claims);
  bool const is_full = has_too_many(turn.now.wall);
  log_fullness(is_full, turn);
  bool const is_due = turn.now.steady >= next_change_;
  bool is_delayed = false;
  std::vector<std::string> ended;
  for (auto& [id, peg] : pegs_) {
    auto const found = sums_by_peg.find(id);
    auto const sum = found == sums_by_peg.end() ? Sum{} : found->second;
    auto const price = price_of(peg, turn.now.wall);
    auto const wanted = wanted_of(peg, price, sum, claims, turn.now);
    bool const replaces = wanted.step == Step::replace;
    if (replaces && !is_due) is_delayed = true;
    if (wanted.step == Step::none || (replaces && (!is_due || (is_full && !wanted.has_moved)))) continue;
    if (auto closed = own_.close(peg.order, turn)) out.versions.push_back(*std::move(closed));
    if (wanted.step == Step::end) ended.push_back(id);
    if (!replaces || is_full) continue;
    next_change_ = later_by(turn.now.steady, options_.interval);
    if (wanted.free.units() <= 0) continue;
    add_to(out, publish(peg, *price, wanted.free, turn), turn);
  }
  for (auto const& id : ended) (void)cancel(id, turn);
  plan_next_look(is_delayed, turn.now);
  return out;
}

void PeggedOrders::add_to(Changes& out, Placed placed, Turn& turn) {
  if (auto* const record = std::get_if<OrderRecord>(&placed)) {
    out.versions.push_back(std::move(*record));
  } else if (auto* const order = std::get_if<OwnOrder>(&placed)) {
    out.unworked.push_back(std::move(*order));
  } else {
    turn.log(event::Warning{"a pegged order is not published: " + std::get<Failure>(placed).text});
  }
}

void PeggedOrders::log_fullness(bool is_full, Turn& turn) {
  if (is_full && !is_full_) {
    turn.log(event::Warning{too_many().text + ": pegged orders whose price moves are closed until some of "
                                              "them expire"});
  }
  is_full_ = is_full;
}

void PeggedOrders::log_pauses(Turn& turn) {
  std::set<std::string> wanted;
  for (auto const& [id, peg] : pegs_) wanted.insert(peg.peg.index);
  for (auto const& index : wanted) {
    auto const price = prices_.find(index, turn.now.wall);
    if (!price.price && paused_.insert(index).second) {
      turn.log(
          event::Warning{missing_price_text(index, price) + ": the orders that are pegged to it are closed"});
    }
    if (price.price && paused_.erase(index) > 0) {
      turn.log(event::Warning{"index '" + index + "' is at " + price.price->to_text() +
                              " USD again: the orders that are pegged to it are published"});
    }
  }
}

void PeggedOrders::plan_next_look(bool is_delayed, Now now) {
  next_look_ = later_by(now.steady, options_.interval);
  if (is_delayed && next_change_ > now.steady) next_look_ = std::min(next_look_, next_change_);
  auto change = prices_.next_expiry(now.wall);
  for (auto const& [id, peg] : pegs_) change = std::min(change, peg.ends);
  if (change == WallTime::max()) return;
  next_look_ =
      std::min(next_look_, later_by(now.steady, std::max(change - now.wall, std::chrono::milliseconds{1})));
}

// State

void PeggedOrders::forget(OwnOrder const& order, Turn& turn) {
  auto const found = pegs_.find(order.peg);
  if (found == pegs_.end() || order.totals.spent.units() == 0) return;
  auto& peg = found->second;
  peg.sold_before = peg.sold_before + order.totals.spent;
  turn.save(row_of(peg));
}

PeggedOrder const* PeggedOrders::find(std::string_view id) const {
  auto const found = pegs_.find(id);
  return found == pegs_.end() ? nullptr : &found->second;
}

bool PeggedOrders::is_open(PeggedOrder const& peg) const {
  auto const* const order = own_.find(peg.order);
  return order && order->record.status == OrderStatus::open;
}

Satoshi PeggedOrders::unsold(PeggedOrder const& peg) const {
  auto out = peg.amount - peg.sold_before;
  for (auto const& [id, order] : own_.all()) {
    if (order.peg == peg.id) out = out - order.totals.spent;
  }
  return out;
}

// Rows

Row PeggedOrders::row_of(PeggedOrder const& peg) {
  auto body = json::Value::Object{{"side", to_text(peg.side)},
                                  {"amount", peg.amount.to_text()},
                                  {"leastTake", peg.least_take.to_text()},
                                  {"peg", to_text(peg.peg)},
                                  {"soldBefore", peg.sold_before.to_text()},
                                  {"order", peg.order}};
  if (peg.peg.price_min) body.emplace_back("minPrice", peg.peg.price_min->to_text());
  if (peg.peg.price_max) body.emplace_back("maxPrice", peg.peg.price_max->to_text());
  if (peg.ends != WallTime::max()) body.emplace_back("ends", to_unix_ms(peg.ends));
  return {kRowKind, peg.id, json::to_text(json::Value{std::move(body)})};
}

void PeggedOrders::dump(std::vector<Row>& out) const {
  for (auto const& [id, peg] : pegs_) out.push_back(row_of(peg));
}

bool PeggedOrders::restore(Row const& row) {
  RowFields fields{row.body};
  PeggedOrder peg{.id = row.key};
  peg.side = fields.parsed("side", parse_peg_side);
  peg.amount = fields.money<Satoshi>("amount");
  peg.least_take = fields.money<Satoshi>("leastTake");
  peg.peg = fields.parsed("peg", parse_peg);
  peg.sold_before = fields.money<Satoshi>("soldBefore");
  peg.order = fields.text("order");
  auto const& body = fields.value();
  if (body.find("minPrice")) peg.peg.price_min = fields.money<PriceCents>("minPrice");
  if (body.find("maxPrice")) peg.peg.price_max = fields.money<PriceCents>("maxPrice");
  if (body.find("ends")) peg.ends = fields.time("ends");
  return fields.ok() && pegs_.emplace(row.key, std::move(peg)).second;
}

}  // namespace grenache::exchange
