#include "exchange/core/trade/reservation_table.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

using std::chrono::milliseconds;
using store::Answer;
using store::RefusalReason;
using store::Refused;

// Longer than any order lives, and short enough for a Duration.
constexpr std::chrono::years kOrderLifeCap{10};

// Rounded up, so that after waiting this long the reservation is gone.
milliseconds until(TimePoint expires, TimePoint now) {
  return std::chrono::ceil<milliseconds>(expires - now);
}

Refused unavailable() { return {RefusalReason::unavailable, {}, {}}; }

void increase(std::int64_t& seq) {
  if (seq < std::numeric_limits<std::int64_t>::max()) ++seq;
}

}  // namespace

Answer ReservationTable::execute(store::Command const& command, TimePoint now, WallTime wall) {
  drop_expired(now);
  if (!recovered_ && !std::holds_alternative<store::Recover>(command)) return unavailable();
  return std::visit([&](auto const& each) { return run(each, now, wall); }, command);
}

Answer ReservationTable::run(store::Reserve const& command, TimePoint now, WallTime wall) {
  GRN_CHECK(command.wanted > Satoshi{0});
  OrderEntry* const entry = merge(command.order, now, wall);
  if (!entry) return unavailable();
  Order& order = entry->second;
  if (order.settled.contains(command.take_id)) return Refused{RefusalReason::gone, {}, order.totals};
  if (auto const found = order.live.find(command.take_id); found != order.live.end()) {
    Live const& live = found->second;
    milliseconds const life = until(live.expires, now);
    if (live.taker != command.taker) return Refused{RefusalReason::reserved, life, order.totals};
    Reservation const reservation{command.take_id, live.taker,       live.amount,
                                  live.fence,      live.reserved_at, life};
    return store::Granted{reservation, true, order.totals};
  }
  if (auto const refused = check_new(order, command, now)) return *refused;
  if (expiries_.size() >= options_.reservation_count_max ||
      last_fence_ == std::numeric_limits<std::int64_t>::max())
    return unavailable();
  Live const live{command.taker, command.wanted, ++last_fence_, wall, later_by(now, command.life)};
  add(*entry, command.take_id, live);
  Reservation const reservation{command.take_id, live.taker, live.amount, live.fence, wall, command.life};
  return store::Granted{reservation, false, order.totals};
}

std::optional<Refused> ReservationTable::check_new(Order const& order, store::Reserve const& command,
                                                   TimePoint now) const {
  auto const refuse = [&](RefusalReason reason, milliseconds retry_after) {
    return Refused{reason, retry_after, order.totals};
  };
  if (order.totals.closed) return refuse(RefusalReason::closed, {});
  if (auto const refused = check_rivals(order, command, now)) return refused;
  if (command.wanted > order.left()) return refuse(RefusalReason::amount, {});
  for (auto const& [take_id, take] : order.live) {
    if (take.taker == command.taker) return refuse(RefusalReason::taker_has_one, until(take.expires, now));
  }
  if (order.settled.size() >= options_.settled_takes_per_order_max)
    return refuse(RefusalReason::too_many_takes, {});
  bool const is_full = order.live.size() >= options_.live_takes_per_order_max;
  Satoshi free = order.free();
  if (!is_full && command.wanted <= free) return std::nullopt;
  std::vector<std::pair<TimePoint, Satoshi>> live;  // expiry and amount
  for (auto const& [take_id, take] : order.live) live.emplace_back(take.expires, take.amount);
  std::ranges::sort(live);
  if (is_full) return refuse(RefusalReason::too_many_takes, until(live.front().first, now));
  TimePoint enough_at = now;
  for (auto const& [expires, amount] : live) {
    if (command.wanted <= free) break;
    free = free + amount;
    enough_at = expires;
  }
  return refuse(RefusalReason::reserved, until(enough_at, now));
}

std::optional<Refused> ReservationTable::check_rivals(Order const& order, store::Reserve const& command,
                                                      TimePoint now) const {
  TimePoint free_at = now;
  for (auto const& id : command.rivals) {
    auto const rival = orders_.find(id);
    if (rival == orders_.end()) continue;
    if (rival->second.totals.filled > Satoshi{0}) return Refused{RefusalReason::closed, {}, order.totals};
    for (auto const& [take_id, take] : rival->second.live) free_at = std::max(free_at, take.expires);
  }
  if (free_at == now) return std::nullopt;
  return Refused{RefusalReason::rival_reserved, until(free_at, now), order.totals};
}

Answer ReservationTable::run(store::Settle const& command, TimePoint now, WallTime wall) {
  OrderEntry* const entry = merge(command.order, now, wall);
  if (!entry) return Refused{RefusalReason::gone, {}, command.order.totals};
  Order& order = entry->second;
  if (auto const done = order.settled.find(command.take_id); done != order.settled.end()) {
    if (done->second.fence != command.fence) return Refused{RefusalReason::gone, {}, order.totals};
    return store::Settled{done->second.amount, order.totals};
  }
  auto const take = order.live.find(command.take_id);
  if (take == order.live.end() || take->second.fence != command.fence)
    return Refused{RefusalReason::gone, {}, order.totals};
  Satoshi const amount = take->second.amount;
  remove(*entry, take);
  order.settled.emplace(command.take_id, SettledTake{amount, command.fence});
  order.totals.filled = order.totals.filled + amount;
  order.totals.spent = order.totals.spent + amount;
  increase(order.totals.seq);
  return store::Settled{amount, order.totals};
}

