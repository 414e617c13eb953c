// Identifiers as distinct types, so that a node id cannot be used as a peer id.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <grenache/base/hex.hpp>
#include <grenache/base/random.hpp>

namespace grenache {

/// `Size` bytes; `Tag` distinguishes types of the same size. Ordered as big-endian numbers.
template <class Tag, std::size_t Size>
class FixedBytes {
 public:
  static constexpr std::size_t kSize = Size;

  constexpr FixedBytes() = default;
  constexpr explicit FixedBytes(std::array<std::uint8_t, Size> const& bytes) : bytes_{bytes} {}

  /// Returns nothing unless `bytes` is exactly kSize long.
  [[nodiscard]] static std::optional<FixedBytes> from_bytes(std::string_view bytes) {
    if (bytes.size() != Size) return std::nullopt;
    FixedBytes out;
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(out.bytes_.data()));
    return out;
  }
  [[nodiscard]] static std::optional<FixedBytes> from_hex(std::string_view text) {
    if (text.size() != 2 * Size) return std::nullopt;
    auto const bytes = grenache::from_hex(text);
    return bytes ? from_bytes(*bytes) : std::nullopt;
  }
  [[nodiscard]] static FixedBytes random(Random& random) {
    FixedBytes out;
    random.fill(out.bytes_);
    return out;
  }

  /// The raw bytes; valid as long as this object.
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<char const*>(bytes_.data()), bytes_.size()};
  }
  [[nodiscard]] std::string hex() const { return to_hex(view()); }
  [[nodiscard]] constexpr std::array<std::uint8_t, Size> const& array() const { return bytes_; }
  [[nodiscard]] constexpr std::array<std::uint8_t, Size>& array() { return bytes_; }

  friend constexpr auto operator<=>(FixedBytes const&, FixedBytes const&) = default;

 private:
  std::array<std::uint8_t, Size> bytes_{};
};

/// Id of a DHT node (BEP 5).
using NodeId = FixedBytes<struct NodeIdTag, 20>;
/// Identity of an exchange peer: its compressed secp256k1 public key, as of a Lightning node.
using PeerId = FixedBytes<struct PeerIdTag, 33>;

}  // namespace grenache
