#include "grape/core/address_rules.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace grenache::grape {
namespace {

std::uint8_t byte_of(IpAddress const& address, std::size_t index) {
  return static_cast<std::uint8_t>(address.view()[index]);
}

bool is_mapped(IpAddress const& address) {
  constexpr std::array<char, 12> kPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '\xff', '\xff'};
  return address.is_v6() && std::ranges::equal(address.view().substr(0, 12), kPrefix);
}

// CRC-32C, bit by bit: the input is a few bytes, and it is computed only for nodes that enter a table.
std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (char const c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

// Returns the first 21 bits that BEP 42 demands of an id whose last byte is `last`.
std::array<std::uint8_t, 3> prefix_of(IpAddress const& address, std::uint8_t last) {
  constexpr std::array<std::uint8_t, 4> kMask4{0x03, 0x0f, 0x3f, 0xff};
  constexpr std::array<std::uint8_t, 8> kMask6{0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff};
  std::string masked;
  std::size_t const size = address.is_v6() ? kMask6.size() : kMask4.size();
  for (std::size_t i = 0; i < size; ++i) {
    masked += static_cast<char>(byte_of(address, i) & (address.is_v6() ? kMask6[i] : kMask4[i]));
  }
  masked[0] = static_cast<char>(static_cast<std::uint8_t>(masked[0]) | (last & 7) << 5);
  std::uint32_t const crc = crc32c(masked);
  return {static_cast<std::uint8_t>(crc >> 24), static_cast<std::uint8_t>(crc >> 16),
          static_cast<std::uint8_t>(crc >> 8 & 0xf8)};
}

}  // namespace

bool is_martian(IpAddress const& address) {
  if (address.is_unspecified() || address.is_loopback() || address.is_multicast_or_reserved()) return true;
  if (!address.is_v6()) return byte_of(address, 0) == 0;
  bool const link_local = byte_of(address, 0) == 0xfe && (byte_of(address, 1) & 0xc0) == 0x80;
  return link_local || is_mapped(address);
}

IpAddress network_of(IpAddress const& address) {
  if (!address.is_v6()) return {byte_of(address, 0), byte_of(address, 1), byte_of(address, 2), 0};
  IpAddress::V6 network{};
  for (std::size_t i = 0; i < 8; ++i) network[i] = byte_of(address, i);
  return IpAddress{network};
}

IpAddress host_of(IpAddress const& address) { return address.is_v6() ? network_of(address) : address; }

bool id_fits(NodeId const& id, IpAddress const& address) {
  if (address.is_private()) return true;
  auto const& bytes = id.array();
  auto const prefix = prefix_of(address, bytes.back());
  return bytes[0] == prefix[0] && bytes[1] == prefix[1] && (bytes[2] & 0xf8) == prefix[2];
}

NodeId fitting_id(IpAddress const& address, Random& random) {
  NodeId id = NodeId::random(random);
  if (address.is_private()) return id;
  auto& bytes = id.array();
  auto const prefix = prefix_of(address, bytes.back());
  bytes[0] = prefix[0];
  bytes[1] = prefix[1];
  bytes[2] = static_cast<std::uint8_t>(prefix[2] | (bytes[2] & 7));
  return id;
}

}  // namespace grenache::grape
