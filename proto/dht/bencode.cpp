#include "proto/dht/bencode.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "proto/base/check.hpp"

namespace grenache::dht {

std::string_view describe(BencodeErrc code) {
  switch (code) {
    case BencodeErrc::truncated:
      return "the bencoded value is cut off";
    case BencodeErrc::bad_character:
      return "no bencoded value begins like this";
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

}  // namespace

struct BencodeDocument::Reader {
  BencodeDocument& document;
  Limits limits;
  std::uint32_t at = 0;

  // What surrounds the value that is being read, outermost first.
  struct Frame {
    std::uint32_t token = 0;
    bool wants_key = false;
    std::string_view last_key;
    bool has_key = false;
  };
  std::array<Frame, kDepthMax> frames{};
  std::size_t depth = 0;

  [[nodiscard]] std::string_view input() const { return document.input_; }
  [[nodiscard]] bool at_end() const { return at >= input().size(); }

  Result<void> read_all() {
    do {
      if (auto const step = read_one(); !step) return step;
    } while (depth > 0);
    if (!at_end()) return BencodeErrc::trailing_bytes;
    return {};
  }

  // Reads one scalar, or the beginning or the end of a container.
  Result<void> read_one() {
    if (at_end()) return BencodeErrc::truncated;
    char const c = input()[at];
    if (c == 'e') return close();
    if (depth > 0 && frames[depth - 1].wants_key && !is_digit(c)) return BencodeErrc::key_no_string;
    if (document.tokens_.size() >= limits.token_count_max) return BencodeErrc::too_many_tokens;
    if (c == 'd' || c == 'l') return open(c == 'd');
    if (c == 'i') return read_integer();
    if (is_digit(c)) return read_string();
    return BencodeErrc::bad_character;
  }

  Result<void> open(bool dict) {
    if (depth >= std::min(limits.depth_max, kDepthMax)) return BencodeErrc::too_deep;
    frames[depth++] = {static_cast<std::uint32_t>(document.tokens_.size()), dict, {}, false};
    document.tokens_.push_back({at, at + 1, at, 0, dict ? BencodeType::dict : BencodeType::list});
    ++at;
    return {};
  }

  Result<void> close() {
    if (depth == 0) return BencodeErrc::bad_character;
    Frame const& frame = frames[depth - 1];
    Token& token = document.tokens_[frame.token];
    if (token.type == BencodeType::dict && !frame.wants_key) return BencodeErrc::missing_value;
    token.end = ++at;
    token.next = static_cast<std::uint32_t>(document.tokens_.size());
    --depth;
    value_done();
    return {};
  }

  Result<void> read_integer() {
    std::uint32_t const begin = at;
    auto const end = input().find('e', begin);
    if (end == std::string_view::npos) return BencodeErrc::truncated;
    std::string_view const text = input().substr(begin + 1, end - begin - 1);
    std::string_view const digits = text.starts_with('-') ? text.substr(1) : text;
    if (digits.empty() || (digits[0] == '0' && text.size() > 1)) return BencodeErrc::bad_integer;
    std::int64_t value = 0;
    auto const [last, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || last != text.data() + text.size()) return BencodeErrc::bad_integer;
    at = static_cast<std::uint32_t>(end) + 1;
    add_scalar({begin, begin + 1, at, 0, BencodeType::integer});
    return {};
  }

  Result<void> read_string() {
    std::uint32_t const begin = at;
    std::uint32_t size = 0;
    for (; !at_end() && is_digit(input()[at]); ++at) {
      size = size * 10 + static_cast<std::uint32_t>(input()[at] - '0');
      if (size > kSizeMax / 16) return BencodeErrc::bad_length;
    }
    if (input()[begin] == '0' && at - begin > 1) return BencodeErrc::bad_length;
    if (at_end()) return BencodeErrc::truncated;
    if (input()[at] != ':') return BencodeErrc::bad_length;
    ++at;
    if (size > input().size() - at) return BencodeErrc::truncated;
    std::uint32_t const content = at;
    at += size;
    if (depth > 0 && frames[depth - 1].wants_key) note_key(input().substr(content, size));
    add_scalar({begin, content, at, 0, BencodeType::string});
    return {};
  }

  void note_key(std::string_view key) {
    Frame& frame = frames[depth - 1];
    if (frame.has_key && frame.last_key >= key) document.canonical_ = false;
    frame.last_key = key;
    frame.has_key = true;
  }

  void add_scalar(Token token) {
    token.next = static_cast<std::uint32_t>(document.tokens_.size()) + 1;
    document.tokens_.push_back(token);
    value_done();
  }

  void value_done() {
    if (depth == 0) return;
    Frame& frame = frames[depth - 1];
    if (document.tokens_[frame.token].type == BencodeType::dict) frame.wants_key = !frame.wants_key;
  }
};

Result<void> BencodeDocument::decode(std::string_view input, Limits limits) {
  input_ = input;
  tokens_.clear();
  canonical_ = true;
  if (input.size() > kSizeMax) return BencodeErrc::bad_length;
  auto const done = Reader{*this, limits}.read_all();
  if (!done) tokens_.clear();
  return done;
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
  for (BencodeValue name = first(); name;) {
    BencodeValue const value = name.next_in(*this);
    if (*name.as_string() == key) return value;
    name = value.next_in(*this);
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
