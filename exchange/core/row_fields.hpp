// Reads the members of a journal row's JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/messages/money.hpp"
#include <grenache/base/time.hpp>
#include <grenache/json/json.hpp>

namespace grenache::exchange {

/// Reads members one after the other and remembers whether one was missing or malformed.
class RowFields {
 public:
  explicit RowFields(std::string_view body) {
    if (auto parsed = json::parse(body)) value_ = std::move(*parsed);
  }

  [[nodiscard]] bool ok() const { return ok_ && value_.as_object(); }
  [[nodiscard]] json::Value const& value() const { return value_; }

  [[nodiscard]] std::string text(std::string_view name) { return take(value_.find_string(name)); }
  [[nodiscard]] std::int64_t integer(std::string_view name) {
    auto const found = value_.find_int(name);
    if (!found) ok_ = false;
    return found.value_or(0);
  }
  [[nodiscard]] WallTime time(std::string_view name) { return from_unix_ms(integer(name)); }
  [[nodiscard]] std::chrono::milliseconds milliseconds(std::string_view name) {
    return std::chrono::milliseconds{integer(name)};
  }
  [[nodiscard]] bool boolean(std::string_view name) {
    auto const* const found = value_.find(name);
    return take(found ? found->as_bool() : nullptr);
  }
  template <class Quantity>
  [[nodiscard]] Quantity money(std::string_view name) {
    auto const* const found = value_.find(name);
    auto const parsed = found ? Quantity::from_json(*found) : Result<Quantity>{MoneyErrc::not_a_number};
    if (!parsed) ok_ = false;
    return parsed ? *parsed : Quantity{};
  }
  /// Reads the text `name` with `parse`, which returns an optional.
  template <class Parse>
  [[nodiscard]] auto parsed(std::string_view name, Parse parse) {
    auto const found = parse(std::string_view{text(name)});
    if (!found) ok_ = false;
    using Parsed = std::remove_cvref_t<decltype(*found)>;
    return found ? *found : Parsed{};
  }
  /// Notes that something else is malformed.
  void fail() { ok_ = false; }

 private:
  template <class T>
  T take(T const* found) {
    if (!found) ok_ = false;
    return found ? *found : T{};
  }

  json::Value value_;
  bool ok_ = true;
};

}  // namespace grenache::exchange
