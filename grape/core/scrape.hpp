// The number of peers of a name, as Bloom filters that can be merged over nodes (BEP 33).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <grenache/base/endpoint.hpp>

namespace grenache::grape {

/// The two bits that an address sets in a filter.
struct BloomBits {
  std::uint32_t first : 11 = 0;
  std::uint32_t second : 11 = 0;
  std::uint32_t is_seed : 1 = 0;  // selects the filter of a Scrape; stored here because there is room
};
/// Computes a SHA-1.
[[nodiscard]] BloomBits bloom_bits(IpAddress const& address);

/// A set of addresses, whose size can be estimated up to about 6000.
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

/// The peers of a name: seeds, and the others.
struct Scrape {
  BloomFilter seeds;
  BloomFilter peers;
};

}  // namespace grenache::grape
