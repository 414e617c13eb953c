#include "exchange/console/completion.hpp"

#include <algorithm>

#include "exchange/control/command_table.hpp"

namespace grenache::exchange {
namespace {

std::vector<std::string> command_names() {
  std::vector<std::string> out{"buy"};
  for (auto const& command : command_table()) out.emplace_back(command.name);
  return out;
}

}  // namespace

Completion complete(std::string_view line, std::vector<std::string> const& ids) {
  auto const first = std::min(line.find_first_not_of(' '), line.size());
  line.remove_prefix(first);
  auto const last_blank = line.rfind(' ');
  auto const word = last_blank == std::string_view::npos ? line : line.substr(last_blank + 1);
  auto const head = line.substr(0, line.size() - word.size());
  Completion out{word.size(), {}};
  std::vector<std::string> words;
  if (head.empty() || head == "help ") {
    words = command_names();
  } else if (head.find(' ') == head.size() - 1) {  // the second word
    auto const* const command = find_command(head.substr(0, head.size() - 1));
    if (command && takes_id(*command)) words = ids;
  }
  for (auto& each : words) {
    if (each.starts_with(word)) out.candidates.push_back(std::move(each));
  }
  std::ranges::sort(out.candidates);
  return out;
}

std::string common_prefix(std::vector<std::string> const& words) {
  if (words.empty()) return {};
  auto out = words.front();
  for (auto const& word : words)
    out.resize(static_cast<std::size_t>(std::ranges::mismatch(out, word).in1 - out.begin()));
  return out;
}

}  // namespace grenache::exchange
