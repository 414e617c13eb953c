#include "grape/core/scrape.hpp"

#include <grenache/base/crypto.hpp>

namespace grenache::grape {

BloomBits bloom_bits(IpAddress const& address) {
  Sha1 const hash = sha1(address.view());
  auto const byte = [&hash](std::size_t at) { return std::uint32_t{hash.array()[at]}; };
  BloomBits bits;
  bits.first = (byte(0) | byte(1) << 8) & 0x7ff;
  bits.second = (byte(2) | byte(3) << 8) & 0x7ff;
  return bits;
}

}  // namespace grenache::grape
