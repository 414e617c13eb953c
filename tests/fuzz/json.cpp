// Parses arbitrary bytes as JSON: a parsed value can be written and parses to an equal value.
#include <bit>
#include <cmath>
#include <cstdint>

#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>
#include <grenache/json/json.hpp>

namespace grenache::json {
namespace {

struct Size {
  std::size_t values = 0;
  std::size_t depth = 0;
};

// Reads every value with every getter.
Size measure(Value const& value) {
  int kinds = value.is_null() ? 1 : 0;
  Size size{1, 0};
  auto const add = [&size](Value const& part) {
    auto const inner = measure(part);
    size.values += inner.values;
    size.depth = std::max(size.depth, inner.depth);
  };
  if (value.as_bool()) ++kinds;
  if (value.as_string()) ++kinds;
  if (auto const* const text = value.number_text()) {
    ++kinds;
    GRN_CHECK(parse(*text).has_value());
    auto const whole = value.as_int();
    auto const real = value.as_double();
    GRN_CHECK(!real || std::isfinite(*real));
    if (whole && real) GRN_CHECK(static_cast<double>(*whole) == *real);
  } else {
    GRN_CHECK(!value.as_int() && !value.as_double());
  }
  if (auto const* const items = value.as_array()) {
    ++kinds;
    for (std::size_t i = 0; i < items->size(); ++i) GRN_CHECK(value.at(i) == &(*items)[i]);
    GRN_CHECK(!value.at(items->size()));
    for (auto const& item : *items) add(item);
    ++size.depth;
  }
  if (auto const* const members = value.as_object()) {
    ++kinds;
    for (auto const& member : *members) {
      GRN_CHECK(value.find(member.first) == &member.second);  // so names are unique
      add(member.second);
    }
    ++size.depth;
  }
  GRN_CHECK(kinds == 1);
  return size;
}

void run(std::string_view input) {
  // Also writes the first eight bytes as a double, and all bytes as a string.
  if (input.size() == sizeof(double)) {
    fuzz::Input bytes{reinterpret_cast<std::uint8_t const*>(input.data()), input.size()};
    auto const real = std::bit_cast<double>(bytes.number<std::uint64_t>());
    auto const printed = parse(to_text(Value{real}));
    GRN_CHECK(printed);
    if (std::isfinite(real) && std::fpclassify(real) != FP_SUBNORMAL) GRN_CHECK(printed->as_double() == real);
    GRN_CHECK(std::isfinite(real) == printed->is_number());
  }

  auto const value = parse(input);
  auto const strict = parse(input, {.depth_max = 3, .value_count_max = 20});
  GRN_CHECK(!strict || (value && *strict == *value));
  if (!value) return;
  auto const size = measure(*value);
  GRN_CHECK(size.depth <= ParseLimits{}.depth_max);
  GRN_CHECK(!strict || (size.depth <= 3 && size.values <= 20));
  auto const text = to_text(*value);
  auto const again = parse(text);
  GRN_CHECK(again && *again == *value);
  GRN_CHECK(to_text(*again) == text);
}

}  // namespace
}  // namespace grenache::json

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::json::run(grenache::fuzz::as_text(data, size));
  return 0;
}
