#include "exchange/messages/bech32.hpp"

#include <algorithm>
#include <array>

#include <grenache/base/check.hpp>

namespace grenache::bolt11 {
namespace {

constexpr std::string_view kAlphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr std::size_t kChecksumSize = 6;
constexpr std::uint8_t kNoValue = 255;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
char to_lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

// The BCH checksum of BIP 173, computed word by word.
class Checksum {
 public:
  explicit Checksum(std::string_view prefix) {
    for (char const c : prefix) feed(static_cast<std::uint8_t>(static_cast<unsigned char>(c) >> 5));
    feed(0);
    for (char const c : prefix) feed(static_cast<std::uint8_t>(c & 31));
  }
  void feed(std::uint8_t word) {
    static constexpr std::array<std::uint32_t, 5> kGenerator{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                                             0x2a1462b3};
    std::uint32_t const top = state_ >> 25;
    state_ = ((state_ & 0x1ffffff) << 5) ^ word;
    for (std::size_t bit = 0; bit < kGenerator.size(); ++bit) {
      if (((top >> bit) & 1) != 0) state_ ^= kGenerator[bit];
    }
  }
  std::uint32_t state() const { return state_; }

 private:
  std::uint32_t state_ = 1;
};

std::string to_bytes(std::span<std::uint8_t const> words, bool pad) {
  std::string bytes;
  bytes.reserve(words.size() * 5 / 8 + 1);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (std::uint8_t const word : words) {
    bits = ((bits << 5) | word) & 0xfff;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>((bits >> count) & 0xff));
  }
  if (pad && count > 0) bytes.push_back(static_cast<char>((bits << (8 - count)) & 0xff));
  return bytes;
}

}  // namespace

std::string_view describe(Bech32Errc code) {
  switch (code) {
    case Bech32Errc::too_long:
      return "text is too long";
    case Bech32Errc::bad_character:
      return "character is not allowed in Bech32";
    case Bech32Errc::mixed_case:
      return "upper and lower case are mixed";
    case Bech32Errc::no_separator:
      return "no '1' between prefix and data";
    case Bech32Errc::too_short:
      return "text is too short to hold a checksum";
    case Bech32Errc::bad_checksum:
      return "checksum does not match";
  }
  return "unknown Bech32 error";
}

std::uint8_t bech32_value(char character) {
  auto const at = kAlphabet.find(to_lower(character));
  return at == std::string_view::npos ? kNoValue : static_cast<std::uint8_t>(at);
}

Result<Bech32> bech32_decode(std::string_view text, std::size_t size_max) {
  if (text.size() > size_max) return Bech32Errc::too_long;
  if (std::any_of(text.begin(), text.end(), [](char c) { return c < 33 || c > 126; })) {
    return Bech32Errc::bad_character;
  }
  if (std::any_of(text.begin(), text.end(), is_upper) && std::any_of(text.begin(), text.end(), is_lower)) {
    return Bech32Errc::mixed_case;
  }
  auto const separator = text.rfind('1');
  if (separator == std::string_view::npos || separator == 0) return Bech32Errc::no_separator;
  auto const data = text.substr(separator + 1);
  if (data.size() < kChecksumSize) return Bech32Errc::too_short;

  Bech32 out;
  std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(separator),
                 std::back_inserter(out.prefix), to_lower);
  Checksum checksum{out.prefix};
  out.words.reserve(data.size());
  for (char const c : data) {
    auto const word = bech32_value(c);
    if (word == kNoValue) return Bech32Errc::bad_character;
    checksum.feed(word);
    out.words.push_back(word);
  }
  if (checksum.state() != 1) return Bech32Errc::bad_checksum;
  out.words.resize(data.size() - kChecksumSize);
  return out;
}

std::string bech32_encode(std::string_view prefix, std::span<std::uint8_t const> words) {
  std::string text{prefix};
  text.push_back('1');
  Checksum checksum{prefix};
  for (std::uint8_t const word : words) {
    GRN_CHECK(word < kAlphabet.size());
    checksum.feed(word);
    text.push_back(kAlphabet[word]);
  }
  for (std::size_t i = 0; i < kChecksumSize; ++i) checksum.feed(0);
  auto const sum = checksum.state() ^ 1;
  for (std::size_t i = 0; i < kChecksumSize; ++i) text.push_back(kAlphabet[(sum >> (5 * (5 - i))) & 31]);
  return text;
}

void append_words(Words& words, std::string_view bytes) {
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (char const c : bytes) {
    bits = ((bits << 8) | static_cast<unsigned char>(c)) & 0xfff;
    count += 8;
    while (count >= 5) {
      count -= 5;
      words.push_back(static_cast<std::uint8_t>((bits >> count) & 31));
    }
  }
  if (count > 0) words.push_back(static_cast<std::uint8_t>((bits << (5 - count)) & 31));
}

std::string whole_bytes(std::span<std::uint8_t const> words) { return to_bytes(words, false); }
std::string padded_bytes(std::span<std::uint8_t const> words) { return to_bytes(words, true); }

}  // namespace grenache::bolt11