Answer ReservationTable::run(store::Release const& command, TimePoint, WallTime) {
  auto const order = orders_.find(command.order_id);
  if (order == orders_.end()) return store::Done{};
  auto const take = order->second.live.find(command.take_id);
  if (take != order->second.live.end() && take->second.fence == command.fence) remove(*order, take);
  return store::Done{};
}

Answer ReservationTable::run(store::Update const& command, TimePoint now, WallTime wall) {
  OrderEntry* const entry = merge(command.order, now, wall);
  if (!entry) return unavailable();
  Order& order = entry->second;
  OrderTotals& totals = order.totals;
  Satoshi const by = std::clamp(command.reduce_by, Satoshi{0}, order.amount);
  Satoshi const target = std::min(command.order.totals.reduced, order.amount) + by;
  auto const reduced = std::max(totals.reduced, std::min(target, totals.reduced + order.free()));
  totals.spent = totals.spent + reduced - totals.reduced;
  totals.reduced = reduced;
  totals.closed = totals.closed || command.close;
  increase(totals.seq);
  return store::Updated{totals};
}

Answer ReservationTable::run(store::Recover const& command, TimePoint now, WallTime wall) {
  recovered_ = true;
  last_fence_ = std::max(last_fence_, command.fence);
  for (auto const& known : command.orders) (void)merge(known, now, wall);
  for (auto const& take : command.takes) restore(take, now);
  return store::Done{};
}

void ReservationTable::restore(store::Recover::Take const& take, TimePoint now) {
  Reservation const& told = take.reservation;
  last_fence_ = std::max(last_fence_, told.fence);
  auto const order = orders_.find(take.order_id);
  if (order == orders_.end() || order->second.settled.contains(told.take_id)) return;
  if (told.amount <= Satoshi{0} || told.life <= milliseconds{0}) return;
  auto const known = order->second.live.find(told.take_id);
  bool const is_known = known != order->second.live.end();
  if (is_known && known->second.fence >= told.fence) return;
  if (is_known) remove(*order, known);
  if (told.amount > order->second.free() || expiries_.size() >= options_.reservation_count_max) return;
  add(*order, told.take_id,
      Live{told.taker, told.amount, told.fence, told.reserved_at, later_by(now, told.life)});
}

ReservationTable::OrderEntry* ReservationTable::merge(KnownOrder const& known, TimePoint now, WallTime wall) {
  auto found = orders_.find(known.id);
  if (found == orders_.end()) {
    if (orders_.size() >= options_.order_count_max) return nullptr;
    found = orders_.emplace(known.id, Order{}).first;
    found->second.amount = std::max(known.amount, Satoshi{0});
    found->second.forget_at = now;
    forgettings_.emplace(now, known.id);
  }
  Order& order = found->second;
  Duration const left = std::clamp<milliseconds>(known.expires - wall, milliseconds{0}, kOrderLifeCap);
  TimePoint const forget_at = later_by(later_by(now, left), kOrderKept);
  if (forget_at > order.forget_at) {
    auto node = forgettings_.extract({order.forget_at, known.id});
    node.value().first = order.forget_at = forget_at;
    forgettings_.insert(std::move(node));
  }
  order.totals.merge(known.totals);
  order.totals.fit(order.amount);
  while (order.free() < Satoshi{0}) {
    auto const age = [](auto const& take) { return std::tie(take.second.fence, take.first); };
    remove(*found, std::ranges::max_element(order.live, {}, age));
  }
  return &*found;
}

void ReservationTable::add(OrderEntry& order, std::string const& take_id, Live live) {
  expiries_.emplace(live.expires, order.first, take_id);
  order.second.live_sum = order.second.live_sum + live.amount;
  order.second.live.emplace(take_id, std::move(live));
}

void ReservationTable::remove(OrderEntry& order, LiveTakes::iterator take) {
  expiries_.erase({take->second.expires, order.first, take->first});
  order.second.live_sum = order.second.live_sum - take->second.amount;
  order.second.live.erase(take);
}

void ReservationTable::drop_expired(TimePoint now) {
  while (!expiries_.empty() && std::get<TimePoint>(*expiries_.begin()) <= now) {
    auto const& [expires, order_id, take_id] = *expiries_.begin();
    auto const order = orders_.find(order_id);
    remove(*order, order->second.live.find(take_id));
  }
  while (!forgettings_.empty() && forgettings_.begin()->first <= now) {
    auto const order = orders_.find(forgettings_.begin()->second);
    while (!order->second.live.empty()) remove(*order, order->second.live.begin());
    orders_.erase(order);
    forgettings_.erase(forgettings_.begin());
  }
}

void ReservationTable::check() const {
  std::size_t live_count = 0;
  for (auto const& [id, order] : orders_) {
    Satoshi sum;
    for (auto const& [take_id, live] : order.live) {
      GRN_CHECK(live.amount > Satoshi{0} && live.fence <= last_fence_);
      GRN_CHECK(expiries_.contains({live.expires, id, take_id}));
      GRN_CHECK(!order.settled.contains(take_id));
      sum = sum + live.amount;
    }
    GRN_CHECK(sum == order.live_sum);
    GRN_CHECK(order.totals.filled >= Satoshi{0} && order.totals.reduced >= Satoshi{0});
    GRN_CHECK(order.totals.filled + order.totals.reduced <= order.totals.spent);
    GRN_CHECK(order.totals.spent + sum <= order.amount);
    GRN_CHECK(forgettings_.contains({order.forget_at, id}));
    live_count += order.live.size();
  }
  GRN_CHECK(live_count == expiries_.size() && orders_.size() == forgettings_.size());
}

}  // namespace grenache::exchange
