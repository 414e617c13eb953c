#include "exchange/core/network/heartbeats.hpp"

#include <algorithm>

namespace grenache::exchange {
namespace {

using std::chrono::milliseconds;

// Of the places of a ping, in the order of Kind; what one kind does not use, the others have.
constexpr std::array<std::size_t, 3> kShares{31, 16, 16};
constexpr milliseconds kClockStep = std::chrono::minutes{1};  // by which a clock was set, rather than steered

}  // namespace

void Heartbeats::queue(PeerId const& id, Maker& maker, Kind kind, TimePoint due) {
  queue_of(maker.kind).erase({maker.due, id});
  maker.kind = kind;
  maker.due = due;
  queue_of(kind).emplace(due, id);
}

bool Heartbeats::note_alive(PeerId const& id, Maker& maker, TimePoint time, TimePoint now) {
  maker.last_alive = std::max(maker.last_alive, time);
  bool const is_there = later_by(maker.last_alive, options_.silence) > now;
  bool const is_back = is_there && maker.kind == Kind::silent;
  auto const kind = maker.kind == Kind::silent && !is_there ? Kind::silent
                    : maker.latest                          ? Kind::there
                                                            : Kind::unheard;
  queue(id, maker, kind, std::max(maker.due, later_by(maker.last_alive, options_.ask_after)));
  return is_back;
}

bool Heartbeats::add(PeerId const& maker, WallTime created, Turn const& turn) {
  auto const& now = turn.now;
  bool const is_followed = makers_.contains(maker);
  if (maker == self_.id || (!is_followed && makers_.size() >= options_.maker_count_max)) return false;
  auto const age = std::max(now.wall - created, milliseconds{0});
  return note_alive(maker, makers_[maker], now.steady - age, now.steady);
}

bool Heartbeats::answered(PeerId const& maker, Turn const& turn) {
  auto const found = makers_.find(maker);
  return found != makers_.end() && note_alive(maker, found->second, turn.now.steady, turn.now.steady);
}

std::vector<PeerId> Heartbeats::wanted(Turn const& turn) {
  std::vector<PeerId> out;
  std::vector<std::pair<PeerId, Kind>> asked;
  std::size_t free = 0;
  auto const ask = [&](Kind kind, std::size_t count) {
    auto& queue = queue_of(kind);
    auto it = queue.begin();
    for (; count > 0 && it != queue.end() && it->first <= turn.now.steady; --count) {
      out.push_back(it->second);
      asked.emplace_back(it->second, kind);
      it = queue.erase(it);
    }
    free += count;
  };
  for (auto const kind : {Kind::there, Kind::silent, Kind::unheard}) {
    ask(kind, kShares[static_cast<std::size_t>(kind)]);
  }
  for (auto const kind : {Kind::there, Kind::silent, Kind::unheard}) ask(kind, std::exchange(free, 0));
  for (auto const& [id, kind] : asked) queue(id, makers_.at(id), kind, turn.now.steady);
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

void Heartbeats::watch_clock(Now now) {
  if (last_now_) {
    auto const passed = std::chrono::duration_cast<milliseconds>(now.steady - last_now_->steady);
    bool const was_set = std::chrono::abs(now.wall - last_now_->wall - passed) >= kClockStep;
    for (auto& [id, maker] : makers_) {
      if (was_set) maker.lag.reset();
    }
  }
  last_now_ = now;
}

std::vector<PeerId> Heartbeats::learn(std::span<Heartbeat const> heartbeats, Turn const& turn) {
  auto const& now = turn.now;
  std::vector<PeerId> back;
  for (auto const& heartbeat : heartbeats) {
    auto const age = now.wall - heartbeat.at;
    auto const found = makers_.find(heartbeat.maker);
    if (found == makers_.end() || age < -options_.clock_skew_max) continue;
    auto& maker = found->second;
    // A heartbeat that seems to come from the future was taken while a clock was wrong: any other replaces
    // it.
    bool const is_newer = !maker.latest || heartbeat.at > maker.latest->at ||
                          maker.latest->at > now.wall + options_.clock_skew_max;
    if (!is_newer) continue;
    if (!is_genuine(heartbeat)) break;
    maker.latest = heartbeat;
    maker.lag = std::min(maker.lag.value_or(options_.clock_skew_max), age);
    if (note_alive(heartbeat.maker, maker, now.steady - (age - *maker.lag), now.steady)) {
      back.push_back(heartbeat.maker);
    }
  }
  return back;
}

Heartbeats::Changes Heartbeats::expire(Turn const& turn) {
  Changes out;
  watch_clock(turn.now);
  if (turn.now.steady < next_look_) return out;
  next_look_ = later_by(turn.now.steady, options_.look_interval);
  for (auto it = makers_.begin(); it != makers_.end();) {
    auto& [id, maker] = *it;
    if (!book_.has_open_orders_of(id)) {
      if (maker.kind == Kind::silent) out.back.push_back(id);
      queue_of(maker.kind).erase({maker.due, id});
      it = makers_.erase(it);
      continue;
    }
    bool const is_silent = later_by(maker.last_alive, options_.silence) <= turn.now.steady;
    if (is_silent && maker.kind == Kind::there) {
      queue(id, maker, Kind::silent, maker.due);
      out.silent.push_back(id);
    }
    ++it;
  }
  return out;
}

}  // namespace grenache::exchange
