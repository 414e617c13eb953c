// Reads the arguments of one command. Not public.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/control/command_table.hpp"

namespace grenache::exchange {

/// Each function reads one argument and checks it. A failed check leaves a default value and is kept: the
/// first one is failure(). The functions named find_… accept that the argument is missing.
class ArgumentReader {
 public:
  /// Both must outlive the reader.
  ArgumentReader(CommandInfo const& command, json::Value::Object const& arguments)
      : command_{command}, arguments_{arguments} {}

  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }

  /// A text without control characters and blanks, of `size_min` to `size_max` bytes; `what` it is called in
  /// messages.
  [[nodiscard]] std::string text(std::string_view name, std::string_view what, std::size_t size_min,
                                 std::size_t size_max);
  /// The path of a file: 1 to 4096 bytes without control characters.
  [[nodiscard]] std::string path(std::string_view name);
  /// The id of an order or take, or its first characters.
  [[nodiscard]] std::string id(std::string_view name);
  /// A peer id, its first characters, or a display name: 1 to 66 bytes without control characters.
  [[nodiscard]] std::string peer(std::string_view name);
  /// > 0.
  [[nodiscard]] UsdCents usd(std::string_view name);
  [[nodiscard]] std::optional<UsdCents> find_usd(std::string_view name);
  [[nodiscard]] UsdCents usd_or_zero(std::string_view name);
  /// In hundredths of a percent, from 0 to 100 %; 0 when missing.
  [[nodiscard]] std::int64_t percent(std::string_view name);
  /// > 0.
  [[nodiscard]] Satoshi amount(std::string_view name);
  [[nodiscard]] PriceCents price(std::string_view name);
  [[nodiscard]] std::optional<Satoshi> find_amount(std::string_view name);
  [[nodiscard]] std::optional<PriceCents> find_price(std::string_view name);
  /// A whole number from `min` to `max`.
  [[nodiscard]] std::optional<std::int64_t> find_integer(std::string_view name, std::int64_t min,
                                                         std::int64_t max);
  /// `30s`, `15m`, `2h` or `7d`, or a number of milliseconds; > 0 and at most `max`.
  [[nodiscard]] std::optional<std::chrono::milliseconds> find_duration(std::string_view name,
                                                                       std::chrono::hours max);
  /// False when missing.
  [[nodiscard]] bool flag(std::string_view name);
  /// A text in upper case; empty when missing.
  [[nodiscard]] std::string find_upper_case(std::string_view name);

  /// Keeps a failure of the command, unless there is one already. `problem` follows the command's name.
  void fail(std::string const& problem);
  /// "NAME must be EXPECTED, not VALUE"; "NAME is missing" if it is.
  void fail(std::string_view name, std::string_view expected);
  [[nodiscard]] std::optional<result::Failure> const& failure() const { return failure_; }

 private:
  [[nodiscard]] json::Value const* find(std::string_view name) const;
  template <class Quantity>
  [[nodiscard]] Quantity money(std::string_view name, std::string_view unit, bool may_be_zero = false);
  [[nodiscard]] std::string line(std::string_view name, std::string_view what, std::size_t size_max);

  CommandInfo const& command_;
  json::Value::Object const& arguments_;
  std::optional<result::Failure> failure_;
};

/// A Failure with code `invalid` that shows the example of the command.
[[nodiscard]] result::Failure usage_failure(CommandInfo const& command, std::string const& problem);
/// A value in a message: at most about 40 bytes, without control characters.
[[nodiscard]] std::string shown(json::Value const& value);
/// ASCII letters alone.
[[nodiscard]] std::string to_upper(std::string_view text);
[[nodiscard]] std::string to_lower(std::string_view text);

}  // namespace grenache::exchange
