// Bech32 (BIP 173) without its length limit, and conversion between 5-bit words and bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <grenache/base/result.hpp>

namespace grenache::bolt11 {

enum class Bech32Errc {
  too_long = 1,
  bad_character,
  mixed_case,
  no_separator,
  too_short,
  bad_checksum,
};

[[nodiscard]] std::string_view describe(Bech32Errc code);
[[nodiscard]] constexpr char const* category_name(Bech32Errc) { return "grenache.bech32"; }
[[nodiscard]] inline Error make_error_code(Bech32Errc code) { return make_enum_error(code); }

/// 5-bit values (0 to 31), one per character of the data part.
using Words = std::vector<std::uint8_t>;

/// A decoded text with a valid checksum, without the checksum itself.
struct Bech32 {
  std::string prefix;  // the human-readable part, lower case
  Words words;
};

/// Decodes `text` of at most `size_max` characters. Accepts all upper case, but not mixed case (BIP 173). The
/// checksum constant is 1: this is not Bech32m.
[[nodiscard]] Result<Bech32> bech32_decode(std::string_view text, std::size_t size_max);

/// Encodes in lower case. `prefix` must be lower-case printable ASCII, each word below 32.
[[nodiscard]] std::string bech32_encode(std::string_view prefix, std::span<std::uint8_t const> words);

/// Returns the value of a character of the data part, in either case; 255 if it is not one.
[[nodiscard]] std::uint8_t bech32_value(char character);

/// Appends `bytes` to `words`, 5 bits per word; the last word is padded with 0 bits.
void append_words(Words& words, std::string_view bytes);

/// Returns the whole bytes in `words`; drops up to seven bits at the end.
[[nodiscard]] std::string whole_bytes(std::span<std::uint8_t const> words);

/// Returns all bits of `words` as bytes; the last byte is padded with 0 bits.
[[nodiscard]] std::string padded_bytes(std::span<std::uint8_t const> words);

}  // namespace grenache::bolt11

GRN_ERROR_CODE_ENUM(grenache::bolt11::Bech32Errc);
