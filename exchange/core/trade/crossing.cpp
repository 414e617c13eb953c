#include "exchange/core/trade/crossing.hpp"

#include <algorithm>
#include <tuple>

namespace grenache::exchange {
namespace {

// Other parts begin legs with small keys.
constexpr std::uint64_t kFirstLeg = std::uint64_t{1} << 63;

// True if `order` takes when the two cross.
bool is_later(OrderRecord const& order, OrderRecord const& other) {
  return std::tie(order.created, order.id, order.maker) > std::tie(other.created, other.id, other.maker);
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

std::optional<Purchases::Leg> Crossing::take_for(OrderRecord const& own, Satoshi free, Turn& turn) {
  if (free.units() <= 0 || taking_.contains(own.id)) return std::nullopt;
  auto const may_take = [&](OrderRecord const& order) {
    auto const wanted = std::min(free, order.remaining);
    bool const is_too_little = wanted < order.least_take && wanted < order.remaining;
    return is_later(own, order) && !is_too_little && !is_left_out({own.id, key_of(order)}, turn.now.steady) &&
           !purchases_.is_taking(key_of(order));
  };
  auto const* const order = book_.first_match(own, options_.match_count_max, may_take, turn.now.wall);
  if (!order) return std::nullopt;
  auto const leg = kFirstLeg + ++last_leg_;
  takes_.emplace(leg, Take{own.id, key_of(*order)});
  taking_.insert(own.id);
  return Purchases::Leg{leg, *order, std::min(free, order->remaining), true, options_.patience, own.id};
}

bool Crossing::is_left_out(FailureKey const& key, TimePoint now) const {
  auto const found = failures_.find(key);
  if (found != failures_.end()) return found->second.until > now;
  // What cannot be remembered is not tried, so no number of orders makes this peer try without pause.
  return failures_.size() >= options_.failure_count_max;
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
  FailureKey key{take.own_order, take.order};
  if (state == result::PurchaseState::settled) failures_.erase(key);
  if (state != result::PurchaseState::failed) return;
  auto& failure = failures_[std::move(key)];
  failure.delay = std::clamp(2 * failure.delay, options_.retry_min, options_.retry_max);
  failure.until = later_by(turn.now.steady, failure.delay);
}

void Crossing::expire(Turn& turn) {
  if (!options_.is_enabled || turn.now.steady < next_look_) return;
  next_look_ = later_by(turn.now.steady, options_.look_interval);
  for (auto const& [id, own] : own_.all()) noted_.insert(id);
  // The delay is remembered as long as both orders are there.
  std::erase_if(failures_, [&](auto const& each) {
    auto const& [own, order] = each.first;
    return !own_.find(own) || !book_.find(order);
  });
}

TimePoint Crossing::next_expiry() const {
  if (may_look()) return TimePoint::min();
  return options_.is_enabled && !own_.all().empty() ? next_look_ : TimePoint::max();
}

}  // namespace grenache::exchange
