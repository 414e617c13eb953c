#include "grenache/dht/compact.hpp"

#include <algorithm>
#include <array>

#include <grenache/base/check.hpp>

namespace grenache::dht {

void append_compact(std::string& out, Endpoint const& peer) {
  out += peer.address.view();
  out += static_cast<char>(peer.port >> 8);
  out += static_cast<char>(peer.port & 0xff);
}

void append_compact(std::string& out, Contact const& node) {
  std::string_view const address = node.endpoint.address.view();
  std::array<char, kCompactNode6Size> record;
  auto* end = std::ranges::copy(node.id.view(), record.data()).out;
  end = std::ranges::copy(address, end).out;
  *end++ = static_cast<char>(node.endpoint.port >> 8);
  *end++ = static_cast<char>(node.endpoint.port & 0xff);
  out.append(record.data(), end);
}

std::optional<Endpoint> read_compact_peer(std::string_view bytes) {
  Endpoint peer;
  auto const byte = [bytes](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  if (bytes.size() == kCompactPeer4Size) {
    peer.address = IpAddress{byte(0), byte(1), byte(2), byte(3)};
  } else if (bytes.size() == kCompactPeer6Size) {
    IpAddress::V6 address{};
    for (std::size_t i = 0; i < address.size(); ++i) address[i] = byte(i);
    peer.address = IpAddress{address};
  } else {
    return std::nullopt;
  }
  peer.port = static_cast<std::uint16_t>(byte(bytes.size() - 2) << 8 | byte(bytes.size() - 1));
  if (peer.port == 0) return std::nullopt;
  return peer;
}

std::optional<CompactNodes> CompactNodes::from_bytes(std::string_view bytes, std::size_t record_size) {
  GRN_CHECK(record_size == kCompactNode4Size || record_size == kCompactNode6Size);
  if (bytes.size() % record_size != 0) return std::nullopt;
  CompactNodes nodes;
  nodes.bytes_ = bytes;
  nodes.record_size_ = record_size;
  return nodes;
}

std::optional<Contact> CompactNodes::at(std::size_t index) const {
  GRN_CHECK(index < size());
  std::string_view const record = bytes_.substr(index * record_size_, record_size_);
  auto const id = NodeId::from_bytes(record.substr(0, NodeId::kSize));
  auto const endpoint = read_compact_peer(record.substr(NodeId::kSize));
  if (!endpoint) return std::nullopt;
  return Contact{*id, *endpoint};
}

}  // namespace grenache::dht
