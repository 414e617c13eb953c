// The only file that reads clocks. Cores and tests never include it.
#pragma once

#include <chrono>

#include <grenache/base/time.hpp>

namespace grenache::net {

/// The current time on the monotonic time line of this process.
[[nodiscard]] inline TimePoint steady_now() {
  return TimePoint{std::chrono::steady_clock::now().time_since_epoch()};
}

/// The time `limit` from now.
[[nodiscard]] inline TimePoint steady_deadline(Duration limit) { return later_by(steady_now(), limit); }

/// The same time for Asio's timers.
[[nodiscard]] inline std::chrono::steady_clock::time_point to_steady(TimePoint time) {
  return std::chrono::steady_clock::time_point{time.time_since_epoch()};
}

/// The current wall-clock time, in milliseconds.
[[nodiscard]] inline WallTime wall_now() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace grenache::net
