// Compact encoding of contacts (BEP 5, BEP 32): 4 or 16 bytes of address and 2 of port; for nodes, preceded
// by 20 bytes of id.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/ids.hpp>

namespace grenache::dht {

/// The id and endpoint of a DHT node.
struct Contact {
  NodeId id;
  Endpoint endpoint;
  friend constexpr auto operator<=>(Contact const&, Contact const&) = default;
};

inline constexpr std::size_t kCompactPeer4Size = 6;
inline constexpr std::size_t kCompactPeer6Size = 18;
inline constexpr std::size_t kCompactNode4Size = 26;
inline constexpr std::size_t kCompactNode6Size = 38;

/// Appends the 6 or 18 bytes of `peer`.
void append_compact(std::string& out, Endpoint const& peer);
/// Appends the 26 or 38 bytes of `node`.
void append_compact(std::string& out, Contact const& node);

/// Decodes a peer of 6 or 18 bytes; nothing for another length or port 0.
[[nodiscard]] std::optional<Endpoint> read_compact_peer(std::string_view bytes);

/// A view of a `nodes` (IPv4) or `nodes6` string. Its bytes must outlive it.
class CompactNodes {
 public:
  CompactNodes() = default;
  /// Returns nothing when the length is not a multiple of `record_size`, which is one of the kCompactNode
  /// sizes.
  [[nodiscard]] static std::optional<CompactNodes> from_bytes(std::string_view bytes,
                                                              std::size_t record_size = kCompactNode4Size);

  [[nodiscard]] std::size_t size() const { return bytes_.size() / record_size_; }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  /// The contact at `index` < size(); nothing when its port is 0.
  [[nodiscard]] std::optional<Contact> at(std::size_t index) const;
  [[nodiscard]] std::string_view view() const { return bytes_; }

 private:
  std::string_view bytes_;
  std::size_t record_size_ = kCompactNode4Size;
};

}  // namespace grenache::dht
