// Shared by the fuzz targets: the entry point, and a reader that turns bytes into choices.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// Runs one input. Aborts when a checked property does not hold; otherwise returns 0. Depends only on the
/// input: no sockets, no clocks, no state from earlier inputs.
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace grenache::fuzz {

/// The bytes of an input as text.
[[nodiscard]] inline std::string_view as_text(std::uint8_t const* data, std::size_t size) {
  return size == 0 ? std::string_view{} : std::string_view{reinterpret_cast<char const*>(data), size};
}

/// Reads choices from an input. After its end every number is 0 and every text empty, so that a shorter input
/// is a simpler run.
class Input {
 public:
  Input(std::uint8_t const* data, std::size_t size) : rest_{as_text(data, size)} {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    auto const value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  /// Little-endian.
  template <class Integer>
  Integer number() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i) value |= std::uint64_t{byte()} << (8 * i);
    return static_cast<Integer>(value);
  }
  /// A number below `count`, which is 1 to 256.
  std::size_t below(std::size_t count) { return byte() % count; }
  bool flag() { return (byte() & 1) != 0; }
  /// Up to `size` bytes.
  std::string_view bytes(std::size_t size) {
    auto const out = rest_.substr(0, size);
    rest_.remove_prefix(out.size());
    return out;
  }
  /// A text of up to 255 bytes, after a byte with its length.
  std::string_view short_text() { return bytes(byte()); }
  /// A text of up to 65535 bytes, after two bytes with its length.
  std::string_view long_text() { return bytes(number<std::uint16_t>()); }
  std::string_view rest() { return bytes(rest_.size()); }

 private:
  std::string_view rest_;
};

}  // namespace grenache::fuzz
