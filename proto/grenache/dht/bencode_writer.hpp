// Writes bencoding (BEP 3). The output is canonical if the caller writes dictionary keys in ascending order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace grenache::dht {

/// Appends bencoded values to a string. Every begin_…() must be matched by an end().
class BencodeWriter {
 public:
  BencodeWriter() = default;
  /// Appends to `out`, reusing its memory.
  explicit BencodeWriter(std::string out) : out_{std::move(out)}, size_{out_.size()} {}

  void begin_dict() { *room(1) = 'd', ++size_; }
  void begin_list() { *room(1) = 'l', ++size_; }
  void end() { *room(1) = 'e', ++size_; }
  void integer(std::int64_t value);
  void string(std::string_view bytes);
  /// Appends a value that is already bencoded.
  void raw(std::string_view encoded);

  void integer(std::string_view key, std::int64_t value) { string(key), integer(value); }
  void string(std::string_view key, std::string_view bytes) { string(key), string(bytes); }

  [[nodiscard]] std::string_view view() const { return {out_.data(), size_}; }
  /// Returns the output and clears the writer.
  [[nodiscard]] std::string take();

 private:
  /// Returns the address for the next `size` bytes.
  char* room(std::size_t size) {
    if (out_.size() - size_ < size) grow(size);
    return out_.data() + size_;
  }
  void grow(std::size_t size);

  std::string out_;       // sized to its capacity, because appending byte by byte is slower
  std::size_t size_ = 0;  // bytes written
};

}  // namespace grenache::dht
