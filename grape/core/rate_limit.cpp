#include "grape/core/rate_limit.hpp"

#include <algorithm>
#include <bit>

#include <grenache/base/check.hpp>

namespace grenache::grape {
namespace {

std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93u;
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93u;
  return value ^ value >> 32;
}

}  // namespace

RateLimit::RateLimit(Options options, Random& random) : options_{options} {
  GRN_CHECK(std::has_single_bit(options.bucket_count));
  for (auto& part : key_) part = random();
  buckets_.resize(options.bucket_count);
}

std::array<std::size_t, 2> RateLimit::buckets_of(Endpoint const& from, Kind kind) const {
  std::array<std::uint64_t, 3> words{from.address.is_v6() ? 1u : 0u, 0, 0};
  std::string_view const bytes = from.address.view();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    words[1 + i / 8] |= std::uint64_t{static_cast<std::uint8_t>(bytes[i])} << (i % 8 * 8);
  }
  // One IPv6 host may own the whole /64.
  if (from.address.is_v6() && kind == Kind::address) words[2] = 0;
  words[0] |= std::uint64_t{static_cast<std::uint8_t>(kind)} << 1;
  if (kind != Kind::address) words[0] |= std::uint64_t{from.port} << 8;
  std::array<std::size_t, 2> result{};
  for (std::size_t i = 0; i < 2; ++i) {
    std::uint64_t hash = key_[2 * i];
    for (std::uint64_t const word : words) hash = mix(hash ^ word) + key_[2 * i + 1];
    result[i] = static_cast<std::size_t>(mix(hash) & (buckets_.size() - 1));
  }
  return result;
}

bool RateLimit::allow(Endpoint const& from, TimePoint now) {
  bool const is_private = from.address.is_private();
  return is_private ? take(from, Kind::endpoint, options_.private_per_second, now)
                    : take(from, Kind::address, options_.public_per_second, now);
}

bool RateLimit::allow_verified(Endpoint const& from, TimePoint now) {
  return take(from, Kind::verified, options_.verified_per_second, now);
}

bool RateLimit::take(Endpoint const& from, Kind kind, std::uint32_t per_second, TimePoint now) {
  if (per_second == 0) return true;
  // Each of the two buckets fills at half the rate, so that both together allow the rate.
  Duration const cost = Duration{std::chrono::seconds{2}} / per_second;
  auto const [first, second] = buckets_of(from, kind);
  Bucket& bucket = buckets_[first].full_at <= buckets_[second].full_at ? buckets_[first] : buckets_[second];
  TimePoint const full_at = std::max(bucket.full_at, now) + cost;
  if (full_at > now + options_.burst) return false;
  bucket.full_at = full_at;
  return true;
}

}  // namespace grenache::grape
