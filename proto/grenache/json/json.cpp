#include "grenache/json/json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>

// RapidJSON checks preconditions with assert(), which a release build compiles out; this file calls no
// function that has preconditions.
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <grenache/base/check.hpp>

namespace grenache::json {
namespace {

// Keeps the last value of members with the same name, at the position of the first, as JavaScript does.
void drop_duplicates(Value::Object& members) {
  if (members.size() < 2) return;
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) -> std::string const& { return members[i].first; });
  std::vector<bool> drop(members.size());
  bool any = false;
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last + 1 < order.size() && members[order[last + 1]].first == members[order[first]].first) ++last;
    if (last != first) {
      members[order[first]].second = std::move(members[order[last]].second);
      for (std::size_t i = first + 1; i <= last; ++i) drop[order[i]] = true;
      any = true;
    }
    first = last + 1;
  }
  if (!any) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (drop[i]) continue;
    if (kept != i) members[kept] = std::move(members[i]);
    ++kept;
  }
  members.resize(kept);
}

// RapidJSON accepts an escaped low surrogate without a high one, and writes it as three bytes of invalid
// UTF-8.
bool has_lone_surrogate(std::string_view text) {
  for (auto at = text.find('\xed'); at != std::string_view::npos; at = text.find('\xed', at + 1)) {
    if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= 0xa0) return true;
  }
  return false;
}

// Builds values from RapidJSON's events. The reader is iterative, so nesting uses the heap, bounded by the
// depth limit.
class Builder {
 public:
  explicit Builder(ParseLimits limits) : limits_{limits} {}

  bool Null() { return add(Value{}); }
  bool Bool(bool value) { return add(Value{value}); }
  bool RawNumber(char const* text, rapidjson::SizeType size, bool) {
    return add(Value::number(std::string{text, size}));
  }
  bool String(char const* text, rapidjson::SizeType size, bool) {
    if (has_lone_surrogate({text, size})) return fail(JsonErrc::invalid);
    return add(Value{std::string{text, size}});
  }
  bool StartObject() { return open(Value{Value::Object{}}); }
  bool Key(char const* text, rapidjson::SizeType size, bool) {
    if (has_lone_surrogate({text, size})) return fail(JsonErrc::invalid);
    keys_.emplace_back(text, size);
    return true;
  }
  bool EndObject(rapidjson::SizeType) {
    drop_duplicates(*open_.back().as_object());
    return close();
  }
  bool StartArray() { return open(Value{Value::Array{}}); }
  bool EndArray(rapidjson::SizeType) { return close(); }
  // Not called: numbers are passed as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

  Value take() { return std::move(root_); }
  JsonErrc error() const { return error_; }

 private:
  bool fail(JsonErrc error) {
    error_ = error;
    return false;
  }
  bool count() { return ++count_ <= limits_.value_count_max || fail(JsonErrc::too_many_values); }
  bool add(Value value) {
    if (!count()) return false;
    place(std::move(value));
    return true;
  }
  bool open(Value container) {
    if (!count()) return false;
    if (open_.size() == limits_.depth_max) return fail(JsonErrc::too_deep);
    open_.push_back(std::move(container));
    return true;
  }
  bool close() {
    Value done = std::move(open_.back());
    open_.pop_back();
    place(std::move(done));
    return true;
  }
  void place(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (auto* array = open_.back().as_array()) {
      array->push_back(std::move(value));
    } else {
      open_.back().as_object()->emplace_back(std::move(keys_.back()), std::move(value));
      keys_.pop_back();
    }
  }

  ParseLimits limits_;
  std::size_t count_ = 0;
  std::vector<Value> open_;
  std::vector<std::string> keys_;
  Value root_;
  JsonErrc error_ = JsonErrc::invalid;
};

// Number::toString of ECMA-262: the shortest digits that read back as the same double, plain from 1e-6 up to
// 1e21.
std::string javascript_number(double value) {
  if (value == 0) return "0";
  char buffer[32];
  auto const end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view text{buffer, static_cast<std::size_t>(end - buffer)};
  std::string out;
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  auto const e = text.find('e');
  std::string digits{text.substr(0, 1)};
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  std::string_view power = text.substr(e + 1);
  if (power.front() == '+') power.remove_prefix(1);
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  int const size = static_cast<int>(digits.size());
  int const point = exponent + 1;  // position of the decimal point, counted from the first digit
  if (size <= point && point <= 21)
    return out + digits + std::string(static_cast<std::size_t>(point - size), '0');
  if (0 < point && point <= 21) return out + digits.insert(static_cast<std::size_t>(point), ".");
  if (-6 < point && point <= 0)
    return out + "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  if (size > 1) digits.insert(1, ".");
  return out + digits + 'e' + (exponent < 0 ? '-' : '+') + std::to_string(std::abs(exponent));
}

}  // namespace

