#include "exchange/core/network/heartbeats.hpp"

#include <algorithm>
#include <utility>

namespace grenache::exchange {

TimePoint Heartbeats::steady_time_of(WallTime at, Now now) {
  return now.steady - std::max(now.wall - at, std::chrono::milliseconds{0});
}

bool Heartbeats::note_sign(Maker& maker, TimePoint sign, TimePoint now) const {
  maker.last_sign = std::max(maker.last_sign, sign);
  bool const is_there = later_by(maker.last_sign, options_.silence) > now;
  return is_there && std::exchange(maker.is_silent, false);
}

bool Heartbeats::add(PeerId const& maker, WallTime created, Turn const& turn) {
  auto const sign = steady_time_of(created, turn.now);
  auto const known = makers_.find(maker);
  if (known != makers_.end()) return note_sign(known->second, sign, turn.now.steady);
  if (maker != self_.id && makers_.size() < options_.maker_count_max) {
    makers_.emplace(maker, Maker{.latest = {}, .last_sign = sign});
  }
  return false;
}

std::vector<PeerId> Heartbeats::wanted(Turn& turn) const {
  std::vector<PeerId> out;
  std::vector<PeerId> silent;
  for (auto const& [id, maker] : makers_) {
    if (later_by(maker.last_sign, options_.ask_after) > turn.now.steady) continue;
    (maker.is_silent ? silent : out).push_back(id);
  }
  turn.random.shuffle(out);
  turn.random.shuffle(silent);
  out.insert(out.end(), silent.begin(), silent.end());
  out.resize(std::min(out.size(), kHeartbeatsMax));
  return out;
}

std::vector<Heartbeat> Heartbeats::answer(std::span<PeerId const> wanted, Turn const& turn) {
  bool const is_fresh =
      own_ && own_->at <= turn.now.wall && turn.now.wall - own_->at < options_.sign_interval;
  if (!is_fresh) own_ = sign_heartbeat(self_.key, turn.now.wall);
  std::vector<Heartbeat> out{*own_};
  for (auto const& id : wanted) {
    auto const found = makers_.find(id);
    bool const is_known = found != makers_.end() && found->second.latest;
    if (is_known && out.size() < kHeartbeatsMax) out.push_back(*found->second.latest);
  }
  return out;
}

std::vector<PeerId> Heartbeats::take(std::span<Heartbeat const> heartbeats, Turn const& turn) {
  std::vector<PeerId> back;
  for (auto const& heartbeat : heartbeats) {
    auto const found = makers_.find(heartbeat.maker);
    if (found == makers_.end() || heartbeat.at > turn.now.wall + options_.clock_skew_max) continue;
    auto& maker = found->second;
    bool const is_newer = !maker.latest || heartbeat.at > maker.latest->at;
    if (!is_newer || !is_genuine(heartbeat)) continue;
    maker.latest = heartbeat;
    auto const sign = steady_time_of(heartbeat.at, turn.now);
    if (note_sign(maker, sign, turn.now.steady)) back.push_back(heartbeat.maker);
  }
  return back;
}

Heartbeats::Changes Heartbeats::expire(Turn const& turn) {
  Changes out;
  if (turn.now.steady < next_look_) return out;
  next_look_ = later_by(turn.now.steady, options_.look_interval);
  for (auto it = makers_.begin(); it != makers_.end();) {
    auto& [id, maker] = *it;
    if (!book_.has_orders_of(id)) {
      if (maker.is_silent) out.back.push_back(id);
      it = makers_.erase(it);
      continue;
    }
    bool const is_silent = maker.latest && later_by(maker.last_sign, options_.silence) <= turn.now.steady;
    if (is_silent && !std::exchange(maker.is_silent, true)) out.silent.push_back(id);
    ++it;
  }
  return out;
}

}  // namespace grenache::exchange
