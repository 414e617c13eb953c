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
  /// Writes behind what `out` already holds.
  explicit BencodeWriter(std::string out) : out_{std::move(out)} {}

  void begin_dict() { out_ += 'd'; }
  void begin_list() { out_ += 'l'; }
  void end() { out_ += 'e'; }
  void integer(std::int64_t value);
  void string(std::string_view bytes);
  /// A value that is bencoded already.
  void raw(std::string_view encoded) { out_ += encoded; }

  void integer(std::string_view key, std::int64_t value) { string(key), integer(value); }
  void string(std::string_view key, std::string_view bytes) { string(key), string(bytes); }

  [[nodiscard]] std::string const& view() const { return out_; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace grenache::dht
