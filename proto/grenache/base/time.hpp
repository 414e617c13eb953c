// Points in time as values. There is no now() here: time is handed to the cores by whoever runs them.
#pragma once

#include <chrono>
#include <cstdint>

namespace grenache {

using Duration = std::chrono::nanoseconds;

/// Tag of the monotonic time line. Shells map the steady clock onto it, simulations a counter.
struct MonotonicTime {};

/// A point on the monotonic time line; its origin means nothing.
using TimePoint = std::chrono::time_point<MonotonicTime, Duration>;

/// Civil time with millisecond resolution, as JavaScript's Date.now(); for what peers read or sign.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

[[nodiscard]] constexpr std::int64_t to_unix_ms(WallTime time) { return time.time_since_epoch().count(); }
[[nodiscard]] constexpr WallTime from_unix_ms(std::int64_t ms) {
  return WallTime{std::chrono::milliseconds{ms}};
}

/// The moment `limit` after `now`. Limits that reach beyond the time line end with it, so Duration::max()
/// means no limit.
[[nodiscard]] constexpr TimePoint later_by(TimePoint now, Duration limit) {
  if (limit > Duration::zero()) return now > TimePoint::max() - limit ? TimePoint::max() : now + limit;
  return now < TimePoint::min() - limit ? TimePoint::min() : now + limit;
}

}  // namespace grenache
