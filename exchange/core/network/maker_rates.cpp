#include "exchange/core/network/maker_rates.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>

namespace grenache::exchange {
namespace {

constexpr Duration kDueInterval = std::chrono::seconds{1};

}  // namespace

void MakerRates::update(Maker& maker, TimePoint now) const {
  auto const passed = std::chrono::duration<double>(std::max(now - maker.updated, Duration::zero())).count();
  maker.allowance = std::min(options_.versions_max, maker.allowance + passed * options_.versions_per_second);
  maker.updated = std::max(maker.updated, now);
}

void MakerRates::forget_idle(TimePoint now) {
  if (now < next_forgetting_) return;
  next_forgetting_ = later_by(now, kDueInterval);
  for (auto it = makers_.begin(); it != makers_.end();) {
    auto& maker = it->second;
    update(maker, now);
    bool const is_idle = maker.delayed.empty() && maker.allowance >= options_.versions_max;
    it = is_idle ? makers_.erase(it) : std::next(it);
  }
}

MakerRates::Maker& MakerRates::find(PeerId const& maker, TimePoint now) {
  auto found = makers_.find(maker);
  if (found == makers_.end()) {
    if (makers_.size() >= options_.maker_count_max) forget_idle(now);
    if (makers_.size() >= options_.maker_count_max) {
      update(others_, now);
      return others_;
    }
    found = makers_.emplace(maker, Maker{options_.versions_max, now, {}}).first;
  }
  update(found->second, now);
  return found->second;
}

bool MakerRates::admit(OrderKey const& order, bool is_new, TimePoint now) {
  auto& maker = find(*order.maker, now);
  auto const cost = is_new ? options_.order_cost : 1;
  bool const is_delayed = maker.delayed.contains(order);
  if (!is_delayed && maker.allowance >= cost) {
    maker.allowance -= cost;
    return true;
  }
  if (is_delayed || delayed_count_ >= options_.delayed_count_max) return false;
  maker.delayed.insert(order);
  ++delayed_count_;
  if (next_due_ == TimePoint::max()) next_due_ = later_by(now, kDueInterval);
  return false;
}

void MakerRates::release(Maker& maker, std::vector<OrderKey>& out) {
  while (!maker.delayed.empty() && maker.allowance >= 1) {
    maker.allowance -= 1;
    out.push_back(maker.delayed.extract(maker.delayed.begin()).value());
    --delayed_count_;
  }
}

std::vector<OrderKey> MakerRates::due(TimePoint now) {
  std::vector<OrderKey> out;
  if (now < next_due_) return out;
  for (auto& [id, maker] : makers_) {
    if (maker.delayed.empty()) continue;
    update(maker, now);
    release(maker, out);
  }
  update(others_, now);
  release(others_, out);
  next_due_ = delayed_count_ == 0 ? TimePoint::max() : later_by(now, kDueInterval);
  return out;
}

}  // namespace grenache::exchange
