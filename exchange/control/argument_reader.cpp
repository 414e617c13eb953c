#include "exchange/control/argument_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "exchange/messages/message_header.hpp"
#include <grenache/log/printable.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kShownSizeMax = 40;
constexpr std::size_t kIdSizeMin = 4;
constexpr std::size_t kPathSizeMax = 4'096;
constexpr std::size_t kPeerIdTextSize = 66;

/// Parses `30s`, `15m`, `2h` or `7d`; nothing for other texts and for more than `max`.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text,
                                                        std::chrono::milliseconds max) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kUnits{
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  std::int64_t count = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  std::string_view const unit{end, static_cast<std::size_t>(text.data() + text.size() - end)};
  auto const found = std::ranges::find(kUnits, unit, [](auto const& each) { return each.first; });
  if (error != std::errc{} || found == kUnits.end() || count < 0) return std::nullopt;
  if (count > max.count() / found->second) return std::nullopt;
  return std::chrono::milliseconds{count * found->second};
}

std::string days_text(std::chrono::hours limit) { return std::to_string(limit.count() / 24) + "d"; }

}  // namespace

std::string to_upper(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string shown(json::Value const& value) {
  auto const* const text = value.as_string();
  std::string out = text ? *text : json::to_text(value);
  if (out.size() > kShownSizeMax) {
    std::size_t size = kShownSizeMax;
    while (size > 0 && (static_cast<unsigned char>(out[size]) & 0xc0) == 0x80) --size;  // whole characters
    out.resize(size);
    out += "…";
  }
  out = printable(out);
  return text ? "'" + out + "'" : out;
}

result::Failure usage_failure(CommandInfo const& command, std::string const& problem) {
  return {result::FailureCode::invalid, std::string{command.name} + ": " + problem,
          "Example: " + std::string{command.example}};
}

json::Value const* ArgumentReader::find(std::string_view name) const {
  auto const found = std::ranges::find(arguments_, name, &json::Value::Member::first);
  return found == arguments_.end() ? nullptr : &found->second;
}

void ArgumentReader::fail(std::string const& problem) {
  if (!failure_) failure_ = usage_failure(command_, problem);
}

void ArgumentReader::fail(std::string_view name, std::string_view expected) {
  auto const* const value = find(name);
  if (!value) return fail(std::string{name} + " is missing");
  fail(std::string{name} + " must be " + std::string{expected} + ", not " + shown(*value));
}

std::string ArgumentReader::text(std::string_view name, std::string_view what, std::size_t size_min,
                                 std::size_t size_max) {
  auto const* const value = find(name);
  auto const* const text = value ? value->as_string() : nullptr;
  auto const is_graphic = [](char c) { return static_cast<unsigned char>(c) > ' ' && c != 0x7f; };
  if (text && text->size() >= size_min && text->size() <= size_max &&
      std::ranges::all_of(*text, is_graphic)) {
    return *text;
  }
  fail(name, std::string{what} + " of " + std::to_string(size_min) + " to " + std::to_string(size_max) +
                 " characters");
  return {};
}

std::string ArgumentReader::line(std::string_view name, std::string_view what, std::size_t size_max) {
  auto const* const value = find(name);
  auto const* const text = value ? value->as_string() : nullptr;
  auto const is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; };
  if (text && !text->empty() && text->size() <= size_max && std::ranges::none_of(*text, is_control)) {
    return *text;
  }
  fail(name, what);
  return {};
}

std::string ArgumentReader::path(std::string_view name) {
  return line(name, "the path of a file", kPathSizeMax);
}
std::string ArgumentReader::peer(std::string_view name) {
  return line(name, "a peer's name or id", kPeerIdTextSize);
}

std::string ArgumentReader::id(std::string_view name) {
  return text(name, "an id", kIdSizeMin, kOrderIdSizeMax);
}

template <class Quantity>
Quantity ArgumentReader::money(std::string_view name, std::string_view unit, bool may_be_zero) {
  auto const* const value = find(name);
  if (!value) {
    fail(name, "");
    return {};
  }
  auto const read = Quantity::from_json(*value);
  if (read && (read->units() > 0 || may_be_zero)) return *read;
  std::string expected = may_be_zero ? "0 or more" : "greater than 0";
  if (!read && read.error() == MoneyErrc::not_a_number) expected = "a number of " + std::string{unit};
  if (!read && read.error() == MoneyErrc::too_many_digits) {
    expected = "a number with at most " + std::to_string(Quantity::kDigits) + " decimals";
  }
  if (!read && read.error() == MoneyErrc::out_of_range) {
    expected = "greater than 0 and at most " + decimal_text(Quantity::kMax, Quantity::kDigits);
  }
  fail(name, expected);
  return {};
}

UsdCents ArgumentReader::usd(std::string_view name) { return money<UsdCents>(name, "USD"); }
UsdCents ArgumentReader::usd_or_zero(std::string_view name) { return money<UsdCents>(name, "USD", true); }
std::int64_t ArgumentReader::percent(std::string_view name) {
  constexpr std::int64_t kMost = 10'000;
  if (!has(name)) return 0;
  auto const read = money<UsdCents>(name, "percent", true).units();
  if (read > kMost) fail(name, "at most 100");
  return read;
}
std::optional<UsdCents> ArgumentReader::find_usd(std::string_view name) {
  if (!has(name)) return std::nullopt;
  return usd(name);
}
Satoshi ArgumentReader::amount(std::string_view name) { return money<Satoshi>(name, "BTC"); }
PriceCents ArgumentReader::price(std::string_view name) { return money<PriceCents>(name, "USD"); }

std::optional<Satoshi> ArgumentReader::find_amount(std::string_view name) {
  if (!has(name)) return std::nullopt;
  return amount(name);
}

std::optional<PriceCents> ArgumentReader::find_price(std::string_view name) {
  if (!has(name)) return std::nullopt;
  return price(name);
}

std::optional<std::int64_t> ArgumentReader::find_integer(std::string_view name, std::int64_t min,
                                                         std::int64_t max) {
  auto const* const value = find(name);
  if (!value) return std::nullopt;
  auto number = value->as_int();
  if (auto const* const text = value->as_string()) {
    std::int64_t read = 0;
    auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), read);
    if (error == std::errc{} && end == text->data() + text->size()) number = read;
  }
  if (number && *number >= min && *number <= max) return number;
  fail(name, "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> ArgumentReader::find_duration(std::string_view name,
                                                                       std::chrono::hours max) {
  auto const* const value = find(name);
  if (!value) return std::nullopt;
  std::optional<std::chrono::milliseconds> read;
  if (auto const* const text = value->as_string()) {
    read = parse_duration(*text, max);
  } else if (auto const number = value->as_int();
             number && *number <= std::chrono::milliseconds{max}.count()) {
    read = std::chrono::milliseconds{*number};
  }
  if (read && read->count() > 0) return read;
  fail(name, "a time such as 30m, 2h or 1d, at most " + days_text(max));
  return std::nullopt;
}

bool ArgumentReader::flag(std::string_view name) {
  auto const* const value = find(name);
  if (!value) return false;
  if (auto const* const is_set = value->as_bool()) return *is_set;
  if (auto const* const text = value->as_string()) {
    if (*text == "true") return true;
    if (*text == "false") return false;
  }
  fail(name, "true or false");
  return false;
}

std::string ArgumentReader::find_upper_case(std::string_view name) {
  auto const* const value = find(name);
  if (!value) return {};
  if (auto const* const text = value->as_string(); text && !text->empty()) return to_upper(*text);
  fail(name, "a text");
  return {};
}

}  // namespace grenache::exchange
