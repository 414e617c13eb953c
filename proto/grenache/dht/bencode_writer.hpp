// Writes bencoding (BEP 3). The caller writes dictionary keys in ascending order: then the result is
// canonical.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace grenache::dht {

/// Appends bencoded values to a string. Every begin_ needs its end().
class BencodeWriter {
 public:
  BencodeWriter() = default;
  /// Writes behind what `out` already holds, in its memory as far as that goes.
  explicit BencodeWriter(std::string out) : out_{std::move(out)}, size_{out_.size()} {}

  void begin_dict() { *room(1) = 'd', ++size_; }
  void begin_list() { *room(1) = 'l', ++size_; }
  void end() { *room(1) = 'e', ++size_; }
  void integer(std::int64_t value);
  void string(std::string_view bytes);
  /// A value that is bencoded already.
  void raw(std::string_view encoded);

  void integer(std::string_view key, std::int64_t value) { string(key), integer(value); }
  void string(std::string_view key, std::string_view bytes) { string(key), string(bytes); }

  [[nodiscard]] std::string_view view() const { return {out_.data(), size_}; }
  /// What was written; afterwards the writer is empty.
  [[nodiscard]] std::string take();

 private:
  /// Where the next `size` bytes go.
  char* room(std::size_t size) {
    if (out_.size() - size_ < size) grow(size);
    return out_.data() + size_;
  }
  void grow(std::size_t size);

  std::string out_;       // as long as its capacity; appending byte by byte is slower
  std::size_t size_ = 0;  // of what was written
};

}  // namespace grenache::dht
