// The help on commands.
#pragma once

#include <string>
#include <string_view>

#include <grenache/json/json.hpp>

namespace grenache::exchange {

/// Lines of at most 80 columns: all commands, or the usage and an example of the one with this name. Empty if
/// there is none.
[[nodiscard]] std::string help_text(std::string_view command);
/// {"type": "help", "commands": [{"name", "usage", "help", "example"}]}, of all or of one.
[[nodiscard]] json::Value help_json(std::string_view command);

}  // namespace grenache::exchange
