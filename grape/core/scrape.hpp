// How many peers a name has, as Bloom filters that can be united over nodes (BEP 33).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <grenache/base/endpoint.hpp>

namespace grenache::grape {

/// The two bits of a filter that an address sets.
struct BloomBits {
  std::uint32_t first : 11 = 0;
  std::uint32_t second : 11 = 0;
  std::uint32_t is_seed : 1 = 0;  // which of the filters of a Scrape: kept here as there is room
};
/// Costs a SHA-1.
[[nodiscard]] BloomBits bloom_bits(IpAddress const& address);

/// A set of addresses whose size can be estimated up to some 6000.
class BloomFilter {
 public:
  static constexpr std::size_t kSize = 256;

  void insert(BloomBits bits) {
    set(bits.first);
    set(bits.second);
  }
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<char const*>(bytes_.data()), bytes_.size()};
  }

 private:
  void set(std::uint32_t bit) { bytes_[bit / 8] |= static_cast<std::uint8_t>(1U << bit % 8); }

  std::array<std::uint8_t, kSize> bytes_{};
};

/// What a name's peers add up to: those that said they have it all, and the others.
struct Scrape {
  BloomFilter seeds;
  BloomFilter peers;
};

}  // namespace grenache::grape
