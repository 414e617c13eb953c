// Reads the lines of a file that may block.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "tools/grenache/key_file.hpp"
#include "tools/grenache/program.hpp"

namespace grenache::client {

/// Calls `on_line` with every line of `file`, without the newline, including an unfinished last line. Blocks
/// until the end of the file or `stop`. Fails if it cannot be read, or a line has more than `size_max` bytes.
[[nodiscard]] std::optional<Failure> read_lines(int file, std::size_t size_max, StopSignal const& stop,
                                                std::function<void(std::string)> const& on_line);

}  // namespace grenache::client
