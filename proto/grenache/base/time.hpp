// Points in time as values. There is no now() here: callers pass the time to the cores.
#pragma once

#include <chrono>
#include <cstdint>

namespace grenache {

using Duration = std::chrono::nanoseconds;

/// Tag of the monotonic time line. Servers map the steady clock to it, simulations a counter.
struct MonotonicTime {};

/// A point on the monotonic time line, with an arbitrary origin.
using TimePoint = std::chrono::time_point<MonotonicTime, Duration>;

/// Wall-clock time with millisecond resolution, as JavaScript's Date.now(); for values that peers read or
/// sign.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

[[nodiscard]] constexpr std::int64_t to_unix_ms(WallTime time) { return time.time_since_epoch().count(); }
[[nodiscard]] constexpr WallTime from_unix_ms(std::int64_t ms) {
  return WallTime{std::chrono::milliseconds{ms}};
}

/// Returns `now + limit`, saturating at the ends of the time line, so that Duration::max() means no limit.
[[nodiscard]] constexpr TimePoint later_by(TimePoint now, Duration limit) {
  if (limit > Duration::zero()) return now > TimePoint::max() - limit ? TimePoint::max() : now + limit;
  return now < TimePoint::min() - limit ? TimePoint::min() : now + limit;
}

}  // namespace grenache
