// How long a transfer may take: as long as its peer keeps a minimum rate.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <grenache/base/time.hpp>

namespace grenache::net {

/// A peer has `grace`, and the time that the bytes moved so far take at a minimum rate. A slow peer may take
/// as long as it needs, one that stalls is given up: what the system's buffers took at once is time in hand.
struct MinimumRate {
  Duration grace;
  std::size_t bytes_per_second;  // not 0

  /// When a transfer that began at `begun` and has moved `bytes` is given up.
  [[nodiscard]] TimePoint deadline(TimePoint begun, std::size_t bytes) const {
    auto const rate = static_cast<std::int64_t>(bytes_per_second);
    auto const whole = static_cast<std::int64_t>(bytes);
    Duration const rest{whole % rate * 1'000'000'000 / rate};
    return later_by(later_by(begun, std::chrono::seconds{whole / rate} + rest), grace);
  }
};

}  // namespace grenache::net
