#include "exchange/core/network/intake.hpp"

#include <algorithm>
#include <utility>

namespace grenache::exchange {

bool Intake::add(OrderRecord order, Origin origin) {
  Version const version{order_digest(order), order.signature};
  auto const found = pending_.find(version);
  if (found != pending_.end()) {
    auto& origins = found->second.origins;
    if (origins.size() >= options_.origin_count_max) return false;
    origins.push_back(std::move(origin));
    return true;
  }
  if (pending_.size() >= options_.order_count_max) return false;
  pending_.emplace(version, Pending{std::move(order), {std::move(origin)}});
  queued_.push_back(version);
  return true;
}

void Intake::send(Turn& turn) {
  while (!queued_.empty() && batches_.size() < options_.batch_count_max) {
    auto const size = static_cast<std::ptrdiff_t>(std::min(options_.batch_size_max, queued_.size()));
    std::vector<Version> batch{queued_.begin(), queued_.begin() + size};
    queued_.erase(queued_.begin(), queued_.begin() + size);
    std::vector<OrderRecord> orders;
    orders.reserve(batch.size());
    for (auto const& version : batch) orders.push_back(pending_.at(version).order);
    batches_.emplace(++last_batch_, std::move(batch));
    turn.verify(last_batch_, std::move(orders));
  }
}

std::vector<Intake::Verified> Intake::on_verified(std::uint64_t batch, std::vector<bool> const& valid) {
  std::vector<Verified> out;
  auto const versions = batches_.extract(batch);
  if (versions.empty()) return out;
  for (std::size_t i = 0; i < versions.mapped().size(); ++i) {
    auto pending = std::move(pending_.extract(versions.mapped()[i]).mapped());
    out.push_back({std::move(pending.order), i < valid.size() && valid[i], std::move(pending.origins)});
  }
  return out;
}

std::vector<Intake::Verified> Intake::drop_read_from(std::string_view endpoint) {
  std::vector<Verified> out;
  std::erase_if(queued_, [&](Version const& version) {
    auto const found = pending_.find(version);
    auto& [order, origins] = found->second;
    bool const is_dropped = std::ranges::all_of(
        origins, [&](Origin const& origin) { return origin.read != 0 && origin.endpoint == endpoint; });
    if (!is_dropped) return false;
    out.push_back({std::move(order), false, std::move(origins)});
    pending_.erase(found);
    return true;
  });
  return out;
}

}  // namespace grenache::exchange
