#include "grape/core/keeper.hpp"

#include <algorithm>

#include <grenache/base/check.hpp>

namespace grenache::grape {
namespace {

Duration jittered(Duration period, Random& random) { return random.between(period / 4 * 3, period); }

}  // namespace

bool Keeper::keep(Service const& service, TimePoint now, Random& random) {
  bool const is_new = !lapses_.contains(service);
  if (is_new && lapses_.size() >= options_.service_count_max) return false;
  lapses_[service] = now + options_.owner_patience;
  bool const is_first = is_new || restored_.erase(service) > 0;
  if (is_first && options_.announce_again < options_.announce_every) {
    again_.insert(service);
    services_.set(service, now + jittered(options_.announce_again, random));
  } else if (!again_.contains(service)) {
    services_.set(service, now + jittered(options_.announce_every, random));
  }
  return true;
}

void Keeper::restore(Service const& service, TimePoint lapse, TimePoint now, Random& random) {
  if (lapses_.contains(service) || lapses_.size() >= options_.service_count_max) return;
  lapse = std::min(lapse, now + options_.owner_patience);
  lapses_.emplace(service, lapse);
  restored_.insert(service);
  services_.set(service, std::min(lapse, now + random.between(Duration{}, options_.announce_every)));
}

void Keeper::release(Service const& service) {
  lapses_.erase(service);
  again_.erase(service);
  restored_.erase(service);
  services_.erase(service);
}

void Keeper::keep_item(NodeId const& target, TimePoint now, Random& random, bool restored) {
  Duration const period = options_.item_every;
  items_.set(target, now + (restored ? random.between(Duration{}, period) : jittered(period, random)));
}

std::optional<Keeper::Duty> Keeper::next(TimePoint now, Random& random) {
  if (auto const service = services_.due(now)) {
    TimePoint const lapse = lapses_.at(*service);
    again_.erase(*service);
    if (lapse <= now) {
      lapses_.erase(*service);
      restored_.erase(*service);
      return Unannounce{*service};
    }
    services_.set(*service, std::min(now + jittered(options_.announce_every, random), lapse));
    return Announce{*service};
  }
  if (auto const target = items_.due(now)) {
    items_.set(*target, now + jittered(options_.item_every, random));
    return Republish{*target};
  }
  return std::nullopt;
}

TimePoint Keeper::next_deadline() const {
  return std::min(services_.next_deadline(), items_.next_deadline());
}

void Keeper::check() const {
  GRN_CHECK(lapses_.size() <= options_.service_count_max);
  GRN_CHECK(lapses_.size() == services_.size());
}

}  // namespace grenache::grape
