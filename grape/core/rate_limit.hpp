// A bound on the datagrams of one source that are looked at.
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
/// A source is an endpoint where the address is private (many nodes share a host or a test machine there),
/// and an address elsewhere. Each source hashes, under a random key, to two of the buckets and is refused
/// only when both are empty: a source that floods affects others only if they share *both* buckets, and
/// nobody can aim at that. No entry is ever evicted. Who forges many sources can drain all buckets: with
/// `public_per_second` 5 that takes bucket_count * 2.5 datagrams a second.
///
/// Answers to queries of ours do not pass through here: a node that is flooded still looks up.
class RateLimit {
 public:
  struct Options {
    std::uint32_t private_per_second = 200000;  // more than one busy grape asks of another
    /// Of an address that may be forged: an answer is up to 30 times as large as its question. Grapes of one
    /// operator that do not fit each other's tables need more than the 5 of the public profile.
    std::uint32_t public_per_second = 100;
    /// Of a public endpoint that has answered us, beside it: a busy node behind a shared address stays below.
    std::uint32_t verified_per_second = 500;
    Duration burst = std::chrono::seconds{2};  // whose allowance may be used at once
    std::uint32_t bucket_count = 65536;        // 512 KiB in all
  };

  /// A rate of 0 means no limit.
  RateLimit(Options options, Random& random);

  /// Takes one datagram from the allowance of `from`; false when it is used up. A burst may be as long as
  /// the options say.
  [[nodiscard]] bool allow(Endpoint const& from, TimePoint now);
  /// The same of the allowance that a verified node has beside it.
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
