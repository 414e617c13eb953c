#include "exchange/reservation/embedded.hpp"

#include <algorithm>
#include <vector>

#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

using std::chrono::milliseconds;

// Rounded up, so that after waiting this long the reservation is gone.
milliseconds until(TimePoint expires, TimePoint now) {
  return std::chrono::ceil<milliseconds>(expires - now);
}

ReservationRefusal refuse(ReservationErrc reason, milliseconds retry_after) { return {reason, retry_after}; }

}  // namespace

void ReservationTable::drop_expired(TimePoint now) {
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    auto const found = entries_.find(expiries_.begin()->second);
    if (found != entries_.end() && found->second.expires <= now) entries_.erase(found);
    expiries_.erase(expiries_.begin());
  }
}

ReserveOutcome ReservationTable::reserve(ReserveRequest const& request, TimePoint now, WallTime wall) {
  GRN_CHECK(request.amount_sat > 0);
  drop_expired(now);

  std::vector<std::pair<TimePoint, std::int64_t>> live;  // expiry and amount
  std::int64_t used = 0;
  Entry const* held = nullptr;
  for (auto it = entries_.lower_bound({request.order_id, {}});
       it != entries_.end() && it->first.first == request.order_id; ++it) {
    Entry const& entry = it->second;
    if (it->first.second == request.take_id) {
      if (entry.taker != request.taker) return refuse(ReservationErrc::reserved, until(entry.expires, now));
      return Reservation{request.take_id,   entry.amount_sat,          entry.fence,
                         entry.reserved_at, until(entry.expires, now), true};
    }
    if (entry.taker == request.taker) held = &entry;
    live.emplace_back(entry.expires, entry.amount_sat);
    used += entry.amount_sat;
  }
  if (held) return refuse(ReservationErrc::taker_has_one, until(held->expires, now));
  if (request.amount_sat > request.available_sat) return refuse(ReservationErrc::reserved, milliseconds{0});

  // The amount that must be freed first. `available` is at least `amount`, so freeing everything is enough.
  std::int64_t missing = used - (request.available_sat - request.amount_sat);
  if (missing > 0) {
    std::ranges::sort(live);
    for (auto const& [expires, amount] : live) {
      missing -= amount;
      if (missing <= 0) return refuse(ReservationErrc::reserved, until(expires, now));
    }
  }
  if (entries_.size() >= options_.reservation_count_max) {
    return refuse(ReservationErrc::unavailable, until(expiries_.begin()->first, now));
  }

  Entry entry{request.taker, request.amount_sat, ++last_fence_, wall, now + request.life};
  Key const key{request.order_id, request.take_id};
  expiries_.emplace(entry.expires, key);
  entries_.emplace(key, entry);
  return Reservation{request.take_id, entry.amount_sat, entry.fence, entry.reserved_at, request.life, false};
}

bool ReservationTable::release(std::string const& order_id, std::string const& take_id, std::int64_t fence,
                               TimePoint now) {
  drop_expired(now);
  Key const key{order_id, take_id};
  auto const found = entries_.find(key);
  if (found == entries_.end() || found->second.fence != fence) return false;
  auto const [first, last] = expiries_.equal_range(found->second.expires);
  expiries_.erase(std::find_if(first, last, [&](auto const& expiry) { return expiry.second == key; }));
  entries_.erase(found);
  return true;
}

void EmbeddedReservations::reserve(ReserveRequest request, std::function<void(ReserveOutcome)> done) {
  environment_.post([outcome = table_.reserve(request, environment_.now(), environment_.wall_now()),
                     done = std::move(done)] { done(outcome); });
}

void EmbeddedReservations::release(std::string order_id, std::string take_id, std::int64_t fence,
                                   std::function<void(Result<bool>)> done) {
  bool const released = table_.release(order_id, take_id, fence, environment_.now());
  environment_.post([released, done = std::move(done)] { done(released); });
}

}  // namespace grenache::exchange
