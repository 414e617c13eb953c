#include "grenache/dht/bencode.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <grenache/base/check.hpp>

namespace grenache::dht {

std::string_view describe(BencodeErrc code) {
  switch (code) {
    case BencodeErrc::truncated:
      return "the bencoded value is truncated";
    case BencodeErrc::bad_character:
      return "invalid character";
    case BencodeErrc::bad_length:
      return "bad string length";
    case BencodeErrc::bad_integer:
      return "bad integer";
    case BencodeErrc::key_no_string:
      return "a dictionary key is not a string";
    case BencodeErrc::missing_value:
      return "a dictionary key has no value";
    case BencodeErrc::too_deep:
      return "nested too deeply";
    case BencodeErrc::too_many_tokens:
      return "too many values";
    case BencodeErrc::trailing_bytes:
      return "bytes follow the value";
  }
  return "unknown bencode error";
}

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Compare the first byte before memcmp(): most keys have one byte, and most others differ in it.
bool equal_bytes(char const* bytes, std::string_view key) {
  if (key.empty()) return true;
  return *bytes == key.front() && (key.size() == 1 || std::memcmp(bytes, key.data(), key.size()) == 0);
}
bool comes_before(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty() || a.front() == b.front()) return a < b;
  return static_cast<unsigned char>(a.front()) < static_cast<unsigned char>(b.front());
}

}  // namespace

// Functions return a plain enum, kNone on success: a Result per token would cost more than parsing it.
struct BencodeDocument::Reader {
  static constexpr BencodeErrc kNone{};

  // The containers around the value being parsed, outermost first. A frame is set when its container begins.
  struct Frame {
    std::uint32_t token;
    bool is_dict;
    bool wants_key;
    bool has_key;
    std::uint32_t last_key;  // index of its token
  };

  BencodeDocument& document;
  std::string_view input;
  std::size_t depth_max;
  std::size_t token_count_max;
  std::uint32_t at = 0;
  std::size_t depth = 0;
  std::array<Frame, kDepthMax> frames;  // not initialised

  Reader(BencodeDocument& target, std::string_view bytes, Limits const& limits)
      : document{target},
        input{bytes},
        depth_max{std::min(limits.depth_max, kDepthMax)},
        token_count_max{limits.token_count_max} {}

  [[nodiscard]] bool at_end() const { return at >= input.size(); }
  [[nodiscard]] std::uint32_t token_count() const {
    return static_cast<std::uint32_t>(document.tokens_.size());
  }
  [[nodiscard]] std::string_view content_of(Token const& token) const {
    return input.substr(token.content, token.end - token.content);
  }

  BencodeErrc read_all() {
    do {
      if (BencodeErrc const error = read_one(); error != kNone) return error;
    } while (depth > 0);
    return at_end() ? kNone : BencodeErrc::trailing_bytes;
  }

  // Parses one scalar, or the beginning or the end of a container.
  BencodeErrc read_one() {
    if (at_end()) return BencodeErrc::truncated;
    char const c = input[at];
    if (c == 'e') return close();
    if (depth > 0 && frames[depth - 1].wants_key && !is_digit(c)) return BencodeErrc::key_no_string;
    if (token_count() >= token_count_max) return BencodeErrc::too_many_tokens;
    if (is_digit(c)) return read_string();
    if (c == 'd' || c == 'l') return open(c == 'd');
    if (c == 'i') return read_integer();
    return BencodeErrc::bad_character;
  }

  BencodeErrc open(bool dict) {
    if (depth >= depth_max) return BencodeErrc::too_deep;
    frames[depth++] = {token_count(), dict, dict, false, 0};
    add_token(at, at + 1, dict ? BencodeType::dict : BencodeType::list);
    ++at;
    return kNone;
  }

  BencodeErrc close() {
    if (depth == 0) return BencodeErrc::bad_character;
    Frame const& frame = frames[depth - 1];
    if (frame.is_dict && !frame.wants_key) return BencodeErrc::missing_value;
    Token& token = document.tokens_[frame.token];
    token.end = ++at;
    token.next = token_count();
    --depth;
    value_done();
    return kNone;
  }

