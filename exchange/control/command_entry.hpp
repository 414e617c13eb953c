// The entries of the command table. Not public.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/control/argument_reader.hpp"

namespace grenache::exchange {

/// How words give an argument.
enum class Use {
  by_position,
  by_name,  // NAME=VALUE alone
  flag,     // the name alone
};
struct Argument {
  std::string_view name;
  Use use = Use::by_position;
};

struct Entry {
  CommandInfo info;
  std::vector<Argument> arguments;
  ParsedCommand (*read)(ArgumentReader&);  // nullptr: words that read_words() turns into another command
};

/// The commands about credit lines, and `pay`.
[[nodiscard]] std::vector<Entry> credit_entries();
/// Reads `10 credits to bob` into the arguments of `pay`.
[[nodiscard]] OrFailure<json::Value::Object> read_send(CommandInfo const& command,
                                                       std::span<std::string const> words);

}  // namespace grenache::exchange
