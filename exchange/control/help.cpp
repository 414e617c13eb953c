#include "exchange/control/help.hpp"

#include <utility>

#include "exchange/control/command_table.hpp"

namespace grenache::exchange {
namespace {

constexpr std::size_t kHelpNameWidth = 14;
constexpr std::size_t kWidth = 74;  // 80 with the indent
constexpr std::string_view kIndent = "\n      ";

std::string usage_text(CommandInfo const& command) {
  std::string out{command.name};
  if (!command.alias.empty()) out.append("|").append(command.alias);
  if (!command.usage.empty()) out.append(" ").append(command.usage);
  for (std::size_t begin = 0; out.size() - begin > kWidth; begin += kIndent.size()) {
    begin = out.rfind(' ', begin + kWidth);
    out.replace(begin, 1, kIndent);
  }
  return out;
}

}  // namespace

std::string help_text(std::string_view command) {
  if (!command.empty()) {
    auto const* const found = find_command(command);
    if (!found) return {};
    return usage_text(*found) + "\n  " + std::string{found->help} +
           ".\n  Example: " + std::string{found->example} + "\n";
  }
  std::string out;
  for (auto const& each : command_table()) {
    std::string name{each.name};
    if (each.name == "sell") name = "buy, sell";
    name.resize(kHelpNameWidth, ' ');
    out += name + std::string{each.help} + "\n";
  }
  return out + "An id may be shortened to its first characters. More of one: help COMMAND\n";
}

json::Value help_json(std::string_view command) {
  json::Value::Array commands;
  auto const* const wanted = find_command(command);
  for (auto const& each : command_table()) {
    if (wanted && each.name != wanted->name) continue;
    commands.push_back(json::Value::object(
        {{"name", each.name}, {"usage", each.usage}, {"help", each.help}, {"example", each.example}}));
  }
  return json::Value::object({{"type", "help"}, {"commands", std::move(commands)}});
}

}  // namespace grenache::exchange
