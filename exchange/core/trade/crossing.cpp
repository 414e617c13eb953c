#include "exchange/core/trade/crossing.hpp"

#include <algorithm>
#include <tuple>

namespace grenache::exchange {
namespace {

// Other parts begin legs with small keys.
constexpr std::uint64_t kFirstLeg = std::uint64_t{1} << 63;

bool is_later(OrderRecord const& order, OrderRecord const& other) {
  return std::tie(order.created, order.id, order.maker) > std::tie(other.created, other.id, other.maker);
}

bool is_too_little(Satoshi amount, OrderRecord const& order) {
  return amount < order.least_take && amount < order.remaining;
}

// True if `order` takes when the two cross.
bool takes(OrderRecord const& order, OrderRecord const& other) {
  bool const is_late = is_later(order, other);
  auto const& later = is_late ? order : other;
  auto const& earlier = is_late ? other : order;
  return is_late != is_too_little(later.remaining, earlier);
}

}  // namespace

void Crossing::on_changed(OrderRecord const& order, PeerId const& self, WallTime now) {
  if (!options_.is_enabled || !order.is_signed()) return;
  if (order.maker == self) {
    noted_.insert(order.id);
    return;
  }
  for (auto const& [id, own] : own_.all()) {
    if (may_trade(own.record, order, now)) noted_.insert(id);
  }
}

void Crossing::look_at_all() {
  if (!options_.is_enabled) return;
  for (auto const& [id, own] : own_.all()) noted_.insert(id);
}

std::optional<Purchases::Leg> Crossing::take_for(OwnOrder const& wanting, Satoshi free, Turn& turn) {
  auto const& own = wanting.record;
  if (free.units() <= 0 || wanting.post_only || taking_.contains(own.id)) return std::nullopt;
  auto const may_take = [&](OrderRecord const& order) {
    return takes(own, order) && !is_too_little(std::min(free, order.remaining), order) &&
           !is_left_out({own.id, key_of(order)}, turn.now.steady) && !purchases_.is_taking(key_of(order));
  };
  auto const* const order = book_.first_match(own, options_.match_count_max, may_take, turn.now.wall);
  if (!order) return std::nullopt;
  auto const leg = kFirstLeg + ++last_leg_;
  takes_.emplace(leg, Take{own.id, key_of(*order)});
  taking_.insert(own.id);
  return Purchases::Leg{leg, *order, std::min(free, order->remaining), true, options_.patience, own.id};
}

bool Crossing::is_left_out(FailureKey const& key, TimePoint now) const {
  auto const maker = silent_makers_.find(*key.second.maker);
  if (maker != silent_makers_.end() && maker->second.until > now) return true;
  auto const found = failures_.find(key);
  if (found != failures_.end()) return found->second.until > now;
  // What cannot be remembered is not tried, so no number of orders makes this peer try without pause.
  return failures_.size() >= options_.failure_count_max ||
         silent_makers_.size() >= options_.failure_count_max;
}

template <class Key>
void Crossing::add_failure(std::map<Key, Failure>& failures, Key const& key, Turn const& turn) const {
  auto& failure = failures[key];
  failure.delay = std::clamp(2 * failure.delay, options_.retry_min, options_.retry_max);
  failure.until = later_by(turn.now.steady, failure.delay);
}

void Crossing::on_report(Purchases::Report const& report, Turn& turn) {
  auto const state = report.purchase.state;
  // A payment that is not confirmed at once may take an hour.
  bool const has_ended = state == result::PurchaseState::settled || state == result::PurchaseState::failed ||
                         state == result::PurchaseState::paying;
  auto const found = takes_.find(report.leg);
  if (found == takes_.end() || !has_ended) return;
  auto const take = std::move(takes_.extract(found).mapped());
  taking_.erase(take.own_order);
  noted_.insert(take.own_order);
  FailureKey const key{take.own_order, take.order};
  if (state == result::PurchaseState::settled) {
    failures_.erase(key);
    silent_makers_.erase(*take.order.maker);
  }
  if (state == result::PurchaseState::failed) add_failure(failures_, key, turn);
  if (report.is_silent) add_failure(silent_makers_, *take.order.maker, turn);
}

void Crossing::expire(Turn& turn) {
  if (!options_.is_enabled || turn.now.steady < next_look_) return;
  next_look_ = later_by(turn.now.steady, options_.look_interval);
  look_at_all();
  // The delay is remembered as long as both orders are there.
  std::erase_if(failures_, [&](auto const& each) {
    auto const& [own, order] = each.first;
    return !own_.find(own) || !book_.find(order);
  });
  std::erase_if(silent_makers_, [&](auto const& each) {
    return later_by(each.second.until, options_.retry_max) <= turn.now.steady;
  });
}

TimePoint Crossing::next_expiry() const {
  if (may_look()) return TimePoint::min();
  return options_.is_enabled && !own_.all().empty() ? next_look_ : TimePoint::max();
}

}  // namespace grenache::exchange
