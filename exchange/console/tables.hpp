// Answers and events as text for people.
#pragma once

#include <string>
#include <string_view>

#include "exchange/core/command.hpp"
#include "exchange/core/event.hpp"

namespace grenache::exchange {

struct TextStyle {
  bool colour = false;
  std::size_t width = 80;  // columns
  WallTime now{};          // for the times that are left
};

// Received text is made printable. Lines have at most `width` columns, if that is 80 or more; invoices and
// events are longer and stay whole, so that they can be copied. Ids are cut to 8 characters, or to as many as
// distinguish them within the answer.

/// One or more lines, each with its newline.
[[nodiscard]] std::string to_table(CommandResult const& result, TextStyle const& style);
/// One or more lines, with the time at the beginning.
[[nodiscard]] std::string to_table(Event const& event, TextStyle const& style);
/// The text, then the hint, if there is one, on lines of their own.
[[nodiscard]] std::string to_table(result::Failure const& failure, TextStyle const& style);

/// "2030-01-31 12:00:00", UTC; "-" outside of the years 1970 to 9999.
[[nodiscard]] std::string time_text(WallTime time);
/// The two greatest units of the time from `now` to `end`: "6d 23h", "59m 30s", "0s"; "over" if it has
/// passed.
[[nodiscard]] std::string time_left_text(WallTime now, WallTime end);

}  // namespace grenache::exchange
