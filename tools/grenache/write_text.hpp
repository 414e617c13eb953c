// Writes to a file whose reader may be slow, or may have ended.
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

/// True when write_text() of `text` would not wait now.
[[nodiscard]] bool has_room(int file, std::string_view text);

/// From now on SIGINT and SIGTERM end the program with exit code 0: the result is there, and what is left is
/// to print it to a reader that may never read.
void end_at_signal();

}  // namespace grenache::client
