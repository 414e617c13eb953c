// Parses bencoding (BEP 3) without copying, into a flat list of tokens that point into the input.
//
//     d  2:id 5:hello  1:n  l i1e i2e e  e        tokens, in the order of the bytes
//     0  1    2        3    4 5   6               `next` of 0 is 7, of 4 is 7, of 5 is 6
//
// A token stores where its bytes begin and end, and the index of the token after its value, so a reader skips
// a value of any size in one step. The parser does not recurse, so input cannot exhaust the stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <grenache/base/result.hpp>

namespace grenache::dht {

enum class BencodeErrc {
  truncated = 1,    // the input ends inside a value
  bad_character,    // no value begins with this byte
  bad_length,       // a string length with a leading zero, without a colon, or with too many digits
  bad_integer,      // leading zero, negative zero, no digit, or beyond 64 bits
  key_no_string,    // a dictionary key is not a string
  missing_value,    // a dictionary ends after a key
  too_deep,         // more nesting than the limit
  too_many_tokens,  // more values than the limit
  trailing_bytes,   // bytes follow the value
};
[[nodiscard]] std::string_view describe(BencodeErrc code);
constexpr char const* category_name(BencodeErrc) { return "grenache.bencode"; }
inline Error make_error_code(BencodeErrc code) { return make_enum_error(code); }

enum class BencodeType : std::uint8_t { integer, string, list, dict };

class BencodeValue;

/// One decoded value. Holds views of the input, which must outlive every value read from it. Decode many
/// inputs with one object to reuse its memory.
class BencodeDocument {
 public:
  struct Limits {
    std::size_t depth_max = 10;         // KRPC needs 4
    std::size_t token_count_max = 500;  // libtorrent's limit for a datagram
  };
  static constexpr std::size_t kDepthMax = 64;  // upper bound of Limits::depth_max
  static constexpr std::size_t kSizeMax = std::size_t{1} << 30;

  /// Parses `input`, which must hold exactly one value. Linear in its size. After an error there is no root.
  [[nodiscard]] Result<void> decode(std::string_view input, Limits limits);
  [[nodiscard]] Result<void> decode(std::string_view input) { return decode(input, Limits{}); }

  /// The outermost value; absent before a successful decode().
  [[nodiscard]] BencodeValue root() const;
  /// True when the keys of every dictionary are in ascending order without duplicates. Numbers and lengths
  /// are always canonical, so then an encoder would write the same bytes.
  [[nodiscard]] bool is_canonical() const { return canonical_; }
  [[nodiscard]] std::size_t token_count() const { return tokens_.size(); }

 private:
  friend class BencodeValue;
  struct Token {
    std::uint32_t begin = 0;    // offset of the encoded value
    std::uint32_t content = 0;  // offset of the bytes of a string or the digits of an integer
    std::uint32_t end = 0;      // offset after the encoded value
    std::uint32_t next = 0;     // index of the token after this value and everything in it
    BencodeType type = BencodeType::integer;
  };
  struct Reader;

  std::string_view input_;
  std::vector<Token> tokens_;
  bool canonical_ = true;
};

/// A value in a BencodeDocument, or no value. Cheap to copy; valid until the document decodes again. Every
/// getter returns nothing for a value of another type: there is no unchecked access.
class BencodeValue {
 public:
  BencodeValue() = default;

  explicit operator bool() const { return document_ != nullptr; }
  /// The type. Precondition: this is a value.
  [[nodiscard]] BencodeType type() const { return token().type; }
  [[nodiscard]] bool is(BencodeType type) const { return document_ != nullptr && token().type == type; }
  [[nodiscard]] std::optional<std::int64_t> as_integer() const;
  [[nodiscard]] std::optional<std::string_view> as_string() const;
  /// The value of `key` in a dictionary; the first of equal keys.
  [[nodiscard]] BencodeValue dict_find(std::string_view key) const;
  /// The first value of a list, or the first key of a dictionary.
  [[nodiscard]] BencodeValue first() const;
  /// The value after this one in the same list or dictionary (where keys and values alternate).
  [[nodiscard]] BencodeValue next_in(BencodeValue const& parent) const;
  /// The encoded bytes; empty if there is no value.
  [[nodiscard]] std::string_view raw() const;

 private:
  friend class BencodeDocument;
  BencodeValue(BencodeDocument const* document, std::uint32_t index) : document_{document}, index_{index} {}
  [[nodiscard]] BencodeDocument::Token const& token() const { return document_->tokens_[index_]; }

  BencodeDocument const* document_ = nullptr;
  std::uint32_t index_ = 0;
};

}  // namespace grenache::dht

GRN_ERROR_CODE_ENUM(grenache::dht::BencodeErrc);
