// Lines of a file that may keep silent for long.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "tools/grenache/key_file.hpp"
#include "tools/grenache/program.hpp"

namespace grenache::client {

/// Gives every line of `file`, a pipe, a terminal or any other, to `take`, without its newline; an unfinished
/// last one too. Blocks until the end of the file, or `stop`. Fails when it cannot be read, and with a line
/// of more than `size_max` bytes.
[[nodiscard]] std::optional<Failure> read_lines(int file, std::size_t size_max, StopSignal const& stop,
                                                std::function<void(std::string)> const& take);

}  // namespace grenache::client
