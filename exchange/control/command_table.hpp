// All commands of a trading peer: how a person or a program writes them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/system/result.hpp>

#include "exchange/core/command.hpp"
#include <grenache/json/json.hpp>

namespace grenache::exchange {

// Commands of the faces, not of the core.

/// Reports events until the connection is closed.
struct WatchCommand {};
/// Ends the peer.
struct StopCommand {};
struct HelpCommand {
  std::string command;  // a name of the table; empty: all commands
};

using ParsedCommand = std::variant<Command, WatchCommand, StopCommand, HelpCommand>;

/// A value, or a Failure with code `invalid` for the person who wrote the command. Its text names the
/// argument and what is wrong with it; its hint shows the example of the command.
template <class T>
using OrFailure = boost::system::result<T, result::Failure>;

/// The entry of a command in `help`.
struct CommandInfo {
  std::string_view name;
  std::string_view alias;    // another name; may be empty
  std::string_view usage;    // the words after the name; may be empty
  std::string_view help;     // one line
  std::string_view example;  // a line that read_line() accepts
};
/// In the order of `help`.
[[nodiscard]] std::span<CommandInfo const> command_table();
/// Finds a command by its name or alias, in upper or lower case; nullptr if there is none.
[[nodiscard]] CommandInfo const* find_command(std::string_view name);
/// True if the first argument of the command is the id of an order or take.
[[nodiscard]] bool takes_id(CommandInfo const& command);

/// The maximum size of a command in any form, in bytes.
inline constexpr std::size_t kCommandSizeMax = 64 * 1024;

/// A command with its arguments by name: what a request of the control socket holds, and what words are
/// turned into. Its arguments have not been checked.
struct CommandRequest {
  std::string name;  // of the table
  json::Value::Object arguments;
};

/// Reads a command given as words, as by a shell:
///   NAME {"argument": value, …}
///   NAME VALUE… argument=VALUE… FLAG…
///   buy|sell AMOUNT [BTC] at PRICE [USD] [for DURATION] [post-only] [min AMOUNT [BTC]] [oco NAME]
///     [GTC|GTD|IOC|FOK]
[[nodiscard]] OrFailure<CommandRequest> read_words(std::span<std::string const> words);
/// The same for a typed line. Words are separated by blanks; quotes of either kind enclose a word. JSON after
/// the name needs no quotes.
[[nodiscard]] OrFailure<CommandRequest> read_line(std::string_view line);
/// Reads {"command": NAME, "arguments": {…}}; `arguments` may be left out. The members `id`, `form`,
/// `colour` and `width` belong to the caller; others are refused.
[[nodiscard]] OrFailure<CommandRequest> read_request(json::Value const& request);

/// Checks the arguments: missing ones, types, ranges, sizes, unknown names.
[[nodiscard]] OrFailure<ParsedCommand> parse(CommandRequest const& request);

/// The request that read_request() reads.
[[nodiscard]] json::Value to_json(CommandRequest const& request);

}  // namespace grenache::exchange
