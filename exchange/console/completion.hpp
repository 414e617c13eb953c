// Completion of a command line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace grenache::exchange {

/// Candidates that complete the last word of a typed line.
struct Completion {
  std::size_t word_size = 0;            // bytes of the last word
  std::vector<std::string> candidates;  // whole words that begin with it, sorted
};

/// Completes the name of a command, and then the id that it needs from `ids`.
[[nodiscard]] Completion complete(std::string_view line, std::vector<std::string> const& ids);

/// The longest beginning that all have in common; empty without words.
[[nodiscard]] std::string common_prefix(std::vector<std::string> const& words);

}  // namespace grenache::exchange