  BencodeErrc read_integer() {
    std::uint32_t const begin = at;
    auto const end = input.find('e', begin);
    if (end == std::string_view::npos) return BencodeErrc::truncated;
    std::string_view const text = input.substr(begin + 1, end - begin - 1);
    std::string_view const digits = text.starts_with('-') ? text.substr(1) : text;
    if (digits.empty() || (digits[0] == '0' && text.size() > 1)) return BencodeErrc::bad_integer;
    std::int64_t value = 0;
    auto const [last, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || last != text.data() + text.size()) return BencodeErrc::bad_integer;
    at = static_cast<std::uint32_t>(end) + 1;
    add_scalar(begin, begin + 1, BencodeType::integer);
    return kNone;
  }

  BencodeErrc read_string() {
    std::uint32_t const begin = at;
    std::uint32_t size = 0;
    for (; !at_end() && is_digit(input[at]); ++at) {
      size = size * 10 + static_cast<std::uint32_t>(input[at] - '0');
      if (size > kSizeMax / 16) return BencodeErrc::bad_length;
    }
    if (input[begin] == '0' && at - begin > 1) return BencodeErrc::bad_length;
    if (at_end()) return BencodeErrc::truncated;
    if (input[at] != ':') return BencodeErrc::bad_length;
    ++at;
    if (size > input.size() - at) return BencodeErrc::truncated;
    std::uint32_t const content = at;
    at += size;
    if (depth > 0 && frames[depth - 1].wants_key) note_key(input.substr(content, size));
    add_scalar(begin, content, BencodeType::string);
    return kNone;
  }

  // Call before adding the key's token.
  void note_key(std::string_view key) {
    Frame& frame = frames[depth - 1];
    if (frame.has_key && !comes_before(content_of(document.tokens_[frame.last_key]), key)) {
      document.canonical_ = false;
    }
    frame.last_key = token_count();
    frame.has_key = true;
  }

  // Written field by field: reading back a whole token just written would stall on store forwarding.
  void add_token(std::uint32_t begin, std::uint32_t content, BencodeType type) {
    Token& token = document.tokens_.emplace_back();
    token.begin = begin;
    token.content = content;
    token.end = at;
    token.type = type;
  }

  void add_scalar(std::uint32_t begin, std::uint32_t content, BencodeType type) {
    add_token(begin, content, type);
    document.tokens_.back().next = token_count();
    value_done();
  }

  void value_done() {
    if (depth == 0) return;
    Frame& frame = frames[depth - 1];
    if (frame.is_dict) frame.wants_key = !frame.wants_key;
  }
};

Result<void> BencodeDocument::decode(std::string_view input, Limits limits) {
  input_ = input;
  tokens_.clear();
  canonical_ = true;
  if (input.size() > kSizeMax) return BencodeErrc::bad_length;
  BencodeErrc const error = Reader{*this, input, limits}.read_all();
  if (error == Reader::kNone) return {};
  tokens_.clear();
  return error;
}

BencodeValue BencodeDocument::root() const {
  return tokens_.empty() ? BencodeValue{} : BencodeValue{this, 0};
}

std::optional<std::int64_t> BencodeValue::as_integer() const {
  if (!is(BencodeType::integer)) return std::nullopt;
  std::int64_t value = 0;
  auto const& input = document_->input_;
  std::from_chars(input.data() + token().content, input.data() + token().end - 1, value);
  return value;
}

std::optional<std::string_view> BencodeValue::as_string() const {
  if (!is(BencodeType::string)) return std::nullopt;
  return document_->input_.substr(token().content, token().end - token().content);
}

BencodeValue BencodeValue::dict_find(std::string_view key) const {
  if (!is(BencodeType::dict)) return {};
  auto const* const tokens = document_->tokens_.data();
  char const* const input = document_->input_.data();
  std::uint32_t const end = tokens[index_].next;
  for (std::uint32_t name = index_ + 1; name < end; name = tokens[name + 1].next) {
    auto const& token = tokens[name];  // a string, so its value is the next token
    if (token.end - token.content == key.size() && equal_bytes(input + token.content, key)) {
      return {document_, name + 1};
    }
  }
  return {};
}

BencodeValue BencodeValue::first() const {
  if (!is(BencodeType::list) && !is(BencodeType::dict)) return {};
  if (token().next == index_ + 1) return {};
  return {document_, index_ + 1};
}

BencodeValue BencodeValue::next_in(BencodeValue const& parent) const {
  if (document_ == nullptr || parent.document_ != document_) return {};
  std::uint32_t const next = token().next;
  if (next >= parent.token().next) return {};
  return {document_, next};
}

std::string_view BencodeValue::raw() const {
  if (document_ == nullptr) return {};
  return document_->input_.substr(token().begin, token().end - token().begin);
}

}  // namespace grenache::dht
