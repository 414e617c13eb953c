// JSON values: parsed without loss and written as JavaScript writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <grenache/base/result.hpp>

namespace grenache::json {

enum class JsonErrc { invalid = 1, too_deep, too_many_values };
[[nodiscard]] std::string_view describe(JsonErrc code);
constexpr char const* category_name(JsonErrc) { return "grenache.json"; }
inline Error make_error_code(JsonErrc code) { return make_enum_error(code); }

/// One JSON value. A value type: copies are deep, moves are cheap.
///
/// Numbers keep their literal, so that decimals stay exact and large integers are not rounded; money is read
/// from number_text(). Objects keep the order of their members; of members with the same name the last is
/// kept, as in JavaScript.
class Value {
 public:
  struct Number {
    std::string text;
    friend bool operator==(Number const&, Number const&) = default;
  };
  using Array = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Object = std::vector<Member>;

  Value() = default;  // null
  Value(std::nullptr_t) {}
  Value(bool value) : data_{value} {}
  Value(int value) : Value{std::int64_t{value}} {}
  Value(unsigned value) : Value{std::uint64_t{value}} {}
  Value(std::int64_t value) : data_{Number{std::to_string(value)}} {}
  Value(std::uint64_t value) : data_{Number{std::to_string(value)}} {}
  /// Formatted as by JavaScript; infinities and NaN become null.
  Value(double value);
  Value(char const* value) : data_{std::string{value}} {}
  Value(std::string_view value) : data_{std::string{value}} {}
  Value(std::string value) : data_{std::move(value)} {}
  Value(Array value) : data_{std::move(value)} {}
  Value(Object value) : data_{std::move(value)} {}

  [[nodiscard]] static Value array(std::initializer_list<Value> items = {}) { return Value{Array{items}}; }
  [[nodiscard]] static Value object(std::initializer_list<Member> members = {}) {
    return Value{Object{members}};
  }
  /// A number with exactly this text, which must be a JSON number.
  [[nodiscard]] static Value number(std::string text);

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  [[nodiscard]] bool is_number() const { return std::holds_alternative<Number>(data_); }

  /// Each returns nullptr or nothing when the value is of another type: there is no unchecked access.
  [[nodiscard]] bool const* as_bool() const { return std::get_if<bool>(&data_); }
  [[nodiscard]] std::string const* as_string() const { return std::get_if<std::string>(&data_); }
  [[nodiscard]] Array const* as_array() const { return std::get_if<Array>(&data_); }
  [[nodiscard]] Object const* as_object() const { return std::get_if<Object>(&data_); }
  [[nodiscard]] Array* as_array() { return std::get_if<Array>(&data_); }
  [[nodiscard]] Object* as_object() { return std::get_if<Object>(&data_); }
  /// The literal of a number.
  [[nodiscard]] std::string const* number_text() const;
  /// The value of a number in range without a fraction; `1.0` and `1e3` are accepted, as in JavaScript.
  [[nodiscard]] std::optional<std::int64_t> as_int() const;
  [[nodiscard]] std::optional<double> as_double() const;

  /// The member `name` of an object; nullptr if there is none or this is not an object.
  [[nodiscard]] Value const* find(std::string_view name) const;
  /// The string member `name`; nullptr if missing or of another type.
  [[nodiscard]] std::string const* find_string(std::string_view name) const;
  [[nodiscard]] std::optional<std::int64_t> find_int(std::string_view name) const;
  /// Item `index` of an array; nullptr if there is none or this is not an array.
  [[nodiscard]] Value const* at(std::size_t index) const;
  /// Replaces or adds the member `name`. Precondition: this is an object.
  void set(std::string_view name, Value value);

  friend bool operator==(Value const&, Value const&) = default;

 private:
  std::variant<std::monostate, bool, Number, std::string, Array, Object> data_;
};

struct ParseLimits {
  std::size_t depth_max = 64;               // nesting; a grape needs 3, RPC payloads rarely more than 20
  std::size_t value_count_max = 1'000'000;  // total number of values; bounds the memory of a body
};

/// Parses `text`, which must be exactly one JSON text (RFC 8259) in UTF-8. Linear in its size. Stricter than
/// JavaScript: an escaped lone surrogate, which has no UTF-8 form, is an error, and so is a number beyond the
/// range of a double, which JavaScript reads as infinity.
[[nodiscard]] Result<Value> parse(std::string_view text, ParseLimits limits = {});

/// Writes `value` as JSON.stringify does: no spaces, the same escapes.
[[nodiscard]] std::string to_text(Value const& value);

/// Appends `text` as a JSON string, quotes included.
void append_quoted(std::string& out, std::string_view text);

}  // namespace grenache::json

GRN_ERROR_CODE_ENUM(grenache::json::JsonErrc);
