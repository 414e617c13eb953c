// Limits how many datagrams per second are processed from one source.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>

namespace grenache::grape {

/// Token buckets in a table of fixed size.
///
/// A source is an endpoint if its address is private (where many nodes share a host), else an address. Each
/// source hashes, under a random key, to two of the buckets and is refused only when both are empty: a
/// flooding source affects others only if they share *both* buckets, which an attacker cannot arrange. No
/// entry is ever evicted. An attacker who forges many sources can drain all buckets: with `public_per_second`
/// 5 that needs bucket_count * 2.5 datagrams per second.
///
/// Replies to our queries are not limited, so a flooded node can still look up.
class RateLimit {
 public:
  struct Options {
    std::uint32_t private_per_second = 200000;  // more than one busy grape sends to another
    /// Limit of a public address, which may be forged: a reply is up to 30 times as large as its query.
    /// Grapes of one operator that are not in each other's tables need more than the 5 of the public profile.
    std::uint32_t public_per_second = 100;
    /// Additional limit of a public endpoint that has answered us; a busy node behind a shared address stays
    /// below it.
    std::uint32_t verified_per_second = 500;
    Duration burst = std::chrono::seconds{2};  // a source may send the allowance of this time at once
    std::uint32_t bucket_count = 65536;        // 512 KiB in all
  };

  /// A rate of 0 means no limit.
  RateLimit(Options options, Random& random);

  /// Takes one token for a datagram from `from`; false when its buckets are empty.
  [[nodiscard]] bool allow(Endpoint const& from, TimePoint now);
  /// Takes one token of the additional allowance of a verified node.
  [[nodiscard]] bool allow_verified(Endpoint const& from, TimePoint now);

 private:
  struct Bucket {
    TimePoint full_at = TimePoint::min();  // when the bucket would be full again
  };
  enum class Kind : std::uint8_t { address, endpoint, verified };
  [[nodiscard]] std::array<std::size_t, 2> buckets_of(Endpoint const& from, Kind kind) const;
  bool take(Endpoint const& from, Kind kind, std::uint32_t per_second, TimePoint now);

  Options options_;
  std::array<std::uint64_t, 4> key_{};
  std::vector<Bucket> buckets_;
};

}  // namespace grenache::grape
