#include "grenache/log/printable.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <grenache/json/bencode_json.hpp>

namespace grenache {
namespace {

struct CodePoint {
  std::uint32_t value;
  std::size_t size;  // bytes
};

/// Precondition: `utf8` is valid and not empty.
CodePoint first_code_point(std::string_view utf8) {
  auto const byte = [&](std::size_t at) { return std::uint32_t{static_cast<unsigned char>(utf8[at])}; };
  if (byte(0) < 0x80) return {byte(0), 1};
  if (byte(0) < 0xe0) return {(byte(0) & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  if (byte(0) < 0xf0) return {(byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  return {(byte(0) & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f), 4};
}

/// Controls above C0, separators, and format characters (general category Cf) without a glyph.
bool is_invisible(std::uint32_t code_point) {
  static constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 10> kRanges{{
      {0x7f, 0x9f},        // DEL and C1
      {0xad, 0xad},        // soft hyphen
      {0x61c, 0x61c},      // Arabic letter mark
      {0x180e, 0x180e},    // Mongolian vowel separator
      {0x200b, 0x200f},    // zero width, left-to-right and right-to-left marks
      {0x2028, 0x202e},    // separators of lines and paragraphs, embeddings and overrides
      {0x2060, 0x206f},    // word joiner, isolates
      {0xfeff, 0xfeff},    // zero width no-break space
      {0xfff9, 0xfffb},    // interlinear annotations
      {0xe0000, 0xe0fff},  // tags, variation selectors
  }};
  return std::ranges::any_of(
      kRanges, [&](auto const& range) { return code_point >= range.first && code_point <= range.second; });
}

void append_escape(std::string& out, std::uint32_t unit) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[unit >> shift & 0xf];
}

}  // namespace

std::string printable(std::string_view text) {
  std::string const utf8 = json::to_utf8(text);
  std::string out;
  for (std::string_view rest = utf8; !rest.empty();) {
    auto const [code_point, size] = first_code_point(rest);
    if (code_point < 0x20 || is_invisible(code_point)) {
      out += '?';
    } else {
      out += rest.substr(0, size);
    }
    rest.remove_prefix(size);
  }
  return out;
}

std::string escape_invisible(std::string_view text) {
  std::string const utf8 = json::to_utf8(text);
  std::string out;
  for (std::string_view rest = utf8; !rest.empty();) {
    auto const [code_point, size] = first_code_point(rest);
    if (!is_invisible(code_point)) {
      out += rest.substr(0, size);
    } else if (code_point < 0x10000) {
      append_escape(out, code_point);
    } else {
      append_escape(out, 0xd800 + ((code_point - 0x10000) >> 10));
      append_escape(out, 0xdc00 + ((code_point - 0x10000) & 0x3ff));
    }
    rest.remove_prefix(size);
  }
  return out;
}

}  // namespace grenache