std::string_view describe(JsonErrc code) {
  switch (code) {
    case JsonErrc::invalid:
      return "not valid JSON";
    case JsonErrc::too_deep:
      return "JSON is nested too deeply";
    case JsonErrc::too_many_values:
      return "JSON holds too many values";
  }
  return "unknown JSON error";
}

Value::Value(double value) {
  if (std::isfinite(value)) data_ = Number{javascript_number(value)};
}

Value Value::number(std::string text) {
  Value value;
  value.data_ = Number{std::move(text)};
  return value;
}

std::string const* Value::number_text() const {
  auto const* number = std::get_if<Number>(&data_);
  return number ? &number->text : nullptr;
}

std::optional<double> Value::as_double() const {
  auto const* text = number_text();
  if (!text) return std::nullopt;
  double value = 0;
  auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> Value::as_int() const {
  auto const* text = number_text();
  if (!text) return std::nullopt;
  std::int64_t value = 0;
  auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error == std::errc{} && end == text->data() + text->size()) return value;
  auto const real = as_double();  // 1.0, 1e3
  constexpr double kExactMax = 9007199254740992.0;
  if (!real || *real != std::trunc(*real) || std::abs(*real) > kExactMax) return std::nullopt;
  return static_cast<std::int64_t>(*real);
}

Value const* Value::find(std::string_view name) const {
  auto const* object = as_object();
  if (!object) return nullptr;
  auto const found = std::ranges::find(*object, name, &Member::first);
  return found == object->end() ? nullptr : &found->second;
}

std::string const* Value::find_string(std::string_view name) const {
  auto const* value = find(name);
  return value ? value->as_string() : nullptr;
}

std::optional<std::int64_t> Value::find_int(std::string_view name) const {
  auto const* value = find(name);
  return value ? value->as_int() : std::nullopt;
}

Value const* Value::at(std::size_t index) const {
  auto const* array = as_array();
  return array && index < array->size() ? &(*array)[index] : nullptr;
}

void Value::set(std::string_view name, Value value) {
  auto* object = as_object();
  GRN_CHECK(object != nullptr);
  auto const found = std::ranges::find(*object, name, &Member::first);
  if (found != object->end()) {
    found->second = std::move(value);
  } else {
    object->emplace_back(std::string{name}, std::move(value));
  }
}

Result<Value> parse(std::string_view text, ParseLimits limits) {
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::MemoryStream stream{text.data(), text.size()};
  rapidjson::Reader reader;
  Builder builder{limits};
  if (reader.Parse<kFlags>(stream, builder).IsError()) return builder.error();
  // The stream ends at a NUL byte; text after one is not JSON.
  if (stream.Tell() != text.size()) return JsonErrc::invalid;
  return builder.take();
}

void append_quoted(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  std::size_t plain = 0;  // start of the run that needs no escape
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += "\\u00";
        out += kDigits[c >> 4];
        out += kDigits[c & 15];
    }
  }
  out.append(text, plain);
  out += '"';
}

namespace {

void close(std::string& out, char bracket) {
  if (out.back() == ',') {
    out.back() = bracket;
  } else {
    out += bracket;
  }
}

// Recursion is bounded by the depth of the value: ParseLimits bounds parsed values, the calling code bounds
// others.
void write(std::string& out, Value const& value) {
  if (auto const* flag = value.as_bool()) {
    out += *flag ? "true" : "false";
  } else if (auto const* number = value.number_text()) {
    out += *number;
  } else if (auto const* text = value.as_string()) {
    append_quoted(out, *text);
  } else if (auto const* array = value.as_array()) {
    out += '[';
    for (auto const& item : *array) {
      write(out, item);
      out += ',';
    }
    close(out, ']');
  } else if (auto const* object = value.as_object()) {
    out += '{';
    for (auto const& [name, member] : *object) {
      append_quoted(out, name);
      out += ':';
      write(out, member);
      out += ',';
    }
    close(out, '}');
  } else {
    out += "null";
  }
}

}  // namespace

std::string to_text(Value const& value) {
  std::string out;
  write(out, value);
  return out;
}

}  // namespace grenache::json
