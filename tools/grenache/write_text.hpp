// Writes to a file whose reader may be slow or may have ended.
#pragma once

#include <cstdint>
#include <string_view>

#include "tools/grenache/program.hpp"

namespace grenache::client {

enum class Written : std::uint8_t {
  all,
  stopped,       // by the StopSignal
  reader_ended,  // EPIPE
  failed,        // errno says why
};

/// Writes all of `text`; blocks until the reader has room, or `stop`. SIGPIPE must be ignored.
[[nodiscard]] Written write_text(int file, std::string_view text, StopSignal const& stop);

/// Returns true if write_text() of `text` would not block now.
[[nodiscard]] bool has_room(int file, std::string_view text);

/// Lets SIGINT and SIGTERM end the program with exit code 0 from now on. For a program that has its result
/// and only has to print it, perhaps to a reader that never reads.
void end_at_signal();

}  // namespace grenache::client
