#include "exchange/core/network/guard.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>

namespace grenache::exchange {
namespace {

constexpr double kLocalFactor = 10;
constexpr Duration kForgettingInterval = std::chrono::seconds{1};

// The part of an address that costs its owner something.
IpAddress network_part(IpAddress const& from) {
  if (!from.is_v6()) return from;
  constexpr std::size_t kBytes = 8;
  IpAddress::V6 bytes{};
  std::ranges::copy(from.view().substr(0, kBytes), bytes.begin());
  return IpAddress{bytes};
}

double points(Guard::Fault fault) {
  switch (fault) {
    case Guard::Fault::malformed:
      return 1;
    case Guard::Fault::bad_signature:
      return 10;
  }
  return 0;
}

}  // namespace

Guard::Units Guard::units_max(bool is_local) const {
  return options_.units_max * (is_local ? kLocalFactor : 1);
}

void Guard::update(Caller& caller, bool is_local, TimePoint now) const {
  auto const passed = std::chrono::duration<double>(std::max(now - caller.updated, Duration::zero())).count();
  auto const rate = options_.units_per_second * (is_local ? kLocalFactor : 1);
  caller.units = std::min(units_max(is_local), caller.units + passed * rate);
  caller.score = std::max(0.0, caller.score - passed * options_.score_per_second);
  caller.updated = std::max(caller.updated, now);
}

void Guard::forget_idle(TimePoint now) {
  if (now < next_forgetting_) return;
  next_forgetting_ = later_by(now, kForgettingInterval);
  for (auto it = callers_.begin(); it != callers_.end();) {
    auto& [address, caller] = *it;
    bool const is_local = address.is_loopback();
    update(caller, is_local, now);
    bool const is_idle =
        caller.units >= units_max(is_local) && caller.score <= 0 && caller.banned_until <= now;
    it = is_idle ? callers_.erase(it) : std::next(it);
  }
}

Guard::Caller& Guard::find(IpAddress const& from, TimePoint now) {
  auto const address = from.is_loopback() ? from : network_part(from);
  auto found = callers_.find(address);
  if (found == callers_.end()) {
    if (callers_.size() >= options_.address_count_max) forget_idle(now);
    if (callers_.size() >= options_.address_count_max) {
      update(others_, false, now);
      return others_;
    }
    found = callers_.emplace(address, Caller{.units = units_max(from.is_loopback()), .updated = now}).first;
  }
  update(found->second, from.is_loopback(), now);
  return found->second;
}

Guard::Verdict Guard::admit(IpAddress const& from, Units units, TimePoint now) {
  auto& caller = find(from, now);
  if (caller.banned_until > now) return Verdict::banned;
  if (caller.units < units) return Verdict::too_many;
  caller.units -= units;
  return Verdict::admitted;
}

void Guard::blame(IpAddress const& from, Fault fault, TimePoint now) {
  auto& caller = find(from, now);
  // Nobody is banned for the faults of others, who may call through a proxy on this host.
  if (&caller == &others_ || from.is_loopback()) return;
  caller.score += points(fault);
  if (caller.score < options_.ban_score) return;
  caller.score = 0;
  caller.banned_until = later_by(now, options_.ban_time);
}

bool Guard::is_banned(IpAddress const& from, TimePoint now) const {
  auto const found = callers_.find(from.is_loopback() ? from : network_part(from));
  return found != callers_.end() && found->second.banned_until > now;
}

}  // namespace grenache::exchange
