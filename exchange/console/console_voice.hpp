// The words in which a console speaks.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/control/command_table.hpp"
#include "exchange/core/event.hpp"

namespace grenache::exchange {

/// How a console reads lines and says answers and events. The default is that of a trader: all commands, and
/// tables.
struct ConsoleVoice {
  std::string prompt = "> ";
  std::string greeting{};  // lines before the first prompt; empty: those of the program
  std::string farewell{};  // lines before the end
  std::function<bool(std::string_view line)> is_farewell = [](std::string_view line) {
    return line == "exit" || line == "quit" || line == "farewell";
  };
  std::function<OrFailure<CommandRequest>(std::string_view line)> read = [](std::string_view line) {
    return read_line(line);
  };
  /// The text of an answer, or nothing: its table. `command` is null for a line that is no command.
  std::function<std::optional<std::string>(CommandResult const& result, Command const* command)> answer{};
  /// The text of an event, empty if it is not shown; or nothing: as a trader sees it.
  std::function<std::optional<std::string>(Event const& event)> event{};
};

/// The words of the "Peering Ledger" (seed 000): `send N credits`, `check balance`, `farewell`, and a gentle
/// nudge for anything else.
[[nodiscard]] ConsoleVoice peering_voice();
/// The words of go-p2pcredit (seed 001) for `propose`, `pay`, `settle`, `balance` and what they lead to; all
/// other commands as a trader has them.
[[nodiscard]] ConsoleVoice trustline_voice();

}  // namespace grenache::exchange
