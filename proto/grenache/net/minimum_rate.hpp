// A transfer deadline that depends on a minimum rate.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <grenache/base/time.hpp>

namespace grenache::net {

/// A transfer may take `grace` plus the time that the bytes transferred so far take at a minimum rate. So a
/// slow peer has as long as it needs, and a stalled one times out; bytes that went into the system's buffers
/// at once extend its time.
struct MinimumRate {
  Duration grace;
  std::size_t bytes_per_second;  // not 0

  /// The deadline of a transfer that began at `begun` and has transferred `bytes`.
  [[nodiscard]] TimePoint deadline(TimePoint begun, std::size_t bytes) const {
    auto const rate = static_cast<std::int64_t>(bytes_per_second);
    auto const whole = static_cast<std::int64_t>(bytes);
    Duration const rest{whole % rate * 1'000'000'000 / rate};
    return later_by(later_by(begun, std::chrono::seconds{whole / rate} + rest), grace);
  }
};

}  // namespace grenache::net
